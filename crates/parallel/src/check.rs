//! Runs a case over the ranks of a layout and compares every number with the oracle's.

use crate::case::Case;
use crate::collective::{CollectiveError, Counting, RankFailure, Scheduling, Traffic, run_ranks};
use crate::layer::{LayerWeights, Options, Stack, StackError};
use crate::layout::Layout;
use crate::{Collective as _, Real, Wire};

/// What must hold: largest deviation of any number, relative to the largest number of the oracle's output of that step.
///
/// f64 1e-12, f32 5e-5, 6e-3 where bf16 is exchanged; for each layer that the deviation passes.
#[must_use]
pub fn tolerance<T: Real>(wire: Wire, layers: usize) -> f64 {
    let of_layer = match (T::WIRE, wire) {
        (_, Wire::Bf16) => 6e-3,
        (Wire::F64, Wire::F64) => 1e-12,
        _ => 5e-5,
    };
    of_layer * layers as f64
}

/// What ranks made of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<T> {
    /// By rank, then by step: outputs of the requests that the rank serves.
    pub outputs: Vec<Vec<Vec<T>>>,
    /// By rank: what it exchanged in all steps.
    pub traffic: Vec<Traffic>,
    /// By rank: numbers cached at the end.
    pub cached: Vec<u64>,
}

/// Why a case did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The layers do not divide over the ranks.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A rank failed.
    #[error(transparent)]
    Rank(#[from] RankFailure),
}

/// How far outputs are from the oracle's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// Largest deviation relative to the output's scale; infinite for NaN or a missing number.
    pub worst: f64,
    /// Numbers beyond the tolerance.
    pub misses: u64,
    /// Numbers compared.
    pub numbers: u64,
}

/// Runs all steps of a case.
pub fn run_case<T: Real>(
    case: &Case,
    layers: &[LayerWeights<T>],
    layout: Layout,
    options: &Options,
    scheduling: Scheduling,
) -> Result<Run<T>, RunError> {
    let stack = Stack::new(layers, layout, options)?;
    let requests = &case.spec().requests;
    let results = run_ranks(layout.ranks(), scheduling, |endpoint| {
        let mut ranks = Counting::new(endpoint);
        let mut state = stack.state(ranks.rank(), requests, |layer| case.history(layer));
        let mut outputs = Vec::new();
        for step in 0..case.spec().steps {
            outputs.push(stack.step(&mut ranks, &mut state, &case.inputs(step), requests.len())?);
        }
        Ok::<_, CollectiveError>((outputs, ranks.traffic().clone(), state.cached_numbers()))
    })?;
    let mut run = Run { outputs: Vec::new(), traffic: Vec::new(), cached: Vec::new() };
    for (outputs, traffic, cached) in results {
        run.outputs.push(outputs);
        run.traffic.push(traffic);
        run.cached.push(cached);
    }
    Ok(run)
}

/// Compares the outputs of every rank of the last stage, all numbers of all steps. The scale of a step is the largest number
/// that the oracle gives for any request of the batch, also where a rank serves only some of them.
#[must_use]
pub fn compare<T: Real>(case: &Case, run: &Run<T>, layout: Layout, options: &Options) -> Deviation {
    let tolerance = tolerance::<T>(options.wire, case.spec().layers.len());
    let requests = case.spec().requests.len();
    let mut deviation = Deviation { worst: 0.0, misses: 0, numbers: 0 };
    let first_of_last = layout.ranks() - layout.stage_ranks();
    for rank in first_of_last..layout.ranks() {
        let served = options.tokens.served(layout, rank, requests);
        for (step, output) in run.outputs[rank as usize].iter().enumerate() {
            let all = case.expected(step);
            let each = all.len().checked_div(requests).unwrap_or(0);
            let scale = all.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
            deviation.add(output, &all[served.start * each..served.end * each], (scale, tolerance));
        }
    }
    deviation
}

impl Deviation {
    fn add<T: Real>(&mut self, output: &[T], expected: &[f64], (scale, tolerance): (f64, f64)) {
        self.numbers += expected.len() as u64;
        if output.len() != expected.len() {
            self.worst = f64::INFINITY;
            self.misses += expected.len().max(output.len()) as u64;
            return;
        }
        for (value, expected) in output.iter().zip(expected) {
            let error = (value.get() - expected).abs() / scale;
            let error = if error.is_nan() { f64::INFINITY } else { error };
            self.worst = self.worst.max(error);
            self.misses += u64::from(error > tolerance);
        }
    }

    /// Whether every number is within the tolerance.
    #[must_use]
    pub fn passes(self) -> bool {
        self.misses == 0 && self.numbers > 0
    }
}
