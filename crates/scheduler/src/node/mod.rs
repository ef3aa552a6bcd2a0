//! One machine: queues of work in front of its layers, batches, and the cache in blocks.
//!
//! The driver owns time and execution. It hands over what arrives ([`NodeEvent`]) and does what is asked
//! ([`NodeAction`]); how long a [`Batch`] takes is the driver's business.

mod check;
mod config;
mod kv_pool;
mod machine;
mod protocol;
mod queue;
mod residents;
mod step;

pub use config::{BatchLimits, BatchOrder, Batching, BlockSpan, KvConfig, NodeConfig, NodeConfigError};
pub use kv_pool::{BlockId, BlockTable, KvPool, Shortage};
pub use machine::{KvUse, Node};
pub use protocol::{Batch, NodeAction, NodeEvent, Refusal, Shortfall};
