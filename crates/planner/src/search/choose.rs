//! Which of the plans found is the plan.

use helix_spec::{MachineId, PartialInference, Placement};

use super::bridge::packing_problem_up_to;
use super::pool::Pool;
use super::{Evaluate, Found, FrontPoint, Objective, RUNNING, SearchOptions, Worth};
use crate::Instance;
use crate::bounds::configuration_bound;
use crate::evaluation::Evaluation;
use crate::plan::{Candidate, Plan, PlanError};

/// Relative precision of a bound that is computed late.
const BOUND_PRECISION: f64 = 1e-4;
/// Machines in a row that are never too many.
const NEVER_TOO_DEEP: usize = 8;

/// The best plan for the objective; of plans that are nearly as good, where something runs, the one that loads least.
/// Where some were simulated, the steady objective chooses among those alone.
pub(super) fn choose(
    pool: Pool<'_>,
    (options, judge): (SearchOptions<'_>, &dyn Evaluate),
    simulated: &[(Placement, f64)],
    bound: f64,
) -> Result<Found, PlanError> {
    let instance = pool.instance;
    let allowed = |plan: &Plan| options.max_depth.is_none_or(|most| plan.evaluation.depth() <= most);
    let steady = |plan: &Plan| judge.decode_rate(instance, &plan.placement, &plan.evaluation);
    let rate = |plan: &Plan| {
        simulated.iter().find(|(placement, _)| *placement == plan.placement).map(|(_, rate)| *rate)
    };
    let worth = match options.objective {
        Objective::MaxFlow => Worth::Flow,
        Objective::Steady if simulated.is_empty() => Worth::Estimate { deepest: deepest(&pool.plans) },
        Objective::Steady => Worth::Simulated,
    };
    let shallowest = pool.plans.iter().map(|plan| plan.evaluation.depth()).min();
    let points: Vec<FrontPoint> = pool
        .plans
        .into_iter()
        .filter(allowed)
        .map(|plan| FrontPoint { steady: steady(&plan), simulated: rate(&plan), plan })
        .collect();
    let flow = |point: &FrontPoint| point.plan.evaluation.throughput;
    let value = |point: &FrontPoint| point.value(worth);
    let better = |a: &&FrontPoint, b: &&FrontPoint| {
        value(a).total_cmp(&value(b)).then(flow(a).total_cmp(&flow(b))).then_with(|| shallower(a, b))
    };
    let (best, trade) = match options.running {
        None => (points.iter().max_by(better).cloned(), None),
        Some(running) => running.choose(instance, &points, worth).unzip(),
    };
    let Some(best) = best else {
        return Err(PlanError::Nothing(refusals(&pool.candidates, instance, options, shallowest)));
    };
    let largest = points.iter().map(flow).fold(0.0, f64::max);
    let is_exceeded = |bound: f64| largest > bound * (1.0 + 1e-9);
    let bound = if is_exceeded(bound) {
        bound_up_to(instance, &|id| instance.most_layers(id), &mut || false).unwrap_or(bound)
    } else {
        bound
    };
    let proven = !is_exceeded(bound);
    // What the row says of packing is what was chosen of it, where it was.
    let mut candidates = pool.candidates;
    for row in candidates.iter_mut().filter(|row| row.planner == "packing" && best.plan.planner == "packing")
    {
        row.result = Ok(best.plan.evaluation.clone());
    }
    if best.plan.planner != RUNNING && candidates.iter().all(|row| row.planner != best.plan.planner) {
        let result = Ok(best.plan.evaluation.clone());
        candidates.push(Candidate { planner: best.plan.planner.clone(), result });
    }
    let front = undominated(points);
    let bound = bound.max(largest);
    Ok(Found {
        plan: best.plan,
        steady: best.steady,
        simulated: None,
        bound,
        proven,
        candidates,
        front,
        trade,
    })
}

/// What the configuration program proves of placements that give machines at most so many layers and meet the demands, if the packing
/// solver can see the cluster; the less, the earlier `stop` ends it. It holds with partial inference, too.
pub(super) fn bound_up_to(
    instance: &Instance<'_>,
    most: &dyn Fn(MachineId) -> u32,
    stop: &mut dyn FnMut() -> bool,
) -> Option<f64> {
    let problem = packing_problem_up_to(instance, PartialInference::Off, most).ok()?;
    Some(configuration_bound(problem.layers, &problem.tables, &problem.counts(), BOUND_PRECISION, stop))
}

/// Machines in a row that are not too many where only the estimate chooses, which thinks too well of deep plans: half as many again as the
/// shallowest plan has that carries half of the largest flow. Calibrated: that is 15 on single24, 14 on 3cluster24, 12 on cluster42 and 26
/// on a thousand machines, where simulation likes 13, 12 or 13, 11 to 14, and 20 (of 8, 17, 20 and 80).
fn deepest(plans: &[Plan]) -> usize {
    let largest = plans.iter().map(|plan| plan.evaluation.throughput).fold(0.0, f64::max);
    let carries = |plan: &&Plan| plan.evaluation.throughput >= largest / 2.0;
    let least = plans.iter().filter(carries).map(|plan| plan.evaluation.depth()).min().unwrap_or(0);
    // What runs already stays unless something is worth the change.
    let runs = plans.iter().find(|plan| plan.planner == RUNNING).map_or(0, |plan| plan.evaluation.depth());
    (least + least.div_ceil(2)).max(NEVER_TOO_DEEP).max(runs)
}

/// Why nothing can be chosen: what each planner says, and what may be done.
fn refusals(
    candidates: &[Candidate],
    instance: &Instance<'_>,
    options: SearchOptions<'_>,
    shallowest: Option<usize>,
) -> Vec<String> {
    let words = |candidate: &Candidate| match &candidate.result {
        Ok(evaluation) => depth_words(candidate, evaluation, options.max_depth),
        Err(error) if error.starts_with(candidate.planner.as_str()) => error.clone(),
        Err(error) => format!("{} {error}", candidate.planner),
    };
    let mut tried: Vec<String> = candidates.iter().map(words).collect();
    if let (Some(least), Some(_)) = (shallowest, options.max_depth) {
        tried.push(format!("the shallowest plan that was found has {least} machines in a row"));
    }
    if !instance.demands().pins.is_empty() {
        let partial = match options.partial {
            PartialInference::Off => ", or let requests enter machines in the middle of their layers",
            PartialInference::On => "",
        };
        tried.push(format!("the pins seem to leave no way through: pin fewer machines{partial}"));
    }
    tried
}

fn depth_words(candidate: &Candidate, evaluation: &Evaluation, most: Option<usize>) -> String {
    match most {
        Some(most) if evaluation.throughput > 0.0 => {
            format!(
                "{} needs {} machines in a row, {most} are allowed",
                candidate.planner,
                evaluation.depth()
            )
        }
        _ => format!("{}: no way through", candidate.planner),
    }
}

fn shallower(a: &FrontPoint, b: &FrontPoint) -> std::cmp::Ordering {
    b.plan.evaluation.mean_depth().total_cmp(&a.plan.evaluation.mean_depth())
}

/// The points that no other beats in both throughput and depth, the shallowest first.
fn undominated(points: Vec<FrontPoint>) -> Vec<FrontPoint> {
    let mut points = points;
    points.sort_by(|a, b| {
        let (a, b) = (&a.plan.evaluation, &b.plan.evaluation);
        a.depth().cmp(&b.depth()).then_with(|| b.throughput.total_cmp(&a.throughput))
    });
    let mut most = 0.0;
    points.retain(|point| {
        let throughput = point.plan.evaluation.throughput;
        let better = throughput > most;
        if better {
            most = throughput;
        }
        better
    });
    points
}
