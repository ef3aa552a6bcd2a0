//! Helix Parallelism: exact decode of one model over ranks that share the KV cache along the sequence.
//!
//! ```text
//!              attention: TPA × KVP                       feed-forward: TPF × EP, the same ranks
//! x ─> qkv ─> local attention ─> all-to-all + merge ─> o_proj ─> all-reduce ─> FFN or experts ─> all-reduce ─> y
//! ```
//!
//! Source: "Helix Parallelism: Rethinking Sharding Strategies for Interactive Multi-Million-Token LLM Decoding"
//! (arXiv 2507.07120), and the behaviour of TensorRT-LLM where the paper leaves a choice.

mod collective;
mod layout;
mod ledger;
mod merge;
mod real;

pub use collective::{
    Collective, CollectiveError, Counting, Exchange, InProcess, MAX_THREADS, Operation, RankFailure,
    Reduction, Scheduling, Ticket, Traffic, TrafficCount, exchange, run_ranks,
};
pub use layout::{Coordinates, Layout, LayoutError, MAX_RANKS, shared_expert_tensor};
pub use ledger::{Ledger, LedgerError, Ownership};
pub use merge::{Base, Statistics, combine, merge_into};
pub use real::{Real, Wire};
