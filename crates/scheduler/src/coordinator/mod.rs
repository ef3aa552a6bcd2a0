//! The coordinator: a pipeline for every request, admission by cache, and what happens when things go wrong.
//!
//! ```text
//! Arrived ──> route? ──yes──> Hop … Hop, Dispatch ──> Token … Token(last) ──> Ended, Free on every hop
//!               │ no                    │
//!               v                       └─ OutOfBlocks, a machine lost, a new placement:
//!          wait in line <───────────────── Free on every hop, requeued with what was generated
//! ```

mod admission;
mod config;
mod find_route;
mod lifecycle;
mod machines;
mod protocol;
mod recovery;
mod requests;
mod state;

pub use config::{
    CoordinatorConfig, CoordinatorConfigError, DecodeDispatch, KvEstimate, OnLoss, OnNoRoute, Routing,
    SpeedFeedback,
};
pub use protocol::{Action, Event, Hop, Outcome};
pub use state::Coordinator;
