//! Latency-aware routing: the numbers of `docs/concepts/scheduling.md`, and a rule a test.

mod common;

use common::{C, act, arrived, m, topology};
use helix_scheduler::coordinator::{Action, Coordinator, CoordinatorConfig, KvEstimate};
use helix_scheduler::route::{
    Candidate, HopTime, LatencyAware, MaxFlow, Observation, Question, RoutePolicy as _,
};
use helix_scheduler::{LinkId, Phase, RequestId, Topology};
use helix_spec::{MachineId, SimTime};

const PAGE: &str = include_str!("../../../docs/concepts/scheduling.md");

fn milliseconds(time: u64) -> SimTime {
    SimTime(time * 1_000_000_000)
}

fn runs(run_per_token: f64) -> HopTime {
    HopTime { run_per_token, ..HopTime::default() }
}

/// A fast machine and a slow one side by side, either of which holds the model.
fn two(flows: [f64; 2]) -> (Topology, LatencyAware) {
    let links = [(C, m(0), flows[0]), (C, m(1), flows[1]), (m(0), C, flows[0]), (m(1), C, flows[1])];
    let topology = topology(&[(0, 4), (0, 4)], 1_000_000, &links);
    let times = [runs(0.5e-3), runs(0.8e-3), HopTime::default(), HopTime::default()];
    let policy = LatencyAware::new(&topology, &times, LatencyAware::WINDOW);
    (topology, policy)
}

fn candidates() -> [Candidate; 2] {
    [0, 1].map(|link| Candidate { link: LinkId(link), open: true, free: true, waiting: 0 })
}

/// The machine that a prompt goes to, charged at once.
fn takes(policy: &mut LatencyAware, now: SimTime, tokens: u32) -> u32 {
    let question = Question { now, from: C, tokens, candidates: &candidates() };
    let link = policy.choose(&question).expect("both are open");
    policy.charge(link, Phase::Prefill, tokens);
    policy.charge(LinkId(link.0 + 2), Phase::Prefill, tokens);
    link.0
}

#[test]
fn the_table_is_what_the_policy_does() {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows: Vec<_> = PAGE.lines().map(cells).filter(|row| row.len() == 5).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row[0].ends_with(" ms")).collect();
    assert_eq!(rows.len(), 5);
    let (_, mut policy) = two([300.0, 200.0]);
    let mut free = [0.0f64; 2];
    for row in rows {
        let time = row[0].trim_end_matches(" ms").parse().expect("a time");
        let tokens: u32 = row[1].parse().expect("a number");
        let ready: Vec<String> = [0.5, 0.8]
            .iter()
            .zip(free)
            .map(|(each, free)| format!("{} ms", (f64::from(tokens) * each + free.max(time as f64)).round()))
            .collect();
        assert_eq!(row[2..4], ready, "at {time} ms");
        let taken = takes(&mut policy, milliseconds(time), tokens);
        assert_eq!(["F", "S"][taken as usize], row[4], "at {time} ms");
        free[taken as usize] = ready[taken as usize].trim_end_matches(" ms").parse().expect("a time");
    }
}

#[test]
fn beyond_twice_the_flow_it_is_round_robin() {
    let (topology, mut policy) = two([300.0, 200.0]);
    let mut plain = MaxFlow::new(&topology, 0.0);
    // Far more than flows in a minute: the first fill the window, then turns decide.
    let now = milliseconds(1_000_000);
    let mut given = [0u32; 2];
    for _ in 0..2000 {
        given[takes(&mut policy, now, 100) as usize] += 1;
    }
    assert!(given[0].abs_diff(1200) <= 1, "{given:?}: three fifths");
    let mut turns = [0u32; 2];
    for _ in 0..2000 {
        let question = Question { now, from: C, tokens: 100, candidates: &candidates() };
        let link = plain.choose(&question).expect("both are open");
        plain.charge(link, Phase::Prefill, 100);
        turns[link.index()] += 1;
    }
    assert!(turns[0].abs_diff(1200) <= 1, "{turns:?}");
    // Two minutes later all of it is forgotten.
    assert_eq!(takes(&mut policy, milliseconds(2_000_000), 100), 0);
}

