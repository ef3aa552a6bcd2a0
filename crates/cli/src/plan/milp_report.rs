//! What the plan's JSON says about the mixed-integer program.

use helix_planner::milp::{Ending, MilpSummary};
use serde::Serialize;

/// The program and its search.
#[derive(Debug, Clone, Serialize)]
pub struct MilpReport {
    /// All variables.
    pub variables: usize,
    /// Variables that are 0 or 1.
    pub binaries: usize,
    /// Variables that are other whole numbers.
    pub integers: usize,
    /// Constraints.
    pub constraints: usize,
    /// Coefficients in the constraints.
    pub nonzeros: usize,
    /// Links that the program knows.
    pub links: usize,
    /// Links that were left out.
    pub pruned_links: usize,
    /// Who made the start; null for a cold one.
    pub start: Option<String>,
    /// What the start carries.
    pub start_tokens_per_s: Option<f64>,
    /// No solution of the program has more, by the solver's word; about all placements only if nothing is pruned.
    pub solver_bound_tokens_per_s: Option<f64>,
    /// `optimal`, `stopped`, or `not needed` where the start is as good as the bound.
    pub ending: &'static str,
    /// Solutions of the solver that claimed more than they carry.
    pub overstated_solutions: usize,
    /// Every better placement when it was found, the start first.
    pub incumbents: Vec<Incumbent>,
}

/// One incumbent.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Incumbent {
    /// Since the planner began \[s\].
    pub seconds: f64,
    /// What it carries, by the exact evaluator.
    pub throughput_tokens_per_s: f64,
    /// What the solver says of it; null for the start.
    pub claimed_tokens_per_s: Option<f64>,
    /// The bound at that time; null where there was none.
    pub bound_tokens_per_s: Option<f64>,
}

impl Incumbent {
    /// An incumbent; an infinite bound is none.
    pub fn new(seconds: f64, throughput: f64, claimed: Option<f64>, bound: f64) -> Self {
        Self {
            seconds,
            throughput_tokens_per_s: throughput,
            claimed_tokens_per_s: claimed,
            bound_tokens_per_s: Some(bound).filter(|bound| bound.is_finite()),
        }
    }
}

impl MilpReport {
    /// The report of a search.
    pub fn new(summary: &MilpSummary, incumbents: Vec<Incumbent>) -> Self {
        let size = summary.size;
        Self {
            variables: size.variables,
            binaries: size.binaries,
            integers: size.integers,
            constraints: size.constraints,
            nonzeros: size.nonzeros,
            links: summary.links,
            pruned_links: summary.pruned,
            start: summary.start.as_ref().map(|(planner, _)| planner.clone()),
            start_tokens_per_s: summary.start.as_ref().map(|(_, throughput)| *throughput),
            solver_bound_tokens_per_s: summary.solver_bound,
            ending: match summary.ending {
                Some(Ending::Optimal) => "optimal",
                Some(Ending::Stopped) => "stopped",
                Some(Ending::Infeasible) => "infeasible",
                None => "not needed",
            },
            overstated_solutions: summary.overstated,
            incumbents,
        }
    }
}
