//! Runs the steps on all ranks and times them on rank 0, each phase on every rank.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use helix_parallel::{
    Case, CaseSpec, Collective as _, CollectiveError, Counting, Deviation, Exchange, History, InProcess,
    LayerWeights, Layout, Mark, Operation, Options, Run, RunError, Scheduling, Stack, Traffic, Wire, compare,
    exchange, run_ranks, uniform,
};

/// What to measure.
pub struct Plan<'a> {
    /// The layer.
    pub layers: &'a [LayerWeights<f32>],
    /// Over which ranks.
    pub layout: Layout,
    /// How.
    pub options: &'a Options,
    /// Contexts.
    pub spec: &'a CaseSpec,
    /// Contexts, inputs and answers of the first step, if it is to be compared.
    pub case: Option<&'a Case>,
    /// Timed steps.
    pub steps: u32,
    /// Steps before those.
    pub warmup: u32,
    /// Times that a step runs the layer.
    pub repeats: u32,
}

/// Mean time of the phases of one layer on the rank that takes longest \[ms\].
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Phases {
    /// Norm, queries, new cache entries.
    pub projection: f64,
    /// Attention over the cache, exchange and merge.
    pub attention: f64,
    /// Output projection and its all-reduce.
    pub output: f64,
    /// Feed-forward and its all-reduce.
    pub ffn: f64,
}

/// What was measured.
pub struct Measured {
    /// Time of each timed step.
    pub steps: Vec<Duration>,
    /// Of one layer.
    pub phases: Phases,
    /// What each rank exchanged in all timed steps.
    pub traffic: Vec<Traffic>,
    /// The first step against the oracle, whose form is named.
    pub deviation: Option<(&'static str, Deviation)>,
    /// Times that a step ran the layer.
    pub repeats: u32,
}

/// Marks of one rank.
type Marks = Mutex<Vec<(Mark, Instant)>>;

/// What one rank brings back.
struct RankResult {
    first: Vec<f32>,
    steps: Vec<Duration>,
    traffic: Traffic,
}

/// Measures.
pub fn measure(plan: &Plan<'_>) -> Result<Measured, RunError> {
    let marks: Vec<Marks> = (0..plan.layout.ranks()).map(|_| Marks::default()).collect();
    let probe = |rank: u32, mark: Mark| {
        let mut marks = marks[rank as usize].lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((mark, Instant::now()));
    };
    let stack = Stack::new(plan.layers, plan.layout, plan.options)?.with_probe(&probe);
    let results = run_ranks(plan.layout.ranks(), Scheduling::Concurrent, |endpoint| {
        run_rank(plan, &stack, endpoint, &marks)
    })?;
    let deviation = plan.case.map(|case| {
        let outputs = results.iter().map(|result| vec![result.first.clone()]).collect();
        let run = Run { outputs, traffic: Vec::new(), cached: Vec::new() };
        let form = case.spec().form.name(&case.spec().layers[0]);
        (form, compare(case, &run, plan.layout, plan.options))
    });
    let steps = results.first().map(|result| result.steps.clone()).unwrap_or_default();
    Ok(Measured {
        steps,
        phases: slowest(&marks),
        traffic: results.into_iter().map(|result| result.traffic).collect(),
        deviation,
        repeats: plan.repeats,
    })
}

fn run_rank(
    plan: &Plan<'_>,
    stack: &Stack<'_, f32>,
    endpoint: &mut InProcess<'_, f32>,
    marks: &[Marks],
) -> Result<RankResult, CollectiveError> {
    let rank = endpoint.rank();
    let everybody: Vec<u32> = (0..plan.layout.ranks()).collect();
    let requests = &plan.spec.requests;
    let mut state = stack.state(rank, requests, |layer| match plan.case {
        Some(case) => case.history(layer),
        None => random_history(plan.spec.seed),
    });
    let inputs = inputs(plan);
    let mut step = |ranks: &mut dyn helix_parallel::Collective<f32>| {
        stack.step(ranks, &mut state, &inputs, requests.len())
    };
    let first = step(endpoint)?;
    for _ in 0..plan.warmup * plan.repeats {
        step(endpoint)?;
    }
    marks[rank as usize].lock().unwrap_or_else(PoisonError::into_inner).clear();
    let mut ranks = Counting::new(&mut *endpoint);
    let mut times = Vec::new();
    for _ in 0..plan.steps {
        let barrier =
            Exchange { operation: Operation::Barrier, group: &everybody, wire: Wire::F32, data: Vec::new() };
        exchange(&mut ranks, barrier)?;
        let start = Instant::now();
        for _ in 0..plan.repeats {
            step(&mut ranks)?;
        }
        times.push(start.elapsed());
    }
    Ok(RankResult { first, steps: times, traffic: ranks.traffic().clone() })
}

/// Contexts that nobody compares: random, a rank's own part of it drawn by itself.
fn random_history(seed: u64) -> Box<History<'static>> {
    Box::new(move |request, position, key, value| {
        let width = key.len() as u64;
        for (index, number) in key.iter_mut().chain(value).enumerate() {
            *number = 1.7 * uniform(seed, request as u64, position * 2 * width + index as u64);
        }
    })
}

/// Hidden states of the new tokens: those of the case, else random.
fn inputs(plan: &Plan<'_>) -> Vec<f32> {
    if let Some(case) = plan.case {
        return case.inputs(0);
    }
    let numbers = plan.spec.requests.len() as u64 * u64::from(plan.spec.layers[0].hidden);
    #[expect(clippy::cast_possible_truncation, reason = "random numbers that f32 holds")]
    (0..numbers).map(|index| 1.7 * uniform(plan.spec.seed, u64::MAX, index) as f32).collect()
}

/// Mean times between marks, of the rank whose attention takes longest.
fn slowest(marks: &[Marks]) -> Phases {
    let of_rank = |marks: &Marks| {
        let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut phases = Phases::default();
        let mut layers = 0.0;
        for pair in marks.windows(2) {
            let took = (pair[1].1 - pair[0].1).as_secs_f64() * 1e3;
            match pair[1].0 {
                Mark::Begun => {}
                Mark::Projected => phases.projection += took,
                Mark::Merged => phases.attention += took,
                Mark::Attended => phases.output += took,
                Mark::Done => {
                    phases.ffn += took;
                    layers += 1.0;
                }
            }
        }
        for phase in [&mut phases.projection, &mut phases.attention, &mut phases.output, &mut phases.ffn] {
            *phase /= f64::max(layers, 1.0);
        }
        phases
    };
    marks.iter().map(of_rank).max_by(|a, b| a.attention.total_cmp(&b.attention)).unwrap_or_default()
}
