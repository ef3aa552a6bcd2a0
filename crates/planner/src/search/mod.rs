//! `auto`: every baseline, packing with its bound, and the front of throughput against depth; the best is chosen.
//!
//! ```text
//! Instance ──> packing::Problem ──solve──> best plan, bound ──┐
//!     │                ├─────pack at every depth──> front ────┼──> demands ──> exact evaluation ──> objective ──> plan
//!     │                └─────local search─────────────────────┤
//!     └──> baselines, what runs already ──────────────────────┘
//! ```
//! Whatever a search claims, the exact evaluator has the last word: no plan is reported above what it carries, and none is
//! worse than a baseline by the objective that was asked for.

pub(crate) mod bridge;
mod choose;
mod front;
mod honour;
mod pool;
mod running;
mod simulated;
mod steady;
mod tune;

pub use pool::RUNNING;
pub use running::{Running, Trade, TradePoint};
pub use simulated::{
    Effort, Figures, Judges, LatencyPoint, Limit, Mean, Measure, Origin, Outcome, SimulatedSearch, Trial,
};
pub use steady::{Evaluate, LittleLaw};

use helix_spec::PartialInference;

use crate::packing::{self, Problem, ProblemError, pack_around};
use crate::plan::{Candidate, Plan, PlanError};
use crate::{Instance, flow::FlowError};

use bridge::packing_problem;
use choose::bound_up_to;
use honour::Honour;
use pool::Pool;

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
pub struct SearchOptions<'a> {
    /// What the plan is chosen for.
    pub objective: Objective,
    /// Whether requests may enter a machine in the middle of its range. Petals always lets them.
    pub partial: PartialInference,
    /// Machines that a request may pass, at most.
    pub max_depth: Option<usize>,
    /// What runs already, and what a change must gain.
    pub running: Option<&'a Running>,
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
    /// Plans were simulated.
    Simulated {
        /// Runs so far.
        runs: usize,
        /// Decode tokens a second of the best plan so far, by the runs that it had.
        decode_rate: f64,
    },
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
    /// What simulation makes of it, where it was a finalist ([`Figures::worth`]) \[tokens/s\].
    pub simulated: Option<f64>,
}

impl FrontPoint {
    /// What the objective makes of it \[tokens/s\]; below everything where that cannot be foreseen.
    fn value(&self, worth: Worth) -> f64 {
        match worth {
            Worth::Flow => self.plan.evaluation.throughput,
            Worth::Estimate { deepest } if self.plan.evaluation.depth() <= deepest => {
                self.steady.unwrap_or(f64::NEG_INFINITY)
            }
            Worth::Estimate { .. } => f64::NEG_INFINITY,
            Worth::Simulated => self.simulated.unwrap_or(f64::NEG_INFINITY),
        }
    }
}

/// By what plans are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// The maximum flow.
    Flow,
    /// What the cheap judge foresees, of plans with no more machines in a row.
    Estimate {
        /// Machines in a row at most.
        deepest: usize,
    },
    /// What the simulator gave to the finalists.
    Simulated,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The plan for the objective.
    pub plan: Plan,
    /// What it decodes in steady operation, where that was foreseen \[tokens/s\].
    pub steady: Option<f64>,
    /// What simulation found, where it was in the loop and had the time.
    pub simulated: Option<SimulatedSearch>,
    /// No placement has a larger maximum flow \[tokens/s\], if it is proven.
    pub bound: f64,
    /// Whether the bound holds for the plans at hand: it counts the layers that are known of machines, and separate
    /// pipelines may give them more.
    pub proven: bool,
    /// What each planner reached.
    pub candidates: Vec<Candidate>,
    /// Throughput against depth, the shallowest first.
    pub front: Vec<FrontPoint>,
    /// What a change from the running placement costs and gains, where something runs.
    pub trade: Option<Trade>,
}

impl Found {
    /// A plan that was compared with nothing. Its bound is the configuration program's, as far as that comes until `stop`, which is about
    /// placements that give machines no more layers than are known ([`Instance::known_layers`]), or where the plan has more, than fit.
    #[must_use]
    pub fn alone(instance: &Instance<'_>, plan: Plan, stop: &mut dyn FnMut() -> bool) -> Self {
        let throughput = plan.evaluation.throughput;
        let computed = plan.evaluation.compute_bound;
        let known = bound_up_to(instance, &|id| instance.known_layers(id), stop);
        let mut bound = known.map_or(computed, |known| known.min(computed));
        if throughput > bound * (1.0 + 1e-9) {
            bound = bound_up_to(instance, &|id| instance.most_layers(id), stop).unwrap_or(bound);
        }
        let proven = throughput <= bound * (1.0 + 1e-9);
        let bound = bound.max(throughput);
        Self {
            plan,
            steady: None,
            simulated: None,
            bound,
            proven,
            candidates: Vec::new(),
            front: Vec::new(),
            trade: None,
        }
    }
}

