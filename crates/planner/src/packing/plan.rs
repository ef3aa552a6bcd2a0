//! What a solver returns: one interval of layers a machine, and its independent check.

use crate::packing::Problem;

/// Layers `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First layer.
    pub start: usize,
    /// One past the last layer.
    pub end: usize,
}

impl Span {
    /// How many layers.
    #[must_use]
    pub fn layers(self) -> usize {
        self.end - self.start
    }
}

/// Why a plan does not fit its problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Another number of machines.
    #[error("the plan is for {found} machines; the problem has {expected}")]
    Machines {
        /// Machines of the plan.
        found: usize,
        /// Machines of the problem.
        expected: usize,
    },
    /// An empty range or one that leaves the model.
    #[error("machine {machine} holds layers {start}..{end} of a model with {layers}")]
    Range {
        /// The machine.
        machine: usize,
        /// First layer.
        start: usize,
        /// One past the last layer.
        end: usize,
        /// Layers of the model.
        layers: usize,
    },
    /// A number of layers that the machine's table does not declare.
    #[error("machine {machine} holds {layers} layers, for which its table declares no throughput")]
    Undeclared {
        /// The machine.
        machine: usize,
        /// Layers that it holds.
        layers: usize,
    },
}

/// Which layers every machine holds; `None` for a machine that is not used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Plan {
    /// By machine.
    pub spans: Vec<Option<Span>>,
}

impl Plan {
    /// A plan that uses no machine.
    #[must_use]
    pub fn empty(machines: usize) -> Self {
        Self { spans: vec![None; machines] }
    }

    /// Machines that hold layers, with their spans.
    pub fn used(&self) -> impl Iterator<Item = (usize, Span)> + '_ {
        self.spans.iter().enumerate().filter_map(|(machine, span)| span.map(|span| (machine, span)))
    }

    /// Layers that no machine crosses, the ends of the model among them, ascending.
    pub(crate) fn borders(&self, layers: usize) -> Vec<usize> {
        let mut crossed = vec![false; layers + 1];
        for (_, span) in self.used() {
            crossed[span.start + 1..span.end].fill(true);
        }
        (0..=layers).filter(|&layer| !crossed[layer]).collect()
    }

    /// Checks the plan against the problem alone, not against how it was found.
    pub fn validate(&self, problem: &Problem) -> Result<(), PlanError> {
        if self.spans.len() != problem.machines.len() {
            return Err(PlanError::Machines { found: self.spans.len(), expected: problem.machines.len() });
        }
        for (machine, Span { start, end }) in self.used() {
            if start >= end || end > problem.layers {
                return Err(PlanError::Range { machine, start, end, layers: problem.layers });
            }
            if problem.throughput(machine, end - start).is_none() {
                return Err(PlanError::Undeclared { machine, layers: end - start });
            }
        }
        Ok(())
    }
}
