//! Where the search starts: a rule's placement, the packing search's, a given one, or nothing.

use helix_spec::{PartialInference, Placement};

use super::MilpError;
use crate::Instance;
use crate::baselines::petals;
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
    /// The packing search; with a proof of its optimum the program has nothing left to do.
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
        let rules: &[Baseline] = match self {
            Self::Cold => return Ok(None),
            Self::Given { origin, placement } => {
                return given(instance, problem, origin, placement).map(Some);
            }
            Self::Packing => {
                let outcome = packing::solve(problem, packing::Options::default(), stop, &mut |_| ());
                let partial = partial_of(problem);
                let Some(best) = outcome.best else { return Ok(None) };
                let placement = to_placement(instance, &best.plan, partial);
                return Ok(started(instance, problem, "packing", &placement).ok());
            }
            Self::Rule(rule) => std::slice::from_ref(rule),
            Self::Best => &Baseline::ALL,
        };
        let tries = rules.iter().filter_map(|rule| {
            let placement = match rule {
                Baseline::Petals => petals(instance, &instance.cluster.machine_ids().collect::<Vec<_>>()),
                _ => rule.place(instance),
            };
            started(instance, problem, rule.name(), &placement.ok()?).ok()
        });
        // The first among equals, in the order of the rules.
        Ok(tries.fold(None, |best: Option<Started>, next| match best {
            Some(best) if best.throughput >= next.throughput => Some(best),
            _ => Some(next),
        }))
    }
}

fn partial_of(problem: &Problem) -> PartialInference {
    if problem.partial { PartialInference::On } else { PartialInference::Off }
}

fn given(
    instance: &Instance<'_>,
    problem: &Problem,
    origin: &str,
    placement: &Placement,
) -> Result<Started, MilpError> {
    started(instance, problem, "given", placement)
        .map_err(|reason| MilpError::Start { origin: origin.to_owned(), reason })
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
    let mut plan = Plan::empty(problem.machines.len());
    for (&id, assignment) in &placement.machines {
        let (start, end) = (assignment.layers.start() as usize, assignment.layers.end() as usize);
        if problem.throughput(id.index(), end - start).is_none() {
            return Err(format!(
                "{} holds {} layers, planners give it at most {}",
                instance.cluster.machine(id).name,
                end - start,
                instance.planned_layers(id)
            ));
        }
        plan.spans[id.index()] = Some(Span { start, end });
    }
    Ok(Started { planner: planner.to_owned(), plan, placement, throughput })
}
