//! What local search adds where links inside a region bind or tables are odd: packing alone, local search from there, the bound.
//! `SECONDS_EACH=5` for each of the two.

use helix_planner::packing::{LocalSearch, Options, Plan, Problem, solve};

#[expect(dead_code, reason = "shared with other benchmarks, which use all of it")]
mod clusters;
mod instances;

/// Instance, and what every link between machines carries \[tokens/s\]; `None` as the instance has it.
const CASES: [(&str, Option<f64>); 9] = [
    ("single24", Some(800.0)),
    ("single24", Some(400.0)),
    ("single24", Some(150.0)),
    ("small10", Some(200.0)),
    ("small10", Some(60.0)),
    ("mixed42", Some(1500.0)),
    ("mixed42", Some(300.0)),
    ("odd14", None),
    ("odd14", Some(60.0)),
];
/// Plans that the local search looks at for each machine, as the planner does.
const EVALUATIONS_PER_MACHINE: usize = 400;

fn main() {
    let seconds = clusters::seconds_each().min(10.0);
    println!(
        "{:10} {:>8} {:>11} {:>11} {:>7} {:>11} {:>8}",
        "instance", "a link", "packing", "with local", "gain", "bound", "local s"
    );
    let known = instances::all();
    for (name, capacity) in CASES {
        let Some(instance) = known.iter().find(|instance| instance.name == name) else { continue };
        let mut problem = instance.problem.clone();
        if let Some(capacity) = capacity {
            problem.network.special.clear();
            problem.network.between.fill(capacity);
        }
        row(name, capacity, &problem, seconds);
    }
}

fn row(name: &str, capacity: Option<f64>, problem: &Problem, seconds: f64) {
    let began = instances::now();
    let mut stop = || began.elapsed().as_secs_f64() > seconds;
    let outcome = solve(problem, Options::default(), &mut stop, &mut |_| ());
    let empty = || (0.0, Plan::empty(problem.machines.len()));
    let (packed, start) = outcome.best.map_or_else(empty, |best| (best.flow, best.plan));
    let search = LocalSearch {
        problem,
        freedom: &[],
        depth: None,
        bound: outcome.bound,
        evaluations: problem.machines.len() * EVALUATIONS_PER_MACHINE,
        seed: 0,
    };
    let began = instances::now();
    let mut stop = || began.elapsed().as_secs_f64() > seconds;
    let (improved, plan) = search.run(&start, &mut stop, &mut |_, _| ());
    plan.validate(problem).expect("plans fit their problem");
    println!(
        "{name:10} {:>8} {packed:11.1} {improved:11.1} {:6.1}% {:11.1} {:8.1}",
        capacity.map_or("wide".to_owned(), |capacity| format!("{capacity:.0}")),
        100.0 * (improved / packed - 1.0),
        outcome.bound,
        began.elapsed().as_secs_f64()
    );
}
