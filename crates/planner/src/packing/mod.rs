//! Placement as a packing problem: a pure solver over machine indices.
//!
//! ```text
//! Problem ──> columns at a target flow F ──> integer program ──> columns in order ──> Plan
//!                  ^                                                   │
//!                  └────────────── bisection on F <────────────────────┘
//! ```

mod blocks;
mod chain;
mod columns;
mod evaluate;
pub mod exact;
mod generate;
mod knapsack;
mod layout;
mod lengths;
mod local;
mod nearness;
mod pinned;
mod pipeline;
mod plan;
mod problem;
mod program;
mod reach;
mod region;
mod solve;
mod structure;

pub use columns::{Column, Kinds, Member, Worth, stages};
pub use evaluate::evaluate;
pub use layout::lay_out;
pub(crate) use local::Mover;
pub use local::{Freedom, LocalSearch, penalty};
pub use nearness::{Nearness, layers_to_load};
pub use pinned::pack_around;
pub use pipeline::{Columns, Packing, Search, pack};
pub use plan::{Plan, PlanError, Span};
pub use problem::{MAX_LAYERS, MAX_MACHINES, Network, Problem, ProblemError, Slot, Table};
pub use program::{Answer, Program};
pub use solve::{Event, Incumbent, Options, Outcome, depth, front, solve};
