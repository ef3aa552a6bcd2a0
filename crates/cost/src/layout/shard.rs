//! How many numbers of a layer one rank holds: its shard of the weights and of one cached token.

use helix_parallel::{AttentionNumbers, Layout, shared_expert_tensor};
use helix_spec::{Attention, ModelShape, NumberFormat, RankLayout};

use super::config::Config;

/// Weights of one layer's attention on one rank \[numbers\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AttentionShard {
    /// Projections before attention: the same on every rank of a KVP group.
    pub before: f64,
    /// Projections after it: sharded over all ranks.
    pub after: f64,
    /// Query heads.
    pub heads: f64,
    /// Numbers of one cached token.
    pub cached: f64,
    /// Operations for one query token against one cached token.
    pub flops_a_token: f64,
    /// Numbers of the partial result that travel for one query token.
    pub partial: f64,
}

impl AttentionShard {
    pub fn new(model: &ModelShape, config: Config) -> Self {
        let tensor = f64::from(config.tensor());
        let (Attention::Grouped { query_heads, .. } | Attention::Latent { query_heads, .. }) =
            model.attention;
        let numbers = AttentionNumbers::new(&model.attention, model.hidden, config.tensor());
        let heads = f64::from(query_heads) / tensor;
        let (cached, flops_a_token, width) = match model.attention {
            Attention::Grouped { kv_heads, head_dim, .. } => {
                let (width, kv) = (f64::from(head_dim), (f64::from(kv_heads) / tensor).ceil());
                (2.0 * kv * width, 4.0 * heads * width, width)
            }
            Attention::Latent { kv_lora_rank, qk_rope_head_dim, .. } => {
                let (latent, rope) = (f64::from(kv_lora_rank), f64::from(qk_rope_head_dim));
                (latent + rope, 2.0 * heads * (latent + rope + latent), latent)
            }
        };
        let of_head = numbers.expansion_of_head + numbers.output_of_head;
        Self {
            before: numbers.before,
            after: f64::from(query_heads) / f64::from(config.output_ranks()) * of_head,
            heads,
            cached,
            flops_a_token,
            partial: heads * width,
        }
    }

    /// All weights of the shard \[numbers\].
    pub fn weights(self) -> f64 {
        self.before + self.after
    }
}

/// Weights of one layer's attention that the ranks of a pipeline stage hold beyond one copy \[numbers\].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers far below 2^53")]
pub(crate) fn copied_weights(model: &ModelShape, layout: RankLayout) -> u64 {
    let Ok(layout) = Layout::new(layout) else { return 0 };
    let held = f64::from(layout.stage_ranks()) * AttentionShard::new(model, Config::ranks(layout)).weights();
    let once = AttentionShard::new(model, Config::ranks(Layout::SINGLE)).weights();
    (held - once).max(0.0).round() as u64
}

/// Weights of one layer's feed-forward on one rank \[numbers\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FfnShard {
    /// A dense feed-forward.
    Dense { weights: f64 },
    /// A mixture of experts.
    Experts {
        /// One routed expert's slice.
        expert: f64,
        /// Experts on this rank.
        held: f64,
        /// The part of them that one token visits.
        visited: f64,
        /// Shared experts' slice and the router, which every rank reads.
        always: f64,
    },
}

impl FfnShard {
    pub fn new(model: &ModelShape, config: Config, layer_is_dense: bool, weights: NumberFormat) -> Self {
        let (hidden, ranks) = (f64::from(model.hidden), config.ffn_ranks());
        match &model.experts {
            Some(experts) if !layer_is_dense => {
                let matrices = 3.0 * hidden;
                let shared = experts.shared.saturating_mul(experts.shared_width);
                let shared_ranks = shared_expert_tensor(shared, block(weights), ranks);
                Self::Experts {
                    expert: matrices * f64::from(experts.width) / f64::from(config.ffn_tensor()),
                    held: f64::from(experts.routed) / f64::from(config.expert()),
                    visited: f64::from(experts.per_token) / f64::from(experts.routed),
                    always: matrices * f64::from(shared) / f64::from(shared_ranks)
                        + hidden * f64::from(experts.routed),
                }
            }
            _ => Self::Dense { weights: 3.0 * hidden * f64::from(model.ffn_width) / f64::from(ranks) },
        }
    }

    /// All weights of the shard \[numbers\].
    pub fn weights(self) -> f64 {
        match self {
            Self::Dense { weights } => weights,
            Self::Experts { expert, held, always, .. } => expert * held + always,
        }
    }
}

/// Columns of one block of a quantised matrix: shared experts split along whole blocks.
fn block(weights: NumberFormat) -> u32 {
    match weights {
        NumberFormat::Fp8 => 128,
        NumberFormat::Q8_0 => 32,
        NumberFormat::Fp4 => 16,
        NumberFormat::F32 | NumberFormat::Bf16 | NumberFormat::F16 => 1,
    }
}
