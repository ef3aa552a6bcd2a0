//! The search as a whole: bounds, then pipelines over every way to group and order the regions, cheap ideas first.
//!
//! | phase | what it tries |
//! |---|---|
//! | all plans | every plan there is, of a handful of machines |
//! | stages | pipelines of stages, exact where the counts allow it: over all machines, and through every group of regions |
//! | complete | a complete search, where there are few machines |
//! | blocks | the same pipelines with blocks, then nested ones, then more of them |

mod complete;
mod front;
mod groups;

use crate::bounds::{configuration_bound, crossing_bound};
use crate::packing::region::Region;
use crate::packing::{Columns, Kinds, Plan, Problem, Search, evaluate, lay_out, pack};
use groups::Groups;

pub use front::front;

/// Machines up to which a complete search is tried.
const MAX_EXACT: usize = 20;
/// Precision of the first search with blocks.
const ROUGH: f64 = 3e-3;
/// Rounds of further blocks after the first.
const MAX_EFFORT: u32 = 4;

/// What the search is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Relative gap that counts as solved.
    pub precision: f64,
    /// Whether all plans are tried where there are few; without it they are searched for as many are.
    pub try_all: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: 1e-4, try_all: true }
    }
}

/// A plan with what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Incumbent {
    /// The plan.
    pub plan: Plan,
    /// Its exact max-flow \[tokens/s\].
    pub flow: f64,
    /// Machines that a request passes at most.
    pub depth: usize,
}

/// What the search reports on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A better plan.
    Incumbent(&'a Incumbent),
    /// A lower bound on what any plan can reach, from above \[tokens/s\].
    Bound(f64),
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The plan with the largest flow; `None` if no plan carries any.
    pub best: Option<Incumbent>,
    /// No plan carries more \[tokens/s\].
    pub bound: f64,
}

/// Searches for the plan with the largest max-flow, until it is proven best within the precision, the ideas run out or
/// `should_stop` says so. Deterministic but for where it is stopped.
pub fn solve(
    problem: &Problem,
    options: Options,
    should_stop: &mut dyn FnMut() -> bool,
    report: &mut dyn FnMut(Event<'_>),
) -> Outcome {
    let problem = within_layers(problem);
    let mut run = Run {
        problem: &problem,
        options,
        depth: None,
        regions: Region::all(&problem),
        outcome: Outcome::default(),
        report,
    };
    run.search(should_stop);
    run.outcome
}

/// A machine cannot hold more layers than there are; the bounds need not think of it again.
fn within_layers(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    for table in &mut problem.tables {
        table.throughput.truncate(problem.layers);
    }
    problem
}

/// What pipelines are made of, and how hard it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Level {
    columns: Columns,
    effort: u32,
}

struct Run<'a> {
    problem: &'a Problem,
    options: Options,
    /// Machines in a row, at most.
    depth: Option<usize>,
    regions: Vec<Region>,
    outcome: Outcome,
    report: &'a mut dyn FnMut(Event<'_>),
}

/// The best pipeline known through some machines.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Its flow as far as links allow, and the plan.
    best: Option<(f64, Plan)>,
    /// What such pipelines hardly exceed \[tokens/s\].
    limit: f64,
}

impl Known {
    fn flow(&self) -> f64 {
        self.best.as_ref().map_or(0.0, |(flow, _)| *flow)
    }
}

