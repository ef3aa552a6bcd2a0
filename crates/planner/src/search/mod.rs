//! `auto`: every baseline, packing with its bound, and the front of throughput against depth; the best is chosen.
//!
//! ```text
//! Instance ──> packing::Problem ──solve──> best plan, bound ──┐
//!     │                └─────pack at every depth──> front ────┼──> exact evaluation ──> objective ──> plan
//!     └──> baselines ─────────────────────────────────────────┘
//! ```
//! Whatever a search claims, the exact evaluator has the last word: no plan is reported above what it carries, and none is
//! worse than a baseline by the objective that was asked for.

pub(crate) mod bridge;
mod front;
mod steady;

pub use steady::{Evaluate, LittleLaw};

use helix_spec::{PartialInference, Placement};

use crate::evaluation::{Evaluation, evaluate};
use crate::packing::{self, ProblemError};
use crate::plan::{Baseline, Candidate, Plan, PlanError, plan_baseline};
use crate::{Instance, flow::FlowError};

use bridge::{packing_problem, to_placement};

/// What a plan is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Objective {
    /// Decode tokens a second in steady operation, as [`Evaluate`] foresees them, with the maximum flow as a limit.
    #[default]
    Steady,
    /// The maximum flow alone.
    MaxFlow,
}

/// What the search may do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SearchOptions {
    /// What the plan is chosen for.
    pub objective: Objective,
    /// Whether requests may enter a machine in the middle of its range. Petals always lets them.
    pub partial: PartialInference,
    /// Machines that a request may pass, at most.
    pub max_depth: Option<usize>,
}

/// How far the search is.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchEvent {
    /// A plan that was not known before.
    Found {
        /// Who made it.
        planner: String,
        /// Its maximum flow \[tokens/s\].
        throughput: f64,
        /// Machines in its longest pipeline.
        depth: usize,
    },
    /// No plan has more flow than this \[tokens/s\].
    Bound(f64),
}

/// Time and interruption, as a pure crate may know them.
pub struct Control<'a> {
    /// The share of the budget that is used up; 1 or more ends the search with the best so far.
    pub used: &'a mut dyn FnMut() -> f64,
    /// Told about every find.
    pub report: &'a mut dyn FnMut(SearchEvent),
}

/// A point of the front: no other plan found has both more throughput and fewer hops.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontPoint {
    /// The plan.
    pub plan: Plan,
    /// Decode tokens a second in steady operation, where it was foreseen \[tokens/s\].
    pub steady: Option<f64>,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The plan for the objective.
    pub plan: Plan,
    /// What it decodes in steady operation, where that was foreseen \[tokens/s\].
    pub steady: Option<f64>,
    /// No placement has a larger maximum flow \[tokens/s\], if it is proven.
    pub bound: f64,
    /// Whether the bound holds for the plans at hand: it counts the layers that planners give to machines, and separate
    /// pipelines may give them more.
    pub proven: bool,
    /// What each planner reached.
    pub candidates: Vec<Candidate>,
    /// Throughput against depth, the shallowest first.
    pub front: Vec<FrontPoint>,
}

impl Found {
    /// A plan that was compared with nothing; its bound is what the machines could compute.
    #[must_use]
    pub fn alone(plan: Plan) -> Self {
        let bound = plan.evaluation.compute_bound;
        let proven = plan.evaluation.throughput <= bound * (1.0 + 1e-9);
        Self { plan, steady: None, bound, proven, candidates: Vec::new(), front: Vec::new() }
    }
}

/// Share of the budget after which the search for the largest flow makes room for the front.
const SOLVE_SHARE: f64 = 0.7;

/// Plans known so far.
pub(super) struct Pool<'a> {
    instance: &'a Instance<'a>,
    plans: Vec<Plan>,
    candidates: Vec<Candidate>,
}

impl Pool<'_> {
    fn offer(&mut self, planner: &str, placement: Placement, report: &mut dyn FnMut(SearchEvent)) {
        let Ok(evaluation) = evaluate(self.instance, &placement) else { return };
        let (throughput, depth) = (evaluation.throughput, evaluation.depth());
        let dominated =
            |known: &Plan| known.evaluation.throughput >= throughput && known.evaluation.depth() <= depth;
        if throughput <= 0.0 || self.plans.iter().any(dominated) {
            return;
        }
        report(SearchEvent::Found { planner: planner.to_owned(), throughput, depth });
        self.plans.push(Plan { planner: planner.to_owned(), placement, evaluation });
    }

    fn baselines(&mut self, report: &mut dyn FnMut(SearchEvent)) {
        for baseline in Baseline::ALL {
            let planner = baseline.name().to_owned();
            match plan_baseline(self.instance, baseline) {
                Ok(plan) => {
                    self.candidates.push(Candidate { planner, result: Ok(plan.evaluation.clone()) });
                    if plan.evaluation.throughput > 0.0 {
                        let (throughput, depth) = (plan.evaluation.throughput, plan.evaluation.depth());
                        let planner = baseline.name().to_owned();
                        report(SearchEvent::Found { planner, throughput, depth });
                        self.plans.push(plan);
                    }
                }
                Err(error) => self.candidates.push(Candidate { planner, result: Err(error.to_string()) }),
            }
        }
    }
}

