//! Flow problems on integers: maximum flow, minimum cut, cheapest maximum flow, and flows as lists of paths.
//!
//! Imagine pipes between tanks, each with a capacity. How much can run from the source tank to the sink at most,
//! through all pipes together? That is the *maximum flow*. Which pipes hold it back? That is the *minimum cut*, and
//! both have the same size. `docs/concepts/max-flow.md` explains it from the beginning, with what it means in Helix.
//!
//! ```text
//! FlowNetwork ── max_flow ──> Flow ── min_cut ──> MinCut      which edges hold it back
//!                               └──── decompose ─> [Path]      what goes where
//! FlowNetwork + EdgeCosts ── min_cost_max_flow ──> MinCostFlow   the cheapest of all maximum flows, with its proof
//! MaxFlow: the same with memory, for many questions about one network
//! verify_*: proofs of the answers, which trust none of the above
//! ```
//!
//! This module knows nodes, edges and integers and nothing of clusters. Everything is exact and deterministic: the same
//! network gives the same flow.

mod adjacency;
mod cut;
mod decompose;
mod dinic;
mod max_flow;
mod min_cost;
mod network;
mod preflow;
mod residual;
mod verify;

pub use cut::MinCut;
pub use decompose::{Path, cancel_circulations, decompose};
pub use max_flow::{Flow, MaxFlow};
pub use min_cost::{EdgeCost, MinCostFlow, Potential, min_cost_max_flow, verify_min_cost};
pub use network::{Edge, EdgeId, FlowError, FlowNetwork, MAX_EDGES, NodeId};
pub use preflow::{FloatEdge, preflow_push};
pub use verify::{FlowFault, verify_feasible, verify_maximum};
