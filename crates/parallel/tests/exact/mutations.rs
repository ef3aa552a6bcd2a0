//! Bugs that others had, planted one by one: the check must catch each, in every precision.

use crate::support::{case, grouped, latent, layout, prompts, with_experts};
use helix_parallel::{Case, Fault, Layout, Options, Real, Scheduling, Wire, compare, run_case};

/// The share of numbers that miss the tolerance.
fn missed<T: Real>(case: &Case, layout: Layout, wire: Wire, fault: Option<Fault>) -> f64 {
    let options = Options { block: 8, fault, ..Options::new(wire) };
    let layers = case.weights::<T>().unwrap();
    let run = run_case(case, &layers, layout, &options, Scheduling::OneAfterTheOther).unwrap();
    let deviation = compare(case, &run, layout, &options);
    deviation.misses as f64 / deviation.numbers as f64
}

#[test]
fn every_planted_bug_is_caught_in_every_precision() {
    let requests = || prompts(&[3, 41, 200]);
    let cases = [
        (case(vec![grouped(12, 6, 24)], requests(), 1, 3), layout(1, (2, 3), (6, 1))),
        (case(vec![with_experts(&latent(8, 24), 8, 8)], requests(), 1, 3), layout(1, (1, 4), (2, 2))),
    ];
    for (case, layout) in cases {
        assert_eq!(missed::<f64>(&case, layout, Wire::F64, None), 0.0);
        assert_eq!(missed::<f32>(&case, layout, Wire::F32, None), 0.0);
        assert_eq!(missed::<f32>(&case, layout, Wire::Bf16, None), 0.0);
        for (name, fault) in Fault::ALL {
            let shares = [
                missed::<f64>(&case, layout, Wire::F64, Some(fault)),
                missed::<f32>(&case, layout, Wire::F32, Some(fault)),
                missed::<f32>(&case, layout, Wire::Bf16, Some(fault)),
            ];
            println!("{name}: {shares:?} of all numbers miss the tolerance (f64, f32, bf16 on the wire)");
            assert!(shares.iter().all(|share| *share > 0.0), "{name}: {shares:?}");
        }
    }
}

/// Over a long context a lost shard shows as well: the planted keys weigh as much as all others.
#[test]
fn a_dropped_shard_of_a_long_context_is_caught() {
    let case = case(vec![grouped(8, 2, 8)], prompts(&[20_000]), 1, 1);
    let layout = layout(1, (1, 8), (8, 1));
    assert_eq!(missed::<f32>(&case, layout, Wire::Bf16, None), 0.0);
    assert!(missed::<f32>(&case, layout, Wire::Bf16, Some(Fault::DroppedShard)) > 0.5);
}
