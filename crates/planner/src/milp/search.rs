//! The planner: warm start, links, program, incumbents valued exactly, bound.

use std::collections::BTreeSet;

use helix_spec::{PartialInference, Placement};

use super::MilpError;
use super::formulation::{BigM, Formulation};
use super::links::{Node, links};
use super::lp_text::lp_text;
use super::program::Size;
use super::solution_file::SolutionFile;
use super::solver::{Ending, Seen, solve};
use super::start::{Start, Started};
use super::values::{carried, plan_of, values_of};
use crate::Instance;
use crate::bounds::{capped_work, configuration_bound, crossing_bound};
use crate::evaluation::{Evaluation, evaluate};
use crate::packing::{Plan as Spans, Problem, Span};
use crate::plan::{Candidate, Plan, PlanError};
use crate::search::Found;
use crate::search::bridge::{packing_problem, to_placement};

/// The search ends when it is as near to the bound as this.
const EARLY_STOP: f64 = 1e-4;
/// A solution that claims more than this share above what it carries is counted as wrong.
const LEAK: f64 = 1e-5;
/// Precision of the bounds.
const BOUND_PRECISION: f64 = 1e-4;

/// What the planner may do.
#[derive(Debug, Clone, PartialEq)]
pub struct MilpOptions {
    /// Whether requests may enter a machine in the middle of its range.
    pub partial: PartialInference,
    /// Links from a machine to others that the program knows, the fastest; all with `None`. The paper keeps 12.
    pub prune: Option<usize>,
    /// Where the search starts.
    pub start: Start,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum MilpEvent<'a> {
    /// A better placement, valued exactly.
    Incumbent {
        /// The placement.
        placement: &'a Placement,
        /// What it carries \[tokens/s\].
        throughput: f64,
        /// What the solver says of it; `None` for the start \[tokens/s\].
        claimed: Option<f64>,
    },
    /// No solution of the program has more \[tokens/s\].
    SolverBound(f64),
    /// No placement at all has more \[tokens/s\].
    Bound(f64),
}

/// Time and interruption, as a pure crate may know them.
pub struct MilpControl<'a> {
    /// The share of the budget that is used up; 1 or more ends the search with the best so far.
    pub used: &'a mut dyn FnMut() -> f64,
    /// The whole budget \[s\]: HiGHS looks at a clock of its own where it does not ask.
    pub seconds: f64,
    /// Told about every find.
    pub report: &'a mut dyn FnMut(MilpEvent<'_>),
}

/// What is known about the program and its search.
#[derive(Debug, Clone, PartialEq)]
pub struct MilpSummary {
    /// Its size.
    pub size: Size,
    /// Links that it knows.
    pub links: usize,
    /// Links that were pruned.
    pub pruned: usize,
    /// Who made the start, and what it carries \[tokens/s\].
    pub start: Option<(String, f64)>,
    /// No solution of the program has more, by the solver's word; a bound on all placements only where nothing was pruned.
    pub solver_bound: Option<f64>,
    /// How the solver ended; `None` if the time was over before it began, or the start reaches the bound.
    pub ending: Option<Ending>,
    /// Solutions that claimed more than they carry.
    pub overstated: usize,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub struct MilpFound {
    /// The plan.
    pub found: Found,
    /// What is known about the search.
    pub summary: MilpSummary,
}

/// The program of an instance, ready to be written or solved.
pub struct Milp<'a> {
    instance: &'a Instance<'a>,
    partial: PartialInference,
    problem: Problem,
    formulation: Formulation,
    start: Option<Started>,
    upper: f64,
    pruned: usize,
}

impl<'a> Milp<'a> {
    /// Finds the start and the bounds, and writes the program down.
    pub fn new(
        instance: &'a Instance<'a>,
        options: &MilpOptions,
        used: &mut dyn FnMut() -> f64,
    ) -> Result<Self, MilpError> {
        instance.check_capacity()?;
        let partial = options.partial;
        let problem = packing_problem(instance, partial)?;
        // Half of the time at most: the program is what was asked for.
        let mut stop = || used() >= 0.5;
        let start = options.start.find(instance, &problem, &mut stop)?;
        let below = start.as_ref().map_or(0.0, |start| start.throughput);
        let upper = upper_bound(&problem, below, &mut stop);
        let keep = match &start {
            Some(start) => used_links(&problem, &start.plan)?,
            None => BTreeSet::new(),
        };
        let (links, pruned) = links(&problem, options.prune, &keep)?;
        let formulation = Formulation::new(&problem, &links, BigM::Tight { upper });
        Ok(Self { instance, partial, problem, formulation, start, upper, pruned })
    }

