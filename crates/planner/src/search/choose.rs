//! Which of the plans found is the plan.

use helix_spec::{PartialInference, Placement};

use super::bridge::packing_problem_up_to;
use super::pool::Pool;
use super::{Evaluate, Found, FrontPoint, Objective, SearchOptions, Worth};
use crate::Instance;
use crate::bounds::configuration_bound;
use crate::evaluation::Evaluation;
use crate::packing::Problem;
use crate::plan::{Candidate, Plan, PlanError};

/// Relative precision of a bound that is computed late.
const BOUND_PRECISION: f64 = 1e-4;

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
        Objective::Steady if simulated.is_empty() => Worth::Estimate,
        Objective::Steady => Worth::Simulated,
    };
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
        let words = |candidate: &Candidate| match &candidate.result {
            Ok(evaluation) => depth_words(candidate, evaluation, options.max_depth),
            Err(error) => error.clone(),
        };
        let mut tried: Vec<String> = pool.candidates.iter().map(words).collect();
        if !instance.demands().pins.is_empty() {
            let partial = match options.partial {
                PartialInference::Off => ", or let requests enter machines in the middle of their layers",
                PartialInference::On => "",
            };
            tried.push(format!("the pins seem to leave no way through: pin fewer machines{partial}"));
        }
        return Err(PlanError::Nothing(tried));
    };
    let largest = points.iter().map(flow).fold(0.0, f64::max);
    let is_exceeded = |bound: f64| largest > bound * (1.0 + 1e-9);
    let bound =
        if is_exceeded(bound) { bound_of_all_layers(instance, options.partial, bound) } else { bound };
    let proven = !is_exceeded(bound);
    // What the row says of packing is what was chosen of it, where it was.
    let mut candidates = pool.candidates;
    for row in candidates.iter_mut().filter(|row| row.planner == "packing" && best.plan.planner == "packing")
    {
        row.result = Ok(best.plan.evaluation.clone());
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

/// The bound on placements that give machines as many layers as they can hold at all, as the rules for separate pipelines do;
/// `known` where there is none.
fn bound_of_all_layers(instance: &Instance<'_>, partial: PartialInference, known: f64) -> f64 {
    let problem = packing_problem_up_to(instance, partial, &|id| instance.most_layers(id));
    let bound = |problem: &Problem| {
        configuration_bound(problem.layers, &problem.tables, &problem.counts(), BOUND_PRECISION, &mut || {
            false
        })
    };
    problem.as_ref().map_or(known, bound)
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
