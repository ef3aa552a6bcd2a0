//! The residual graph: for each edge an arc forward with what may still flow and an arc back with what may be taken back.
//!
//! Arcs lie in one array, grouped by the node that they leave (compressed rows). The two arcs of an edge know each
//! other's position, and their residuals always add up to the capacity of the edge.
//!
//! ```text
//!  edge u -> v, capacity 7, flow 3
//!  first[u] ..: { head: v, mate: q, residual: 4 }     at p
//!  first[v] ..: { head: u, mate: p, residual: 3 }     at q
//! ```

use super::network::{EdgeId, FlowNetwork, to_u32};

/// Stands for "this edge has no arcs": an edge from a node to itself, which can carry nothing anywhere.
const NO_ARC: u32 = u32::MAX;

/// One direction of an edge.
#[derive(Debug, Clone, Copy)]
pub struct Arc {
    /// The node where it arrives.
    pub head: u32,
    /// Position of the arc of the same edge in the other direction.
    pub mate: u32,
    /// How much may still be pushed this way.
    pub residual: u64,
}

/// All arcs of a network with the current flow in them.
#[derive(Debug, Clone, Default)]
pub struct Residual {
    /// Arcs that leave node `u` are `first[u]..first[u + 1]`.
    pub first: Vec<u32>,
    /// See the module.
    pub arcs: Vec<Arc>,
    /// Forward arc of each edge.
    forward: Vec<u32>,
    /// Capacity of each edge.
    capacity: Vec<u64>,
}

impl Residual {
    /// Becomes the residual graph of the empty flow in this network; keeps the memory that it has.
    pub fn rebuild(&mut self, network: &FlowNetwork) {
        let edges = network.edges();
        self.first.clear();
        self.first.resize(network.node_count() as usize + 1, 0);
        for edge in edges.iter().filter(|edge| edge.from != edge.to) {
            self.first[edge.from.index()] += 1;
            self.first[edge.to.index()] += 1;
        }
        let mut end = 0;
        for first in &mut self.first {
            end += *first;
            *first = end;
        }
        // Every row is filled from its end, which leaves `first` at the beginnings.
        self.arcs.clear();
        self.arcs.resize(end as usize, Arc { head: 0, mate: 0, residual: 0 });
        self.forward.clear();
        self.forward.resize(edges.len(), NO_ARC);
        self.capacity.clear();
        self.capacity.extend(edges.iter().map(|edge| edge.capacity));
        for (position, edge) in edges.iter().enumerate().rev().filter(|(_, edge)| edge.from != edge.to) {
            let (from, to) = (edge.from, edge.to);
            self.first[from.index()] -= 1;
            self.first[to.index()] -= 1;
            let (there, back) = (self.first[from.index()], self.first[to.index()]);
            self.arcs[there as usize] = Arc { head: to.0, mate: back, residual: edge.capacity };
            self.arcs[back as usize] = Arc { head: from.0, mate: there, residual: 0 };
            self.forward[position] = there;
        }
        debug_assert_eq!(to_u32(self.arcs.len()), end);
    }

    /// Takes all flow out.
    pub fn clear_flow(&mut self) {
        for (forward, capacity) in self.forward.iter().zip(&self.capacity) {
            if *forward != NO_ARC {
                let back = self.arcs[*forward as usize].mate;
                self.arcs[*forward as usize].residual = *capacity;
                self.arcs[back as usize].residual = 0;
            }
        }
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.capacity.len()
    }

    /// What flows along an edge.
    pub fn amount(&self, edge: EdgeId) -> u64 {
        match self.forward[edge.index()] {
            NO_ARC => 0,
            forward => self.capacity[edge.index()] - self.arcs[forward as usize].residual,
        }
    }

    /// What flows along each edge.
    pub fn amounts(&self) -> Vec<u64> {
        (0..self.forward.len()).map(|edge| self.amount(EdgeId(to_u32(edge)))).collect()
    }

    /// Changes a capacity. Flow above the new one is taken off this edge alone; returns how much, so that the
    /// caller mends the imbalance: that much too much at the edge's beginning, too little at its end.
    pub fn set_capacity(&mut self, edge: EdgeId, capacity: u64) -> u64 {
        let flow = self.amount(edge);
        self.capacity[edge.index()] = capacity;
        let forward = self.forward[edge.index()];
        if forward == NO_ARC {
            return 0;
        }
        let kept = flow.min(capacity);
        let back = self.arcs[forward as usize].mate;
        self.arcs[forward as usize].residual = capacity - kept;
        self.arcs[back as usize].residual = kept;
        flow - kept
    }

    /// Beginning and end of an edge that is not a loop.
    pub fn ends(&self, edge: EdgeId) -> Option<(u32, u32)> {
        let forward = self.forward[edge.index()];
        let arc = self.arcs.get(forward as usize)?;
        Some((self.arcs[arc.mate as usize].head, arc.head))
    }
}
