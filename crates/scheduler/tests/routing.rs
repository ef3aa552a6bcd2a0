//! Max-flow routing: section 2.7 of the paper's simulator, a rule a test.

mod common;

use common::{C, act, arrived, m, max_flow, token, topology};
use helix_scheduler::coordinator::{Action, CoordinatorConfig, KvEstimate, OnNoRoute, Outcome};
use helix_scheduler::route::{Candidate, MaxFlow, Question, RoutePolicy as _};
use helix_scheduler::{LinkId, Phase, RequestId, Topology};
use helix_spec::SimTime;

const PAPER: CoordinatorConfig = CoordinatorConfig {
    routing: helix_scheduler::coordinator::Routing::Pipeline,
    kv: Some(KvEstimate::ASPLOS25_OFFLINE),
    on_no_route: OnNoRoute::Reject,
    on_loss: helix_scheduler::coordinator::OnLoss::Fail,
    decodes: helix_scheduler::coordinator::DecodeDispatch::Coordinator,
    speed: None,
    patience: SimTime::ZERO,
};

fn candidates(links: u32) -> Vec<Candidate> {
    (0..links).map(|link| Candidate { link: LinkId(link), open: true, free: true, waiting: 0 }).collect()
}

#[test]
fn long_run_shares_are_the_flows_within_one_request() {
    let flows = [50.0, 300.0, 125.0, 25.0];
    let machines = [(0, 4); 4];
    let links: Vec<_> = (0..).zip(flows).map(|(machine, flow)| (C, m(machine), flow)).collect();
    let topology = topology(&machines, 1, &links);
    let mut policy = MaxFlow::new(&topology, 0.0);
    let candidates = candidates(4);
    let mut taken = [0.0; 4];
    for n in 1..=10_000 {
        let question = Question { now: SimTime::ZERO, from: C, tokens: 7, candidates: &candidates };
        let link = policy.choose(&question).expect("all are open");
        policy.charge(link, Phase::Prefill, 7);
        taken[link.index()] += 1.0;
        for (taken, flow) in taken.iter().zip(flows) {
            // Of k links, the one with the share s has between s n - 1 and s (n + k - 1) of n requests: no link's load
            // exceeds what any other's would be with one request more.
            let (n, share) = (f64::from(n), flow / 500.0);
            let bounds = share * n - 1.0 - 1e-9..share * (n + 3.0) + 1e-9;
            assert!(bounds.contains(taken), "{n}: {taken} of {share}");
        }
    }
}

/// Lengths as they might come.
fn lengths() -> impl Iterator<Item = u32> {
    (0..10_000u32).map(|n| 1 + n.wrapping_mul(2_654_435_761) % 2000)
}

/// How often two places of the same weights, where the same requests pass, choose alike.
fn alike(policy: impl Fn(&Topology) -> MaxFlow) -> usize {
    let links = [(C, m(0), 758.0), (C, m(1), 738.0), (m(2), m(3), 758.0), (m(2), m(4), 738.0)];
    let topology = topology(&[(0, 4), (0, 4), (0, 4), (4, 8), (4, 8)], 1, &links);
    let mut policy = policy(&topology);
    let all = candidates(4);
    let mut takes = |from, tokens, candidates| {
        let question = Question { now: SimTime::ZERO, from, tokens, candidates };
        let link = policy.choose(&question).expect("both are open");
        policy.charge(link, Phase::Prefill, tokens);
        link.0
    };
    lengths().filter(|&tokens| takes(C, tokens, &all[..2]) + 2 == takes(m(2), tokens, &all[2..])).count()
}

#[test]
fn strict_turns_choose_alike_at_every_place_and_varied_ones_do_not() {
    assert_eq!(alike(|topology| MaxFlow::new(topology, 0.0)), 10_000);
    let alike = alike(MaxFlow::mixing);
    assert!((4_500..5_500).contains(&alike), "{alike} of 10,000");
}

#[test]
fn varied_turns_keep_the_proportions() {
    let flows = [50.0, 300.0, 125.0, 25.0];
    let links: Vec<_> = (0..).zip(flows).map(|(machine, flow)| (C, m(machine), flow)).collect();
    let mut policy = MaxFlow::mixing(&topology(&[(0, 4); 4], 1, &links));
    let candidates = candidates(4);
    let (mut taken, mut all) = ([0.0; 4], 0.0);
    for tokens in lengths() {
        let question = Question { now: SimTime::ZERO, from: C, tokens, candidates: &candidates };
        let link = policy.choose(&question).expect("all are open");
        policy.charge(link, Phase::Prefill, tokens);
        taken[link.index()] += f64::from(tokens);
        all += f64::from(tokens);
        for (taken, flow) in taken.iter().zip(flows) {
            // No link is further from its share than four of the longest requests.
            assert!((taken - all * flow / 500.0).abs() <= 8_000.0, "{taken} of {all}");
        }
    }
}

