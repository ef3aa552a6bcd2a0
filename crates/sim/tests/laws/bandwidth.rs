//! A link never carries more than its bandwidth: in no stretch of time do more bytes leave it than it can send, and those
//! of a single transfer never faster.

use std::collections::BTreeMap;

use helix_sim::Record;
use helix_spec::{Bandwidth, SimTime};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, World, all_settings, offline};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn never_above_bandwidth(megabits in 1u64..200, seed in 0u64..1000) {
        for settings in all_settings(false) {
            let mut world = World::new(1, 2, 30_000);
            world.set_bandwidth(Bandwidth(megabits * 1_000_000));
            let bytes_per_s = megabits as f64 * 1e6 / 8.0;
            let mut sent: BTreeMap<u32, Vec<(SimTime, SimTime, u64)>> = BTreeMap::new();
            world.run(&settings, offline((1, 400), (1, 40), seed, Some(60)), Vec::new(), |record| {
                if let Record::Transfer { link, start, end, bytes, .. } = *record {
                    // What is seen is the arrival, a propagation time of 1 ms after the last byte left.
                    sent.entry(link).or_default().push((start, SimTime(end.0 - MILLISECOND), bytes));
                }
            });
            for (link, transfers) in &sent {
                let slack = 1e-9;
                for (start, end, bytes) in transfers {
                    let least = *bytes as f64 / bytes_per_s;
                    prop_assert!(SimTime(end.0 - start.0).seconds() >= least - slack, "link {link}");
                }
                // From the first start of a busy period on, all that ended until then.
                let mut busy = (SimTime::ZERO, SimTime::ZERO, 0u64);
                let mut sorted = transfers.clone();
                sorted.sort();
                for (start, end, bytes) in sorted {
                    if start >= busy.1 {
                        busy = (start, end, 0);
                    }
                    busy.1 = busy.1.max(end);
                    busy.2 += bytes;
                    let room = SimTime(busy.1.0 - busy.0.0).seconds() * bytes_per_s;
                    prop_assert!(busy.2 as f64 <= room * (1.0 + 1e-6) + 1.0, "link {link}: {busy:?}");
                }
            }
            prop_assert!(!sent.is_empty());
        }
    }
}
