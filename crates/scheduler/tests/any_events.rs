//! Any events in any order; the fuzz target `scheduler` does the same with bytes that it chooses.

#[path = "common/arbitrary.rs"]
mod arbitrary;

use helix_scheduler::SplitMix64;

/// So many random bytes.
fn bytes(seed: u64, mut left: u32) -> impl FnMut() -> Option<u8> {
    let mut random = SplitMix64::new(seed);
    move || {
        left = left.checked_sub(1)?;
        Some(random.next_u64().to_le_bytes()[3])
    }
}

#[test]
fn a_node_keeps_its_books_whatever_it_is_told() {
    for seed in 0..3000 {
        arbitrary::node(&mut bytes(seed, 4000));
    }
}

#[test]
fn every_request_ends_once_whatever_the_coordinator_is_told() {
    for seed in 0..3000 {
        arbitrary::coordinator(&mut bytes(seed, 6000));
    }
}
