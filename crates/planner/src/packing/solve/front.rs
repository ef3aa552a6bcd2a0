//! Throughput against depth over several regions: the best groups of pipelines at every depth.

use super::{Event, Groups, Incumbent, Level, Options, Outcome, Run, within_layers};
use crate::packing::exact::BestPlans;
use crate::packing::region::Region;
use crate::packing::{Columns, Problem};

/// For every depth, in ascending order, the best found plan of stages whose pipelines have at most so many machines in a
/// row: each a chain through some of the regions, side by side with others. Tells every plan that carries more than those
/// of less depth. `bound` is a flow that no plan exceeds \[tokens/s\].
///
/// The largest depth is searched first: what it reaches, none of the others exceeds. Does nothing in a single region, unless
/// there are so few plans that all of them can be tried: then the front is exact.
pub fn front(
    problem: &Problem,
    (options, bound): (Options, f64),
    depths: &[usize],
    should_stop: &mut dyn FnMut() -> bool,
    report: &mut dyn FnMut(&Incumbent),
) {
    let problem = within_layers(problem);
    let mut report = |event: Event<'_>| {
        if let Event::Incumbent(incumbent) = event {
            report(incumbent);
        }
    };
    let outcome = Outcome { best: None, bound };
    let regions = Region::all(&problem);
    let mut run = Run {
        problem: &problem,
        options,
        depth: depths.last().copied(),
        regions,
        outcome,
        report: &mut report,
    };
    let every = if options.try_all { BestPlans::of(&problem, should_stop) } else { None };
    if let Some(every) = every {
        for (_, plan) in depths.iter().filter_map(|&depth| every.within(depth)) {
            run.offer(plan.clone());
        }
        return;
    }
    let level = Level { columns: Columns::Stages, effort: 0 };
    let mut groups = Groups::new(&run, should_stop);
    groups.improve(&mut run, level, should_stop);
    let Some(most) = run.outcome.best.take() else { return };
    groups.restart();
    for &depth in depths.iter().filter(|&&depth| depth < most.depth) {
        run.depth = Some(depth);
        groups.improve(&mut run, level, should_stop);
        let reached = run.outcome.best.as_ref().map_or(0.0, |best| best.flow);
        if should_stop() || reached >= most.flow * (1.0 - options.precision) {
            return;
        }
    }
}