    /// The program's size.
    #[must_use]
    pub fn size(&self) -> Size {
        self.formulation.program.size()
    }

    /// Links that the program knows, and links that were pruned.
    #[must_use]
    pub fn links(&self) -> (usize, usize) {
        (self.formulation.links.len(), self.pruned)
    }

    /// No placement has a larger maximum flow \[tokens/s\].
    #[must_use]
    pub fn upper_bound(&self) -> f64 {
        self.upper
    }

    /// Who made the start, and what it carries \[tokens/s\].
    #[must_use]
    pub fn start(&self) -> Option<(&str, f64)> {
        self.start.as_ref().map(|start| (start.planner.as_str(), start.throughput))
    }

    /// The program in the LP format.
    #[must_use]
    pub fn lp_text(&self) -> String {
        let size = self.size();
        let title = format!(
            "Placement of {} on {}: {} variables ({} binaries), {} constraints.\nMachine i is number i of the cluster \
             file, counted from 0.",
            self.instance.model.name,
            self.instance.cluster.name,
            size.variables,
            size.binaries,
            size.constraints
        );
        lp_text(&self.formulation.program, &title)
    }

    /// A placement as a solution of the program, in Gurobi's format; `None` if it does not fit the program.
    #[must_use]
    pub fn solution_text(&self, placement: &Placement) -> Option<String> {
        let mut plan = Spans::empty(self.problem.machines.len());
        for (&id, assignment) in &placement.machines {
            let (start, end) = (assignment.layers.start() as usize, assignment.layers.end() as usize);
            *plan.spans.get_mut(id.index())? = Some(Span { start, end });
        }
        let values = self.values(&plan)?;
        Some(SolutionFile::text(&self.formulation.program, &values))
    }

    /// The plan's values, with the flow that it has over the program's links.
    fn values(&self, plan: &Spans) -> Option<Vec<f64>> {
        let mut problem = self.problem.clone();
        only_links(&mut problem, &self.formulation);
        values_of(&self.formulation, plan, &carried(&problem, plan).ok()?)
    }

    /// Searches until the budget is used up, the best is proven, or it is as near to the bound as makes no difference.
    pub fn solve(&self, control: &mut MilpControl<'_>) -> Result<MilpFound, MilpError> {
        let mut best = Best { milp: self, plan: None, overstated: 0 };
        (control.report)(MilpEvent::Bound(self.upper));
        if let Some(start) = &self.start {
            best.offer(start.placement.clone(), None, control.report);
        }
        let (mut ending, mut solver_bound) = (None, None);
        if !best.is_near_the_bound() && (control.used)() < 1.0 {
            let values = self.start.as_ref().and_then(|start| self.values(&start.plan));
            let seconds = control.seconds * (1.0 - (control.used)());
            let mut bound = f64::INFINITY;
            let outcome = {
                let MilpControl { used, report, .. } = &mut *control;
                let mut watch = |seen: Seen<'_>| {
                    match seen {
                        Seen::Solution { values, objective, bound: now } => {
                            lower(&mut bound, now, *report);
                            best.read(values, objective, *report);
                        }
                        Seen::Bound(now) => lower(&mut bound, now, *report),
                        Seen::Working => {}
                    }
                    best.is_near_the_bound() || used() >= 1.0
                };
                solve(&self.formulation.program, values.as_deref(), seconds, &mut watch)?
            };
            lower(&mut bound, outcome.bound, control.report);
            if let Some(values) = &outcome.values {
                best.read(values, outcome.objective, control.report);
            }
            ending = Some(outcome.ending);
            solver_bound = Some(bound).filter(|bound| bound.is_finite());
        }
        self.finish(best, ending, solver_bound)
    }

    fn finish(
        &self,
        best: Best<'_>,
        ending: Option<Ending>,
        solver_bound: Option<f64>,
    ) -> Result<MilpFound, MilpError> {
        let Some((placement, evaluation)) = best.plan else {
            let found = match ending {
                Some(Ending::Optimal | Ending::Infeasible) => "a complete search of the links that it knows",
                _ => "the budget",
            };
            return Err(MilpError::Nothing { found });
        };
        let mut bound = self.upper;
        if let (Some(solver), 0) = (solver_bound, self.pruned) {
            bound = bound.min(solver);
        }
        // Rounding of the last digits is no contradiction; more than that would be a wrong bound, and is not hidden.
        let proven = evaluation.throughput <= bound * (1.0 + 1e-6);
        let bound = bound.max(evaluation.throughput);
        let row = |planner: &str, evaluation: &Evaluation| Candidate {
            planner: planner.to_owned(),
            result: Ok(evaluation.clone()),
        };
        let mut candidates = Vec::new();
        if let Some(start) = &self.start {
            let evaluation = evaluate(self.instance, &start.placement).map_err(PlanError::from)?;
            candidates.push(row(&start.planner, &evaluation));
        }
        candidates.push(row("milp", &evaluation));
        let (links, pruned) = self.links();
        let summary = MilpSummary {
            size: self.size(),
            links,
            pruned,
            start: self.start().map(|(planner, throughput)| (planner.to_owned(), throughput)),
            solver_bound,
            ending,
            overstated: best.overstated,
        };
        let plan = Plan { planner: "milp".to_owned(), placement, evaluation };
        let found = Found {
            plan,
            steady: None,
            simulated: None,
            bound,
            proven,
            candidates,
            front: Vec::new(),
            trade: None,
        };
        Ok(MilpFound { found, summary })
    }
}

