//! Random networks for the tests of the flow module, and other ways to solve them.

use std::ops::Range;

use helix_planner::flow::{FlowNetwork, NodeId};
use proptest::prelude::*;

pub const SOURCE: NodeId = NodeId(0);
pub const SINK: NodeId = NodeId(1);

/// A network as plain numbers: (from, to, capacity); flow goes from node 0 to node 1.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub nodes: u32,
    pub edges: Vec<(u32, u32, u64)>,
}

/// Small ones, so that many are equal, zero, and the largest that Helix uses (5e15 millionths of a token a second).
pub fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..12, 1 => Just(0), 2 => 1..=5_000_000_000_000_000_u64]
}

/// Any network with this many nodes and edges: loops, parallel edges, edges into the source and out of the sink.
pub fn drawn(nodes: Range<u32>, edges: Range<usize>) -> impl Strategy<Value = Drawn> {
    nodes.prop_flat_map(move |nodes| {
        prop::collection::vec((0..nodes, 0..nodes, capacity()), edges.clone())
            .prop_map(move |edges| Drawn { nodes, edges })
    })
}

pub fn build(drawn: &Drawn) -> FlowNetwork {
    let mut network = FlowNetwork::new(drawn.nodes);
    for &(from, to, capacity) in &drawn.edges {
        network.add_edge(NodeId(from), NodeId(to), capacity).unwrap();
    }
    network
}

/// The maximum flow according to petgraph, which wants neither loops nor empty edges.
pub fn peer_value(drawn: &Drawn) -> u64 {
    let mut graph = petgraph::graph::DiGraph::<(), u64>::new();
    let nodes: Vec<_> = (0..drawn.nodes).map(|_| graph.add_node(())).collect();
    for &(from, to, capacity) in drawn.edges.iter().filter(|edge| edge.0 != edge.1) {
        graph.add_edge(nodes[from as usize], nodes[to as usize], capacity);
    }
    petgraph::algo::maximum_flow::dinics(&graph, nodes[0], nodes[1]).0
}

/// The capacity of the smallest of all 2^(nodes - 2) cuts.
pub fn smallest_cut(drawn: &Drawn) -> u128 {
    let sets = 1_u32 << (drawn.nodes - 2);
    let cut = |set: u32| -> u128 {
        let inside = |node: u32| node == 0 || (node > 1 && set >> (node - 2) & 1 == 1);
        let crossing = drawn.edges.iter().filter(|(from, to, _)| inside(*from) && !inside(*to));
        crossing.map(|edge| u128::from(edge.2)).sum()
    };
    (0..sets).map(cut).min().unwrap()
}
