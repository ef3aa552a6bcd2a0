//! Which way requests go, and what machines run next: two pure state machines.
//!
//! ```text
//!               Event ──> coordinator::Coordinator ──> Action            one for the cluster
//!
//!           NodeEvent ──> node::Node ──> NodeAction                      one for every machine
//! ```
//!
//! A driver owns time, links and execution: it calls `handle(now, event, &mut actions)` and does what it is told. The
//! simulator is one driver, the runtime the other; nothing here can tell which. Both sides answer from their state and
//! the event alone, so that a log of `(now, event)` gives the same actions again.
//!
//! Pure: no clock, no threads, no randomness of its own, no unordered iteration. No input makes it panic.

pub mod coordinator;
mod id_table;
pub mod node;
pub mod prefetch;
mod random;
pub mod route;
mod topology;
mod work;

pub use random::{RandomSource, SplitMix64, shuffle};
pub use topology::{Topology, TopologyError, TopologyLink, TopologyMachine, TopologyParts};
pub use work::{LinkId, Phase, RequestId, Work};
