//! Where the search starts: a rule's placement, the packing search's, a given one, or nothing.

use helix_spec::{PartialInference, Placement};

use super::MilpError;
use crate::Instance;
use crate::evaluation::throughput;
use crate::packing::{self, Plan, Problem, Span};
use crate::plan::Baseline;
use crate::search::bridge::to_placement;

/// Where the search starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// From nothing.
    Cold,
    /// The best of the rules that fit the program; the paper takes Petals or Swarm.
    Best,
    /// One rule.
    Rule(Baseline),
    /// The packing search (a rule, if it finds nothing in its share of the time); with a proof of its optimum the program
    /// has nothing left to do.
    Packing,
    /// A given placement.
    Given {
        /// Where it comes from, for messages.
        origin: String,
        /// The placement.
        placement: Placement,
    },
}

/// A start that fits the program.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Started {
    /// Who made it.
    pub(super) planner: String,
    /// Its layers.
    pub(super) plan: Plan,
    /// The same with names.
    pub(super) placement: Placement,
    /// What it carries by the exact evaluator \[tokens/s\].
    pub(super) throughput: f64,
}

impl Start {
    /// The plan to start from; `None` for a cold start, or where no rule has one that fits.
    pub(super) fn find(
        &self,
        instance: &Instance<'_>,
        problem: &Problem,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Started>, MilpError> {
        match self {
            Self::Cold => Ok(None),
            Self::Best => Ok(best_rule(instance, problem)),
            Self::Rule(rule) => {
                let refuse = |reason| MilpError::Start { origin: rule.name().to_owned(), reason };
                let placement = rule.place(instance).map_err(|error| refuse(error.to_string()))?;
                started(instance, problem, rule.name(), &placement).map(Some).map_err(refuse)
            }
            Self::Packing => {
                let outcome = packing::solve(problem, packing::Options::default(), stop, &mut |_| ());
                let packed = outcome.best.and_then(|best| {
                    let placement = to_placement(instance, &best.plan, partial_of(problem));
                    started(instance, problem, "packing", &placement).ok()
                });
                // Too little time for it: a rule is better than nothing.
                Ok(packed.or_else(|| best_rule(instance, problem)))
            }
            Self::Given { origin, placement } => started(instance, problem, "given", placement)
                .map(Some)
                .map_err(|reason| MilpError::Start { origin: origin.clone(), reason }),
        }
    }
}

/// The best of the rules that fit the program; the first among equals, in the order of the rules.
fn best_rule(instance: &Instance<'_>, problem: &Problem) -> Option<Started> {
    let tries = Baseline::ALL.into_iter().filter_map(|rule| {
        let placement = rule.place(instance).ok()?;
        started(instance, problem, rule.name(), &placement).ok()
    });
    tries.fold(None, |best: Option<Started>, next| match best {
        Some(best) if best.throughput >= next.throughput => Some(best),
        _ => Some(next),
    })
}

fn partial_of(problem: &Problem) -> PartialInference {
    if problem.partial { PartialInference::On } else { PartialInference::Off }
}

/// The placement with the program's rule for partial inference and over all links, if it fits.
fn started(
    instance: &Instance<'_>,
    problem: &Problem,
    planner: &str,
    placement: &Placement,
) -> Result<Started, String> {
    let mut placement = placement.clone();
    placement.partial_inference = partial_of(problem);
    placement.links = None;
    let throughput = throughput(instance, &placement).map_err(|error| error.to_string())?;
    if throughput <= 0.0 {
        let remedy = match placement.partial_inference {
            PartialInference::Off => {
                ": let requests enter machines in the middle of their layers, or take another start"
            }
            PartialInference::On => "; take another start",
        };
        return Err(format!("no token gets through it{remedy}"));
    }
    let mut plan = Plan::empty(problem.machines.len());
    for (&id, assignment) in &placement.machines {
        let (start, end) = (assignment.layers.start() as usize, assignment.layers.end() as usize);
        if problem.throughput(id.index(), end - start).is_none() {
            return Err(format!(
                "{} holds {} layers, planners give it at most {}",
                instance.cluster.machine(id).name,
                end - start,
                instance.known_layers(id)
            ));
        }
        plan.spans[id.index()] = Some(Span { start, end });
    }
    Ok(Started { planner: planner.to_owned(), plan, placement, throughput })
}
