//! The best maximum flow that every planner knows as time goes by, beside what the paper's planner published;
//! `SECONDS_EACH=60`.

use helix_planner::milp::{Milp, MilpControl, MilpEvent, MilpOptions, Start};
use helix_planner::{
    Baseline, Control, Evaluate, Evaluation, Instance, Objective, SearchEvent, SearchOptions, plan_auto,
    plan_baseline,
};
use helix_spec::{PartialInference, Placement};

mod clusters;

/// When the objective is looked at \[s\].
const TIMES: [f64; 6] = [0.01, 0.1, 1.0, 5.0, 20.0, 60.0];

/// Cluster, what the paper's planner reached, after how many seconds, and its bound where it is known.
const PUBLISHED: [(&str, f64, f64, Option<f64>); 2] =
    [("single24", 1289.6, 476.0, Some(78_062.0)), ("3cluster24", 1212.2, 2655.0, None)];

/// Objective and bound as they came.
#[derive(Default)]
struct Trace {
    finds: Vec<(f64, f64)>,
    bound: Option<f64>,
    ended: f64,
}

impl Trace {
    fn find(&mut self, seconds: f64, throughput: f64) {
        if self.finds.last().is_none_or(|(_, best)| throughput > *best) {
            self.finds.push((seconds, throughput));
        }
    }

    fn at(&self, seconds: f64) -> String {
        let known = self.finds.iter().rfind(|(time, _)| *time <= seconds);
        known.map_or("–".to_owned(), |(_, throughput)| format!("{throughput:.1}"))
    }
}

fn main() {
    let seconds = clusters::seconds_each();
    for (name, reached, after, bound) in PUBLISHED {
        let published = clusters::published(name);
        let instance = Instance::new(&published.cluster, &published.model, &published.costs);
        println!("\n{name}, LLaMA-2-70B, maximum flow [tokens/s], budget {seconds} s each");
        print!("{:>14}", "after");
        for time in TIMES {
            print!(" {:>9}", format!("{time} s"));
        }
        println!(" {:>9} {:>8} {:>10}", "best", "found s", "bound");
        row("auto", &auto(&instance, seconds));
        row("milp", &milp(&instance, seconds));
        for rule in Baseline::ALL {
            row(rule.name(), &baseline(&instance, rule));
        }
        let bound = bound.map_or("–".to_owned(), |bound| format!("{bound:.0}"));
        println!(
            "{:>14}{:>60} {reached:>9.1} {after:>8.1} {bound:>10}",
            "paper's", "published, Gurobi on 14 to 20 cores"
        );
    }
}

fn row(name: &str, trace: &Trace) {
    print!("{name:>14}");
    for time in TIMES {
        print!(" {:>9}", trace.at(time));
    }
    let (found, best) = trace.finds.last().copied().unwrap_or_default();
    let bound = trace.bound.map_or("–".to_owned(), |bound| format!("{bound:.1}"));
    println!(" {best:>9.1} {found:>8.3} {bound:>10}   (ended after {:.2} s)", trace.ended);
}

/// No opinion: the objective is the flow.
struct Flow;

impl Evaluate for Flow {
    fn decode_rate(&self, _: &Instance<'_>, _: &Placement, _: &Evaluation) -> Option<f64> {
        None
    }
}

fn auto(instance: &Instance<'_>, seconds: f64) -> Trace {
    let began = clusters::now();
    let elapsed = || began.elapsed().as_secs_f64();
    let options = SearchOptions { objective: Objective::MaxFlow, ..SearchOptions::default() };
    let mut trace = Trace::default();
    let mut report = |event| match event {
        SearchEvent::Found { throughput, .. } => trace.find(elapsed(), throughput),
        SearchEvent::Bound(bound) => trace.bound = Some(trace.bound.map_or(bound, |known| known.min(bound))),
        // Nothing is simulated for the maximum flow.
        SearchEvent::Simulated { .. } => {}
    };
    let mut control = Control { used: &mut || elapsed() / seconds, report: &mut report };
    plan_auto(instance, options, &Flow, &mut control).expect("the cluster holds the model");
    trace.ended = elapsed();
    trace
}

fn milp(instance: &Instance<'_>, seconds: f64) -> Trace {
    let began = clusters::now();
    let elapsed = || began.elapsed().as_secs_f64();
    let mut trace = Trace::default();
    let options = MilpOptions { partial: PartialInference::Off, prune: Some(12), start: Start::Best };
    let mut used = || elapsed() / seconds;
    let milp = Milp::new(instance, &options, &mut used).expect("the cluster holds the model");
    trace.bound = Some(milp.upper_bound());
    let mut report = |event: MilpEvent<'_>| {
        if let MilpEvent::Incumbent { throughput, .. } = event {
            trace.find(elapsed(), throughput);
        }
    };
    let solved = milp.solve(&mut MilpControl { used: &mut used, seconds, report: &mut report });
    solved.expect("it has a start");
    trace.ended = elapsed();
    trace
}

fn baseline(instance: &Instance<'_>, rule: Baseline) -> Trace {
    let began = clusters::now();
    let mut trace = Trace::default();
    if let Ok(plan) = plan_baseline(instance, rule) {
        trace.find(began.elapsed().as_secs_f64(), plan.evaluation.throughput);
        trace.bound = Some(plan.evaluation.compute_bound);
    }
    trace.ended = began.elapsed().as_secs_f64();
    trace
}
