//! The block pool: sharing, copy on write, and its books under random use.

mod common;

use std::collections::BTreeMap;

use common::{decode, node_config, prompt, start, tell};
use helix_scheduler::node::{
    BatchLimits, BlockId, BlockSpan, BlockTable, KvConfig, KvPool, Node, NodeAction, NodeConfig, NodeEvent,
    Shortage,
};
use helix_scheduler::{RandomSource as _, RequestId, SplitMix64};

#[test]
fn a_shared_block_is_copied_by_whoever_writes_first() {
    let mut pool = KvPool::new(6, 4);
    let (mut first, mut second) = (BlockTable::default(), BlockTable::default());
    let mut copies = Vec::new();
    pool.reserve(&mut first, (0, 6), 1, |_, _| ()).expect("room");
    assert_eq!(first.blocks, [BlockId(0), BlockId(1)]);
    assert!(pool.share(&first, &mut second, 6, 1));
    assert_eq!((pool.references(BlockId(0)), pool.references(BlockId(1)), pool.available()), (2, 2, 4));
    // Token 6 lies in block 1, which the first holds too.
    pool.reserve(&mut second, (6, 7), 1, |from, to| copies.push((from, to))).expect("room");
    assert_eq!(copies, [(BlockId(1), BlockId(2))]);
    assert_eq!(second.blocks, [BlockId(0), BlockId(2)]);
    // Now each has its own last block; a whole new block shares nothing.
    pool.reserve(&mut first, (6, 9), 1, |from, to| panic!("{from:?} {to:?}")).expect("room");
    pool.release(&mut first);
    assert_eq!((pool.references(BlockId(0)), pool.available()), (1, 4));
    let mut third = BlockTable::default();
    assert_eq!(pool.reserve(&mut third, (0, 17), 1, |_, _| ()), Err(Shortage { missing: 1 }));
    assert_eq!((third.blocks.len(), pool.available()), (0, 4), "all or nothing");
    pool.release(&mut second);
    assert_eq!(pool.available(), 6);
}

#[test]
fn the_pool_keeps_its_books_whatever_is_shared_and_freed() {
    let mut random = SplitMix64::new(5);
    for width in [1, 3] {
        let mut pool = KvPool::new(60, 4);
        let mut tables: Vec<(BlockTable, u64)> = vec![(BlockTable::default(), 0); 6];
        for _ in 0..20_000 {
            let (one, other) = (random.below(6) as usize, random.below(6) as usize);
            match random.below(3) {
                0 => {
                    let (table, tokens) = &mut tables[one];
                    let to = *tokens + 1 + u64::from(random.below(5));
                    let written = usize::try_from(*tokens / 4 * u64::from(width)).expect("few")..;
                    if pool.reserve(table, (*tokens, to), width, |_, _| ()).is_ok() {
                        *tokens = to;
                        let mine = table.blocks[written].iter().all(|&block| pool.references(block) == 1);
                        assert!(mine, "what is written is not shared");
                        assert_eq!(table.blocks.len() as u64, to.div_ceil(4) * u64::from(width));
                    }
                }
                1 => {
                    tables[one].1 = 0;
                    pool.release(&mut tables[one].0);
                }
                _ => {
                    let (parent, tokens) = tables[other].clone();
                    let shared = tokens.saturating_sub(u64::from(random.below(4)));
                    if one != other && shared > 0 && pool.share(&parent, &mut tables[one].0, shared, width) {
                        tables[one].1 = shared;
                    }
                }
            }
            let mut holders = BTreeMap::new();
            for block in tables.iter().flat_map(|(table, _)| &table.blocks) {
                *holders.entry(*block).or_insert(0) += 1;
            }
            assert!(holders.iter().all(|(&block, &count)| pool.references(block) == count));
            assert_eq!(holders.len() + pool.available() as usize, 60);
        }
    }
}

fn paged(blocks: u32, span: BlockSpan) -> Node {
    let kv = KvConfig::Paged { blocks, block_tokens: 4, span };
    Node::new(NodeConfig { kv, ..node_config(0, 2, BatchLimits::UNLIMITED) }).expect("good")
}

#[test]
fn a_part_of_the_range_takes_a_part_of_the_blocks_if_blocks_span_one_layer() {
    for (span, held) in [(BlockSpan::Layer, 2), (BlockSpan::Range, 2)] {
        let mut node = paged(8, span);
        tell(&mut node, &[NodeEvent::Work(prompt(1, 5, (1, 2))), NodeEvent::Start]);
        assert_eq!(node.blocks(RequestId(1)).map(<[_]>::len), Some(held));
        tell(&mut node, &[NodeEvent::Work(prompt(2, 5, (0, 2))), NodeEvent::BatchFinished, NodeEvent::Start]);
        let whole = if span == BlockSpan::Layer { 4 } else { 2 };
        assert_eq!(node.blocks(RequestId(2)).map(<[_]>::len), Some(whole));
    }
}

