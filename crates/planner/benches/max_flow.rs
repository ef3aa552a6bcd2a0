//! Maximum flow here and in petgraph (`dinics`), side by side, on the shapes of `shapes`.
//!
//! Both get a graph that is built already and give a flow for each edge. `again` is [`MaxFlow`], which keeps its memory.

mod shapes;

use divan::{Bencher, black_box};
use helix_planner::flow::{EdgeCost, FlowNetwork, MaxFlow, NodeId, min_cost_max_flow};
use petgraph::graph::DiGraph;
use shapes::{Shape, all};

fn main() {
    divan::main();
}

fn network(shape: &Shape) -> FlowNetwork {
    let mut network = FlowNetwork::new(shape.nodes);
    for &(from, to, capacity) in &shape.edges {
        network.add_edge(NodeId(from), NodeId(to), capacity).expect("nodes of the shape");
    }
    network
}

#[divan::bench(args = all())]
fn helix(bencher: Bencher, shape: &Shape) {
    let network = network(shape);
    bencher.bench(|| black_box(&network).max_flow(NodeId(0), NodeId(1)));
}

#[divan::bench(args = all())]
fn helix_again(bencher: Bencher, shape: &Shape) {
    let network = network(shape);
    let mut solver = MaxFlow::new(&network, NodeId(0), NodeId(1)).expect("terminals of the shape");
    bencher.bench_local(|| {
        solver.clear_flow();
        black_box(solver.solve())
    });
}

/// A hop for every edge, and latencies that are nearly all different.
#[divan::bench(args = all(), max_time = 5)]
fn helix_cheapest(bencher: Bencher, shape: &Shape) {
    let network = network(shape);
    let costs: Vec<_> = shape.latencies().into_iter().map(|latency| EdgeCost { hops: 1, latency }).collect();
    bencher.bench(|| min_cost_max_flow(black_box(&network), NodeId(0), NodeId(1), &costs));
}

#[divan::bench(args = all())]
fn petgraph(bencher: Bencher, shape: &Shape) {
    let mut graph = DiGraph::<(), u64>::new();
    let nodes: Vec<_> = (0..shape.nodes).map(|_| graph.add_node(())).collect();
    for &(from, to, capacity) in &shape.edges {
        graph.add_edge(nodes[from as usize], nodes[to as usize], capacity);
    }
    let ours = network(shape).max_flow(NodeId(0), NodeId(1)).expect("the value fits");
    assert_eq!(ours.value, petgraph::algo::maximum_flow::dinics(&graph, nodes[0], nodes[1]).0);
    bencher.bench(|| petgraph::algo::maximum_flow::dinics(black_box(&graph), nodes[0], nodes[1]));
}