/// The best placement so far, valued exactly.
struct Best<'a> {
    milp: &'a Milp<'a>,
    plan: Option<(Placement, Evaluation)>,
    overstated: usize,
}

impl Best<'_> {
    fn throughput(&self) -> f64 {
        self.plan.as_ref().map_or(0.0, |(_, evaluation)| evaluation.throughput)
    }

    fn is_near_the_bound(&self) -> bool {
        self.throughput() >= self.milp.upper * (1.0 - EARLY_STOP) && self.plan.is_some()
    }

    /// A solution of the solver.
    fn read(&mut self, values: &[f64], claimed: f64, report: &mut dyn FnMut(MilpEvent<'_>)) {
        let Some(plan) = plan_of(&self.milp.formulation, self.milp.problem.machines.len(), values) else {
            self.overstated += 1;
            return;
        };
        self.offer(to_placement(self.milp.instance, &plan, self.milp.partial), Some(claimed), report);
    }

    fn offer(&mut self, placement: Placement, claimed: Option<f64>, report: &mut dyn FnMut(MilpEvent<'_>)) {
        // A placement that leaves layers out cannot be evaluated: it carries nothing, and may say so.
        let evaluation = evaluate(self.milp.instance, &placement).ok();
        let carried = evaluation.as_ref().map_or(0.0, |evaluation| evaluation.throughput);
        if claimed.is_some_and(|claimed| claimed > carried * (1.0 + LEAK) + LEAK) {
            self.overstated += 1;
        }
        let Some(evaluation) = evaluation else { return };
        if evaluation.throughput <= self.throughput() {
            return;
        }
        // Machines that carry nothing would load weights for nothing.
        let mut placement = placement;
        for idle in &evaluation.idle {
            placement.machines.remove(&idle.machine);
        }
        let Ok(evaluation) = evaluate(self.milp.instance, &placement) else { return };
        if evaluation.throughput <= self.throughput() {
            return;
        }
        report(MilpEvent::Incumbent { placement: &placement, throughput: evaluation.throughput, claimed });
        self.plan = Some((placement, evaluation));
    }
}

/// Reports a bound that is lower than the last one by more than rounding.
fn lower(bound: &mut f64, now: f64, report: &mut dyn FnMut(MilpEvent<'_>)) {
    if now.is_finite() && now < *bound - 1e-6 * now.abs() {
        *bound = now;
        report(MilpEvent::SolverBound(now));
    }
}

/// The best bound on all placements that is quick to find.
fn upper_bound(problem: &Problem, below: f64, stop: &mut dyn FnMut() -> bool) -> f64 {
    let counts = problem.counts();
    let mut bound = capped_work(problem.layers, &problem.tables, &counts);
    if stop() {
        return bound;
    }
    bound = bound.min(configuration_bound(problem.layers, &problem.tables, &counts, BOUND_PRECISION, stop));
    if stop() {
        return bound;
    }
    let low = below.max(0.5 * bound).min(bound);
    bound.min(crossing_bound(problem, low, bound, BOUND_PRECISION, stop))
}

/// Links between machines that a maximum flow of the plan uses.
fn used_links(problem: &Problem, plan: &Spans) -> Result<BTreeSet<(usize, usize)>, MilpError> {
    let between = |from: Node, to: Node| match (from, to) {
        (Node::Machine(from), Node::Machine(to)) => Some((from, to)),
        _ => None,
    };
    Ok(carried(problem, plan)?.into_iter().filter_map(|way| between(way.from, way.to)).collect())
}

/// Leaves the problem those links between machines that the program knows.
fn only_links(problem: &mut Problem, formulation: &Formulation) {
    problem.network.between.fill(0.0);
    problem.network.special.clear();
    for columns in &formulation.links {
        if let (Node::Machine(from), Node::Machine(to)) = (columns.link.from, columns.link.to) {
            problem.network.special.insert((from, to), columns.link.capacity);
        }
    }
}
