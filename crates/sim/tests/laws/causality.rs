//! Time does not go back, nothing arrives before it left, and no request is faster than an idle cluster lets it be.

use helix_scheduler::coordinator::Outcome;
use helix_sim::Record;
use helix_spec::{SimTime, TraceRequest};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, World, all_settings, online};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn causes_come_before_effects(gap in 1u64..300, seed in 1u32..1000) {
        for settings in all_settings(true) {
            let world = World::new(2, 2, 60_000);
            let request = |index: u64| TraceRequest {
                arrival: SimTime(index * gap * MILLISECOND),
                input: 1 + (seed * (u32::try_from(index).unwrap() + 7)) % 300,
                output: 1 + seed % 20,
            };
            let mut clock = SimTime::ZERO;
            let mut ended = 0;
            // Two machines of four layers, weights read in each: 2 ms a layer at least, three links of 1 ms.
            let least = (8 * 2 + 3) * MILLISECOND;
            world.run(&settings, online((0..40).map(request).collect()), Vec::new(), |record| match record {
                Record::Event { time, .. } => {
                    assert!(*time >= clock);
                    clock = *time;
                }
                Record::Transfer { start, end, .. } => assert!(end.0 - start.0 >= MILLISECOND),
                Record::Batch { start, end, batch, .. } => {
                    assert!(end.0 - start.0 >= u64::from(batch.layers.len()) * 2 * MILLISECOND);
                }
                Record::Request(request) => {
                    ended += u32::from(request.outcome == Outcome::Finished);
                    let passes = u64::from(request.output_tokens);
                    assert!(request.ended.0 - request.arrived.0 >= passes * least, "{request:?}");
                }
            });
            prop_assert!(ended > 0 && clock > SimTime::ZERO);
        }
    }
}
