//! The network simplex method: the cheapest flow of a given value.
//!
//! The arcs whose flow lies strictly between nothing and full can be kept a spanning tree. The tree gives every node a
//! price, the cost from the root to it; an arc outside the tree that leads to its end for less than the price
//! there, or carries flow for more, closes a circle with the tree along which rerouting saves. A *pivot* pushes as
//! much round this circle as it bears; an arc that becomes full or empty leaves the tree and the new one enters.
//! When no such arc is left the flow is the cheapest, and the prices prove it.
//!
//! Which arc enters: the best of a block of about √arcs, the search goes on where it last stopped (block search).
//! Which arc leaves: of those that stop the push the last along the circle from its highest node. That keeps the tree
//! *strongly feasible* (from every node some flow could be pushed to the root), so that the method cannot go
//! round for ever. No polynomial bound; in practice fast. Every choice is by position, so the result is always the same.
//!
//! It starts from a star: each node has an arc to an added root, so dear that none of them keeps flow in the end.
//! Source: W. H. Cunningham, A network simplex method, 1976; the block search as in LEMON (Király, Kovács 2012).

use super::super::max_flow::Flow;
use super::super::network::{EdgeId, FlowNetwork, to_u32};
use super::tree::Tree;

/// Where the flow of an arc stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    InTree,
    Full,
}

/// What the search for an entering arc reads.
#[derive(Debug, Clone, Copy)]
struct Arc {
    from: u32,
    to: u32,
    state: State,
    cost: i128,
}

/// What a push reads and writes.
#[derive(Debug, Clone, Copy)]
struct Load {
    flow: u64,
    capacity: u64,
}

/// The state of the method: arcs of the edges that can carry something, then an arc for each node to or from the root.
pub struct Simplex {
    arcs: Vec<Arc>,
    loads: Vec<Load>,
    /// The edge of each arc but the added ones.
    edges: Vec<EdgeId>,
    /// Price of each node, the root's last.
    prices: Vec<i128>,
    tree: Tree,
    /// Where the search for an entering arc goes on.
    next: usize,
}

/// A circle that is about to be pushed along: down the tree to `first`, over the entering arc to `second`, up again.
struct Circle {
    entering: usize,
    first: u32,
    second: u32,
    join: u32,
}

/// The end of a tree arc away from the root, on one side of a circle.
#[derive(Clone, Copy)]
enum Leaving {
    /// The entering arc itself is full or empty again.
    Entering,
    /// The arc above this node on the way down to `first`.
    First(u32),
    /// The arc above this node on the way up from `second`.
    Second(u32),
}

impl Simplex {
    /// Takes the edges that can carry something, all empty.
    pub fn new(network: &FlowNetwork, costs: impl Iterator<Item = i128>) -> Self {
        let (mut arcs, mut loads, mut edges) = (Vec::new(), Vec::new(), Vec::new());
        for ((id, edge), cost) in network.edges_with_ids().zip(costs) {
            if edge.capacity > 0 && edge.from != edge.to {
                arcs.push(Arc { from: edge.from.0, to: edge.to.0, state: State::Empty, cost });
                loads.push(Load { flow: 0, capacity: edge.capacity });
                edges.push(id);
            }
        }
        Self { arcs, loads, edges, prices: Vec::new(), tree: Tree::star(0, 0), next: 0 }
    }

    /// Adds the star: the source sends all its flow to the root, the root all of it to the sink, at a cost (`dear`)
    /// above that of every path.
    pub fn add_start(&mut self, nodes: u32, flow: &Flow, dear: i128) {
        self.tree = Tree::star(nodes, to_u32(self.arcs.len()));
        self.prices = vec![0; nodes as usize + 1];
        for node in 0..nodes {
            // An empty arc towards the root and a filled one from it both let more flow go up.
            let (from, to, price) =
                if node == flow.sink.0 { (nodes, node, dear) } else { (node, nodes, -dear) };
            self.prices[node as usize] = price;
            self.arcs.push(Arc { from, to, state: State::InTree, cost: dear });
            let carried = if node == flow.source.0 || node == flow.sink.0 { flow.value } else { 0 };
            self.loads.push(Load { flow: carried, capacity: u64::MAX });
        }
    }

    /// Pivots until nothing can be saved.
    pub fn run(&mut self) {
        while let Some(entering) = self.find_entering() {
            self.pivot(entering);
            let Arc { from, to, .. } = self.arcs[entering];
            debug_assert!([from, to].iter().all(|&node| self.way_up_is_open(node)), "strongly feasible");
        }
    }

    /// Whether more flow could go from this node to the root along the tree.
    fn way_up_is_open(&self, mut node: u32) -> bool {
        let root = to_u32(self.prices.len() - 1);
        while node != root {
            let place = self.tree.place(node);
            if self.bears(place.arc, self.arcs[place.arc as usize].from == node) == 0 {
                return false;
            }
            node = place.parent;
        }
        true
    }

