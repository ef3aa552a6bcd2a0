//! Any text as a solution file of the mixed-integer program: an error that names the file, or a plan that fits the problem.
#![no_main]

use helix_planner::milp::{SolutionFile, plan_of_solution};
use helix_planner::packing::{Network, Problem, Slot, Table};
use libfuzzer_sys::fuzz_target;

/// Three machines of two kinds, four layers.
fn problem() -> Problem {
    let table = |values: &[f64]| Table { throughput: values.iter().copied().map(Some).collect() };
    Problem {
        layers: 4,
        tables: vec![table(&[41.0, 23.5, 14.0]), table(&[30.0])],
        machines: [0, 0, 1].map(|table| Slot { table, region: 0 }).to_vec(),
        network: Network::unbounded(3),
        partial: false,
    }
}

fuzz_target!(|text: &str| {
    let problem = problem();
    let plan = SolutionFile::parse(text, "x.sol").and_then(|file| {
        assert!(file.values.values().all(|value| value.value.is_finite()));
        plan_of_solution(&problem, &file, "x.sol")
    });
    match plan {
        Ok(plan) => plan.validate(&problem).expect("a plan fits its problem"),
        Err(error) => assert!(error.to_string().starts_with("x.sol")),
    }
});
