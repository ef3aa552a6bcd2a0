//! The steady objective with a simulator in the loop: many plans in short runs, few in long ones.
//!
//! ```text
//! plans found so far ─┐           ┌─ neighbours: order of stages, partition ─┐
//! packings for cache ─┴─> halving ┴─> orders ─> climb (short runs) <─────────┘
//!                                               └──> finalists (long runs) ──> choice ──> report (seeds that chose nothing)
//! ```
//! What the simulator says is noisy, and the best of many noisy figures is too good to be true. So a plan must hold its lead
//! in a second run before it counts, finalists are compared in long runs of other seeds, and the figures of the chosen plan
//! come from seeds that had no part in choosing it. All decisions follow from the runs and the share of the budget that is
//! used; with a limit on runs alone the result is the same on every machine on which the packing before it ends in time.

mod alike;
mod arms;
mod candidates;
mod climb;
mod fit;
mod halving;
mod interleave;
mod neighbours;
mod report;
mod statistics;

pub use report::{LatencyPoint, Origin, SimulatedSearch};
pub use statistics::Mean;

pub(super) use arms::Tuner;
pub(super) use candidates::for_cache;
pub(super) use climb::Climb;
pub(super) use interleave::interleaved;
pub(super) use neighbours::STEADY_SEARCH;

use super::Evaluate;
use crate::plan::Plan;

/// Seeds of short runs: few, so that plans are compared in runs of the same seeds.
const SHORT_SEEDS: usize = 8;

/// Seed of the short runs of a round.
fn seed(round: usize) -> u64 {
    1 + (round % SHORT_SEEDS) as u64
}

/// How long a run is. What that means in simulated seconds is the simulator's business; the costs have about the ratio of
/// [`Effort::weight`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// For sorting out.
    Short,
    /// For the choice among finalists.
    Long,
    /// For the report.
    Report,
}

impl Effort {
    /// Cost in short runs.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Self::Short => 1,
            Self::Long => 2,
            Self::Report => 5,
        }
    }
}

/// A run that is asked for: a saturated cluster, nothing dropped.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Seed of all that is random.
    pub seed: u64,
    /// How long.
    pub effort: Effort,
}

/// What a run gave within its window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Decode tokens a second.
    pub decode_rate: f64,
    /// Mean time from arrival to the end of the prompt's pass \[s\]; `None` if no prompt ended.
    pub prompt_latency: Option<f64>,
    /// Mean time from one token to the next \[s\]; `None` if there was none.
    pub decode_latency: Option<f64>,
}

/// One per cent of decode latency weighs as much as this share of one per cent of decode throughput: throughput comes first, but the
/// last token a second is not worth any latency. More requests in flight always add a little of both.
const WEIGHT_OF_LATENCY: f64 = 0.1;

impl Figures {
    /// What plans are compared by \[tokens/s\]: decode throughput, less where a token takes longer than a second, more where it
    /// takes less (latency to the power of 0.1).
    #[must_use]
    pub fn worth(&self) -> f64 {
        match self.decode_latency {
            Some(latency) if latency > 0.0 => self.decode_rate / latency.powf(WEIGHT_OF_LATENCY),
            _ => 0.0,
        }
    }
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It ran.
    Ran(Figures),
    /// The plan cannot be simulated.
    Impossible,
    /// There was no time left, or somebody interrupted.
    Stopped,
}

/// Runs trials; the command line implements it with the simulator.
pub trait Measure {
    /// The outcomes in the order of the trials, which may run side by side. One trial gives one outcome, whatever runs
    /// beside it.
    fn measure(&self, trials: &[Trial<'_>]) -> Vec<Outcome>;
}

/// Who says what a plan is worth.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    /// The cheap estimate: ranks candidates, and decides where nothing is simulated.
    pub estimate: &'a dyn Evaluate,
    /// The simulator; only the steady objective asks it.
    pub simulator: Option<&'a dyn Measure>,
    /// When runs end.
    pub limit: Limit,
}

/// When runs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// With the budget.
    Budget,
    /// Once they cost as much as so many short ones.
    Runs(u32),
    /// With what comes first.
    Either(u32),
}
