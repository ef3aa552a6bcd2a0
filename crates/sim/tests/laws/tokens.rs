//! Tokens are conserved: every request that came ends exactly once or is still there, and what finished got exactly what
//! it asked for.

use std::collections::BTreeMap;

use helix_scheduler::coordinator::Outcome;
use helix_sim::{Record, RequestRecord};
use proptest::prelude::*;

use super::worlds::{World, all_settings, offline};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn what_comes_ends_once(first in 1u32..3, second in 1u32..4, kv in 4_000u64..40_000, seed in 0u64..1000) {
        for settings in all_settings(false) {
            let world = World::new(first, second, kv);
            let mut ended: BTreeMap<u64, RequestRecord> = BTreeMap::new();
            let feed = offline((1, 400), (1, 60), seed, Some(120));
            let report = world.run(&settings, feed, Vec::new(), |record| {
                if let Record::Request(record) = record {
                    assert!(ended.insert(record.request.0, *record).is_none(), "{record:?} ends twice");
                }
            });
            prop_assert_eq!(ended.len() as u64 + report.requests_unfinished, report.requests_launched);
            prop_assert_eq!(report.requests_finished + report.requests_rejected, ended.len() as u64);
            for record in ended.values().filter(|record| record.outcome == Outcome::Finished) {
                // The paper counts the prompt's own token beside those that were asked for.
                let own = u32::from(!settings.prompt_yields_token);
                prop_assert_eq!(record.generated, record.output_tokens + own);
                prop_assert!(record.first_token.is_some_and(|first| record.arrived < first && first <= record.ended));
            }
            prop_assert!(report.requests_finished > 0, "{:?}", report.rejections);
        }
    }
}
