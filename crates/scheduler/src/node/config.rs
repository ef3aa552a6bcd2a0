//! The limits of a machine, handed in as data.

use helix_spec::{LayerRange, SimTime};
use serde::{Deserialize, Serialize};

/// How a machine batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batching {
    /// A batch runs one layer; a request enters at its first layer and leaves at its last (the paper, section 2.4).
    LayerWise {
        /// Whether a batch that would go on alone runs several layers at once. The order of all that happens stays the
        /// same as without, if the driver cuts ([`NodeEvent::Cut`](super::NodeEvent)) where work enters inside.
        fuse: bool,
    },
    /// A batch runs the whole range: new requests wait until the running ones are through all layers.
    WholeRange,
}

/// Who comes first where not all fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchOrder {
    /// In the order of arrival; what does not fit is overtaken.
    Arrival,
    /// Prompts before decodes: a shorter time to the first token.
    PrefillFirst,
    /// Decodes before prompts: steady tokens for those who already have some.
    DecodeFirst,
}

/// What one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLimits {
    /// Prompts, or parts of them.
    pub prefills: u32,
    /// Their tokens.
    pub prefill_tokens: u64,
    /// Decodes.
    pub decodes: u32,
    /// Tokens in the cache over all decodes.
    pub decode_context: u64,
    /// Tokens of prompts and decodes together: the budget of chunked prefill.
    pub tokens: u64,
    /// The smallest part that a prompt is cut into so that it fits \[tokens\]; `None`: prompts are never cut.
    pub chunk: Option<u32>,
}

impl BatchLimits {
    /// No limits.
    pub const UNLIMITED: Self = Self {
        prefills: u32::MAX,
        prefill_tokens: u64::MAX,
        decodes: u32::MAX,
        decode_context: u64::MAX,
        tokens: u64::MAX,
        chunk: None,
    };

    /// The paper's: a prompt counts as at most 2,048 tokens, a decode as 1,000 of context (section 2.4).
    #[must_use]
    pub fn asplos25(prompt_max_requests: u32, decode_max_tokens: u32) -> Self {
        Self {
            prefills: prompt_max_requests,
            prefill_tokens: u64::from(prompt_max_requests) * 2048,
            decodes: decode_max_tokens,
            decode_context: u64::from(decode_max_tokens) * 1000,
            ..Self::UNLIMITED
        }
    }
}

/// What a block of the cache spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockSpan {
    /// All layers of the machine. A request that uses a part of the range takes as much as one that uses all.
    Range,
    /// One layer: a request takes a block for each layer that it goes through.
    Layer,
}

/// The cache of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvConfig {
    /// Counted after every layer and never refused: the paper's simulator, which ends where ours goes on and says that
    /// the capacity was exceeded ([`Node::kv`](super::Node::kv)).
    Counted {
        /// What there is \[tokens × layers\].
        capacity: u64,
    },
    /// Blocks with reference counts; what finds none waits.
    Paged {
        /// How many blocks.
        blocks: u32,
        /// Tokens in a block.
        block_tokens: u32,
        /// Layers in a block.
        span: BlockSpan,
    },
}

/// All that a node must know of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// The layers that the machine holds.
    pub layers: LayerRange,
    /// How it batches.
    pub batching: Batching,
    /// Who comes first.
    pub order: BatchOrder,
    /// What a batch may hold.
    pub limits: BatchLimits,
    /// Its cache.
    pub kv: KvConfig,
    /// How long work may be on its way to this machine after its request was freed with `in_flight`.
    pub stale_for: SimTime,
}

impl NodeConfig {
    /// One minute: far longer than any link takes.
    pub const STALE_FOR: SimTime = SimTime(60_000_000_000_000);

    /// The most layers that a machine may hold.
    pub const MAX_LAYERS: u32 = 4096;

    /// Whether a node can be made of it.
    pub fn validate(&self) -> Result<(), NodeConfigError> {
        if self.layers.len() > Self::MAX_LAYERS {
            return Err(NodeConfigError::TooManyLayers(self.layers));
        }
        let limits = self.limits;
        for (name, value) in [
            ("prefills", u64::from(limits.prefills)),
            ("prefill_tokens", limits.prefill_tokens),
            ("decodes", u64::from(limits.decodes)),
            ("tokens", limits.tokens),
        ] {
            if value == 0 {
                return Err(NodeConfigError::ZeroLimit(name));
            }
        }
        if limits.chunk == Some(0) {
            return Err(NodeConfigError::ZeroLimit("chunk"));
        }
        let budget = limits.tokens.min(limits.prefill_tokens);
        if let Some(chunk) = limits.chunk.filter(|&chunk| u64::from(chunk) > budget) {
            return Err(NodeConfigError::ChunkBeyondBudget { chunk, budget });
        }
        match self.kv {
            KvConfig::Paged { block_tokens: 0, .. } => Err(NodeConfigError::ZeroLimit("block_tokens")),
            _ => Ok(()),
        }
    }
}

/// Why no node can be made of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NodeConfigError {
    /// A machine that could never run anything.
    #[error("the batch limit `{0}` is 0, at least 1 is needed")]
    ZeroLimit(&'static str),
    /// No prompt could be cut.
    #[error("prompts are cut into parts of at least {chunk} tokens, but a batch may hold only {budget}")]
    ChunkBeyondBudget {
        /// Smallest part.
        chunk: u32,
        /// Tokens of a batch.
        budget: u64,
    },
    /// More layers than any model has.
    #[error("a machine with the layers {0} holds more than {max}", max = NodeConfig::MAX_LAYERS)]
    TooManyLayers(LayerRange),
}