    /// Replaces the amounts by those found.
    pub fn write_flow(&self, flow: &mut Flow) {
        debug_assert!(
            self.loads[self.edges.len()..].iter().all(|load| load.flow == 0),
            "the flow has its value"
        );
        flow.amounts.fill(0);
        for (edge, load) in self.edges.iter().zip(&self.loads) {
            flow.amounts[edge.index()] = load.flow;
        }
    }

    /// The price of each node of the network.
    pub fn potentials(&self) -> impl Iterator<Item = i128> {
        self.prices[..self.prices.len() - 1].iter().copied()
    }

    /// What rerouting a unit over the arc costs; negative is a saving.
    fn gain(&self, arc: &Arc) -> i128 {
        let reduced = arc.cost + self.prices[arc.from as usize] - self.prices[arc.to as usize];
        match arc.state {
            State::Empty => reduced,
            State::InTree => 0,
            State::Full => -reduced,
        }
    }

    /// The arc with the largest saving in the first block that has one. The added arcs never come back.
    fn find_entering(&mut self) -> Option<usize> {
        let arcs = self.edges.len();
        let block = arcs.isqrt().max(10);
        let mut left = arcs;
        while left > 0 {
            let (mut best, mut best_gain) = (None, 0);
            // A block ends at the end of the arcs, too; the next begins again at the first.
            let end = (self.next + block.min(left)).min(arcs);
            for (position, arc) in (self.next..end).zip(&self.arcs[self.next..end]) {
                let gain = self.gain(arc);
                if gain < best_gain {
                    (best, best_gain) = (Some(position), gain);
                }
            }
            left -= end - self.next;
            self.next = if end == arcs { 0 } else { end };
            if best.is_some() {
                return best;
            }
        }
        None
    }

    fn pivot(&mut self, entering: usize) {
        let arc = self.arcs[entering];
        let (first, second) = if arc.state == State::Empty { (arc.from, arc.to) } else { (arc.to, arc.from) };
        let circle = Circle { entering, first, second, join: self.tree.join(first, second) };
        let (leaving, amount) = self.find_leaving(&circle);
        self.push(&circle, amount);
        let (below, inner, outer) = match leaving {
            Leaving::Entering => {
                let full = arc.state == State::Empty;
                self.arcs[entering].state = if full { State::Full } else { State::Empty };
                return;
            }
            Leaving::First(below) => (below, first, second),
            Leaving::Second(below) => (below, second, first),
        };
        let old = self.tree.place(below).arc as usize;
        self.arcs[old].state = if self.loads[old].flow == 0 { State::Empty } else { State::Full };
        self.arcs[entering].state = State::InTree;
        self.tree.exchange(below, inner, outer, to_u32(entering));
        let reduced = arc.cost + self.prices[arc.from as usize] - self.prices[arc.to as usize];
        let change = if inner == arc.from { -reduced } else { reduced };
        let prices = &mut self.prices;
        self.tree.refresh_below(inner, |node| prices[node as usize] += change);
    }

    /// How much the circle bears, and the last arc along it, from its highest node on, that bears no more.
    fn find_leaving(&self, circle: &Circle) -> (Leaving, u64) {
        let (mut leaving, mut amount) = (Leaving::Entering, self.loads[circle.entering].capacity);
        let mut node = circle.first;
        while node != circle.join {
            let place = self.tree.place(node);
            let bears = self.bears(place.arc, self.arcs[place.arc as usize].to == node);
            if bears < amount {
                (leaving, amount) = (Leaving::First(node), bears);
            }
            node = place.parent;
        }
        node = circle.second;
        while node != circle.join {
            let place = self.tree.place(node);
            let bears = self.bears(place.arc, self.arcs[place.arc as usize].from == node);
            if bears <= amount {
                (leaving, amount) = (Leaving::Second(node), bears);
            }
            node = place.parent;
        }
        (leaving, amount)
    }

    fn bears(&self, arc: u32, forward: bool) -> u64 {
        let Load { flow, capacity } = self.loads[arc as usize];
        if forward { capacity - flow } else { flow }
    }

    fn push(&mut self, circle: &Circle, amount: u64) {
        if amount == 0 {
            return;
        }
        self.add(circle.entering, self.arcs[circle.entering].from == circle.first, amount);
        let mut node = circle.first;
        while node != circle.join {
            let place = self.tree.place(node);
            self.add(place.arc as usize, self.arcs[place.arc as usize].to == node, amount);
            node = place.parent;
        }
        node = circle.second;
        while node != circle.join {
            let place = self.tree.place(node);
            self.add(place.arc as usize, self.arcs[place.arc as usize].from == node, amount);
            node = place.parent;
        }
    }

    fn add(&mut self, arc: usize, forward: bool, amount: u64) {
        let flow = &mut self.loads[arc].flow;
        *flow = if forward { *flow + amount } else { *flow - amount };
    }
}
