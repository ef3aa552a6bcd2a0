//! Ownership: the vectors of TensorRT-LLM's tests and pull requests, and closed forms against counting.

use helix_parallel::{Ledger, Ownership};
use proptest::prelude::*;

const RULES: [Ownership; 3] = [Ownership::ByPosition, Ownership::DecodeFromZero, Ownership::ContiguousPrompt];

fn ledger(rule: Ownership, block: u32, kv: u32) -> Ledger {
    Ledger::new(rule, block, kv).unwrap()
}

/// Tokens 1, 2, … of a prompt on each rank.
fn prompt_tokens(block: u32, kv: u32, tokens: u64) -> Vec<Vec<u64>> {
    let ledger = ledger(Ownership::ByPosition, block, kv);
    (0..kv).map(|rank| ledger.positions(tokens, 0..tokens, rank).map(|p| p + 1).collect()).collect()
}

#[test]
fn prompts_are_split_as_upstream_splits_them() {
    assert_eq!(prompt_tokens(2, 4, 13), [vec![1, 2, 9, 10], vec![3, 4, 11, 12], vec![5, 6, 13], vec![7, 8]]);
    assert_eq!(prompt_tokens(4, 2, 12), [vec![1, 2, 3, 4, 9, 10, 11, 12], vec![5, 6, 7, 8]]);
    let twelve = prompt_tokens(4, 4, 12);
    assert_eq!(twelve[3], Vec::<u64>::new());
    assert_eq!(twelve.iter().map(Vec::len).sum::<usize>(), 12);
    let ten = prompt_tokens(4, 4, 10);
    assert_eq!((ten[2].clone(), ten[3].clone()), (vec![9, 10], vec![]));
}

#[test]
fn decode_blocks_rotate_over_the_ranks() {
    for rule in [Ownership::ByPosition, Ownership::DecodeFromZero] {
        let ledger = ledger(rule, 100, 4);
        for rank in 0..4 {
            let own: Vec<u64> = ledger.positions(400, 0..800, rank).collect();
            let start = u64::from(rank) * 100;
            let expected: Vec<u64> = (start..start + 100).chain(start + 400..start + 500).collect();
            assert_eq!(own, expected);
        }
    }
    let oldest = ledger(Ownership::ContiguousPrompt, 100, 4);
    assert_eq!((0..4).map(|rank| oldest.local_len(400, 800, rank)).collect::<Vec<_>>(), [100, 100, 100, 500]);
}

/// Counting decode from zero gives the first rank both remainders; ownership by position never differs by more than a
/// block.
#[test]
fn counting_from_zero_favours_low_ranks() {
    let lengths = |rule| {
        let ledger = ledger(rule, 32, 4);
        (0..4).map(|rank| ledger.local_len(160, 320, rank)).collect::<Vec<u64>>()
    };
    assert_eq!(lengths(Ownership::DecodeFromZero), [128, 64, 64, 64]);
    assert_eq!(lengths(Ownership::ByPosition), [96, 96, 64, 64]);
}

#[test]
fn blocks_are_dealt_in_turn() {
    let ledger = ledger(Ownership::ByPosition, 32, 4);
    for (blocks, expected) in [(0, [0; 4]), (3, [1, 1, 1, 0]), (10, [3, 3, 2, 2])] {
        assert_eq!((0..4).map(|rank| ledger.blocks(blocks, rank)).collect::<Vec<_>>(), expected);
    }
}

/// Prompt 40, KVP 2, blocks of 32: 32 and 8 entries are cached. Two rows decoded from zero go to rank 0; the inactive
/// rank must see 8 entries in both rows, not 7 and 8.
#[test]
fn a_verify_group_sees_what_its_rank_wrote_and_no_less() {
    let ledger = ledger(Ownership::DecodeFromZero, 32, 2);
    let rows = |rank| ledger.verify_lengths(40, 40, 2, rank).collect::<Vec<_>>();
    assert_eq!((rows(0), rows(1)), (vec![33, 34], vec![8, 8]));
    let by_position = Ledger::new(Ownership::ByPosition, 32, 2).unwrap();
    let rows = |rank| by_position.verify_lengths(40, 40, 2, rank).collect::<Vec<_>>();
    assert_eq!((rows(0), rows(1)), (vec![32, 32], vec![9, 10]));
}

/// Decode indices 3, 4 and 5 with blocks of 4: the first row closes rank 0's block, the others open rank 1's.
#[test]
fn a_verify_group_may_straddle_a_block() {
    let ledger = ledger(Ownership::DecodeFromZero, 4, 2);
    let prompt = 8;
    let (c0, c1) = (ledger.local_len(prompt, 11, 0), ledger.local_len(prompt, 11, 1));
    let rows = |rank| ledger.verify_lengths(prompt, 11, 3, rank).collect::<Vec<_>>();
    assert_eq!(rows(0), [c0 + 1, c0 + 1, c0 + 1]);
    assert_eq!(rows(1), [c1, c1 + 1, c1 + 2]);
}

#[test]
fn a_ledger_without_blocks_or_ranks_is_refused() {
    let error = Ledger::new(Ownership::ByPosition, 0, 4).unwrap_err().to_string();
    assert!(error.contains("found 0 tokens and 4 ranks"), "{error}");
    assert!(Ledger::new(Ownership::ByPosition, 32, 0).is_err());
}

/// Neither overflow nor a wrong owner at the ends of the number range.
#[test]
fn huge_positions_and_widths_are_counted() {
    for rule in RULES {
        let ledger = ledger(rule, u32::MAX, u32::MAX);
        for prompt in [0, 1, u64::MAX] {
            assert!(ledger.owner(prompt, u64::MAX) < u32::MAX);
            assert!(ledger.local_len(prompt, u64::MAX, 0) > 0 || rule == Ownership::ContiguousPrompt);
        }
    }
}

proptest! {
    #[test]
    fn closed_forms_equal_counting(
        block in 1_u32..40, kv in 1_u32..20, prompt in 0_u64..300, length in 0_u64..600,
    ) {
        for rule in RULES {
            let ledger = ledger(rule, block, kv);
            let mut counted = vec![0; kv as usize];
            for position in 0..length {
                counted[ledger.owner(prompt, position) as usize] += 1;
            }
            let closed: Vec<u64> = (0..kv).map(|rank| ledger.local_len(prompt, length, rank)).collect();
            prop_assert_eq!(&closed, &counted);
            if rule == Ownership::ByPosition {
                let (most, least) = (closed.iter().max(), closed.iter().min());
                prop_assert!(most.unwrap() - least.unwrap() <= u64::from(block));
            }
        }
    }

    #[test]
    fn verify_rows_equal_replaying_the_writes(
        block in 1_u32..8, kv in 1_u32..6, prompt in 0_u64..40, decoded in 0_u64..40, rows in 1_u64..9,
    ) {
        for rule in RULES {
            let ledger = ledger(rule, block, kv);
            let context = prompt + decoded;
            for rank in 0..kv {
                let mut cached = ledger.local_len(prompt, context, rank);
                for (row, seen) in ledger.verify_lengths(prompt, context, rows, rank).enumerate() {
                    cached += u64::from(ledger.owner(prompt, context + row as u64) == rank);
                    prop_assert_eq!(seen, cached);
                }
            }
        }
    }
}
