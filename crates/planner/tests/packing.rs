//! The packing search on the published clusters: at least these values, with these proofs.

use helix_planner::bounds::capped_work;
use helix_planner::packing::{Options, Plan, Problem, evaluate, solve};

#[expect(dead_code, reason = "shared with the benchmarks, which use all of it")]
#[path = "../benches/instances/mod.rs"]
mod instances;

fn published(name: &str) -> Option<Problem> {
    instances::published().into_iter().find(|instance| instance.name == name).map(|instance| instance.problem)
}

/// Least Σ throughput over the layers: the max-flow where all flow meets at every stage boundary and no link binds.
fn least_covered(problem: &Problem, plan: &Plan) -> f64 {
    let cover = |layer| -> f64 {
        let holds = plan.used().filter(|(_, span)| (span.start..span.end).contains(&layer));
        holds.filter_map(|(machine, span)| problem.throughput(machine, span.layers())).sum()
    };
    (0..problem.layers).map(cover).fold(f64::INFINITY, f64::min)
}

#[test]
fn single24_reaches_its_bound() {
    let Some(problem) = published("single24") else { return };
    problem.validate().expect("published numbers are valid");
    assert!((capped_work(80, &problem.tables, &problem.counts()) - 2045.641).abs() < 1e-3);
    let outcome = solve(&problem, Options::default(), &mut || false, &mut |_| ());
    let best = outcome.best.expect("the cluster holds the model");
    best.plan.validate(&problem).expect("a plan of this problem");
    assert!((best.flow - 2045.641).abs() < 1e-3, "{}", best.flow);
    assert!(best.flow <= outcome.bound && outcome.bound <= 1.001 * best.flow, "{}", outcome.bound);
    assert!((least_covered(&problem, &best.plan) - best.flow).abs() < 1e-3);
}

#[test]
fn three_regions_need_the_region_argument() {
    let Some(problem) = published("3cluster24") else { return };
    problem.validate().expect("published numbers are valid");
    assert_eq!(problem.network.regions, 3);
    let outcome = solve(&problem, Options::default(), &mut || false, &mut |_| ());
    let best = outcome.best.expect("the cluster holds the model");
    best.plan.validate(&problem).expect("a plan of this problem");
    assert!((best.flow - 1754.382).abs() < 1e-3, "{}", best.flow);
    assert!(best.flow <= outcome.bound && outcome.bound <= 1.001 * best.flow, "{}", outcome.bound);
    assert!(evaluate(&problem, &best.plan).is_ok_and(|flow| flow == best.flow));
}
