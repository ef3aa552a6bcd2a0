//! What the layout of ranks inside one machine costs: time, memory and traffic of a decode step.
//!
//! ```text
//! ModelShape ─┐                        ┌─> LayerTime (where the time of a layer goes)
//! Hardware   ─┼─> Study ── Config ─────┼─> Performance (time to the next token, tokens a second)
//! formats, context ─┘  (layout, batch) └─> RankMemory (weights and cache of the fullest rank)
//!                          │
//!                          ├─> sweep ──> frontier ──> headline ratios, where Helix loses
//!                          └─> choose: the best layout for a context and a latency target
//! ```
//!
//! Source: the Helix Parallelism paper (arXiv 2507.07120): its roofline (appendix A), the evaluation method of its
//! section 3, and HOP-B (section 2.1.3). What the paper does not disclose is in [`Hardware`], marked as calibrated.

mod choose;
mod config;
mod figure1;
mod frontier;
mod hardware;
mod hopb;
mod machine;
mod memory;
mod shard;
mod step;
mod study;
mod sweep;
mod volume;
mod whatif;

pub use choose::{Choice, ChooseError, Demand, Shortage, choose, load, rank};
pub use config::{Config, Sharing, Strategy};
pub use figure1::{LatentRoofline, LayerRoofline, OutputProjection};
pub use frontier::{Advantage, Frontier, Headline, advantages, headline};
pub use hardware::{GB200_NVL72, Hardware};
pub use hopb::{Overlap, hop_b_seconds, serial_seconds};
pub use machine::{Load, adopt_layouts, best_layout, layouts_not_costed, machine_layout};
pub use memory::RankMemory;
pub(crate) use shard::copied_weights;
pub use step::{LayerKind, LayerTime, Performance};
pub use study::{Formats, Study};
pub use sweep::{Point, Sweep, configurations, default_batches, sweep};
pub use volume::{all_reduce_bytes, exchange_bytes, exchange_stats_bytes};
pub use whatif::{Crossing, crossing, devices_needed, longest_context};
