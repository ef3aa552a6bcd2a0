//! The mixed-integer program against all placements of small random clusters, and why its factors are tight.

use std::collections::BTreeSet;

use helix_planner::bounds::capped_work;
use helix_planner::milp::{
    BigM, Ending, Formulation, LinkFlow, Node, Outcome, links, plan_of, solve, values_of,
};
use helix_planner::packing::{Network, Plan, Problem, Slot, Span, Table, evaluate};
use proptest::prelude::*;

/// The best of all placements, by trying each.
fn best_of_all(problem: &Problem) -> f64 {
    fn place(problem: &Problem, machine: usize, plan: &mut Plan) -> f64 {
        if machine == problem.machines.len() {
            return evaluate(problem, plan).expect("small capacities");
        }
        plan.spans[machine] = None;
        let mut best = place(problem, machine + 1, plan);
        for start in 0..problem.layers {
            for end in start + 1..=problem.layers {
                if problem.throughput(machine, end - start).is_some() {
                    plan.spans[machine] = Some(Span { start, end });
                    best = best.max(place(problem, machine + 1, plan));
                }
            }
        }
        plan.spans[machine] = None;
        best
    }
    place(problem, 0, &mut Plan::empty(problem.machines.len()))
}

fn table() -> impl Strategy<Value = Table> {
    // Neither monotone nor without holes.
    let entry = prop_oneof![1 => Just(None), 4 => (5u32..60).prop_map(|tokens| Some(f64::from(tokens)))];
    prop::collection::vec(entry, 1..4).prop_map(|throughput| Table { throughput })
}

/// Up to four machines of two kinds in two regions, up to five layers, links that bind or do not.
fn problem() -> impl Strategy<Value = Problem> {
    let machines = prop::collection::vec((0..2usize, 0..2usize), 1..=4);
    let links =
        prop_oneof![Just(vec![f64::INFINITY; 4]), prop::collection::vec((0u32..80).prop_map(f64::from), 4)];
    (prop::collection::vec(table(), 2), machines, 1..=5usize, links, any::<bool>()).prop_map(
        |(tables, machines, layers, between, partial)| {
            let machines: Vec<Slot> =
                machines.into_iter().map(|(table, region)| Slot { table, region }).collect();
            let network = Network { regions: 2, between, ..Network::unbounded(machines.len()) };
            Problem { layers, tables, machines, network, partial }
        },
    )
}

fn formulation(problem: &Problem, big_m: Option<BigM>) -> Formulation {
    let (links, pruned) = links(problem, None, &BTreeSet::new()).unwrap();
    assert_eq!(pruned, 0);
    let upper = capped_work(problem.layers, &problem.tables, &problem.counts());
    Formulation::new(problem, &links, big_m.unwrap_or(BigM::Tight { upper }))
}

fn solved(formulation: &Formulation) -> Outcome {
    solve(&formulation.program, None, 60.0, &mut |_| false).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(80) })]

    #[test]
    fn small_clusters_are_solved_exactly(problem in problem()) {
        let best = best_of_all(&problem);
        let formulation = formulation(&problem, None);
        let outcome = solved(&formulation);
        if formulation.program.columns.is_empty() {
            prop_assert_eq!(best, 0.0);
            return Ok(());
        }
        prop_assert_eq!(outcome.ending, Ending::Optimal);
        prop_assert!((outcome.objective - best).abs() <= 1e-4, "claims {}, best {best}", outcome.objective);
        let values = outcome.values.expect("an optimum has values");
        prop_assert!(formulation.program.violation(&values) <= 1e-5);
        let plan = plan_of(&formulation, problem.machines.len(), &values).expect("an optimum is a plan");
        plan.validate(&problem).expect("plans fit their problem");
        let carried = evaluate(&problem, &plan).unwrap();
        prop_assert!((carried - best).abs() <= 1e-4, "carries {carried}, best {best}");
    }

    #[test]
    fn every_placement_is_a_solution_with_its_flow(problem in problem(), seed in any::<u64>()) {
        let mut plan = Plan::empty(problem.machines.len());
        let mut state = seed;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for machine in 0..problem.machines.len() {
            let (start, length) = (next(problem.layers), 1 + next(3));
            let end = start + length;
            if end <= problem.layers && problem.throughput(machine, length).is_some() && next(4) > 0 {
                plan.spans[machine] = Some(Span { start, end });
            }
        }
        let formulation = formulation(&problem, None);
        let flows = helix_planner::milp::carried(&problem, &plan).unwrap();
        let values = values_of(&formulation, &plan, &flows).expect("it fits");
        prop_assert!(formulation.program.violation(&values) <= 1e-9);
        let objective = formulation.program.objective(&values);
        prop_assert!((objective - evaluate(&problem, &plan).unwrap()).abs() <= 1e-6);
    }
}

/// One machine that can hold two of three layers: nothing can ever flow. Its links are wide.
fn hopeless() -> Problem {
    Problem {
        layers: 3,
        tables: vec![Table { throughput: vec![Some(9.0), Some(7.0)] }],
        machines: vec![Slot { table: 0, region: 0 }],
        network: Network::unbounded(1),
        partial: false,
    }
}

