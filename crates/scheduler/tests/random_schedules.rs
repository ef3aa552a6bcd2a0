//! Thousands of random clusters, loads, delays and failures: what must always hold does, and every wait ends.

mod common;

use common::scenario::{Scenario, Trouble};
use helix_scheduler::coordinator::Outcome;

/// Runs the seeds; what they met, to show that the tests meet what they are for.
fn run(trouble: Trouble, seeds: std::ops::Range<u64>) -> Totals {
    let mut totals = Totals::default();
    for seed in seeds {
        let result = std::panic::catch_unwind(|| {
            let mut world = Scenario::new(seed, trouble).build();
            world.run();
            (
                world.outcomes(),
                [
                    world.books.shortages,
                    world.books.restarts,
                    world.books.discarded,
                    world.books.fused,
                    world.books.parts,
                ],
            )
        });
        let (outcomes, counts) = result.unwrap_or_else(|_| panic!("seed {seed} of {trouble:?}"));
        for (outcome, count) in outcomes {
            *totals.outcomes.entry(outcome).or_insert(0) += count;
        }
        for (total, count) in totals.counts.iter_mut().zip(counts) {
            *total += count;
        }
    }
    totals
}

#[derive(Debug, Default)]
struct Totals {
    outcomes: std::collections::BTreeMap<Outcome, u32>,
    /// Shortages, restarts, discarded works, fused batches, parts of prompts.
    counts: [u32; 5],
}

/// Nothing breaks, memory is short: all requests finish, however often they are preempted.
#[test]
fn with_little_memory_all_requests_finish() {
    let totals = run(Trouble::LittleMemory, 0..1200);
    assert_eq!(totals.outcomes.keys().collect::<Vec<_>>(), [&Outcome::Finished], "{totals:?}");
    let [shortages, restarts, discarded, fused, parts] = totals.counts;
    assert!(shortages > 1000 && restarts > 1000 && discarded > 100, "{totals:?}");
    assert!(fused > 1000 && parts > 1000, "{totals:?}");
}

/// Machines are lost, drain, return; requests are cancelled and have deadlines: every one ends once, nothing leaks.
#[test]
fn with_everything_going_wrong_every_request_ends_once() {
    let totals = run(Trouble::Everything, 0..1200);
    for outcome in [Outcome::Finished, Outcome::Cancelled, Outcome::DeadlinePassed, Outcome::MachineLost] {
        assert!(totals.outcomes.get(&outcome).is_some_and(|&count| count > 50), "{outcome:?}: {totals:?}");
    }
}
