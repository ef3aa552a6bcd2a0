//! The work of one layer: numbers to read, operations to do, all from the model's shape.

use helix_spec::{Attention, ModelShape};

/// Amounts of one layer, for one token or one cached token where they scale with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerWork {
    /// Weights of the attention's projections \[numbers\].
    pub attention_weights: f64,
    /// Weights of the feed-forward that every token passes: dense, shared experts, router \[numbers\].
    pub dense_weights: f64,
    /// Weights of one routed expert \[numbers\]; 0 in a dense layer.
    pub expert_weights: f64,
    /// Routed experts; 0 in a dense layer.
    pub experts: f64,
    /// Routed experts that a token visits.
    pub experts_per_token: f64,
    /// Operations of decode attention for a token in the cache.
    pub decode_flops_per_context: f64,
    /// Whether those are a matrix product of many heads with one shared key (latent attention).
    pub decode_is_matrix: bool,
    /// Operations of prefill attention for a pair of tokens.
    pub prefill_flops_per_pair: f64,
    /// How many devices can share the cache by heads.
    pub kv_heads: u32,
}

/// A kind of layer with its share of the model's layers.
pub(crate) type Kinds = Vec<(f64, LayerWork)>;

/// The kinds of layers that a model has, each with its share: one, or dense and expert layers.
pub(crate) fn kinds(shape: &ModelShape) -> Kinds {
    let layers = f64::from(shape.layers.max(1));
    let Some(experts) = &shape.experts else { return vec![(1.0, dense(shape))] };
    let dense_layers = experts.dense_layers.iter().filter(|&&layer| layer < shape.layers).count() as f64;
    let hidden = f64::from(shape.hidden);
    let routed = LayerWork {
        dense_weights: 3.0 * hidden * f64::from(experts.shared) * f64::from(experts.shared_width)
            + hidden * f64::from(experts.routed),
        expert_weights: 3.0 * hidden * f64::from(experts.width),
        experts: f64::from(experts.routed),
        experts_per_token: f64::from(experts.per_token.min(experts.routed)),
        ..dense(shape)
    };
    let mut kinds = Vec::new();
    if dense_layers > 0.0 {
        kinds.push((dense_layers / layers, dense(shape)));
    }
    if dense_layers < layers {
        kinds.push((1.0 - dense_layers / layers, routed));
    }
    kinds
}

fn dense(shape: &ModelShape) -> LayerWork {
    let (decode, prefill, matrix, kv_heads) = match shape.attention {
        Attention::Grouped { query_heads, kv_heads, head_dim } => {
            let each = 4.0 * f64::from(query_heads) * f64::from(head_dim);
            (each, each, false, kv_heads)
        }
        Attention::Latent {
            query_heads,
            kv_lora_rank,
            qk_nope_head_dim,
            qk_rope_head_dim,
            v_head_dim,
            ..
        } => {
            let heads = 2.0 * f64::from(query_heads);
            let (latent, rope) = (f64::from(kv_lora_rank), f64::from(qk_rope_head_dim));
            // Decode attends in the latent space, prefill with the keys and values expanded.
            let decode = heads * (2.0 * latent + rope);
            let prefill = heads * (f64::from(qk_nope_head_dim) + rope + f64::from(v_head_dim));
            (decode, prefill, true, 1)
        }
    };
    LayerWork {
        attention_weights: shape.attention_parameters() as f64,
        dense_weights: 3.0 * f64::from(shape.hidden) * f64::from(shape.ffn_width),
        expert_weights: 0.0,
        experts: 0.0,
        experts_per_token: 0.0,
        decode_flops_per_context: decode,
        decode_is_matrix: matrix,
        prefill_flops_per_pair: prefill,
        kv_heads,
    }
}

impl LayerWork {
    /// Routed experts that a batch of `tokens` tokens hits, in expectation: `E·(1 − (1 − k/E)^B)`.
    pub fn experts_hit(&self, tokens: f64) -> f64 {
        if self.experts == 0.0 {
            return 0.0;
        }
        self.experts * (1.0 - (1.0 - self.experts_per_token / self.experts).powf(tokens))
    }
}
