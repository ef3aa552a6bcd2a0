//! The packing search: value, bound, gap and time on every instance; `cargo bench --bench packing -- NAME SECONDS` for one.

use std::time::Duration;

use helix_planner::packing::{Event, Options, solve};

mod instances;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let only = arguments.first();
    let seconds = arguments.get(1).map_or(60.0, |text| text.parse().expect("seconds"));
    println!(
        "{:14} {:>12} {:>12} {:>8} {:>6} {:>8} {:>8}",
        "instance", "max-flow", "bound", "gap", "depth", "best s", "total s"
    );
    for instances::Instance { name, problem } in instances::all() {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        problem.validate().expect("instances are valid");
        let start = instances::now();
        let mut found = Duration::ZERO;
        let mut stop = || start.elapsed().as_secs_f64() > seconds;
        let outcome = solve(&problem, Options::default(), &mut stop, &mut |event| {
            if let Event::Incumbent(incumbent) = event {
                found = start.elapsed();
                if only.is_some() {
                    println!(
                        "  {:8.3} s  {:12.3}  depth {}",
                        found.as_secs_f64(),
                        incumbent.flow,
                        incumbent.depth
                    );
                }
            }
        });
        let total = start.elapsed();
        let (flow, depth) = outcome.best.map_or((0.0, 0), |best| {
            best.plan.validate(&problem).expect("plans fit their problem");
            (best.flow, best.depth)
        });
        let gap = 100.0 * (outcome.bound - flow) / outcome.bound;
        println!(
            "{name:14} {flow:12.3} {:12.3} {gap:7.3}% {depth:6} {:8.3} {:8.3}",
            outcome.bound,
            found.as_secs_f64(),
            total.as_secs_f64()
        );
    }
}
