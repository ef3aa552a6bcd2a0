//! Maximum flow: one question, or many in a row on the same network with changing capacities.

use super::dinic::Dinic;
use super::network::{EdgeId, FlowError, FlowNetwork, NodeId};
use super::residual::Residual;

/// A flow from a source to a sink: how much goes along each edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Where it comes from.
    pub source: NodeId,
    /// Where it goes.
    pub sink: NodeId,
    /// What leaves the source and does not come back, which is what arrives at the sink.
    pub value: u64,
    /// What flows along each edge, indexed by [`EdgeId`].
    pub amounts: Vec<u64>,
}

impl Flow {
    /// What flows along an edge of the network that the flow was computed for.
    ///
    /// # Panics
    /// If the edge is of another, larger network.
    #[must_use]
    pub fn on(&self, edge: EdgeId) -> u64 {
        self.amounts[edge.index()]
    }
}

impl FlowNetwork {
    /// A maximum flow. The same network gives the same flow, always; another order of the edges may give another flow
    /// of the same value. It may contain circulations, which [`decompose`](super::decompose) leaves out.
    ///
    /// For many questions about one network, [`MaxFlow`] keeps its memory and its flow.
    pub fn max_flow(&self, source: NodeId, sink: NodeId) -> Result<Flow, FlowError> {
        let mut solver = MaxFlow::new(self, source, sink)?;
        solver.solve()?;
        Ok(solver.flow())
    }
}

/// A solver that keeps its flow: after a change of capacities, [`solve`](Self::solve) goes on from what flows already.
///
/// ```
/// use helix_planner::flow::{FlowNetwork, MaxFlow, NodeId};
///
/// let mut network = FlowNetwork::new(3);
/// let [source, middle, sink] = [0, 1, 2].map(NodeId);
/// let first = network.add_edge(source, middle, 4)?;
/// network.add_edge(middle, sink, 6)?;
///
/// let mut solver = MaxFlow::new(&network, source, sink)?;
/// assert_eq!(solver.solve()?, 4);
/// solver.set_capacity(first, 9)?;
/// assert_eq!(solver.solve()?, 6);
/// solver.set_capacity(first, 1)?;
/// assert_eq!(solver.solve()?, 1);
/// # Ok::<(), helix_planner::flow::FlowError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MaxFlow {
    source: NodeId,
    sink: NodeId,
    value: u64,
    residual: Residual,
    dinic: Dinic,
}

impl MaxFlow {
    /// A solver for this network with nothing flowing yet.
    pub fn new(network: &FlowNetwork, source: NodeId, sink: NodeId) -> Result<Self, FlowError> {
        let mut solver =
            Self { source, sink, value: 0, residual: Residual::default(), dinic: Dinic::default() };
        solver.rebuild(network, source, sink)?;
        Ok(solver)
    }

    /// Turns to another network and keeps only the memory.
    pub fn rebuild(&mut self, network: &FlowNetwork, source: NodeId, sink: NodeId) -> Result<(), FlowError> {
        network.check_terminals(source, sink)?;
        (self.source, self.sink, self.value) = (source, sink, 0);
        self.residual.rebuild(network);
        Ok(())
    }

    /// Takes all flow out; capacities stay.
    pub fn clear_flow(&mut self) {
        self.value = 0;
        self.residual.clear_flow();
    }

    /// Makes the flow maximal and returns its value.
    pub fn solve(&mut self) -> Result<u64, FlowError> {
        let room = u64::MAX - self.value;
        self.value += self.dinic.push(&mut self.residual, self.source.0, self.sink.0, room);
        if self.value == u64::MAX && self.dinic.set_levels(&self.residual, self.source.0, self.sink.0) {
            return Err(FlowError::ValueOverflow);
        }
        Ok(self.value)
    }

    /// Changes the capacity of an edge. What no longer fits is led around the edge where there is room, and else
    /// taken back, so that the flow stays a flow; [`solve`](Self::solve) then makes it maximal again.
    pub fn set_capacity(&mut self, edge: EdgeId, capacity: u64) -> Result<(), FlowError> {
        let edges = self.residual.edge_count();
        if edge.index() >= edges {
            return Err(FlowError::UnknownEdge { edge: edge.0, edges });
        }
        let surplus = self.residual.set_capacity(edge, capacity);
        let Some((from, to)) = self.residual.ends(edge) else { return Ok(()) };
        if surplus == 0 {
            return Ok(());
        }
        let around = self.dinic.push(&mut self.residual, from, to, surplus);
        let lost = surplus - around;
        // What came to the edge from the source goes back there, and what the sink got from it is fetched back.
        if lost > 0 && from != self.source.0 {
            let back = self.dinic.push(&mut self.residual, from, self.source.0, lost);
            debug_assert_eq!(back, lost, "what arrived from the source can return to it");
        }
        if lost > 0 && to != self.sink.0 {
            let back = self.dinic.push(&mut self.residual, self.sink.0, to, lost);
            debug_assert_eq!(back, lost, "what went on to the sink can return from it");
        }
        self.value -= lost;
        Ok(())
    }

    /// The value of the current flow.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// What flows along an edge of this network.
    ///
    /// # Panics
    /// If the network has no such edge.
    #[must_use]
    pub fn on(&self, edge: EdgeId) -> u64 {
        self.residual.amount(edge)
    }

    /// The current flow.
    #[must_use]
    pub fn flow(&self) -> Flow {
        Flow { source: self.source, sink: self.sink, value: self.value, amounts: self.residual.amounts() }
    }
}
