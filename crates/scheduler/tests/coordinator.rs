//! The coordinator: events in, actions out, a matter a test.

mod common;

use common::{C, act, arrived, m, max_flow, seconds, token, topology};
use helix_scheduler::coordinator::Action::{Dispatch, Drained, Ended, Free, Hop, Restarts, Waits};
use helix_scheduler::coordinator::{
    Action, Coordinator, CoordinatorConfig, DecodeDispatch, Event, KvEstimate, OnLoss, OnNoRoute, Outcome,
    SpeedFeedback,
};
use helix_scheduler::node::{Refusal, Shortfall};
use helix_scheduler::route::{MaxFlow, Observation};
use helix_scheduler::{LinkId, Phase, RequestId, Topology};
use helix_spec::{MachineId, SimTime};

/// Two machines for each half of the model; a request of 100 tokens fills a third of a machine.
fn square() -> Topology {
    let links = [(C, 0), (C, 1)]
        .map(|(from, to)| (from, m(to), 10.0))
        .into_iter()
        .chain([(0, 2), (0, 3), (1, 2), (1, 3)].map(|(from, to)| (m(from), m(to), 5.0)));
    let links: Vec<_> = links.chain([2, 3].map(|from| (m(from), C, 10.0))).collect();
    topology(&[(0, 4), (0, 4), (4, 8), (4, 8)], 1200, &links)
}

const CONFIG: CoordinatorConfig = CoordinatorConfig {
    routing: helix_scheduler::coordinator::Routing::Pipeline,
    kv: Some(KvEstimate { high_water_mark: 1.0, expected_output: 0.0 }),
    on_no_route: OnNoRoute::Queue { bound: 2, deadline: SimTime(10_000_000_000_000) },
    on_loss: OnLoss::Requeue { times: 1 },
    decodes: DecodeDispatch::Coordinator,
    speed: None,
    patience: SimTime(1_000_000_000_000),
};

fn coordinator(config: CoordinatorConfig) -> Coordinator<MaxFlow> {
    max_flow(config, &square())
}

/// Who was admitted, queued, restarted, freed and ended, in short words.
fn short(actions: &[Action]) -> Vec<String> {
    let words = actions.iter().filter_map(|action| match *action {
        Hop { .. } => None,
        Dispatch { request, phase: Phase::Prefill, tokens, .. } => {
            Some(format!("go {}: {tokens}", request.0))
        }
        Dispatch { request, context, .. } => Some(format!("token {} after {context}", request.0)),
        Waits { request } => Some(format!("wait {}", request.0)),
        Restarts { request, attempt, tokens } => Some(format!("again {}.{attempt}: {tokens}", request.0)),
        Free { machine, request, in_flight, .. } => {
            Some(format!("free {} on {}{}", request.0, machine.0, if in_flight { "!" } else { "" }))
        }
        Drained { machine } => Some(format!("drained {}", machine.0)),
        Ended { request, outcome, generated } => Some(format!("end {} {outcome:?} {generated}", request.0)),
    });
    words.collect()
}

/// Six requests of 100 tokens: all that there is room for.
fn full(config: CoordinatorConfig) -> Coordinator<MaxFlow> {
    let mut coordinator = coordinator(config);
    for request in 0..6 {
        assert_eq!(
            short(&act(&mut coordinator, seconds(0), arrived(request, 100))),
            [format!("go {request}: 100")]
        );
    }
    coordinator
}