/// Share of the budget after which the search for the largest flow makes room for the front, and that for the local search.
const SHARES: Shares = Shares { solve: 0.7, front: 0.8 };
/// The same where most of the time is for the simulator.
const SHARES_BESIDE_SIMULATION: Shares = Shares { solve: 0.12, front: 0.2 };
/// A gap that local search does not try to close.
const SMALL_GAP: f64 = 1e-3;

/// Shares of the budget at which the search for the largest flow and that for the front end.
#[derive(Debug, Clone, Copy)]
struct Shares {
    solve: f64,
    front: f64,
}

/// Searches until the budget is used up or there is nothing left to try. Deterministic but for where it is stopped.
///
/// The plan meets the demands of the instance. Where something runs already, of all plans whose objective is within the
/// least gain of the best it takes the one that loads the fewest weights.
pub fn plan_auto(
    instance: &Instance<'_>,
    options: SearchOptions<'_>,
    judge: &dyn Evaluate,
    control: &mut Control<'_>,
) -> Result<Found, PlanError> {
    plan_with(instance, options, Judges { estimate: judge, simulator: None, limit: Limit::Budget }, control)
}

/// The same with a simulator, which the steady objective asks.
///
/// Where there is no time for the simulator, the estimate decides and [`Found::simulated`] is `None`.
pub fn plan_with(
    instance: &Instance<'_>,
    options: SearchOptions<'_>,
    judges: Judges<'_>,
    control: &mut Control<'_>,
) -> Result<Found, PlanError> {
    instance.check_capacity()?;
    if let Some(running) = options.running {
        running.check(instance)?;
    }
    let simulates = options.objective == Objective::Steady && judges.simulator.is_some();
    let mut pool = Pool::new(instance, options.running);
    pool.offer_running(control.report);
    pool.baselines(control);
    let problem = packing_problem(instance, options.partial);
    let bound = match &problem {
        Ok(problem) => {
            let shares = if simulates { SHARES_BESIDE_SIMULATION } else { SHARES };
            pack(&mut pool, problem, (options, shares), control)
        }
        Err(error) => {
            pool.candidates.push(Candidate { planner: PACKING.to_owned(), result: Err(error.to_string()) });
            instance.compute_bound()
        }
    };
    if simulates {
        let around = tune::Around { options, judges, problem: problem.as_ref().ok(), bound };
        return tune::tune(pool, around, control);
    }
    choose::choose(pool, (options, judges.estimate), &[], bound)
}

/// The name of the packing search in reports.
const PACKING: &str = "packing";

/// The packing search, until a share of the budget is used up.
fn solve(problem: &Problem, share: f64, control: &mut Control<'_>) -> packing::Outcome {
    let Control { used, report } = control;
    let mut stop = || (used)() >= share;
    packing::solve(problem, packing::Options::default(), &mut stop, &mut |event| {
        if let packing::Event::Bound(bound) = event {
            report(SearchEvent::Bound(bound));
        }
    })
}

/// Everything that works on the abstract problem; the bound on every plan.
fn pack(
    pool: &mut Pool<'_>,
    problem: &Problem,
    (options, shares): (SearchOptions<'_>, Shares),
    control: &mut Control<'_>,
) -> f64 {
    let demands = pool.instance.demands();
    let honour = Honour::new(problem, demands, options);
    // Pinned machines get in the way of the packing program, so it shares its time with two others that know of them.
    let share = if honour.pins.is_empty() { shares.solve } else { shares.solve / 2.0 };
    let outcome = solve(problem, share, control);
    let bound = outcome.bound;
    if let Some(best) = outcome.best {
        honour.offer(pool, PACKING, &best.plan, control);
    }
    if !honour.pins.is_empty() {
        let mut stop = || (control.used)() >= shares.solve;
        if let Some((_, plan)) = pack_around(problem, &honour.pins, bound, &mut stop) {
            honour.offer(pool, PACKING, &plan, control);
        }
        // Where they are of little use, the others do best by themselves.
        let silent = &mut Control { used: &mut *control.used, report: &mut |_| () };
        if let Some(best) = solve(&honour.without_pinned(), shares.solve, silent).best {
            honour.offer(pool, PACKING, &best.plan, control);
        }
        honour.offer_repaired_baselines(pool, control);
    }
    front::sweep(pool, &honour, (bound, shares.front), control);
    pool.add_row(PACKING, "packing found nothing better than the baselines");
    let gap = options.objective == Objective::MaxFlow && pool.largest() < bound * (1.0 - SMALL_GAP);
    if gap || !demands.pins.is_empty() || !demands.required.is_empty() || options.running.is_some() {
        let share = if shares.front < SHARES.front { 1.5 * shares.front } else { 1.0 };
        honour.search(pool, (bound, share), control);
        pool.add_row("local search", "local search found nothing better");
    }
    bound
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