#[test]
fn a_fork_shares_until_it_writes() {
    let mut node = paged(8, BlockSpan::Range);
    tell(&mut node, &[NodeEvent::Work(prompt(1, 6, (0, 2))), NodeEvent::Start, NodeEvent::BatchFinished]);
    tell(&mut node, &[NodeEvent::Start, NodeEvent::BatchFinished]);
    let fork = NodeEvent::Fork { parent: RequestId(1), child: RequestId(2), attempt: 0, tokens: 6 };
    assert_eq!(tell(&mut node, &[fork]), []);
    assert_eq!((node.kv().used, node.blocks(RequestId(2))), (2, node.blocks(RequestId(1))));
    let actions = tell(&mut node, &[NodeEvent::Work(decode(2, 6, (0, 2))), NodeEvent::Start]);
    assert_eq!(actions[0], NodeAction::CopyBlock { from: BlockId(1), to: BlockId(2) });
    let free = NodeEvent::Free { request: RequestId(1), attempt: 0, in_flight: false };
    tell(&mut node, &[free]);
    assert_eq!(node.kv().used, 2, "the first block is the child's still");
    node.check().expect("its books are right");
}

#[test]
fn short_of_blocks_a_decode_speaks_at_once_and_a_prompt_when_nothing_runs() {
    let mut node = paged(3, BlockSpan::Range);
    let out_of_blocks = |actions: &[NodeAction]| {
        actions.iter().find_map(|action| match action {
            NodeAction::OutOfBlocks(shortage) => Some((shortage.request.0, shortage.youngest.0.0)),
            _ => None,
        })
    };
    tell(&mut node, &[NodeEvent::Work(prompt(1, 4, (0, 2))), NodeEvent::Work(prompt(2, 4, (0, 2)))]);
    let actions = tell(&mut node, &[NodeEvent::Work(prompt(3, 8, (0, 2))), NodeEvent::Start]);
    assert_eq!(out_of_blocks(&actions), None, "3 waits, 1 and 2 run");
    assert_eq!(start_again(&mut node), vec![1, 2]);
    let actions = tell(&mut node, &[NodeEvent::BatchFinished, NodeEvent::Start]);
    assert_eq!(out_of_blocks(&actions), Some((3, 2)), "nothing runs any more");
    // 1 takes the last block: not younger than one who waits, so it may.
    tell(&mut node, &[NodeEvent::Work(decode(1, 4, (0, 2))), NodeEvent::Start]);
    assert_eq!(node.kv().used, 3);
    tell(&mut node, &[NodeEvent::BatchFinished, NodeEvent::Start, NodeEvent::BatchFinished]);
    let free = |request| NodeEvent::Free { request: RequestId(request), attempt: 0, in_flight: true };
    let actions = tell(&mut node, &[NodeEvent::Work(decode(2, 4, (0, 2))), free(3), NodeEvent::Start]);
    assert_eq!(out_of_blocks(&actions), Some((2, 2)), "the youngest holder is the one who waits");
    tell(&mut node, &[free(1), NodeEvent::Start]);
    assert_eq!(start_again(&mut node), vec![2]);
}

#[test]
fn what_is_free_gathers_for_the_oldest_who_waits() {
    let mut node = paged(4, BlockSpan::Range);
    tell(&mut node, &[NodeEvent::Work(prompt(1, 4, (0, 2))), NodeEvent::Work(prompt(2, 4, (0, 2)))]);
    tell(
        &mut node,
        &[NodeEvent::Start, NodeEvent::BatchFinished, NodeEvent::Start, NodeEvent::BatchFinished],
    );
    // 3 needs three of the two blocks left; 4 would fit but is younger; 0 is older.
    let works = [prompt(3, 12, (0, 2)), prompt(4, 4, (0, 2)), prompt(0, 4, (0, 2))];
    tell(&mut node, &works.map(NodeEvent::Work));
    assert_eq!(start(&mut node).1, [0]);
    let free = |request| NodeEvent::Free { request: RequestId(request), attempt: 0, in_flight: false };
    tell(&mut node, &[NodeEvent::BatchFinished, NodeEvent::Start, NodeEvent::BatchFinished]);
    tell(&mut node, &[free(1), NodeEvent::Start]);
    assert_eq!(node.running().len(), 0, "two are free, three are needed");
    tell(&mut node, &[free(2)]);
    assert_eq!(start(&mut node).1, [3], "and then there is none for 4");
}

/// Ends what runs and says who ran then.
fn start_again(node: &mut Node) -> Vec<u64> {
    tell(node, &[NodeEvent::BatchFinished]);
    start(node).1
}
