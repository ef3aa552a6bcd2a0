//! Helix Parallelism: exact decode of one model over ranks that share the KV cache along the sequence.
//!
//! ```text
//!              attention: TPA × KVP                       feed-forward: TPF × EP, the same ranks
//! x ─> qkv ─> local attention ─> all-to-all + merge ─> o_proj ─> all-reduce ─> FFN or experts ─> all-reduce ─> y
//! ```
//!
//! Source: "Helix Parallelism: Rethinking Sharding Strategies for Interactive Multi-Million-Token LLM Decoding"
//! (arXiv 2507.07120), and the behaviour of TensorRT-LLM where the paper leaves a choice.

mod case;
mod check;
mod collective;
mod hopb;
mod layer;
mod layout;
mod ledger;
mod merge;
pub mod oracle;
mod reads;
mod real;
pub mod shapes;
mod volume;

pub use case::{Case, CaseSpec};
pub use check::{Deviation, Run, RunError, compare, run_case, tolerance};
pub use collective::{
    Collective, CollectiveError, Counting, Exchange, InProcess, MAX_THREADS, Operation, RankFailure,
    Reduction, Scheduling, Ticket, Traffic, TrafficCount, exchange, run_ranks,
};
pub use hopb::{chunk_bounds, overlapped_time, serial_time};
pub use layer::{
    AttentionWeights, Choice, Combine, Expansion, ExpertShape, ExpertWeights, Fault, FfnReduction, FfnShape,
    FfnWeights, GatedWeights, History, KeyValue, LayerCache, LayerShape, LayerWeights, Mark, Matrix, Options,
    Packing, Pairing, Probe, RankState, Request, Rope, Routing, ShapeError, Stack, StackError, TokenSplit,
    attend, route, uniform,
};
pub use layout::{Coordinates, Layout, LayoutError, MAX_RANKS, shared_expert_tensor};
pub use ledger::{Ledger, LedgerError, Ownership};
pub use merge::{Base, Statistics, combine, merge_into};
pub use reads::{AttentionNumbers, Reads};
pub use real::{Number, Real, Wire};
pub use volume::Volume;
