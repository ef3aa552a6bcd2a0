//! The numbers of `docs/concepts/scheduling.md`, computed again.

mod common;

use common::{act, arrived, m, max_flow, seconds, topology};
use helix_scheduler::coordinator::{Action, CoordinatorConfig, KvEstimate, OnNoRoute, Outcome};
use helix_scheduler::route::{Candidate, MaxFlow, Question, RoutePolicy as _};
use helix_scheduler::{LinkId, Phase};
use helix_spec::SimTime;

const PAGE: &str = include_str!("../../../docs/concepts/scheduling.md");

/// The cells of the page's table whose first cell is a number.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    PAGE.lines().map(cells).filter(|row| row.len() == 6 && row[0].parse::<u32>().is_ok()).collect()
}

#[test]
fn the_table_is_what_the_policy_does() {
    let links: Vec<_> = (0..).zip([300.0, 200.0, 100.0]).map(|(to, flow)| (m(0), m(to + 1), flow)).collect();
    let topology = topology(&[(0, 1), (1, 2), (1, 2), (1, 2)], 1, &links);
    let mut policy = MaxFlow::new(&topology, 0.0);
    let mut loads = [0.0; 3];
    let mut given = [0; 3];
    let candidates: Vec<_> =
        (0..3).map(|link| Candidate { link: LinkId(link), open: true, free: true, waiting: 0 }).collect();
    let rows = rows();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let tokens: u32 = row[1].parse().expect("a number");
        for ((cell, load), flow) in row[2..5].iter().zip(loads).zip([300.0, 200.0, 100.0]) {
            let added = f64::from(tokens) / flow;
            assert_eq!(*cell, format!("{load} + {added} = {}", load + added), "request {}", row[0]);
        }
        let question = Question { now: SimTime::ZERO, from: m(0), tokens, candidates: &candidates };
        let link = policy.choose(&question).expect("all are open");
        policy.charge(link, Phase::Prefill, tokens);
        assert_eq!(["D", "E", "F"][link.index()], row[5], "request {}", row[0]);
        loads[link.index()] += f64::from(tokens) / [300.0, 200.0, 100.0][link.index()];
        given[link.index()] += tokens;
    }
    assert_eq!(given, [1800, 900, 300]);
    assert!(PAGE.contains("D has 1,800 tokens, E 900 and F 300"));
}

#[test]
fn the_third_finds_the_machine_closed() {
    assert!(PAGE.contains("with 10,000 tokens × layers of cache, a mark of 0.85 and 240 expected tokens"));
    let topology = topology(&[(0, 4)], 10_000, &[(common::C, m(0), 1.0), (m(0), common::C, 1.0)]);
    let config = CoordinatorConfig {
        kv: Some(KvEstimate { high_water_mark: 0.85, expected_output: 240.0 }),
        on_no_route: OnNoRoute::Reject,
        ..CoordinatorConfig::default()
    };
    let mut coordinator = max_flow(config, &topology);
    for (request, used) in [(0, 0.4), (1, 0.8)] {
        act(&mut coordinator, seconds(0), arrived(request, 760));
        assert_eq!(coordinator.expected_kv_usage(), used);
    }
    let third = act(&mut coordinator, seconds(0), arrived(2, 760));
    assert!(matches!(third[..], [Action::Ended { outcome: Outcome::NoRoute, .. }]), "{third:?}");
}
