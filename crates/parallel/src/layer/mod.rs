//! Reference execution of decoder layers over N ranks, generic over f32 and f64.
//!
//! ```text
//! rank (t, c):  norm ─> q, k, v of the t-th heads ─> owner appends k, v ─> attention over c's part of every sequence
//!               ─> exchange and merge over the KVP group ─> [W_UV] ─> slice of o_proj ─> all-reduce ─> + x
//!               ─> norm ─> slice of the FFN, or of EP-th experts ─> all-reduce ─> + x
//! ```
//!
//! Every rank is handed the whole weights and reads its slice of them: what is executed, and exchanged, is what real
//! ranks would execute and exchange.

mod attention;
mod cache;
mod data_parallel;
mod exchange;
mod ffn;
mod kernel;
mod math;
mod matrix;
mod options;
mod project;
mod routing;
mod shape;
mod stack;
mod weights;

pub use cache::{History, LayerCache, Request};
pub use kernel::{KeyValue, attend};
pub use matrix::{Matrix, Packing};
pub use options::{Combine, Expansion, Fault, FfnReduction, Options, TokenSplit};
pub use routing::{Choice, route};
pub use shape::{ExpertShape, FfnShape, LayerShape, Pairing, Rope, Routing, ShapeError};
pub use stack::{Mark, Probe, RankState, Stack, StackError};
pub use weights::{AttentionWeights, ExpertWeights, FfnWeights, GatedWeights, LayerWeights, uniform};
