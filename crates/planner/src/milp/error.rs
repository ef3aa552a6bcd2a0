//! Why the MILP planner has no plan.

use super::SolverError;
use crate::ModelTooLarge;
use crate::flow::FlowError;
use crate::packing::ProblemError;
use crate::plan::PlanError;

/// Why the MILP planner has no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MilpError {
    /// Nothing that is particular to this planner.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// More than the program can have.
    #[error(
        "the mixed-integer program would have {found} {what}, {most} at the most: prune more links, or take the planner `auto`"
    )]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: usize,
        /// How much is allowed.
        most: usize,
    },
    /// The given start does not fit the program.
    #[error("the search cannot start from {origin}: {reason}")]
    Start {
        /// Where the start comes from.
        origin: String,
        /// What does not fit.
        reason: String,
    },
    /// The solver failed.
    #[error(transparent)]
    Solver(#[from] SolverError),
    /// Nothing found.
    #[error(
        "the mixed-integer program has no placement after {found}: give more time (--budget) or a warm start"
    )]
    Nothing {
        /// How the solver ended.
        found: &'static str,
    },
}

impl From<ModelTooLarge> for MilpError {
    fn from(error: ModelTooLarge) -> Self {
        Self::Plan(error.into())
    }
}

impl From<ProblemError> for MilpError {
    fn from(error: ProblemError) -> Self {
        Self::Plan(error.into())
    }
}

impl From<FlowError> for MilpError {
    fn from(error: FlowError) -> Self {
        Self::Plan(error.into())
    }
}