#[test]
fn what_finds_no_room_waits_in_order_in_a_bounded_line() {
    let mut coordinator = full(CONFIG);
    assert_eq!(short(&act(&mut coordinator, seconds(1), arrived(6, 100))), ["wait 6"]);
    assert_eq!(short(&act(&mut coordinator, seconds(2), arrived(9, 301))), ["end 9 TooLarge 0"]);
    // A small one would fit nowhere either, and does not overtake.
    assert_eq!(short(&act(&mut coordinator, seconds(2), arrived(7, 1))), ["wait 7"]);
    assert_eq!(short(&act(&mut coordinator, seconds(2), arrived(8, 1))), ["end 8 QueueFull 0"]);
    assert_eq!(short(&act(&mut coordinator, seconds(2), arrived(10, 0))), ["end 10 EmptyPrompt 0"]);
    assert_eq!(act(&mut coordinator, seconds(2), arrived(7, 5)), [], "a name twice");
    let finished = short(&act(&mut coordinator, seconds(3), token(0, true)));
    assert_eq!(finished, ["free 0 on 0", "free 0 on 2", "end 0 Finished 1", "go 6: 100"]);
    assert_eq!(coordinator.next_deadline(), Some(seconds(11)), "6 went, its timer is idle");
    assert_eq!(short(&act(&mut coordinator, seconds(11), Event::Tick)), Vec::<String>::new());
    assert_eq!(coordinator.next_deadline(), Some(seconds(12)));
    assert_eq!(short(&act(&mut coordinator, seconds(12), Event::Tick)), ["end 7 WaitedTooLong 0"]);
    assert_eq!((coordinator.next_deadline(), coordinator.requests()), (None, 6));
}

#[test]
fn a_request_ends_once_by_cancel_or_deadline_wherever_it_is() {
    let mut coordinator = full(CONFIG);
    let arrive = |request, seconds_left| Event::Arrived {
        request: RequestId(request),
        prompt_tokens: 100,
        deadline: Some(seconds(seconds_left)),
    };
    assert_eq!(short(&act(&mut coordinator, seconds(1), arrive(6, 3))), ["wait 6"]);
    assert_eq!(short(&act(&mut coordinator, seconds(3), Event::Tick)), ["end 6 DeadlinePassed 0"]);
    assert_eq!(short(&act(&mut coordinator, seconds(3), arrive(7, 3))), ["end 7 DeadlinePassed 0"]);
    let cancel = Event::Cancel { request: RequestId(1) };
    let cancelled = short(&act(&mut coordinator, seconds(4), cancel.clone()));
    assert_eq!(cancelled, ["free 1 on 1!", "free 1 on 2!", "end 1 Cancelled 0"]);
    assert_eq!(act(&mut coordinator, seconds(4), cancel), []);
    assert_eq!(act(&mut coordinator, seconds(4), token(1, false)), [], "a late token");
    assert_eq!(short(&act(&mut coordinator, seconds(4), arrive(8, 6))), ["go 8: 100"]);
    act(&mut coordinator, seconds(5), token(8, false));
    let ended = short(&act(&mut coordinator, seconds(6), Event::Tick));
    assert_eq!(ended, ["free 8 on 1!", "free 8 on 2!", "end 8 DeadlinePassed 1"]);
}

fn shortage(waits: u64, phase: Phase, youngest: (u64, u32)) -> Event {
    let shortage = Shortfall {
        request: RequestId(waits),
        attempt: 0,
        phase,
        youngest: (RequestId(youngest.0), youngest.1),
    };
    Event::OutOfBlocks { machine: MachineId(2), shortage }
}

