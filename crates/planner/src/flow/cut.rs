//! Minimum cuts: the edges that hold a maximum flow back.

use super::adjacency::Adjacency;
use super::max_flow::Flow;
use super::network::{EdgeId, FlowNetwork, NodeId};
use super::verify::{FlowFault, verify_feasible};

/// A split of the nodes in two, source here and sink there, whose crossing edges can carry no more than the maximum flow.
///
/// These edges are *the bottleneck*: all of them are full, and unless capacity is added to one of them nothing more
/// can flow. There may be several such splits. The one nearest to the source and the one nearest to the sink enclose
/// all others; where they are the same, the bottleneck is unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinCut {
    /// Whether each node is on the source's side, indexed by [`NodeId`].
    pub source_side: Vec<bool>,
    /// Edges of positive capacity from the source's side to the sink's, ascending.
    pub edges: Vec<EdgeId>,
    /// The sum of their capacities: the value of the maximum flow.
    pub capacity: u64,
}

impl Flow {
    /// The minimum cut nearest to the source: nodes that the source could still send to are on its side.
    /// Fails if the flow is not a maximum flow of this network.
    pub fn min_cut(&self, network: &FlowNetwork) -> Result<MinCut, FlowFault> {
        verify_feasible(network, self)?;
        let (next, previous) = (Adjacency::leaving(network), Adjacency::entering(network));
        let reached = self.spread(network, self.source, [&next, &previous]);
        self.cut_between(network, reached)
    }

    /// The minimum cut nearest to the sink: nodes that could still send to the sink are on its side.
    /// Fails if the flow is not a maximum flow of this network.
    pub fn min_cut_near_sink(&self, network: &FlowNetwork) -> Result<MinCut, FlowFault> {
        verify_feasible(network, self)?;
        let (next, previous) = (Adjacency::leaving(network), Adjacency::entering(network));
        let reached = self.spread(network, self.sink, [&previous, &next]);
        self.cut_between(network, reached.into_iter().map(|reached| !reached).collect())
    }

    /// Nodes that can be reached from `start` over edges with room in the first list and over edges with flow, which
    /// can be taken back, in the second.
    fn spread(&self, network: &FlowNetwork, start: NodeId, [roomy, filled]: [&Adjacency; 2]) -> Vec<bool> {
        let mut reached = vec![false; network.node_count() as usize];
        let mut open = vec![start];
        reached[start.index()] = true;
        let other_end = |node: NodeId, id: EdgeId| {
            let edge = &network.edges()[id.index()];
            if edge.from == node { edge.to } else { edge.from }
        };
        while let Some(node) = open.pop() {
            let onward =
                roomy.of(node).iter().filter(|id| self.on(**id) < network.edges()[id.index()].capacity);
            let undo = filled.of(node).iter().filter(|id| self.on(**id) > 0);
            for &id in onward.chain(undo) {
                let other = other_end(node, id);
                if !reached[other.index()] {
                    reached[other.index()] = true;
                    open.push(other);
                }
            }
        }
        reached
    }

    fn cut_between(&self, network: &FlowNetwork, source_side: Vec<bool>) -> Result<MinCut, FlowFault> {
        if !source_side[self.source.index()] || source_side[self.sink.index()] {
            return Err(FlowFault::NotMaximum { value: self.value });
        }
        let crosses = |from: NodeId, to: NodeId| source_side[from.index()] && !source_side[to.index()];
        let crossing = network
            .edges_with_ids()
            .filter(|(_, edge)| edge.capacity > 0 && crosses(edge.from, edge.to))
            .map(|(id, _)| id);
        let edges: Vec<EdgeId> = crossing.collect();
        Ok(MinCut { source_side, edges, capacity: self.value })
    }
}
