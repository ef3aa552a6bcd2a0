//! A flow as a list of paths: in Helix, the pipelines that requests take and how much each of them carries.

use super::adjacency::Adjacency;
use super::max_flow::Flow;
use super::network::{EdgeId, FlowNetwork, NodeId};
use super::verify::{FlowFault, verify_feasible};

/// A way from the source to the sink and how much goes along it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Its edges, from the source on; no node comes twice.
    pub edges: Vec<EdgeId>,
    /// How much it carries, above 0.
    pub amount: u64,
}

/// Splits a flow into paths whose amounts add up to its value. Fails if it is not a flow of this network.
///
/// Circulations (flow that goes round and helps nobody) are left out: along each edge the paths add up to
/// the flow without them, see [`cancel_circulations`]. At most one path an edge, as each path empties one; at every node
/// a path takes the edge with the lowest number that has flow left, so the result is always the same.
/// Time O(E + total length of the paths).
pub fn decompose(network: &FlowNetwork, flow: &Flow) -> Result<Vec<Path>, FlowFault> {
    let mut rest = flow.clone();
    cancel_circulations(network, &mut rest)?;
    let leaving = Adjacency::leaving(network);
    let mut next = leaving.starts();
    let mut paths = Vec::new();
    while rest.value > 0 {
        let edges = walk(network, &rest, &leaving, &mut next);
        let amount = edges.iter().map(|&edge| rest.on(edge)).min().unwrap_or(0);
        take(&mut rest, &edges, amount);
        rest.value -= amount;
        paths.push(Path { edges, amount });
    }
    Ok(paths)
}

/// The way from source to sink along the first edges that have flow; `next` forgets edges that are empty.
fn walk(network: &FlowNetwork, flow: &Flow, leaving: &Adjacency, next: &mut [usize]) -> Vec<EdgeId> {
    let mut edges = Vec::new();
    let mut node = flow.source;
    while node != flow.sink {
        let position = &mut next[node.index()];
        let end = leaving.range(node).end;
        while *position < end && flow.on(leaving.at(*position)) == 0 {
            *position += 1;
        }
        assert!(*position < end, "invariant: a balanced node with flow into it has flow out of it");
        let edge = leaving.at(*position);
        edges.push(edge);
        node = network.edges()[edge.index()].to;
    }
    edges
}

/// Takes out of a flow whatever goes round in circles; its value stays. Fails if it is not a flow of this network.
///
/// A depth-first search over edges with flow; an edge back to the path walked so far closes a circle, which is
/// emptied by the least that one of its edges carries. Time O(E + total length of the circles).
pub fn cancel_circulations(network: &FlowNetwork, flow: &mut Flow) -> Result<(), FlowFault> {
    verify_feasible(network, flow)?;
    let leaving = Adjacency::leaving(network);
    let mut search = CircleSearch {
        network,
        next: leaving.starts(),
        leaving,
        state: vec![State::New; network.node_count() as usize],
        path: Vec::new(),
    };
    for node in (0..network.node_count()).map(NodeId) {
        if search.state[node.index()] == State::New {
            search.run(flow, node);
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not on the path; may lie on a circle.
    New,
    /// On the path from the root of the search.
    OnPath,
    /// No circle goes through it any more.
    Done,
}

struct CircleSearch<'a> {
    network: &'a FlowNetwork,
    leaving: Adjacency,
    /// Position of the edge that each node tries next; those before it are empty or lead to nodes that are done.
    next: Vec<usize>,
    state: Vec<State>,
    path: Vec<EdgeId>,
}

impl CircleSearch<'_> {
    fn run(&mut self, flow: &mut Flow, root: NodeId) {
        let mut node = root;
        self.state[node.index()] = State::OnPath;
        loop {
            if let Some(edge) = self.advance(flow, node) {
                self.path.push(edge);
                let head = self.head(edge);
                if self.state[head.index()] == State::OnPath {
                    node = self.empty_circle(flow, head);
                } else {
                    self.state[head.index()] = State::OnPath;
                    node = head;
                }
            } else {
                self.state[node.index()] = State::Done;
                let Some(edge) = self.path.pop() else { return };
                node = self.tail(edge);
            }
        }
    }

    /// The next edge with flow to a node that is not done.
    fn advance(&mut self, flow: &Flow, node: NodeId) -> Option<EdgeId> {
        for position in self.next[node.index()]..self.leaving.range(node).end {
            let edge = self.leaving.at(position);
            if flow.on(edge) > 0 && self.state[self.head(edge).index()] != State::Done {
                self.next[node.index()] = position;
                return Some(edge);
            }
        }
        self.next[node.index()] = self.leaving.range(node).end;
        None
    }

    /// Empties the circle at the end of the path, which begins at `meeting`, and goes back to before its first empty edge.
    fn empty_circle(&mut self, flow: &mut Flow, meeting: NodeId) -> NodeId {
        let begin = self.path.iter().rposition(|&edge| self.tail(edge) == meeting);
        let begin = begin.expect("invariant: a node on the path begins one of its edges");
        let circle = &self.path[begin..];
        let amount = circle.iter().map(|&edge| flow.on(edge)).min().unwrap_or(0);
        take(flow, circle, amount);
        let empty = circle.iter().position(|&edge| flow.on(edge) == 0);
        let kept = begin + empty.expect("invariant: the edge that carried least is empty now");
        let node = self.tail(self.path[kept]);
        for &edge in &self.path[kept + 1..] {
            self.state[self.network.edges()[edge.index()].from.index()] = State::New;
        }
        self.path.truncate(kept);
        node
    }

    fn head(&self, edge: EdgeId) -> NodeId {
        self.network.edges()[edge.index()].to
    }

    fn tail(&self, edge: EdgeId) -> NodeId {
        self.network.edges()[edge.index()].from
    }
}

fn take(flow: &mut Flow, edges: &[EdgeId], amount: u64) {
    for edge in edges {
        flow.amounts[edge.index()] -= amount;
    }
}