#[test]
fn a_decode_makes_the_youngest_give_way_at_once_and_it_returns_with_what_it_generated() {
    let mut coordinator = full(CONFIG);
    for _ in 0..3 {
        act(&mut coordinator, seconds(1), token(4, false));
    }
    let actions = short(&act(&mut coordinator, seconds(2), shortage(0, Phase::Decode, (4, 0))));
    assert_eq!(actions, ["free 4 on 0!", "free 4 on 2!", "again 4.1: 103"], "and it does not go at once");
    assert_eq!(act(&mut coordinator, seconds(2), shortage(0, Phase::Decode, (4, 0))), [], "it has left");
    assert_eq!(
        act(&mut coordinator, seconds(2), shortage(4, Phase::Decode, (5, 0))),
        [],
        "who waited has left"
    );
    assert_eq!(act(&mut coordinator, seconds(3), token(4, false)), [], "a token of the attempt that is over");
    assert_eq!(coordinator.route(RequestId(4)), None);
    // With its tokens it needs more than there is until 0, on the same machines, is done.
    let actions = short(&act(&mut coordinator, seconds(4), token(0, true)));
    assert_eq!(actions, ["free 0 on 0", "free 0 on 2", "end 0 Finished 1", "go 4: 103"]);
    assert_eq!(act(&mut coordinator, seconds(4), token(4, true)), [], "a late token of the older attempt");
    let next = Event::Token { request: RequestId(4), attempt: 1, last: false };
    assert_eq!(short(&act(&mut coordinator, seconds(5), next.clone())), ["token 4 after 103"]);
    let last = Event::Token { request: RequestId(4), attempt: 1, last: true };
    assert_eq!(
        short(&act(&mut coordinator, seconds(5), last)).last().map(String::as_str),
        Some("end 4 Finished 5")
    );
}

#[test]
fn the_one_who_waits_gives_way_if_it_is_the_youngest() {
    let mut coordinator = full(CONFIG);
    let actions = short(&act(&mut coordinator, seconds(2), shortage(4, Phase::Decode, (2, 0))));
    assert_eq!(actions[2], "again 4.1: 100");
}

#[test]
fn a_prompt_waits_a_while_before_somebody_gives_way_and_not_at_all_if_something_was_freed() {
    let mut coordinator = full(CONFIG);
    assert_eq!(act(&mut coordinator, seconds(2), shortage(4, Phase::Prefill, (2, 0))), []);
    assert_eq!(coordinator.next_deadline(), Some(seconds(3)));
    let actions = short(&act(&mut coordinator, seconds(3), Event::Tick));
    assert_eq!(actions, ["free 4 on 0!", "free 4 on 2!", "again 4.1: 100"]);

    let mut coordinator = full(CONFIG);
    act(&mut coordinator, seconds(2), shortage(4, Phase::Prefill, (2, 0)));
    act(&mut coordinator, seconds(2), token(0, true));
    assert_eq!(
        act(&mut coordinator, seconds(3), Event::Tick),
        [],
        "the node asks again if that was not enough"
    );
}

#[test]
fn the_requests_of_a_lost_machine_start_anew_elsewhere_and_survive_so_many_losses() {
    let mut coordinator = coordinator(CONFIG);
    act(&mut coordinator, seconds(0), arrived(0, 100));
    act(&mut coordinator, seconds(0), arrived(1, 100));
    act(&mut coordinator, seconds(1), token(0, false));
    let lose = |machine| Event::MachineLost { machine: MachineId(machine) };
    let actions = act(&mut coordinator, seconds(2), lose(0));
    assert_eq!(
        short(&actions),
        ["free 0 on 2!", "again 0.1: 101", "go 0: 101"],
        "nothing is said to the lost one"
    );
    let ways: Vec<_> = coordinator.route(RequestId(0)).into_iter().flatten().map(|hop| hop.machine).collect();
    assert_eq!(ways[0], Some(MachineId(1)));
    let actions = short(&act(&mut coordinator, seconds(3), lose(1)));
    assert!(actions.contains(&"end 0 MachineLost 1".to_owned()), "{actions:?}");
    assert!(actions.contains(&"again 1.1: 100".to_owned()), "{actions:?}");
    assert_eq!(short(&act(&mut coordinator, seconds(4), arrived(2, 100))), ["wait 2"], "behind 1");
    let joined = Event::MachineJoined { machine: MachineId(0) };
    assert_eq!(short(&act(&mut coordinator, seconds(5), joined)), ["go 1: 100", "go 2: 100"]);

    let mut coordinator = full(CoordinatorConfig { on_loss: OnLoss::Fail, ..CONFIG });
    let actions = short(&act(&mut coordinator, seconds(2), lose(3)));
    assert_eq!(actions.iter().filter(|word| word.contains("MachineLost")).count(), 3, "{actions:?}");
    assert_eq!(coordinator.requests(), 3, "the others go on");
}

