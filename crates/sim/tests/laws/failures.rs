//! Failures lose nothing: with machines that fail and come back at any time, every request still ends exactly once, and none
//! gets more than it asked for.

use std::collections::BTreeSet;

use helix_scheduler::coordinator::Outcome;
use helix_sim::{Fault, FaultKind, Feed, Policy, Record, Settings};
use helix_spec::{Bandwidth, MachineId, SimTime};
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
            all_end_once(&world, &settings, offline((1, 200), (1, 40), seed, Some(60)), &faults);
        }
    }

    /// The same where prompts in parts wait for slow links, some of which break for a while.
    #[test]
    fn nor_where_prompts_wait_for_links(
        faults in prop::collection::vec((0u64..60_000, 0u32..5, 0u8..4), 0..12),
        seed in 0u64..1000,
    ) {
        let kind = |machine: u32, what: u8| match what {
            0 | 1 => FaultKind::MachineFails(MachineId(machine)),
            2 => FaultKind::MachineRecovers(MachineId(machine)),
            // One of the six links between the stages and the two to the first.
            _ => FaultKind::LinkSpeed(machine, 0.0),
        };
        let at = |(at, machine, what): &(u64, u32, u8)| Fault {
            at: SimTime(at * MILLISECOND),
            kind: kind(*machine, *what),
        };
        let mut faults: Vec<Fault> = faults.iter().map(at).collect();
        faults.sort_by_key(|fault| fault.at);
        for index in 0..5 {
            let whole = [FaultKind::MachineRecovers(MachineId(index)), FaultKind::LinkSpeed(index, 1.0)];
            faults.extend(whole.map(|kind| Fault { at: SimTime(61 * SECOND), kind }));
        }
        let mut settings = Settings::serving(Policy::MixedFlow, false, 30.0);
        settings.window.duration = SimTime(600 * SECOND);
        settings.saturate();
        let mut world = World::new(2, 3, 40_000);
        world.set_bandwidth(Bandwidth(40_000_000));
        all_end_once(&world, &settings, offline((1, 5000), (1, 10), seed, Some(30)), &faults);
    }
}

fn all_end_once(world: &World, settings: &Settings, feed: Feed, faults: &[Fault]) {
    let mut seen = BTreeSet::new();
    let report = world.run(settings, feed, faults.to_vec(), |record| {
        if let Record::Request(request) = record {
            assert!(seen.insert(request.request), "{request:?} ends twice");
            let own = u32::from(!settings.prompt_yields_token);
            if request.outcome == Outcome::Finished {
                assert_eq!(request.generated, request.output_tokens + own, "{request:?}");
            }
        }
    });
    assert_eq!(seen.len() as u64 + report.requests_unfinished, report.requests_launched);
    assert_eq!(report.requests_unfinished, 0, "{:?} {:?}", settings.policy, report.rejections);
}
