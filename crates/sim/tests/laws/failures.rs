//! Failures lose nothing: with machines that fail and come back at any time, every request still ends exactly once, and none
//! gets more than it asked for.

use std::collections::BTreeSet;

use helix_scheduler::coordinator::Outcome;
use helix_sim::{Fault, FaultKind, Record};
use helix_spec::{MachineId, SimTime};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, SECOND, World, all_settings, offline};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn nobody_is_lost_or_counted_twice(
        faults in prop::collection::vec((0u64..15_000, 0u32..5, 0u8..5), 0..12),
        seed in 0u64..1000,
    ) {
        let kind = |machine: u32, what: u8| match what {
            0 | 1 => FaultKind::MachineFails(MachineId(machine)),
            2 => FaultKind::MachineRecovers(MachineId(machine)),
            3 => FaultKind::MachineSlows(MachineId(machine), 3.0),
            _ => FaultKind::LinkSpeed(machine, 0.5),
        };
        let mut faults: Vec<Fault> = faults
            .iter()
            .map(|&(at, machine, what)| Fault { at: SimTime(at * MILLISECOND), kind: kind(machine, what) })
            .collect();
        faults.sort_by_key(|fault| fault.at);
        // At last all are there again.
        let back = |machine| Fault { at: SimTime(16 * SECOND), kind: FaultKind::MachineRecovers(MachineId(machine)) };
        faults.extend((0..5).map(back));
        for mut settings in all_settings(false) {
            settings.window.duration = SimTime(120 * SECOND);
            settings.saturate();
            let world = World::new(2, 3, 40_000);
            let mut seen = BTreeSet::new();
            let feed = offline((1, 200), (1, 40), seed, Some(60));
            let report = world.run(&settings, feed, faults.clone(), |record| {
                if let Record::Request(request) = record {
                    assert!(seen.insert(request.request), "{request:?} ends twice");
                    let own = u32::from(!settings.prompt_yields_token);
                    if request.outcome == Outcome::Finished {
                        assert_eq!(request.generated, request.output_tokens + own, "{request:?}");
                    }
                }
            });
            prop_assert_eq!(seen.len() as u64 + report.requests_unfinished, report.requests_launched);
            prop_assert_eq!(report.requests_unfinished, 0, "{:?} {:?}", settings.policy, report.rejections);
        }
    }
}
