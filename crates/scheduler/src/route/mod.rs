//! Which link a request takes where it leaves the coordinator or a machine.
//!
//! ```text
//!            ┌─ candidates: links that begin here, which are open, what is known of each
//!            v
//! asker ─> choose ─> link ─> charge (the request, and later each of its tokens, goes that way)
//!            ^
//!            └─ observe (what a way took, how fast a machine is against the plan)
//! ```
//!
//! The asker is the coordinator for a whole pipeline, or a driver hop by hop; a policy cannot tell which.

mod latency_aware;
mod max_flow;
mod policy;
mod random_choice;
mod shortest_queue;
mod swarm;

pub use latency_aware::{HopTime, LatencyAware};
pub use max_flow::MaxFlow;
pub use policy::{Candidate, Observation, Question, RoutePolicy};
pub use random_choice::RandomChoice;
pub use shortest_queue::ShortestQueue;
pub use swarm::Swarm;
