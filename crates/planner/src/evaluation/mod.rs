//! How good is a placement? Exact maximum flow, the cut that explains it, and the pipelines that reach it.
//!
//! ```text
//! placement ─> violations? ─> graph ─> max flow ─> cheapest among the maximum flows ─┬─> flows, pipelines, depth
//!                                          └─────> min cut ─> bottleneck in words    └─> unused machines and why
//! ```

mod bottleneck;
mod graph;
mod paper_flow;
mod pipelines;
mod spread;
mod unused;

pub use bottleneck::{Bottleneck, CutPart};
pub use graph::{Part, PlacementGraph, UNITS_PER_TOKEN, placement_graph};
pub use paper_flow::paper_flow;
pub use pipelines::Pipeline;
pub use spread::spread;
pub use unused::{Idle, IdleReason};

use helix_spec::{Endpoint, LayerRange, MachineId, Placement};

use crate::Instance;
use crate::flow::{FlowError, FlowFault, min_cost_max_flow};
use crate::validate::{Violation, violations};

/// Links of one placement, at most (about 150 bytes each).
const MOST_LINKS: u64 = 6_000_000;
/// Links up to which the flow with the fewest hops and the lowest latency is looked for among all maximum flows: above, it would
/// take minutes.
const MOST_LINKS_TO_COMPARE: usize = 400_000;

/// Why a placement has no evaluation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// It cannot run.
    #[error("the placement cannot run: {}", join(.0))]
    Invalid(Vec<Violation>),
    /// More links than can be looked at in a reasonable time and memory.
    #[error(
        "the placement has {links} links between machines, at most {MOST_LINKS} can be evaluated; plan fewer machines at once"
    )]
    TooManyLinks {
        /// Links that requests may take.
        links: u64,
    },
    /// The network is too large for exact arithmetic.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The flow failed its own proof.
    #[error("the flow does not verify: {0}")]
    Fault(#[from] FlowFault),
}

fn join(violations: &[Violation]) -> String {
    let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// What one machine does in a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineUse {
    /// The machine.
    pub machine: MachineId,
    /// Its layers.
    pub layers: LayerRange,
    /// Tokens that pass it \[tokens/s\].
    pub flow: f64,
    /// Tokens that it could compute \[tokens/s\].
    pub capacity: f64,
    /// Cache capacity \[tokens × layers\].
    pub kv_capacity: u64,
    /// Where capacity and cache come from.
    pub source: helix_cost::CapabilitySource,
}

/// Tokens on one directed link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkFlow {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// Tokens on it \[tokens/s\].
    pub flow: f64,
    /// Tokens that it could carry \[tokens/s\].
    pub capacity: f64,
}

/// The exact answer about one placement.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Maximum flow: prompt and decode tokens together \[tokens/s\].
    pub throughput: f64,
    /// What the machines could compute together in the best of all networks \[tokens/s\].
    pub compute_bound: f64,
    /// Machines with layers, by machine.
    pub machines: Vec<MachineUse>,
    /// Links that carry flow, by sender and receiver.
    pub links: Vec<LinkFlow>,
    /// The flow as pipelines, largest first.
    pub pipelines: Vec<Pipeline>,
    /// Why there is not more.
    pub bottleneck: Bottleneck,
    /// Machines that carry nothing, and why.
    pub idle: Vec<Idle>,
}

impl Evaluation {
    /// Machines in the longest pipeline.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.pipelines.iter().map(|pipeline| pipeline.stages.len()).max().unwrap_or(0)
    }

    /// Machines that a token passes on average.
    #[must_use]
    pub fn mean_depth(&self) -> f64 {
        let total: f64 = self.pipelines.iter().map(|pipeline| pipeline.flow).sum();
        let weighted: f64 = self.pipelines.iter().map(|p| p.flow * p.stages.len() as f64).sum();
        if total > 0.0 { weighted / total } else { 0.0 }
    }

    /// Tokens that the machines' caches hold at the layer that holds least \[tokens\].
    #[must_use]
    pub fn kv_tokens_at_bottleneck(&self) -> u64 {
        let layers = self.machines.iter().map(|machine| machine.layers.end()).max().unwrap_or(0);
        let at = |layer: u32| {
            let holders = self.machines.iter().filter(|machine| machine.layers.contains(layer));
            holders.map(|machine| machine.kv_capacity / u64::from(machine.layers.len())).sum()
        };
        (0..layers).map(at).min().unwrap_or(0)
    }
}

/// Tokens a second in flow units.
pub(crate) fn from_units(units: u64) -> f64 {
    units as f64 / UNITS_PER_TOKEN
}

/// The graph, unless it is too large.
fn graph_of(instance: &Instance<'_>, placement: &Placement) -> Result<PlacementGraph, EvaluateError> {
    let links = graph::count_links(placement);
    if links > MOST_LINKS {
        return Err(EvaluateError::TooManyLinks { links });
    }
    Ok(placement_graph(instance, placement)?)
}

/// Evaluates a placement exactly. Of all maximum flows it takes one with the fewest hops, and of those one with the
/// lowest latency; of several hundred thousand links any of them. Deterministic.
pub fn evaluate(instance: &Instance<'_>, placement: &Placement) -> Result<Evaluation, EvaluateError> {
    let found = violations(instance, placement);
    if !found.is_empty() {
        return Err(EvaluateError::Invalid(found));
    }
    let graph = graph_of(instance, placement)?;
    let flow = if graph.parts.len() <= MOST_LINKS_TO_COMPARE {
        min_cost_max_flow(&graph.network, graph.source, graph.sink, &graph.costs())?.flow
    } else {
        graph.network.max_flow(graph.source, graph.sink)?
    };
    let bottleneck = bottleneck::find(&graph, &flow)?;
    let pipelines = pipelines::of(&graph, &flow)?;
    let mut machines = Vec::new();
    let mut links = Vec::new();
    for (index, part) in graph.parts.iter().enumerate() {
        let (amount, capacity) = (from_units(flow.amounts[index]), graph.capacities[index]);
        match *part {
            Part::Compute(machine) => {
                let assignment = &placement.machines[&machine];
                let layers = assignment.layers;
                let capability = instance.capability(machine, layers.len());
                let Ok(row) = capability else { continue };
                let kv_capacity = assignment.kv_capacity.unwrap_or(row.kv_capacity);
                machines.push(MachineUse {
                    machine,
                    layers,
                    flow: amount,
                    capacity,
                    kv_capacity,
                    source: row.source,
                });
            }
            Part::Link(from, to) if amount > 0.0 => links.push(LinkFlow { from, to, flow: amount, capacity }),
            _ => {}
        }
    }
    links.sort_by_key(|link| (link.from, link.to));
    let idle = unused::find(instance, placement, &graph, &flow);
    let throughput = from_units(flow.value);
    Ok(Evaluation {
        throughput,
        compute_bound: instance.compute_bound(),
        machines,
        links,
        pipelines,
        bottleneck,
        idle,
    })
}

/// Only the maximum flow of a placement \[tokens/s\], for planners that compare many.
pub fn throughput(instance: &Instance<'_>, placement: &Placement) -> Result<f64, EvaluateError> {
    let found = violations(instance, placement);
    if !found.is_empty() {
        return Err(EvaluateError::Invalid(found));
    }
    let graph = graph_of(instance, placement)?;
    Ok(from_units(graph.network.max_flow(graph.source, graph.sink)?.value))
}