#[test]
fn what_lies_further_on_decides() {
    // The first hop of either way is alike; behind it one way goes over a slow link.
    let links = [
        (C, m(0), 1e6),
        (C, m(1), 1e6),
        (m(0), m(2), 1e6),
        (m(1), m(3), 1e6),
        (m(2), C, 1e6),
        (m(3), C, 1e6),
    ];
    let topology = topology(&[(0, 2), (0, 2), (2, 4), (2, 4)], 1_000_000, &links);
    let mut times = vec![runs(1e-3); 6];
    times[2].send_per_token = 1e-3;
    let mut policy = LatencyAware::new(&topology, &times, LatencyAware::WINDOW);
    let now = milliseconds(100_000);
    let first = |policy: &mut LatencyAware| {
        policy.choose(&Question { now, from: C, tokens: 100, candidates: &candidates() }).map(|link| link.0)
    };
    assert_eq!(first(&mut policy), Some(1));
    // A latency of half a second on the other way outweighs that.
    times[3].latency = 0.5;
    let mut policy = LatencyAware::new(&topology, &times, LatencyAware::WINDOW);
    assert_eq!(first(&mut policy), Some(0));
    // A machine at a tenth of its speed as well.
    policy.observe(Observation::Speed { machine: MachineId(2), factor: 0.1 });
    assert_eq!(first(&mut policy), Some(1));
}

#[test]
fn slow_decodes_and_late_prompts_are_learned() {
    let now = milliseconds(100_000);
    for phase in [Phase::Prefill, Phase::Decode] {
        let (_, mut policy) = two([1e6, 1e6]);
        for _ in 0..200 {
            let took = milliseconds(2_000);
            policy.observe(Observation::LinkTime { link: LinkId(0), phase, tokens: 1, took });
        }
        // Alone the fast machine has it in 50 ms, the slow one in 80; decodes count a fifth.
        assert_eq!(takes(&mut policy, now, 100), 1, "{phase:?}");
    }
}

#[test]
fn who_waits_in_line_finds_another_way_where_the_best_is_closed_further_on() {
    // The way over machine 0 is faster, but machine 2 behind it holds one request only.
    let links = [
        (C, m(0), 1e6),
        (C, m(1), 1e6),
        (m(0), m(2), 1e6),
        (m(1), m(3), 1e6),
        (m(2), C, 1e6),
        (m(3), C, 1e6),
    ];
    let parts = topology(&[(0, 2), (0, 2), (2, 4), (2, 4)], 1_000_000, &links);
    let mut parts = parts.parts().clone();
    parts.machines[2].kv_capacity = 300;
    let topology = Topology::new(parts).expect("as before");
    let times = [runs(1e-3), runs(2e-3), runs(1e-3), runs(2e-3), HopTime::default(), HopTime::default()];
    let policy = LatencyAware::new(&topology, &times, LatencyAware::WINDOW);
    let kv = Some(KvEstimate { high_water_mark: 1.0, expected_output: 0.0 });
    let config = CoordinatorConfig { kv, ..CoordinatorConfig::default() };
    let mut coordinator = Coordinator::new(config, topology, policy).expect("good settings");
    let mut way = |request| {
        let actions = act(&mut coordinator, milliseconds(100_000), arrived(request, 100));
        let hop = |action: &Action| match action {
            Action::Hop { request: RequestId(_), hop, .. } => hop.machine.map(|machine| machine.0),
            _ => None,
        };
        actions.iter().filter_map(hop).collect::<Vec<_>>()
    };
    assert_eq!(way(0), [0, 2]);
    assert_eq!(way(1), [1, 3], "it does not wait for machine 2");
}