#[test]
fn links_with_little_flow_are_left_out_unless_all_of_a_node_have_little() {
    let weights = |flows: &[f64]| -> Vec<f64> {
        let machines = vec![(0, 4); flows.len()];
        let links: Vec<_> = (0..).zip(flows).map(|(machine, &flow)| (C, m(machine), flow)).collect();
        let policy = MaxFlow::new(&topology(&machines, 1, &links), MaxFlow::ASPLOS25_LEAST_SHARE);
        (0..).zip(flows).map(|(link, _)| policy.weight(LinkId(link))).collect()
    };
    assert_eq!(weights(&[50.0, 46.0, 4.0]), [50.0, 46.0, 0.0]);
    // A fortieth of the whole each.
    assert_eq!(weights(&[3.0; 40]), [3.0; 40]);
}

#[test]
fn a_pipeline_is_chosen_at_once_and_all_later_tokens_count_on_it() {
    let topology = topology(
        &[(0, 4), (0, 6), (4, 8), (6, 8)],
        100_000,
        &[
            (C, m(0), 10.0),
            (C, m(1), 10.0),
            (m(0), m(2), 10.0),
            (m(1), m(3), 10.0),
            (m(2), C, 10.0),
            (m(3), C, 10.0),
        ],
    );
    let mut coordinator = max_flow(PAPER, &topology);
    let actions = act(&mut coordinator, SimTime::ZERO, arrived(7, 100));
    let ways: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Hop { hop, .. } => Some((hop.link.0, hop.machine.map(|machine| machine.0))),
            _ => None,
        })
        .collect();
    assert_eq!(ways, [(0, Some(0)), (2, Some(2)), (4, None)], "the first of equals");
    assert!(matches!(
        actions.last(),
        Some(Action::Dispatch { phase: Phase::Prefill, tokens: 100, context: 0, .. })
    ));
    let tokens: Vec<_> = (0..3).flat_map(|_| act(&mut coordinator, SimTime::ZERO, token(7, false))).collect();
    let contexts = tokens.iter().map(|action| match action {
        Action::Dispatch { phase: Phase::Decode, tokens: 1, context, .. } => *context,
        other => panic!("{other:?}"),
    });
    assert_eq!(contexts.collect::<Vec<_>>(), [100, 101, 102]);
    // 103 tokens lie on the first way: 102 go the other one, the next is for the first again.
    let first_link = |actions: &[Action]| match actions[0] {
        Action::Hop { hop, .. } => hop.link.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(first_link(&act(&mut coordinator, SimTime::ZERO, arrived(8, 102))), 1);
    assert_eq!(first_link(&act(&mut coordinator, SimTime::ZERO, arrived(9, 2))), 1);
    assert_eq!(first_link(&act(&mut coordinator, SimTime::ZERO, arrived(10, 2))), 0);
}

#[test]
fn links_below_a_twentieth_of_the_outflow_are_never_taken() {
    let topology = topology(&[(0, 1), (0, 1)], 1, &[(C, m(0), 4.9), (C, m(1), 95.1)]);
    let mut policy = MaxFlow::new(&topology, MaxFlow::ASPLOS25_LEAST_SHARE);
    assert_eq!((policy.weight(LinkId(0)), policy.weight(LinkId(1))), (0.0, 95.1));
    let mut only_first = candidates(2);
    only_first[1].open = false;
    assert_eq!(
        policy.choose(&Question { now: SimTime::ZERO, from: C, tokens: 1, candidates: &only_first }),
        None
    );
}

#[test]
fn the_estimate_masks_full_machines_and_a_rejection_leaves_no_trace() {
    // Capacity 10,000 tokens × layers in 4 layers, 85 % of it: 8,500 / 4 = 2,125 tokens; a prompt of 760 is expected to
    // need 1,000, so two fit, not three.
    let topology = topology(&[(0, 4), (4, 8)], 10_000, &[(C, m(0), 1.0), (m(0), m(1), 1.0), (m(1), C, 1.0)]);
    let mut coordinator = max_flow(PAPER, &topology);
    for request in 0..2 {
        assert_eq!(act(&mut coordinator, SimTime::ZERO, arrived(request, 760)).len(), 4);
    }
    assert_eq!(coordinator.expected_kv_usage(), 0.8);
    let outcome = |actions: Vec<Action>| match actions[..] {
        [Action::Ended { outcome, .. }] => outcome,
        _ => panic!("{actions:?}"),
    };
    assert_eq!(outcome(act(&mut coordinator, SimTime::ZERO, arrived(2, 760))), Outcome::NoRoute);
    assert_eq!(coordinator.expected_kv_usage(), 0.8);
    let freed = act(&mut coordinator, SimTime::ZERO, token(0, true));
    assert!(matches!(freed[0], Action::Free { in_flight: false, request: RequestId(0), .. }), "{freed:?}");
    assert_eq!(freed.len(), 3, "two machines, and its end");
    assert_eq!(act(&mut coordinator, SimTime::ZERO, arrived(3, 760)).len(), 4);
}
