//! Choices that must not change the result, and faults that must.

use std::ops::Range;

use crate::{Layout, Ownership, Wire};

/// How partial attention is merged over a KVP group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// All-to-all of partials and statistics, merged where the heads go (paper, TensorRT-LLM).
    AllToAll,
    /// All-gather of the statistics, reduce-scatter of weighted partials.
    GatherScatter,
    /// All-reduces of maximum, numerator and denominator (tree attention); every rank gets all heads.
    Tree,
}

impl Combine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AllToAll, Self::GatherScatter, Self::Tree];
}

/// How expert outputs are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FfnReduction {
    /// One all-reduce over all N ranks (TensorRT-LLM).
    Once,
    /// All-reduce over TPF, all-gather over EP, local sum (paper, section 2.2).
    ByExpertGroup,
}

/// When latent partials are expanded to value heads by `W_UV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expansion {
    /// After the exchange, for the Q / N heads of this rank: less work, more to exchange.
    AfterExchange,
    /// Before it, for Q / TPA heads: redundant on the KVP ranks, less to exchange.
    BeforeExchange,
}

/// Which tokens a rank keeps between attention and feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSplit {
    /// All of them, after an all-reduce.
    Replicated,
    /// Attention-DP: each TPA index serves its own requests with all heads, and its KVP ranks split their tokens by a
    /// reduce-scatter (TensorRT-LLM).
    DataParallel,
}

impl TokenSplit {
    /// The requests, of a batch of `requests`, that a rank serves: all, or those of its TPA index, contiguous and as even
    /// as can be.
    #[must_use]
    pub fn served(self, layout: Layout, rank: u32, requests: usize) -> Range<usize> {
        if self == Self::Replicated {
            return 0..requests;
        }
        let index = layout.coordinates(rank).attention_tensor as usize;
        let parts = layout.widths().attention_tensor as usize;
        let (each, extra) = (requests / parts, requests % parts);
        let start = index * each + index.min(extra);
        start..start + each + usize::from(index < extra)
    }
}

/// A bug that others had, planted on purpose: checks prove themselves by catching it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One KVP rank's partials are left out of the merge.
    DroppedShard,
    /// Ranks 0 and 1 use each other's slice of the output projection.
    SwappedOutputRows,
    /// Rotation by the length of the rank's own cache instead of the position in the sequence.
    LocalRopePosition,
    /// The rank after the owner appends the new token as well.
    DoubleWrite,
    /// The merge has no identity: an empty shard contributes 0 / 0.
    NoEmptyIdentity,
    /// Every rank loads shard 0 of the feed-forward.
    ShardZeroEverywhere,
}

impl Fault {
    /// All of them, with their names on the command line.
    pub const ALL: [(&'static str, Self); 6] = [
        ("dropped-shard", Self::DroppedShard),
        ("swapped-output-rows", Self::SwappedOutputRows),
        ("local-rope-position", Self::LocalRopePosition),
        ("double-write", Self::DoubleWrite),
        ("no-empty-identity", Self::NoEmptyIdentity),
        ("shard-zero-everywhere", Self::ShardZeroEverywhere),
    ];
}

/// How a layer is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Merge of partial attention.
    pub combine: Combine,
    /// Sum of expert outputs.
    pub reduction: FfnReduction,
    /// When latents are expanded.
    pub expansion: Expansion,
    /// Which tokens a rank keeps.
    pub tokens: TokenSplit,
    /// HOP-B: in how many chunks requests pass attention, each exchanged while the next is computed. 1 for none at once.
    pub chunks: u32,
    /// Format in which partial attention, summands and sums travel. The residual stream where it is handed over, and tokens
    /// on their way to experts, keep their own.
    pub wire: Wire,
    /// Who owns which position.
    pub ownership: Ownership,
    /// Tokens a block of the ledger.
    pub block: u32,
    /// Columns of a quantisation block of the shared expert; 1 unquantised.
    pub shared_block: u32,
    /// A planted bug.
    pub fault: Option<Fault>,
}

impl Options {
    /// What TensorRT-LLM does, with its blocks of 32 tokens, without loss on the wire.
    #[must_use]
    pub fn new(wire: Wire) -> Self {
        Self {
            combine: Combine::AllToAll,
            reduction: FfnReduction::Once,
            expansion: Expansion::AfterExchange,
            tokens: TokenSplit::Replicated,
            chunks: 1,
            wire,
            ownership: Ownership::ByPosition,
            block: 32,
            shared_block: 1,
            fault: None,
        }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}
