//! Which edges leave, or enter, each node: compressed rows for the algorithms that walk along edges.

use super::network::{EdgeId, FlowNetwork, NodeId, to_u32};

/// Edges grouped by one of their ends, ascending in each group.
#[derive(Debug, Clone)]
pub struct Adjacency {
    first: Vec<u32>,
    edges: Vec<EdgeId>,
}

impl Adjacency {
    /// Edges by the node that they leave.
    pub fn leaving(network: &FlowNetwork) -> Self {
        Self::by(network, network.edges().iter().map(|edge| edge.from))
    }

    /// Edges by the node where they arrive.
    pub fn entering(network: &FlowNetwork) -> Self {
        Self::by(network, network.edges().iter().map(|edge| edge.to))
    }

    fn by(
        network: &FlowNetwork,
        keys: impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + Clone,
    ) -> Self {
        let mut first = vec![0; network.node_count() as usize + 1];
        for key in keys.clone() {
            first[key.index()] += 1;
        }
        let mut end = 0;
        for entry in &mut first {
            end += *entry;
            *entry = end;
        }
        let mut edges = vec![EdgeId(0); end as usize];
        for (position, key) in keys.enumerate().rev() {
            first[key.index()] -= 1;
            edges[first[key.index()] as usize] = EdgeId(to_u32(position));
        }
        Self { first, edges }
    }

    /// The edges of a node.
    pub fn of(&self, node: NodeId) -> &[EdgeId] {
        &self.edges[self.range(node)]
    }

    /// Where the edges of a node lie in the whole list.
    pub fn range(&self, node: NodeId) -> std::ops::Range<usize> {
        self.first[node.index()] as usize..self.first[node.index() + 1] as usize
    }

    /// The edge at a position of the whole list.
    pub fn at(&self, position: usize) -> EdgeId {
        self.edges[position]
    }

    /// The first position of each node.
    pub fn starts(&self) -> Vec<usize> {
        self.first[..self.first.len() - 1].iter().map(|&first| first as usize).collect()
    }
}
