//! A cache in blocks is never filled above its capacity, whatever the admission promises.

use helix_sim::KvMode;
use proptest::prelude::*;

use super::worlds::{World, all_settings, offline};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn never_above_capacity(kv in 3_000u64..20_000, seed in 0u64..1000, block_tokens in 1u32..40) {
        for mut settings in all_settings(false) {
            settings.kv = KvMode::Paged { block_tokens };
            // Admission that knows nothing: only the pool itself is in the way.
            settings.coordinator.kv = None;
            if let Some(offline) = &mut settings.offline {
                offline.refill = helix_sim::Refill::OneForOne;
                offline.initial = 12;
            }
            let world = World::new(1, 2, kv);
            let report = world.run(&settings, offline((1, 300), (1, 80), seed, Some(60)), Vec::new(), |_| ());
            for machine in &report.machines {
                prop_assert!(machine.kv_peak <= 1.0, "{machine:?}");
            }
            prop_assert!(report.requests_finished > 0, "{:?}", report.rejections);
        }
    }
}