#[test]
fn a_loose_factor_lets_a_switch_leak_and_a_tight_one_does_not() {
    let problem = hopeless();
    let plan = Plan { spans: vec![Some(Span { start: 0, end: 2 })] };
    assert_eq!(evaluate(&problem, &plan).unwrap(), 0.0);
    // Seven tokens/s through switches that are zero within any solver's tolerance.
    let leak = |formulation: &Formulation| {
        let flow = |from, to| LinkFlow { from, to, flow: 7.0 };
        let flows = [flow(Node::Source, Node::Machine(0)), flow(Node::Machine(0), Node::Sink)];
        let mut values = values_of(formulation, &plan, &flows).unwrap();
        for link in &formulation.links {
            values[link.switch] = 1e-8;
        }
        (formulation.program.objective(&values), formulation.program.violation(&values))
    };
    let (objective, violation) = leak(&formulation(&problem, Some(BigM::Capacity)));
    assert_eq!(objective, 7.0);
    assert!(violation < 1e-6, "every solver takes it for a solution: {violation}");
    let tight = formulation(&problem, None);
    let (_, violation) = leak(&tight);
    assert!(violation > 6.9, "{violation}");
    // And HiGHS agrees that nothing flows.
    let outcome = solved(&tight);
    assert_eq!((outcome.ending, outcome.objective.abs() < 1e-4), (Ending::Optimal, true));
}

#[test]
fn a_machine_that_adds_no_layer_is_no_relay() {
    // The first machine must begin, the third must end, and the link between them is narrow. The second could only pass
    // on what the first has done already, over its own links: with `start_j <= e_i` alone that would double the flow.
    let mut network = Network::unbounded(3);
    network.special.extend([((0, 2), 3.0), ((1, 2), 3.0)]);
    network.source = vec![f64::INFINITY, 0.0, 0.0];
    network.sink = vec![0.0, 0.0, f64::INFINITY];
    for partial in [false, true] {
        let problem = Problem {
            layers: 2,
            tables: vec![Table { throughput: vec![Some(10.0)] }],
            machines: vec![Slot { table: 0, region: 0 }; 3],
            network: network.clone(),
            partial,
        };
        assert_eq!(best_of_all(&problem), 3.0);
        let outcome = solved(&formulation(&problem, None));
        assert!(
            (outcome.objective - 3.0).abs() < 1e-6,
            "{} with partial inference {partial}",
            outcome.objective
        );
    }
}

#[test]
fn no_factor_exceeds_link_machines_or_bound() {
    let problem = Problem {
        layers: 4,
        tables: vec![
            Table { throughput: vec![Some(90.0), Some(40.0)] },
            Table { throughput: vec![Some(50.0), Some(30.0), Some(20.0)] },
        ],
        machines: vec![
            Slot { table: 0, region: 0 },
            Slot { table: 1, region: 1 },
            Slot { table: 1, region: 1 },
        ],
        network: Network { regions: 2, between: vec![1e9, 12.0, 1e9, 1e9], ..Network::unbounded(3) },
        partial: false,
    };
    let upper = 45.0;
    let formulation = formulation(&problem, Some(BigM::Tight { upper }));
    let factor = |from, to| {
        let link =
            formulation.links.iter().find(|link| link.link.from == from && link.link.to == to).unwrap();
        formulation.program.columns[link.flow].upper
    };
    let [a, b, c] = [0, 1, 2].map(Node::Machine);
    assert_eq!(factor(a, b), 12.0, "the link");
    assert!((factor(b, c) - upper).abs() < 1e-6, "the bound");
    assert!((factor(Node::Source, a) - upper).abs() < 1e-6, "the bound");
    let wide = self::formulation(&problem, Some(BigM::Tight { upper: 1e6 }));
    let link = wide.links.iter().find(|link| (link.link.from, link.link.to) == (c, b)).unwrap();
    assert_eq!(wide.program.columns[link.flow].upper, 50.0, "the machines");
}

#[test]
fn pruning_keeps_the_fastest_links_and_those_of_the_start() {
    let machines = 6;
    let mut network = Network::unbounded(machines);
    network.between = vec![10.0];
    network.special.insert((0, 4), 99.0);
    network.special.insert((0, 3), 1.0);
    let problem = Problem {
        layers: 4,
        tables: vec![Table { throughput: vec![Some(5.0), Some(4.0)] }],
        machines: vec![Slot { table: 0, region: 0 }; machines],
        network,
        partial: false,
    };
    let keep = BTreeSet::from([(0, 3)]);
    let (kept, pruned) = links(&problem, Some(2), &keep).unwrap();
    let from_first: Vec<Node> = kept.iter().filter(|l| l.from == Node::Machine(0)).map(|l| l.to).collect();
    assert_eq!(from_first, [Node::Machine(4), Node::Machine(1), Node::Machine(3), Node::Sink]);
    assert_eq!(pruned, machines * 3 - 1);
    // Equal links are spread: as many end at a machine as begin there.
    for machine in [2, 5] {
        let into = kept.iter().filter(|l| l.to == Node::Machine(machine) && l.from != Node::Source).count();
        assert!((1..=2).contains(&into), "{into} links into {machine}");
    }
}
