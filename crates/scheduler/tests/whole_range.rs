//! Whole-range batching, chunked prefill under a budget, who comes first.

mod common;

use common::{decode, layers, node_config, prompt, start, tell};
use helix_scheduler::node::{BatchLimits, BatchOrder, Batching, Node, NodeAction, NodeConfig, NodeEvent};
use helix_scheduler::{RequestId, Work};

fn node(limits: BatchLimits, order: BatchOrder) -> Node {
    let config = node_config(0, 4, limits);
    Node::new(NodeConfig { batching: Batching::WholeRange, order, ..config }).expect("good")
}

const BUDGET: BatchLimits = BatchLimits { tokens: 10, chunk: Some(2), ..BatchLimits::UNLIMITED };

fn items(node: &Node) -> Vec<(u64, u32, u32, bool)> {
    node.running().map(|work| (work.request.0, work.context, work.tokens, work.last)).collect()
}

#[test]
fn a_batch_takes_all_through_all_layers() {
    let mut node = node(BatchLimits::UNLIMITED, BatchOrder::Arrival);
    let works = [prompt(1, 9, (1, 4)), decode(2, 5, (0, 4))];
    tell(&mut node, &works.map(NodeEvent::Work));
    let (batch, requests) = start(&mut node);
    assert_eq!(
        (batch.layers, batch.prefill_tokens, batch.decodes, requests),
        (layers(0, 4), 9, 1, vec![1, 2])
    );
    tell(&mut node, &[NodeEvent::Work(decode(3, 5, (0, 4)))]);
    assert_eq!(tell(&mut node, &[NodeEvent::BatchFinished]), works.map(NodeAction::Forward));
    assert_eq!(node.kv().used, 9 * 3 + 4);
    assert_eq!(start(&mut node).1, [3]);
}

#[test]
fn a_long_prompt_is_cut_to_the_budget_and_its_parts_follow_each_other() {
    let mut node = node(BUDGET, BatchOrder::DecodeFirst);
    let works = [prompt(1, 25, (0, 4)), decode(2, 5, (0, 4)), decode(3, 5, (0, 4)), prompt(4, 3, (0, 4))];
    tell(&mut node, &works.map(NodeEvent::Work));
    start(&mut node);
    assert_eq!(items(&node), [(2, 5, 1, true), (3, 5, 1, true), (1, 0, 8, false)]);
    let done = tell(&mut node, &[NodeEvent::BatchFinished]);
    assert_eq!(done[2], NodeAction::Forward(Work { tokens: 8, last: false, ..prompt(1, 25, (0, 4)) }));
    start(&mut node);
    assert_eq!(items(&node), [(1, 8, 10, false)]);
    tell(&mut node, &[NodeEvent::BatchFinished]);
    start(&mut node);
    assert_eq!(items(&node), [(1, 18, 7, true), (4, 0, 3, true)]);
    assert_eq!(node.requests(), 4, "requests stay until they are freed");
}

#[test]
fn without_cutting_what_is_too_long_is_refused_and_what_does_not_fit_is_overtaken() {
    let mut node = node(BatchLimits { chunk: None, ..BUDGET }, BatchOrder::Arrival);
    let refused = tell(&mut node, &[NodeEvent::Work(prompt(1, 11, (0, 4)))]);
    assert!(matches!(refused[..], [NodeAction::Refuse { .. }]), "{refused:?}");
    tell(&mut node, &[prompt(2, 6, (0, 4)), prompt(3, 5, (0, 4)), prompt(4, 4, (0, 4))].map(NodeEvent::Work));
    assert_eq!(start(&mut node).1, [2, 4]);
}

#[test]
fn the_order_says_who_gets_the_budget() {
    let works = [decode(1, 5, (0, 4)), prompt(2, 9, (0, 4)), decode(3, 5, (0, 4))];
    for (order, expected) in
        [(BatchOrder::Arrival, [1, 2]), (BatchOrder::PrefillFirst, [2, 1]), (BatchOrder::DecodeFirst, [1, 3])]
    {
        let mut node = node(BatchLimits { chunk: None, ..BUDGET }, order);
        tell(&mut node, &works.map(NodeEvent::Work));
        assert_eq!(start(&mut node).1, expected, "{order:?}");
    }
}

#[test]
fn who_is_freed_while_running_leaves_at_the_end_and_nothing_of_it_is_forwarded() {
    for batching in [Batching::WholeRange, Batching::LayerWise { fuse: false }] {
        let config = NodeConfig { batching, ..node_config(0, 4, BatchLimits::UNLIMITED) };
        let mut node = Node::new(config).expect("good");
        tell(&mut node, &[decode(1, 5, (0, 4)), decode(2, 5, (0, 4))].map(NodeEvent::Work));
        start(&mut node);
        let free = NodeEvent::Free { request: RequestId(1), attempt: 0, in_flight: true };
        assert_eq!(tell(&mut node, &[free]), []);
        // Its next attempt is welcome while the old one still runs; the old one's late work is not.
        let again = Work { attempt: 1, ..prompt(1, 6, (0, 4)) };
        let late = decode(1, 6, (0, 4));
        let actions = tell(&mut node, &[NodeEvent::Work(again), NodeEvent::Work(late)]);
        assert_eq!(actions, [NodeAction::Discard(late)]);
        tell(&mut node, &[NodeEvent::BatchFinished]);
        node.check().expect("its books are right");
        assert_eq!(node.requests(), 2);
        let mut forwarded = Vec::new();
        while node.queued() > 0 || node.running_layers().is_some() {
            forwarded.extend(tell(&mut node, &[NodeEvent::Start, NodeEvent::BatchFinished]));
        }
        let old = |action: &NodeAction| *action == NodeAction::Forward(decode(1, 5, (0, 4)));
        assert!(!forwarded.iter().any(old), "{forwarded:?}");
        assert!(forwarded.contains(&NodeAction::Forward(again)));
    }
}

#[test]
fn late_work_of_an_older_attempt_is_dropped_even_before_the_word_that_it_is_over() {
    let mut node = node(BatchLimits::UNLIMITED, BatchOrder::Arrival);
    let (newer, older) = (Work { attempt: 1, ..prompt(1, 6, (0, 4)) }, decode(1, 9, (0, 4)));
    let actions = tell(&mut node, &[NodeEvent::Work(newer), NodeEvent::Work(older)]);
    assert_eq!(actions, [NodeAction::Discard(older)]);
    let free = NodeEvent::Free { request: RequestId(1), attempt: 0, in_flight: true };
    tell(&mut node, &[free]);
    start(&mut node);
    assert_eq!(items(&node), [(1, 0, 6, true)], "the newer one stays");
}

#[test]
fn work_that_comes_after_its_free_is_dropped_and_that_of_the_next_attempt_is_not() {
    let mut node = node(BatchLimits::UNLIMITED, BatchOrder::Arrival);
    let free = NodeEvent::Free { request: RequestId(1), attempt: 0, in_flight: true };
    let (late, again) = (prompt(1, 6, (0, 4)), Work { attempt: 1, ..prompt(1, 8, (0, 4)) });
    let actions = tell(&mut node, &[free, NodeEvent::Work(late), NodeEvent::Work(again)]);
    assert_eq!(actions, [NodeAction::Discard(late)]);
    start(&mut node);
    assert_eq!(items(&node), [(1, 0, 8, true)]);
}