/// Searches until the budget is used up or there is nothing left to try. Deterministic but for where it is stopped.
pub fn plan_auto(
    instance: &Instance<'_>,
    options: SearchOptions,
    judge: &dyn Evaluate,
    control: &mut Control<'_>,
) -> Result<Found, PlanError> {
    instance.check_capacity()?;
    let problem = packing_problem(instance, options.partial)?;
    let mut pool = Pool { instance, plans: Vec::new(), candidates: Vec::new() };
    pool.baselines(control.report);
    let outcome = {
        let Control { used, report } = control;
        let mut stop = || (used)() >= SOLVE_SHARE;
        packing::solve(&problem, packing::Options::default(), &mut stop, &mut |event| {
            if let packing::Event::Bound(bound) = event {
                report(SearchEvent::Bound(bound));
            }
        })
    };
    let bound = outcome.bound;
    if let Some(best) = outcome.best {
        pool.offer("packing", to_placement(instance, &best.plan, options.partial), control.report);
    }
    front::sweep(&mut pool, &problem, options, bound, control);
    add_packing_row(&mut pool);
    choose(pool, options, judge, bound)
}

/// What packing reached, as a row beside the baselines.
fn add_packing_row(pool: &mut Pool<'_>) {
    let packings = pool.plans.iter().filter(|plan| plan.planner == "packing");
    let best = packings.max_by(|a, b| a.evaluation.throughput.total_cmp(&b.evaluation.throughput));
    let result = match best {
        Some(plan) => Ok(plan.evaluation.clone()),
        None => Err("packing found nothing better than the baselines".to_owned()),
    };
    pool.candidates.push(Candidate { planner: "packing".to_owned(), result });
}

fn choose(
    pool: Pool<'_>,
    options: SearchOptions,
    judge: &dyn Evaluate,
    bound: f64,
) -> Result<Found, PlanError> {
    let instance = pool.instance;
    let allowed = |plan: &Plan| options.max_depth.is_none_or(|most| plan.evaluation.depth() <= most);
    let steady = |plan: &Plan| judge.decode_rate(instance, &plan.placement, &plan.evaluation);
    let points: Vec<FrontPoint> = pool
        .plans
        .into_iter()
        .filter(allowed)
        .map(|plan| FrontPoint { steady: steady(&plan), plan })
        .collect();
    let flow = |point: &FrontPoint| point.plan.evaluation.throughput;
    let best = match options.objective {
        Objective::MaxFlow => {
            points.iter().max_by(|a, b| flow(a).total_cmp(&flow(b)).then_with(|| shallower(a, b)))
        }
        Objective::Steady => points.iter().max_by(|a, b| {
            let rate = |point: &FrontPoint| point.steady.unwrap_or(f64::NEG_INFINITY);
            rate(a).total_cmp(&rate(b)).then_with(|| flow(a).total_cmp(&flow(b)))
        }),
    };
    let Some(best) = best.cloned() else {
        let words = |candidate: &Candidate| match &candidate.result {
            Ok(evaluation) => depth_words(candidate, evaluation, options.max_depth),
            Err(error) => error.clone(),
        };
        return Err(PlanError::Nothing(pool.candidates.iter().map(words).collect()));
    };
    let largest = points.iter().map(flow).fold(0.0, f64::max);
    let proven = largest <= bound * (1.0 + 1e-9);
    // What the row says of packing is what was chosen of it, where it was.
    let mut candidates = pool.candidates;
    for row in candidates.iter_mut().filter(|row| row.planner == "packing" && best.plan.planner == "packing")
    {
        row.result = Ok(best.plan.evaluation.clone());
    }
    let front = undominated(points);
    let bound = bound.max(largest);
    Ok(Found { plan: best.plan, steady: best.steady, bound, proven, candidates, front })
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

/// What keeps a cluster from being packed.
impl From<ProblemError> for PlanError {
    fn from(error: ProblemError) -> Self {
        Self::Nothing(vec![error.to_string()])
    }
}

impl From<FlowError> for PlanError {
    fn from(error: FlowError) -> Self {
        Self::Evaluate(error.into())
    }
}
