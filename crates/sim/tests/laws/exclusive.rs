//! A machine is never in two batches at once.

use std::collections::BTreeMap;

use helix_sim::Record;
use helix_spec::{MachineId, SimTime};
use proptest::prelude::*;

use super::worlds::{World, all_settings, offline};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn batches_of_a_machine_follow_each_other(second in 1u32..4, seed in 0u64..1000) {
        for settings in all_settings(false) {
            let world = World::new(2, second, 30_000);
            let mut free: BTreeMap<MachineId, SimTime> = BTreeMap::new();
            let mut batches = 0;
            world.run(&settings, offline((1, 400), (1, 60), seed, Some(80)), Vec::new(), |record| {
                if let Record::Batch { machine, start, end, .. } = *record {
                    let since = free.insert(machine, end).unwrap_or(SimTime::ZERO);
                    assert!(since <= start && start < end, "{machine:?}: {since} {start} {end}");
                    batches += 1;
                }
            });
            prop_assert!(batches > 100);
        }
    }
}
