//! Short words for what the tests say often.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "every test file uses a part of it"
)]

pub mod checks;
pub mod scenario;
pub mod world;

use helix_scheduler::coordinator::{Action, Coordinator, CoordinatorConfig, Event};
use helix_scheduler::node::{
    Batch, BatchLimits, BatchOrder, Batching, KvConfig, Node, NodeAction, NodeConfig, NodeEvent,
};
use helix_scheduler::route::{MaxFlow, RoutePolicy};
use helix_scheduler::{Phase, RequestId, Topology, TopologyLink, TopologyMachine, TopologyParts, Work};
use helix_spec::{Endpoint, LayerRange, MachineId, SimTime};

pub fn layers(start: u32, end: u32) -> LayerRange {
    LayerRange::new(start, end).expect("not empty")
}

pub fn seconds(seconds: u64) -> SimTime {
    SimTime(seconds * 1_000_000_000_000)
}

pub fn prompt(request: u64, tokens: u32, range: (u32, u32)) -> Work {
    Work {
        request: RequestId(request),
        attempt: 0,
        phase: Phase::Prefill,
        tokens,
        context: 0,
        layers: layers(range.0, range.1),
        last: true,
    }
}

pub fn decode(request: u64, context: u32, range: (u32, u32)) -> Work {
    Work { phase: Phase::Decode, tokens: 1, context, ..prompt(request, 1, range) }
}

/// A layer-wise machine with a counted cache.
pub fn node_config(start: u32, end: u32, limits: BatchLimits) -> NodeConfig {
    NodeConfig {
        layers: layers(start, end),
        batching: Batching::LayerWise { fuse: false },
        order: BatchOrder::Arrival,
        limits,
        kv: KvConfig::Counted { capacity: 1_000_000 },
        stale_for: NodeConfig::STALE_FOR,
    }
}

pub fn tell(node: &mut Node, events: &[NodeEvent]) -> Vec<NodeAction> {
    let mut actions = Vec::new();
    for &event in events {
        node.handle(SimTime::ZERO, event, &mut actions);
    }
    actions
}

/// The batch that starts now, with its requests.
pub fn start(node: &mut Node) -> (Batch, Vec<u64>) {
    let actions = tell(node, &[NodeEvent::Start]);
    let batch = actions.iter().find_map(|action| match action {
        NodeAction::Run(batch) => Some(*batch),
        _ => None,
    });
    let requests = node.running().map(|work| work.request.0).collect();
    (batch.unwrap_or_else(|| panic!("no batch: {actions:?}")), requests)
}

pub const C: Endpoint = Endpoint::Coordinator;

pub fn m(machine: u32) -> Endpoint {
    Endpoint::Machine(MachineId(machine))
}

/// Machines by `(start, end)`, each with `kv` tokens × layers; links with flows.
pub fn topology(machines: &[(u32, u32)], kv: u64, links: &[(Endpoint, Endpoint, f64)]) -> Topology {
    let model_layers = machines.iter().map(|range| range.1).max().unwrap_or(0);
    let machines = machines.iter().map(|&(start, end)| TopologyMachine {
        layers: LayerRange::new(start, end),
        kv_capacity: kv,
        max_prompt_tokens: 100_000,
    });
    let links = links.iter().map(|&(from, to, flow)| TopologyLink { from, to, flow });
    let parts = TopologyParts { model_layers, machines: machines.collect(), links: links.collect() };
    Topology::new(parts).expect("a good topology")
}

pub fn max_flow(config: CoordinatorConfig, topology: &Topology) -> Coordinator<MaxFlow> {
    let policy = MaxFlow::new(topology, 0.0);
    Coordinator::new(config, topology.clone(), policy).expect("good settings")
}

pub fn act<P: RoutePolicy>(coordinator: &mut Coordinator<P>, now: SimTime, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    coordinator.handle(now, event, &mut actions);
    actions
}

pub fn arrived(request: u64, prompt_tokens: u32) -> Event {
    Event::Arrived { request: RequestId(request), prompt_tokens, deadline: None }
}

pub fn token(request: u64, last: bool) -> Event {
    Event::Token { request: RequestId(request), attempt: 0, last }
}
