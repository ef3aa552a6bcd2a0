//! The directed graph with capacities that every algorithm of this module reads.

use thiserror::Error;

/// A node of a [`FlowNetwork`], numbered from 0 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in arrays with an entry a node.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An edge of a [`FlowNetwork`]: the number of the `add_edge` call that made it, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub u32);

impl EdgeId {
    /// Position in arrays with an entry an edge.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A directed edge and how much can flow along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Where the edge leaves.
    pub from: NodeId,
    /// Where it arrives. The same node as `from` is legal; such an edge never carries flow.
    pub to: NodeId,
    /// The most that can flow, in the caller's unit; `u64::MAX` serves as "no limit".
    pub capacity: u64,
}

/// What is wrong with a network or a question about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FlowError {
    /// A node that the network does not have.
    #[error("node {node} is not in the network, which has {nodes} nodes, numbered from 0")]
    UnknownNode {
        /// The node asked for.
        node: u32,
        /// How many there are.
        nodes: u32,
    },
    /// An edge that the network does not have.
    #[error("edge {edge} is not in the network, which has {edges} edges, numbered from 0")]
    UnknownEdge {
        /// The edge asked for.
        edge: u32,
        /// How many there are.
        edges: usize,
    },
    /// More edges or nodes than the 32-bit numbers inside can name.
    #[error("the network is full: at most {MAX_EDGES} edges and {} nodes fit", u32::MAX)]
    Full,
    /// Source and sink are one node.
    #[error("source and sink are both node {node}: choose two different nodes")]
    SameTerminals {
        /// That node.
        node: u32,
    },
    /// The answer does not fit into 64 bits.
    #[error("the maximum flow exceeds {}: give the capacities in a larger unit", u64::MAX)]
    ValueOverflow,
    /// A cost list that does not fit the network.
    #[error("{costs} costs for {edges} edges: give one cost for each edge, in their order")]
    CostCount {
        /// How many costs were given.
        costs: usize,
        /// How many edges there are.
        edges: usize,
    },
    /// Costs so large that a path's cost could overflow.
    #[error("a cost of {value} is too large for a network of {nodes} nodes: at most {limit}")]
    CostTooLarge {
        /// The largest cost given.
        value: u64,
        /// The largest that is exact for this many nodes.
        limit: u64,
        /// How many nodes there are.
        nodes: u32,
    },
    /// The cost of the whole flow does not fit into 128 bits.
    #[error("the cost of the whole flow exceeds 128 bits: give costs or capacities in a larger unit")]
    CostOverflow,
}

/// Each edge becomes two arcs of the residual graph, and arcs are numbered with 32 bits.
pub const MAX_EDGES: usize = (u32::MAX / 2 - 1) as usize;

/// A directed graph whose edges have integer capacities. Parallel edges and edges in both directions are legal.
///
/// ```
/// use helix_planner::flow::{FlowNetwork, NodeId};
///
/// let mut network = FlowNetwork::new(4);
/// let [source, left, right, sink] = [0, 1, 2, 3].map(NodeId);
/// network.add_edge(source, left, 3)?;
/// network.add_edge(source, right, 2)?;
/// network.add_edge(left, right, 5)?;
/// let through_left = network.add_edge(left, sink, 2)?;
/// network.add_edge(right, sink, 3)?;
///
/// let flow = network.max_flow(source, sink)?;
/// assert_eq!(flow.value, 5);
/// assert_eq!(flow.on(through_left), 2);
/// # Ok::<(), helix_planner::flow::FlowError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowNetwork {
    nodes: u32,
    edges: Vec<Edge>,
}

impl FlowNetwork {
    /// A network of this many nodes and no edges.
    #[must_use]
    pub const fn new(nodes: u32) -> Self {
        Self { nodes, edges: Vec::new() }
    }

    /// Adds a node.
    pub fn add_node(&mut self) -> Result<NodeId, FlowError> {
        let id = NodeId(self.nodes);
        self.nodes = self.nodes.checked_add(1).ok_or(FlowError::Full)?;
        Ok(id)
    }

    /// Adds an edge; edges are numbered in the order in which they are added.
    pub fn add_edge(&mut self, from: NodeId, to: NodeId, capacity: u64) -> Result<EdgeId, FlowError> {
        self.check_node(from)?;
        self.check_node(to)?;
        if self.edges.len() >= MAX_EDGES {
            return Err(FlowError::Full);
        }
        let id = EdgeId(to_u32(self.edges.len()));
        self.edges.push(Edge { from, to, capacity });
        Ok(id)
    }

    /// Changes the capacity of an edge.
    pub fn set_capacity(&mut self, edge: EdgeId, capacity: u64) -> Result<(), FlowError> {
        let edges = self.edges.len();
        let slot = self.edges.get_mut(edge.index()).ok_or(FlowError::UnknownEdge { edge: edge.0, edges })?;
        slot.capacity = capacity;
        Ok(())
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn node_count(&self) -> u32 {
        self.nodes
    }

    /// Every edge, indexed by [`EdgeId`].
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Every edge with its id, in order.
    pub fn edges_with_ids(&self) -> impl Iterator<Item = (EdgeId, &Edge)> {
        (0..).map(EdgeId).zip(&self.edges)
    }

    /// Refuses terminals that no flow problem can have.
    pub(super) fn check_terminals(&self, source: NodeId, sink: NodeId) -> Result<(), FlowError> {
        self.check_node(source)?;
        self.check_node(sink)?;
        if source == sink {
            return Err(FlowError::SameTerminals { node: source.0 });
        }
        Ok(())
    }

    fn check_node(&self, node: NodeId) -> Result<(), FlowError> {
        if node.0 < self.nodes {
            return Ok(());
        }
        Err(FlowError::UnknownNode { node: node.0, nodes: self.nodes })
    }
}

/// A position in an array of edges, arcs or nodes as the 32-bit number that names it.
pub(super) fn to_u32(position: usize) -> u32 {
    u32::try_from(position).expect("invariant: `add_edge` keeps every array of a network below 2^32 entries")
}
