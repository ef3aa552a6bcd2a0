//! Stage packing and bounds on the published 24-machine cluster.

use helix_planner::bounds::capped_work;
use helix_planner::packing::{Kinds, Network, Plan, Problem, Search, Slot, lay_out, pack};

mod support;

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
    let Some(tables) = support::tables_24() else { return };
    let counts = [4, 8, 12];
    let machines = (0..3).flat_map(|table| vec![Slot { table, region: 0 }; counts[table] as usize]).collect();
    let network = Network::unbounded(24);
    let problem = Problem { layers: 80, tables, machines, network, partial: false };
    problem.validate().expect("published numbers are valid");

    let bound = capped_work(80, &problem.tables, &problem.counts());
    assert!((bound - 2045.641).abs() < 1e-3, "{bound}");
    let search = Search { layers: 80, depth: None, above: bound, below: 0.0, precision: 1e-7 };
    let (packing, above) = pack(Kinds { tables: &problem.tables, counts: &counts }, search, &mut || false);
    let packing = packing.expect("the cluster holds the model");
    assert!(packing.flow >= 2045.6 && packing.flow <= above * (1.0 + 1e-9), "{} of {above}", packing.flow);

    let mut pools = vec![Vec::new(); 3];
    for (machine, slot) in problem.machines.iter().enumerate() {
        pools[slot.table].push(machine);
    }
    let mut plan = Plan::empty(24);
    lay_out(&packing.columns, 0, &mut pools, &mut plan);
    plan.validate(&problem).expect("a plan of this problem");
    assert!((least_covered(&problem, &plan) - packing.flow).abs() < 1e-9);
}