#[test]
fn a_draining_machine_takes_nothing_new_and_says_when_it_is_empty() {
    let mut coordinator = coordinator(CONFIG);
    act(&mut coordinator, seconds(0), arrived(0, 100));
    let drain = |machine| Event::MachineDraining { machine: MachineId(machine) };
    assert_eq!(act(&mut coordinator, seconds(1), drain(0)), []);
    assert_eq!(act(&mut coordinator, seconds(1), drain(1)), [Drained { machine: MachineId(1) }]);
    assert_eq!(short(&act(&mut coordinator, seconds(1), arrived(1, 100))), ["wait 1"]);
    assert_eq!(
        short(&act(&mut coordinator, seconds(2), token(0, false))),
        ["token 0 after 100"],
        "what runs goes on"
    );
    let actions = short(&act(&mut coordinator, seconds(3), token(0, true)));
    assert_eq!(actions, ["free 0 on 0", "drained 0", "free 0 on 2", "end 0 Finished 2"]);
}

#[test]
fn what_a_machine_refuses_ends_or_goes_another_way() {
    let refuse = |request, attempt, why| Event::Refused {
        machine: MachineId(0),
        request: RequestId(request),
        attempt,
        why,
    };
    let mut coordinator = full(CONFIG);
    let actions = short(&act(&mut coordinator, seconds(1), refuse(0, 0, Refusal::BeyondCache)));
    assert_eq!(actions.last().map(String::as_str), Some("end 0 TooLarge 0"));
    let actions = short(&act(&mut coordinator, seconds(1), refuse(2, 0, Refusal::LayersNotHeld)));
    assert_eq!(actions[2], "again 2.1: 100");
    assert_eq!(act(&mut coordinator, seconds(1), refuse(2, 0, Refusal::LayersNotHeld)), []);
}

#[test]
fn a_new_placement_moves_only_those_whose_machines_hold_their_layers_no_more() {
    let mut coordinator = full(CONFIG);
    let mut parts = square().parts().clone();
    parts.machines[0].layers = None;
    parts.links.retain(|link| link.from != m(0) && link.to != m(0));
    let topology = Topology::new(parts).expect("good");
    let policy = MaxFlow::new(&topology, 0.0);
    let mut actions = Vec::new();
    assert!(coordinator.place(seconds(1), 5, (topology.clone(), policy.clone()), &mut actions));
    let moved: Vec<_> = short(&actions).into_iter().filter(|word| word.starts_with("again")).collect();
    assert_eq!(moved, ["again 0.1: 100", "again 2.1: 100", "again 4.1: 100"]);
    assert_eq!((coordinator.waiting(), coordinator.requests_on(MachineId(1))), (3, 3));
    assert!(!coordinator.place(seconds(1), 5, (topology, policy), &mut actions), "an epoch comes once");
    assert_eq!(short(&act(&mut coordinator, seconds(2), token(1, false))), ["token 1 after 100"]);
    assert_eq!(short(&act(&mut coordinator, seconds(2), token(1, true)))[3..], ["go 0: 100"]);
}

#[test]
fn with_tokens_sent_on_by_the_last_stage_the_coordinator_only_counts() {
    let mut coordinator = full(CoordinatorConfig { decodes: DecodeDispatch::LastStage, ..CONFIG });
    assert_eq!(act(&mut coordinator, seconds(1), token(0, false)), []);
    let actions = short(&act(&mut coordinator, seconds(1), token(0, true)));
    assert_eq!(actions.last().map(String::as_str), Some("end 0 Finished 2"));
}

/// Request after request, each gone at once; how many took the second of two equal machines of the first half.
fn share_of_second(coordinator: &mut Coordinator<MaxFlow>, requests: std::ops::Range<u64>) -> f64 {
    let count = requests.clone().count() as f64;
    let mut second = 0.0;
    for request in requests {
        act(coordinator, seconds(1), arrived(request, 10));
        let first = coordinator.route(RequestId(request)).and_then(|route| route[0].machine);
        second += f64::from(u8::from(first == Some(MachineId(1))));
        act(coordinator, seconds(1), token(request, true));
    }
    second / count
}

