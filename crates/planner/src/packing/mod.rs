//! Placement as a packing problem: a pure solver over machine indices.
//!
//! ```text
//! Problem ──> columns at a target flow F ──> integer program ──> columns in order ──> Plan
//!                  ^                                                   │
//!                  └────────────── bisection on F <────────────────────┘
//! ```

mod columns;
mod layout;
mod pipeline;
mod plan;
mod problem;
mod program;

pub use columns::{Column, Kinds, Member, Worth, stages};
pub use layout::lay_out;
pub use pipeline::{Packing, Search, pack};
pub use plan::{Plan, PlanError, Span};
pub use problem::{MAX_LAYERS, MAX_MACHINES, Network, Problem, ProblemError, Slot, Table};
pub use program::{Answer, Program};