impl Run<'_> {
    fn search(&mut self, should_stop: &mut dyn FnMut() -> bool) {
        let problem = self.problem;
        let precision = self.options.precision / 4.0;
        let bound =
            configuration_bound(problem.layers, &problem.tables, &problem.counts(), precision, should_stop);
        self.outcome.bound = bound;
        (self.report)(Event::Bound(bound));

        if self.every_plan(should_stop) {
            return;
        }
        let all = Region::merged(&self.regions);
        // Where any link between regions could carry everything, they are no matter.
        let narrow = problem.network.between.iter().copied().fold(f64::INFINITY, f64::min) < bound;
        let narrow = self.regions.len() > 1 && narrow;
        let mut is_wide = true;
        let mut decided = false;
        let mut blind = Known { best: None, limit: bound };
        let mut groups = Groups::new(self, should_stop);
        let first = Level { columns: Columns::Stages, effort: 0 };
        let more = (0..=MAX_EFFORT).map(|effort| Level { columns: Columns::Nested, effort });
        let levels = [first, Level { columns: Columns::Blocks, effort: 0 }].into_iter().chain(more);
        for level in levels {
            if self.regions.len() > 1 && level != first {
                groups.improve(self, level, should_stop);
            }
            if is_wide && !(narrow && level == first) {
                self.pipeline(&all, level, &mut blind, should_stop);
            }
            if let Some((flow, plan)) = &blind.best {
                self.offer(plan.clone());
                // Over links that carry much less, better pipelines of this kind are of no use.
                is_wide = self.flow() > 0.9 * flow;
            }
            if self.regions.len() > 1 && level == first {
                self.crossing(should_stop);
                groups.improve(self, level, should_stop);
            }
            if level == first && problem.machines.len() <= MAX_EXACT && !self.is_solved() {
                decided = self.complete(should_stop);
            }
            if decided || self.is_solved() || should_stop() {
                break;
            }
        }
    }

    fn flow(&self) -> f64 {
        self.outcome.best.as_ref().map_or(0.0, |best| best.flow)
    }

    fn is_solved(&self) -> bool {
        self.outcome.bound - self.flow() <= self.options.precision * self.outcome.bound
    }

    fn offer(&mut self, plan: Plan) {
        let Ok(flow) = evaluate(self.problem, &plan) else { return };
        if flow > self.flow() {
            let depth = depth(self.problem, &plan);
            let incumbent = Incumbent { plan, flow, depth };
            (self.report)(Event::Incumbent(&incumbent));
            self.outcome.best = Some(incumbent);
        }
    }

    fn lower_bound_to(&mut self, bound: f64) {
        if bound < self.outcome.bound {
            self.outcome.bound = bound;
            (self.report)(Event::Bound(bound));
        }
    }

    fn crossing(&mut self, should_stop: &mut dyn FnMut() -> bool) {
        let (low, high) = (self.flow(), self.outcome.bound);
        let bound = crossing_bound(self.problem, low, high, self.options.precision / 4.0, should_stop);
        self.lower_bound_to(bound);
    }

    /// Improves the best single pipeline of some machines; its flow counts no links.
    fn pipeline(
        &self,
        region: &Region,
        level: Level,
        known: &mut Known,
        should_stop: &mut dyn FnMut() -> bool,
    ) {
        let precision = self.options.precision / 4.0;
        // More effort means other blocks once, then more of the same.
        let bounded = level.effort <= 1 && self.depth.is_none();
        let (below, above) = (known.flow(), if bounded { self.outcome.bound } else { known.limit });
        if above - below <= precision * above {
            return;
        }
        let kinds = Kinds { tables: &self.problem.tables, counts: &region.counts };
        let Level { columns, effort } = level;
        // The first blocks of many machines roughly, so that every region gets its turn.
        let precision = if columns == Columns::Blocks { precision.max(ROUGH) } else { precision };
        let search = Search {
            layers: self.problem.layers,
            depth: self.depth,
            above,
            below,
            precision,
            columns,
            effort,
        };
        let (packing, limit) = pack(kinds, search, should_stop);
        // What holds at one depth does not at the next.
        known.limit = if self.depth.is_none() { limit } else { known.limit };
        if let Some(packing) = packing {
            let mut plan = Plan::empty(self.problem.machines.len());
            lay_out(&packing.columns, 0, &mut region.pools.clone(), &mut plan);
            known.best = Some((packing.flow, plan));
        }
    }
}

/// Machines that a request passes at most on its way through a plan; zero if none leads through.
#[must_use]
pub fn depth(problem: &Problem, plan: &Plan) -> usize {
    let mut spans: Vec<_> = plan.used().map(|(_, span)| span).collect();
    spans.sort_unstable_by_key(|span| (span.end, span.start));
    // The longest way that ends at each layer; with partial inference a machine is entered anywhere within its layers.
    let mut longest = vec![None; problem.layers + 1];
    longest[0] = Some(0usize);
    for span in spans {
        let entries = if problem.partial { span.start..span.end } else { span.start..span.start + 1 };
        let entered = longest[entries].iter().flatten().max().copied();
        longest[span.end] = longest[span.end].max(entered.map(|hops| hops + 1));
    }
    longest[problem.layers].unwrap_or(0)
}
