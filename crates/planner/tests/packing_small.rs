//! The packing search against all placements of small random clusters.

use helix_planner::packing::{Network, Options, Plan, Problem, Slot, Span, Table, evaluate, solve};
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

/// Up to four machines of two kinds, four layers, one region without limits.
fn problem() -> impl Strategy<Value = Problem> {
    let machines = prop::collection::vec(0..2usize, 1..=4);
    (prop::collection::vec(table(), 2), machines, 1..=4usize, any::<bool>()).prop_map(
        |(tables, machines, layers, partial)| {
            let machines: Vec<Slot> = machines.into_iter().map(|table| Slot { table, region: 0 }).collect();
            let network = Network::unbounded(machines.len());
            Problem { layers, tables, machines, network, partial }
        },
    )
}

/// The same in two regions with links that bind.
fn linked() -> impl Strategy<Value = Problem> {
    let capacities = prop::collection::vec(0u32..80, 4);
    (problem(), capacities, any::<u8>()).prop_map(|(mut problem, between, regions)| {
        for (machine, slot) in problem.machines.iter_mut().enumerate() {
            slot.region = usize::from(regions >> machine & 1);
        }
        problem.network.regions = 2;
        problem.network.between = between.into_iter().map(f64::from).collect();
        problem
    })
}

fn solved(problem: &Problem) -> (f64, f64) {
    searched(problem, Options { try_all: false, ..Options::default() })
}

fn searched(problem: &Problem, options: Options) -> (f64, f64) {
    let outcome = solve(problem, options, &mut || false, &mut |_| ());
    let flow = outcome.best.map_or(0.0, |best| {
        best.plan.validate(problem).expect("plans fit their problem");
        assert!(evaluate(problem, &best.plan).is_ok_and(|flow| flow == best.flow));
        best.flow
    });
    (flow, outcome.bound)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn small_clusters_are_solved_exactly(problem in problem()) {
        let best = best_of_all(&problem);
        let (flow, bound) = solved(&problem);
        prop_assert!(flow >= best * (1.0 - 1e-4), "found {flow} of {best}");
        prop_assert!(flow <= best && best <= bound && bound <= best * 1.0003 + 1e-6, "{flow} {best} {bound}");
    }

    #[test]
    fn no_placement_beats_the_bound_over_links(problem in linked()) {
        let best = best_of_all(&problem);
        let (flow, bound) = solved(&problem);
        prop_assert!(flow <= best && best <= bound, "{flow} {best} {bound}");
    }

    #[test]
    fn where_all_plans_are_tried_links_are_no_matter(problem in linked()) {
        let best = best_of_all(&problem);
        let (flow, bound) = searched(&problem, Options::default());
        prop_assert!(flow == best && best <= bound && bound <= best + 1e-3, "{flow} {best} {bound}");
    }
}

/// The same machines in another order.
fn reversed(problem: &Problem) -> Problem {
    let mut other = problem.clone();
    other.machines.reverse();
    other.network.source.reverse();
    other.network.sink.reverse();
    other
}

/// One more machine, a copy of the first.
fn with_one_more(problem: &Problem) -> Problem {
    let mut other = problem.clone();
    other.machines.push(problem.machines[0]);
    other.network.source.push(problem.network.source[0]);
    other.network.sink.push(problem.network.sink[0]);
    other
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn names_change_nothing(problem in problem()) {
        let (flow, bound) = solved(&problem);
        let (renamed, other) = solved(&reversed(&problem));
        prop_assert!((flow - renamed).abs() <= 1e-4 * flow && (bound - other).abs() <= 3e-4 * bound);
    }

    #[test]
    fn one_more_machine_is_never_worse(problem in problem()) {
        let (flow, _) = solved(&problem);
        let (more, _) = solved(&with_one_more(&problem));
        prop_assert!(more >= flow * (1.0 - 1e-4), "{flow} with fewer, {more} with more");
    }
}
