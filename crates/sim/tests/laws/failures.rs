//! Failures lose nothing: with machines that fail and come back at any time, every request still ends exactly once, and none
//! gets more than it asked for.

use std::collections::BTreeSet;

use helix_scheduler::coordinator::Outcome;
use helix_sim::{Fault, FaultKind, Feed, Policy, Record, Settings};
use helix_spec::{Bandwidth, MachineId, SimTime, TraceRequest};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, SECOND, World, all_settings, offline, online};

/// Faults at times in milliseconds, of a machine or link, of a kind; in order of time.
fn faults_of(list: &[(u64, u32, u8)], kind: impl Fn(u32, u8) -> FaultKind) -> Vec<Fault> {
    let fault = |&(at, subject, what): &_| Fault { at: SimTime(at * MILLISECOND), kind: kind(subject, what) };
    let mut faults: Vec<Fault> = list.iter().map(fault).collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Loses, returns, or breaks a link: to the first stage (0 and 4) or between the stages.
fn loses_or_breaks(subject: u32, what: u8) -> FaultKind {
    match what {
        0 | 1 => FaultKind::MachineFails(MachineId(subject)),
        2 => FaultKind::MachineRecovers(MachineId(subject)),
        _ => FaultKind::LinkSpeed(subject, 0.0),
    }
}

/// Prompts in parts on slow links, with faults in the first minute; some seconds later all machines and links are there again.
fn on_slow_links(policy: Policy, mut faults: Vec<Fault>, (whole_after, seed): (u64, u64)) {
    for index in 0..5 {
        let whole = [FaultKind::MachineRecovers(MachineId(index)), FaultKind::LinkSpeed(index, 1.0)];
        faults.extend(whole.map(|kind| Fault { at: SimTime((60 + whole_after) * SECOND), kind }));
    }
    let mut settings = Settings::serving(policy, false, 30.0);
    settings.window.duration = SimTime(6000 * SECOND);
    settings.saturate();
    let mut world = World::new(2, 3, 40_000);
    world.set_bandwidth(Bandwidth(40_000_000));
    all_end_once(&world, &settings, offline((1, 5000), (1, 10), seed, Some(30)), &faults);
}

/// Prompts were on a broken link to a machine that is lost and comes back: nothing of them may reach it then, as their
/// requests have begun anew elsewhere, and nobody would ever free what they hold.
#[test]
fn what_was_on_its_way_to_a_lost_machine_is_lost_with_it() {
    let faults = [(4514, 0, 3), (4524, 1, 0), (9036, 0, 0)];
    on_slow_links(Policy::MixedFlow, faults_of(&faults, loses_or_breaks), (1, 157));
}

/// A prompt found no machine with room for it: it is asked for again when others have left, though nothing else moves where it
/// waits.
#[test]
fn prompts_that_wait_for_room_hear_of_it() {
    let faults = [(0, 1, 3), (1101, 0, 0)];
    on_slow_links(Policy::Swarm, faults_of(&faults, loses_or_breaks), (1, 352));
}

/// A prompt waited so long for a broken link that its machine had forgotten that the attempt was over.
#[test]
fn what_is_late_is_not_taken_for_new() {
    let faults = [(6085, 2, 0), (13_676, 0, 3), (13_926, 1, 0), (25_542, 4, 0)];
    on_slow_links(Policy::ShortestQueue, faults_of(&faults, loses_or_breaks), (26, 420));
}

/// Where a prompt waits at a machine, it waits no longer than it may, though nothing else happens any more.
#[test]
fn a_prompt_that_fits_nowhere_further_on_ends() {
    let mut world = World::new(1, 1, 40_000);
    world.placement.machines.get_mut(&MachineId(1)).expect("it holds layers").kv_capacity = Some(2_000);
    let mut settings = Settings::serving(Policy::Swarm, true, 30.0);
    settings.window.drain = true;
    let request = TraceRequest { arrival: SimTime(SECOND), input: 3000, output: 4 };
    let mut ends = Vec::new();
    world.run(&settings, online(vec![request]), Vec::new(), |record| {
        if let Record::Request(request) = record {
            ends.push((request.outcome, request.ended));
        }
    });
    assert_eq!(ends.len(), 1);
    let (outcome, ended) = ends[0];
    assert_eq!(outcome, Outcome::WaitedTooLong);
    assert!(ended > SimTime(600 * SECOND) && ended < SimTime(610 * SECOND), "{ended:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn nobody_is_lost_or_counted_twice(
        faults in prop::collection::vec((0u64..15_000, 0u32..5, 0u8..5), 0..12),
        seed in 0u64..1000,
    ) {
        let mut faults = faults_of(&faults, |machine, what| match what {
            0 | 1 => FaultKind::MachineFails(MachineId(machine)),
            2 => FaultKind::MachineRecovers(MachineId(machine)),
            3 => FaultKind::MachineSlows(MachineId(machine), 3.0),
            _ => FaultKind::LinkSpeed(machine, 0.5),
        });
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
        // Some come at one instant.
        faults in prop::collection::vec(((0u64..120).prop_map(|at| at * 500), 0u32..5, 0u8..4), 0..12),
        whole_after in 1u64..120,
        seed in 0u64..1000,
    ) {
        for policy in [Policy::MixedFlow, Policy::Swarm, Policy::ShortestQueue] {
            on_slow_links(policy, faults_of(&faults, loses_or_breaks), (whole_after, seed));
        }
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
