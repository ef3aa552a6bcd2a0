//! Tables of costs that somebody measured or declared for one model.
//!
//! Their file is TOML; a cluster file names it. Every part may be missing.
//!
//! ```toml
//! version = 1
//! model = "llama-2-70b"
//! layer_bytes = "1.53 GB"            # memory and load size of one layer
//! activation_bytes = "16.384 kB"     # a token's activation between machines
//! token_bytes = "2 B"                # a token id between machines
//!
//! [types.L4]                         # a machine type of the cluster
//! declared = [                       # a row for each number of layers held, as `DeclaredRow`
//!   { layers = 7, tokens_per_s = 531.7025845523623, kv_capacity = 1751008, prompt_max_requests = 1, prompt_max_tokens = 2048, … },
//! ]
//! prompt = [                         # measured: prompt tokens in the batch, time of one layer
//!   [0, "0 ps"], [250, "12 ms"], [500, "20 ms"],
//! ]
//! decode = [                         # measured: decode requests in the batch, time of one layer
//!   [0, "0 ps"], [2, "6.9 ms"],
//! ]
//! ```

mod parse;
mod write;

use std::collections::BTreeMap;

use crate::{Bytes, SimTime, TokensPerSecond};

/// What a machine type does when it holds a given number of layers, as declared by the cluster's owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeclaredRow {
    /// Prompt and decode tokens through all its layers.
    pub throughput: TokensPerSecond,
    /// Cache capacity \[tokens × layers\].
    pub kv_capacity: u64,
    /// Prompts in one batch, at most.
    pub prompt_max_requests: u32,
    /// Prompt tokens in one batch, at most.
    pub prompt_max_tokens: u32,
    /// Tokens of context of all decode requests of one batch together, at most.
    pub decode_max_context: u64,
    /// Decode requests in one batch, at most.
    pub decode_max_requests: u32,
    /// Prompts in the typical batch that the throughput assumes.
    pub typical_prompt_requests: f64,
    /// Prompt tokens in the typical batch.
    pub typical_prompt_tokens: u32,
    /// Decode tokens in the typical batch.
    pub typical_decode_tokens: u32,
}

/// Measured time of one layer by batch size: the rows of a measurement, ascending in the first column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeTable {
    /// (tokens or requests in the batch, time of one layer).
    pub rows: Vec<(u32, SimTime)>,
}

/// All that is known of one machine type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TypeTables {
    /// By number of layers held.
    pub declared: BTreeMap<u32, DeclaredRow>,
    /// Time of one layer by prompt tokens in the batch.
    pub prompt: Option<TimeTable>,
    /// Time of one layer by decode requests in the batch.
    pub decode: Option<TimeTable>,
}

/// Tables for one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CostTables {
    /// The model's name.
    pub model: String,
    /// Memory and load size of one layer, where it is declared instead of computed from the shape.
    pub layer_bytes: Option<Bytes>,
    /// Size of one activation between machines, where it is declared.
    pub activation_bytes: Option<Bytes>,
    /// Size of one token on the wire, where it is declared.
    pub token_bytes: Option<Bytes>,
    /// By machine type.
    pub types: BTreeMap<String, TypeTables>,
}
