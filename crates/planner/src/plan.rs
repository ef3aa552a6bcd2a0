//! Choosing a placement: the planners by name, and the best of several under the exact evaluator.

use std::fmt;

use helix_spec::{MachineId, Placement};

use crate::baselines::{BaselineError, homogeneous, petals, separate, separate_plus, swarm};
use crate::evaluation::{EvaluateError, Evaluation, evaluate};
use crate::{Instance, ModelTooLarge};

/// The rules by which others place models; `auto` compares them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// Machines join one by one where the model is worst served.
    Petals,
    /// Equal stages, machines spread over them.
    Swarm,
    /// Full chains, strongest type first.
    Homogeneous,
    /// Pipelines of one type each.
    Separate,
    /// The same, and mixed pipelines from the leftovers.
    SeparatePlus,
}

impl Baseline {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 5] =
        [Self::Petals, Self::Swarm, Self::Homogeneous, Self::Separate, Self::SeparatePlus];

    /// The name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Petals => "petals",
            Self::Swarm => "swarm",
            Self::Homogeneous => "homogeneous",
            Self::Separate => "separate",
            Self::SeparatePlus => "separate-plus",
        }
    }

    /// The placement that follows from the rule.
    pub fn place(self, instance: &Instance<'_>) -> Result<Placement, BaselineError> {
        match self {
            Self::Petals => petals(instance, &instance.cluster.machine_ids().collect::<Vec<MachineId>>()),
            Self::Swarm => swarm(instance),
            Self::Homogeneous => homogeneous(instance),
            Self::Separate => separate(instance),
            Self::SeparatePlus => separate_plus(instance),
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The machines cannot hold the model.
    #[error(transparent)]
    TooLarge(#[from] ModelTooLarge),
    /// The chosen rule has no placement for this cluster.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// The rule cannot do what is demanded of a plan.
    #[error(
        "the placement of {planner} {unmet}; its rule knows no demands but forbidden machines, use the planner `auto`"
    )]
    Demand {
        /// The baseline.
        planner: Baseline,
        /// What its placement does instead.
        unmet: String,
    },
    /// The running placement is of another problem.
    #[error("the running placement cannot be started from: {0}")]
    Running(String),
    /// The placement cannot run.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// No rule has a placement that carries anything.
    #[error("no planner found a placement that carries a token: {}", .0.join("; "))]
    Nothing(
        /// What each planner said.
        Vec<String>,
    ),
}

/// A placement and how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Who made it.
    pub planner: String,
    /// The placement.
    pub placement: Placement,
    /// How good it is.
    pub evaluation: Evaluation,
}

/// One planner's try, for comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Who made it.
    pub planner: String,
    /// How good it is, or why there is none.
    pub result: Result<Evaluation, String>,
}

/// One baseline's plan.
pub fn plan_baseline(instance: &Instance<'_>, baseline: Baseline) -> Result<Plan, PlanError> {
    instance.check_capacity()?;
    let placement = baseline.place(instance)?;
    if let Some(unmet) = instance.demands().unmet(&placement) {
        return Err(PlanError::Demand { planner: baseline, unmet: unmet.words(instance) });
    }
    let evaluation = evaluate(instance, &placement)?;
    Ok(Plan { planner: baseline.name().to_owned(), placement, evaluation })
}
