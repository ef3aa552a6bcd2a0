//! Checks of a flow that do not trust whoever computed it.
//!
//! A flow is legal if every edge carries at most its capacity and every node but source and sink passes on what it
//! gets. It is maximal if some cut, a set of nodes with the source and without the sink, has edges out of it whose
//! capacities add up to exactly the value of the flow: no flow can be larger than any cut.

use thiserror::Error;

use super::cut::MinCut;
use super::max_flow::Flow;
use super::network::{FlowError, FlowNetwork};

/// Why something is not a (maximum) flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FlowFault {
    /// Source, sink or costs do not fit the network.
    #[error(transparent)]
    Question(#[from] FlowError),
    /// A flow for another network.
    #[error("the flow has {amounts} amounts but the network has {edges} edges")]
    Length {
        /// Entries in the flow.
        amounts: usize,
        /// Edges in the network.
        edges: usize,
    },
    /// An edge that carries too much.
    #[error("edge {edge} carries {amount}, above its capacity of {capacity}")]
    AboveCapacity {
        /// The edge.
        edge: u32,
        /// What it carries.
        amount: u64,
        /// What it may carry.
        capacity: u64,
    },
    /// An inner node that loses or makes flow.
    #[error("node {node} takes in {entering} but passes on {leaving}")]
    Unbalanced {
        /// The node.
        node: u32,
        /// What arrives there.
        entering: u128,
        /// What leaves it.
        leaving: u128,
    },
    /// A value that is not what leaves the source.
    #[error("the flow claims a value of {claimed}, but the source sends {leaving} and gets {entering} back")]
    WrongValue {
        /// The value that the flow states.
        claimed: u64,
        /// What enters the source.
        entering: u128,
        /// What leaves the source.
        leaving: u128,
    },
    /// More could flow.
    #[error("the flow of {value} is not maximal: the sink can still be reached from the source")]
    NotMaximum {
        /// Its value.
        value: u64,
    },
    /// A set of nodes whose leaving edges hold more or less than the flow.
    #[error("the flow of {value} does not equal the cut of {cut}")]
    ValueNotCut {
        /// Value of the flow.
        value: u64,
        /// Capacity of the cut.
        cut: u128,
    },
    /// Sums of costs that are not those of the flow.
    #[error("the flow claims a cost of {claimed:?} (hops, latency), but its edges add up to {found:?}")]
    WrongCost {
        /// What is stated.
        claimed: (u128, u128),
        /// What the amounts and costs give.
        found: (u128, u128),
    },
    /// A flow that may not be the cheapest: the prices do not prove it.
    #[error(
        "edge {edge} breaks the proof that the flow is the cheapest: its cost does not fit the prices at its ends"
    )]
    NotCheapest {
        /// The edge.
        edge: u32,
    },
}

/// Checks capacities, conservation at every node and the stated value.
pub fn verify_feasible(network: &FlowNetwork, flow: &Flow) -> Result<(), FlowFault> {
    network.check_terminals(flow.source, flow.sink)?;
    let edges = network.edges().len();
    if flow.amounts.len() != edges {
        return Err(FlowFault::Length { amounts: flow.amounts.len(), edges });
    }
    let nodes = network.node_count() as usize;
    let (mut entering, mut leaving) = (vec![0_u128; nodes], vec![0_u128; nodes]);
    for ((id, edge), &amount) in network.edges_with_ids().zip(&flow.amounts) {
        if amount > edge.capacity {
            return Err(FlowFault::AboveCapacity { edge: id.0, amount, capacity: edge.capacity });
        }
        leaving[edge.from.index()] += u128::from(amount);
        entering[edge.to.index()] += u128::from(amount);
    }
    let (source, sink) = (flow.source.index(), flow.sink.index());
    for (node, (&entering, &leaving)) in (0..).zip(entering.iter().zip(&leaving)) {
        let terminal = node == flow.source.0 || node == flow.sink.0;
        if !terminal && entering != leaving {
            return Err(FlowFault::Unbalanced { node, entering, leaving });
        }
    }
    // With every inner node balanced, the sink's balance follows from the source's.
    debug_assert_eq!(leaving[source] + leaving[sink], entering[source] + entering[sink]);
    if leaving[source] != entering[source] + u128::from(flow.value) {
        let (entering, leaving) = (entering[source], leaving[source]);
        return Err(FlowFault::WrongValue { claimed: flow.value, entering, leaving });
    }
    Ok(())
}

/// Checks that the flow is legal and that the cut proves it maximal: both have the same value.
pub fn verify_maximum(network: &FlowNetwork, flow: &Flow, cut: &MinCut) -> Result<(), FlowFault> {
    verify_feasible(network, flow)?;
    let inside = |node: super::network::NodeId| cut.source_side.get(node.index()).copied().unwrap_or(false);
    if !inside(flow.source) || inside(flow.sink) {
        return Err(FlowFault::NotMaximum { value: flow.value });
    }
    let crossing = network.edges().iter().filter(|edge| inside(edge.from) && !inside(edge.to));
    let capacity: u128 = crossing.map(|edge| u128::from(edge.capacity)).sum();
    if capacity != u128::from(flow.value) {
        return Err(FlowFault::ValueNotCut { value: flow.value, cut: capacity });
    }
    Ok(())
}
