//! Layer ranges of decoder models, computed on real tensors.
//!
//! ```text
//! folder ─ ModelConfig ─┐
//!                       ├─> Stage (layers a..b) ── forward(batch) ──> activations, or logits ─> Sampler ─> token
//!        ─ WeightFiles ─┘      └─ KvCache                                                         │
//! text <─ Detokenizer, StopStrings <──────────────────────────────────────────────────────────────┘
//! ```
//!
//! A token's numbers depend on its request alone: not on the batch it is computed in, on how the prompt is cut into
//! chunks, on the range of layers that a stage holds, on the number of threads, or on the processor's instructions. They
//! are the same bits, because every sum is taken in one order (`docs/design/engine.md`).

pub mod backends;
mod batch;
mod block;
mod config;
mod kv;
mod linear;
mod sampling;
mod scratch;
mod stage;
mod text;
mod weights;

pub use batch::{BatchError, Input, Item, LogitsOf, Output};
pub use config::{ModelConfig, RopeConfig, RopeScaling};
pub use kv::{CacheUse, KvCache, RequestId};
pub use linear::WeightFormat;
pub use sampling::{
    Candidate, History, MAX_LOGPROBS, ParameterError, SampleError, Sampled, SamplingParameters, philox,
    sample,
};
pub use stage::{LoadError, Stage, StageOptions};
pub use text::{ChatTemplate, Detokenizer, Message, StopStrings, TemplateError, TextError, Tokenizer};
pub use weights::{Dtype, Header, Tensor, TensorInfo, WeightFiles, check_weights, parse_index};
