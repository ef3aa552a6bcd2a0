//! The MILP planner on single24 with and without pruned links, with and without a warm start; `SECONDS_EACH=60`.

use helix_planner::Instance;
use helix_planner::milp::{Milp, MilpControl, MilpEvent, MilpOptions, Start};
use helix_spec::PartialInference;

mod clusters;

fn main() {
    let seconds = clusters::seconds_each();
    let published = clusters::published("single24");
    let instance = Instance::new(&published.cluster, &published.model, &published.costs);
    println!("single24, LLaMA-2-70B, {seconds} s each, one thread; tokens/s");
    println!(
        "{:>6} {:>6} {:>9} {:>8} {:>11} {:>9} {:>9} {:>7} {:>9} {:>12} {:>10}",
        "links",
        "start",
        "variables",
        "binaries",
        "constraints",
        "start at",
        "best",
        "after s",
        "bound",
        "HiGHS bound",
        "overstated"
    );
    for prune in [Some(12), None] {
        for start in [Start::Best, Start::Cold] {
            row(&instance, prune, start, seconds);
        }
    }
}

fn row(instance: &Instance<'_>, prune: Option<usize>, start: Start, seconds: f64) {
    let began = clusters::now();
    let elapsed = || began.elapsed().as_secs_f64();
    let options = MilpOptions { partial: PartialInference::Off, prune, start };
    let milp =
        Milp::new(instance, &options, &mut || elapsed() / seconds).expect("the cluster holds the model");
    let (mut best, mut found) = (0.0, 0.0);
    let mut report = |event: MilpEvent<'_>| {
        if let MilpEvent::Incumbent { throughput, .. } = event {
            (best, found) = (throughput, elapsed());
        }
    };
    let mut used = || elapsed() / seconds;
    let solved = milp.solve(&mut MilpControl { used: &mut used, seconds, report: &mut report });
    let size = milp.size();
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
    let (start, summary) = match (&solved, milp.start()) {
        (Ok(found), start) => (start, Some(&found.summary)),
        (Err(_), start) => (start, None),
    };
    println!(
        "{:>6} {:>6} {:>9} {:>8} {:>11} {:>9} {:>9} {:>7} {:>9.1} {:>12} {:>10}",
        prune.map_or("all".to_owned(), |most| most.to_string()),
        start.map_or("none", |(planner, _)| planner),
        size.variables,
        size.binaries,
        size.constraints,
        number(start.map(|(_, throughput)| throughput)),
        number(Some(best).filter(|best| *best > 0.0)),
        number(Some(found).filter(|_| best > 0.0)),
        milp.upper_bound(),
        number(summary.and_then(|summary| summary.solver_bound)),
        summary.map_or("–".to_owned(), |summary| summary.overstated.to_string()),
    );
}
