//! The maximum flow that the paper's code picks: highest-label preflow-push on floats, as in `networkx` 3.
//!
//! A maximum flow is seldom the only one, and routing follows the one that was picked. Whoever wants the routing of the
//! authors' published runs needs theirs: the same algorithm on the same arcs in the same order. Everything else in Helix
//! uses the exact integer flow with the fewest hops ([`super::min_cost_max_flow`]).
//!
//! Source: Cherkassky and Goldberg, "On implementing the push-relabel method for the maximum flow problem" (1997), with
//! global relabelling and the gap heuristic; order of arcs and ties as `networkx.algorithms.flow.preflow_push`.

use std::collections::{BTreeSet, VecDeque};

/// A directed edge: from, to, capacity.
pub type FloatEdge = (usize, usize, f64);

#[derive(Debug, Clone, Copy)]
struct Arc {
    to: usize,
    back: usize,
    capacity: f64,
    flow: f64,
}

#[derive(Debug, Clone, Default)]
struct Level {
    active: BTreeSet<usize>,
    inactive: BTreeSet<usize>,
}

struct Preflow {
    source: usize,
    sink: usize,
    arcs: Vec<Arc>,
    leaving: Vec<Vec<usize>>,
    excess: Vec<f64>,
    height: Vec<usize>,
    current: Vec<usize>,
    levels: Vec<Level>,
    max_height: usize,
    work: usize,
    threshold: usize,
}

/// The flow on every edge. Edges without capacity carry nothing; there must be no parallel edges, and none both ways.
/// Nodes are `0..nodes`. Ties go by the order of edges. Complexity: O(n² √m).
#[must_use]
pub fn preflow_push(nodes: usize, edges: &[FloatEdge], source: usize, sink: usize) -> Vec<f64> {
    let mut state = Preflow::new(nodes, edges, source, sink);
    let Some(heights) = state.saturate() else { return vec![0.0; edges.len()] };
    state.fill_levels(&heights);
    state.first_phase();
    state.second_phase();
    let mut used = 0;
    let flow = |&(_, _, capacity): &FloatEdge| {
        if capacity <= 0.0 {
            return 0.0;
        }
        used += 2;
        state.arcs[used - 2].flow.max(0.0)
    };
    edges.iter().map(flow).collect()
}

impl Preflow {
    fn new(nodes: usize, edges: &[FloatEdge], source: usize, sink: usize) -> Self {
        let (mut arcs, mut leaving) = (Vec::new(), vec![Vec::new(); nodes]);
        for &(from, to, capacity) in edges.iter().filter(|edge| edge.2 > 0.0) {
            let first = arcs.len();
            arcs.push(Arc { to, back: first + 1, capacity, flow: 0.0 });
            arcs.push(Arc { to: from, back: first, capacity: 0.0, flow: 0.0 });
            leaving[from].push(first);
            leaving[to].push(first + 1);
        }
        Self {
            source,
            sink,
            threshold: nodes + arcs.len(),
            arcs,
            leaving,
            excess: vec![0.0; nodes],
            height: vec![nodes + 1; nodes],
            current: vec![0; nodes],
            levels: vec![Level::default(); 2 * nodes + 2],
            max_height: 0,
            work: 0,
        }
    }

    fn nodes(&self) -> usize {
        self.excess.len()
    }

    fn is_open(&self, arc: usize) -> bool {
        self.arcs[arc].flow < self.arcs[arc].capacity
    }

    /// Distances to a node along open arcs; `None` for those that cannot reach it.
    fn distances(&self, to: usize) -> Vec<Option<usize>> {
        let mut heights = vec![None; self.nodes()];
        heights[to] = Some(0);
        let mut waiting = VecDeque::from([(to, 0)]);
        while let Some((node, height)) = waiting.pop_front() {
            for &arc in &self.leaving[node] {
                let Arc { to: before, back, .. } = self.arcs[arc];
                if heights[before].is_none() && self.is_open(back) {
                    heights[before] = Some(height + 1);
                    waiting.push_back((before, height + 1));
                }
            }
        }
        heights
    }

    fn push(&mut self, from: usize, arc: usize, flow: f64) {
        let Arc { to, back, .. } = self.arcs[arc];
        self.arcs[arc].flow += flow;
        self.arcs[back].flow -= flow;
        self.excess[from] -= flow;
        self.excess[to] += flow;
    }

    /// Heights, and all that the source can give; `None` where nothing reaches the sink.
    fn saturate(&mut self) -> Option<Vec<Option<usize>>> {
        let heights = self.distances(self.sink);
        heights[self.source]?;
        let others = heights.iter().enumerate().filter(|(node, _)| *node != self.source);
        self.max_height = others.filter_map(|(_, height)| *height).max().unwrap_or(0);
        for (node, height) in heights.iter().enumerate() {
            self.height[node] = height.unwrap_or(self.nodes() + 1);
        }
        self.height[self.source] = self.nodes();
        for arc in self.leaving[self.source].clone() {
            let capacity = self.arcs[arc].capacity;
            if capacity > 0.0 {
                self.push(self.source, arc, capacity);
            }
        }
        Some(heights)
    }

    fn fill_levels(&mut self, heights: &[Option<usize>]) {
        for node in (0..heights.len()).filter(|&node| node != self.source && node != self.sink) {
            let level = &mut self.levels[self.height[node]];
            let set = if self.excess[node] > 0.0 { &mut level.active } else { &mut level.inactive };
            set.insert(node);
        }
    }