#[test]
fn a_machine_slower_than_planned_gets_less_and_noise_changes_nothing() {
    let mut coordinator = coordinator(CoordinatorConfig { speed: Some(SpeedFeedback::default()), ..CONFIG });
    let seen = |factor| Event::Observed(Observation::Speed { machine: MachineId(1), factor });
    for noise in [0.93, 1.07, 0.95, 1.05].repeat(50) {
        act(&mut coordinator, seconds(1), seen(noise));
    }
    assert_eq!(coordinator.policy().weight(LinkId(1)), 10.0, "within the hysteresis");
    assert!((share_of_second(&mut coordinator, 0..1000) - 0.5).abs() < 0.01);
    for _ in 0..100 {
        act(&mut coordinator, seconds(1), seen(0.5));
    }
    // It is half as fast: a third of the requests, within the hysteresis of a tenth.
    let weight = coordinator.policy().weight(LinkId(1));
    assert!((5.0..5.5).contains(&weight), "{weight}");
    let share = share_of_second(&mut coordinator, 1000..4000);
    assert!((share - weight / (10.0 + weight)).abs() < 0.01, "{share}");
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        act(&mut coordinator, seconds(1), seen(factor));
    }
    assert_eq!(coordinator.policy().weight(LinkId(1)), weight, "what is no speed changes nothing");
    for _ in 0..200 {
        act(&mut coordinator, seconds(1), seen(1e-9));
    }
    assert!(coordinator.policy().weight(LinkId(1)) >= 0.5, "never without any");
}

#[test]
fn a_machine_that_returns_is_not_flooded() {
    let mut coordinator = coordinator(CONFIG);
    act(&mut coordinator, seconds(1), Event::MachineLost { machine: MachineId(1) });
    assert_eq!(share_of_second(&mut coordinator, 0..1000), 0.0);
    act(&mut coordinator, seconds(1), Event::MachineJoined { machine: MachineId(1) });
    assert!((share_of_second(&mut coordinator, 1000..1100) - 0.5).abs() < 0.02);
}

#[test]
fn timers_of_those_who_left_do_not_pile_up() {
    let mut coordinator = coordinator(CONFIG);
    for request in 0..100_000 {
        let deadline = Some(seconds(1_000_000));
        let request = RequestId(request);
        act(&mut coordinator, seconds(1), Event::Arrived { request, prompt_tokens: 10, deadline });
        act(&mut coordinator, seconds(1), Event::Cancel { request });
    }
    assert_eq!(coordinator.requests(), 0);
    assert!(coordinator.timers() < 1000, "{}", coordinator.timers());
}

#[test]
fn settings_without_sense_are_refused_by_name() {
    let topology = square();
    let policy = MaxFlow::new(&topology, 0.0);
    let kv = Some(KvEstimate { high_water_mark: f64::NAN, expected_output: 1.0 });
    let error =
        Coordinator::new(CoordinatorConfig { kv, ..CONFIG }, topology, policy).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the scheduler's setting `high_water_mark` is NaN, allowed is 0 to 1");
}

#[test]
fn rejection_is_a_setting_and_outcomes_are_words_in_logs() {
    let mut coordinator = full(CoordinatorConfig { on_no_route: OnNoRoute::Reject, ..CONFIG });
    let ended = act(&mut coordinator, seconds(1), arrived(6, 100));
    assert_eq!(ended, [Ended { request: RequestId(6), outcome: Outcome::NoRoute, generated: 0 }]);
    let text = serde_json::to_string(&ended[0]).expect("plain data");
    assert_eq!(text, r#"{"ended":{"request":6,"outcome":"no_route","generated":0}}"#);
}
