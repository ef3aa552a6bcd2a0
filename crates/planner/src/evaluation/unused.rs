//! Machines that carry no token under a plan, and why.

use helix_spec::{MachineId, Placement};

use super::graph::{Part, PlacementGraph};
use crate::Instance;
use crate::flow::Flow;

/// Why a machine carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleReason {
    /// The user wants it left out.
    Forbidden,
    /// It can hold no layer of this model.
    TooSmall,
    /// The placement gives it no layers.
    NoLayers,
    /// No machine that requests reach ends where its layers begin.
    NothingBefore,
    /// No machine goes on where its layers end.
    NothingAfter,
    /// It could help, but the bottleneck lets no more through, or others do the same with fewer hops.
    NotNeeded,
}

/// A machine that carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// The machine.
    pub machine: MachineId,
    /// Why.
    pub reason: IdleReason,
}

/// All machines without flow, by machine.
pub(super) fn find(
    instance: &Instance<'_>,
    placement: &Placement,
    graph: &PlacementGraph,
    flow: &Flow,
) -> Vec<Idle> {
    let nodes = graph.network.node_count() as usize;
    let forward = reach(graph, nodes, graph.source.index(), false);
    let backward = reach(graph, nodes, graph.sink.index(), true);
    let mut reasons: Vec<Option<IdleReason>> = instance
        .cluster
        .machine_ids()
        .map(|id| match placement.layers_of(id) {
            Some(_) => None,
            None if instance.demands().forbidden.contains(&id) => Some(IdleReason::Forbidden),
            None if instance.most_layers(id) == 0 => Some(IdleReason::TooSmall),
            None => Some(IdleReason::NoLayers),
        })
        .collect();
    for (part, (edge, amount)) in graph.parts.iter().zip(graph.network.edges().iter().zip(&flow.amounts)) {
        let (Part::Compute(machine), 0) = (*part, *amount) else { continue };
        reasons[machine.index()] = Some(if !forward[edge.from.index()] {
            IdleReason::NothingBefore
        } else if !backward[edge.to.index()] {
            IdleReason::NothingAfter
        } else {
            IdleReason::NotNeeded
        });
    }
    let ids = instance.cluster.machine_ids();
    ids.zip(reasons).filter_map(|(machine, reason)| Some(Idle { machine, reason: reason? })).collect()
}

/// The nodes that something can flow to from `start`, or from which something can flow to it.
fn reach(graph: &PlacementGraph, nodes: usize, start: usize, against: bool) -> Vec<bool> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for edge in graph.network.edges().iter().filter(|edge| edge.capacity > 0) {
        let (from, to) = (edge.from.index(), edge.to.index());
        let (from, to) = if against { (to, from) } else { (from, to) };
        next[from].push(to);
    }
    let mut seen = vec![false; nodes];
    seen[start] = true;
    let mut waiting = vec![start];
    while let Some(node) = waiting.pop() {
        for &other in &next[node] {
            if !std::mem::replace(&mut seen[other], true) {
                waiting.push(other);
            }
        }
    }
    seen
}