    fn activate(&mut self, node: usize) {
        if node != self.source && node != self.sink {
            let level = &mut self.levels[self.height[node]];
            if level.inactive.remove(&node) {
                level.active.insert(node);
            }
        }
    }

    /// Pushes a node's excess on; the next height to look at.
    fn discharge(&mut self, node: usize, first_phase: bool) -> usize {
        let mut height = self.height[node];
        let mut next_height = height;
        self.levels[height].active.remove(&node);
        loop {
            let arc = self.leaving[node][self.current[node]];
            let to = self.arcs[arc].to;
            if height == self.height[to] + 1 && self.is_open(arc) {
                let flow = self.excess[node].min(self.arcs[arc].capacity - self.arcs[arc].flow);
                self.push(node, arc, flow);
                self.activate(to);
                if self.excess[node] == 0.0 {
                    self.levels[height].inactive.insert(node);
                    break;
                }
            }
            self.current[node] += 1;
            if self.current[node] == self.leaving[node].len() {
                self.current[node] = 0;
                height = self.relabel(node);
                if first_phase && height >= self.nodes() - 1 {
                    self.levels[height].active.insert(node);
                    break;
                }
                next_height = height;
            }
        }
        self.height[node] = height;
        next_height
    }

    fn relabel(&mut self, node: usize) -> usize {
        self.work += self.leaving[node].len();
        let open = self.leaving[node].iter().filter(|&&arc| self.is_open(arc));
        let least = open.map(|&arc| self.height[self.arcs[arc].to]).min();
        least.expect("a node with excess has an open arc back to where it came from") + 1
    }

    /// Nodes above an empty level cannot reach the sink.
    fn close_gap(&mut self, height: usize) {
        let beyond = self.nodes() + 1;
        for level in height + 1..=self.max_height {
            let Level { active, inactive } = std::mem::take(&mut self.levels[level]);
            for &node in active.iter().chain(&inactive) {
                self.height[node] = beyond;
            }
            self.levels[beyond].active.extend(active);
            self.levels[beyond].inactive.extend(inactive);
        }
    }

    /// Exact heights anew; the greatest of them.
    fn relabel_all(&mut self, from_sink: bool) -> usize {
        let end = if from_sink { self.sink } else { self.source };
        let mut heights = self.distances(end);
        let shift = if from_sink { 0 } else { self.nodes() };
        if !from_sink {
            heights[self.sink] = None;
        }
        let greatest = heights.iter().flatten().max().copied().unwrap_or(0) + shift;
        for node in (0..self.nodes()).filter(|&node| node != self.source && node != self.sink) {
            let unreached = from_sink && heights[node].is_none() && self.height[node] < self.nodes();
            let new = heights[node].map(|height| height + shift).or(unreached.then(|| self.nodes() + 1));
            let Some(new) = new.filter(|&new| new != self.height[node]) else { continue };
            let old = &mut self.levels[self.height[node]];
            if old.active.remove(&node) {
                self.levels[new].active.insert(node);
            } else {
                old.inactive.remove(&node);
                self.levels[new].inactive.insert(node);
            }
            self.height[node] = new;
        }
        self.work = 0;
        greatest
    }

    /// Pushes as much as possible to the sink.
    fn first_phase(&mut self) {
        let mut height = self.max_height;
        while height > 0 {
            let Some(&node) = self.levels[height].active.first() else {
                height -= 1;
                continue;
            };
            let old = height;
            height = self.discharge(node, true);
            if self.work >= self.threshold {
                height = self.relabel_all(true);
                self.max_height = height;
            } else if self.levels[old].active.is_empty() && self.levels[old].inactive.is_empty() {
                self.close_gap(old);
                height = old - 1;
                self.max_height = height;
            } else {
                self.max_height = self.max_height.max(height);
            }
        }
    }

    /// Gives back to the source what does not reach the sink.
    fn second_phase(&mut self) {
        let mut height = self.relabel_all(false);
        while height > self.nodes() {
            let Some(&node) = self.levels[height].active.first() else {
                height -= 1;
                continue;
            };
            height = self.discharge(node, false);
            if self.work >= self.threshold {
                height = self.relabel_all(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textbook_network_has_its_flow() {
        // Cormen, Leiserson, Rivest and Stein, figure 26.1: 23.
        let edges = [
            (0, 1, 16.0),
            (0, 2, 13.0),
            (1, 3, 12.0),
            (2, 1, 4.0),
            (2, 4, 14.0),
            (3, 2, 9.0),
            (3, 5, 20.0),
            (4, 3, 7.0),
            (4, 5, 4.0),
        ];
        let flow = preflow_push(6, &edges, 0, 5);
        assert_eq!(flow[6] + flow[8], 23.0);
        for node in 1..5 {
            let sum = |end: fn(&FloatEdge) -> usize| -> f64 {
                edges.iter().zip(&flow).filter(|(edge, _)| end(edge) == node).map(|(_, flow)| flow).sum()
            };
            assert_eq!(sum(|edge| edge.0), sum(|edge| edge.1), "node {node}");
        }
        assert_eq!(preflow_push(3, &[(0, 1, 5.0)], 0, 2), [0.0]);
    }
}
