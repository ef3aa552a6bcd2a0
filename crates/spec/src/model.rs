//! The shape of a model: how many layers, how wide, and what each one weighs and keeps.
//!
//! ```text
//! preset name ─┐
//! folder ──────┼─> config.json ─keys─> config (families, quantization) ─> ModelShape
//! file ────────┘
//! ```

mod config;
mod keys;
mod preset;
mod quantization;

use std::ops::Range;

use crate::Bytes;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point, 8 bits of exponent.
    Bf16,
    /// 16-bit floating point, 5 bits of exponent.
    F16,
    /// 8-bit floating point.
    Fp8,
    /// 8-bit blocks of 32 with a 16-bit scale (GGUF's `Q8_0`).
    Q8_0,
    /// 4-bit floating point with block scales counted in.
    Fp4,
}

impl NumberFormat {
    /// Bits a number, scales of quantised blocks included.
    #[must_use]
    pub fn bits(self) -> f64 {
        match self {
            Self::F32 => 32.0,
            Self::Bf16 | Self::F16 => 16.0,
            Self::Q8_0 => 8.5,
            Self::Fp8 => 8.0,
            Self::Fp4 => 4.0,
        }
    }

    /// Memory of `count` numbers, rounded up to whole bytes.
    #[must_use]
    pub fn bytes(self, count: u64) -> Bytes {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "f64 to u64 saturates")]
        Bytes((count as f64 * self.bits() / 8.0).ceil() as u64)
    }
}

/// The family whose decoder block the model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// `LlamaForCausalLM`
    Llama,
    /// `MistralForCausalLM`
    Mistral,
    /// `MixtralForCausalLM`
    Mixtral,
    /// `Qwen2ForCausalLM`
    Qwen2,
    /// `Qwen3ForCausalLM`
    Qwen3,
    /// `Qwen3MoeForCausalLM`
    Qwen3Moe,
    /// `DeepseekV2ForCausalLM`
    DeepseekV2,
    /// `DeepseekV3ForCausalLM`
    DeepseekV3,
}

/// The attention of every layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attention {
    /// Multi-head, multi-query or grouped-query attention.
    Grouped {
        /// Query heads.
        query_heads: u32,
        /// Key and value heads.
        kv_heads: u32,
        /// Width of a head.
        head_dim: u32,
    },
    /// Multi-head latent attention: the cache keeps one latent vector and one rotated key a token.
    Latent {
        /// Query heads.
        query_heads: u32,
        /// Rank of the query's down-projection, where it has one.
        q_lora_rank: Option<u32>,
        /// Width of the latent that is cached.
        kv_lora_rank: u32,
        /// Width of a head's part without position.
        qk_nope_head_dim: u32,
        /// Width of the rotated key, shared by all heads.
        qk_rope_head_dim: u32,
        /// Width of a value head.
        v_head_dim: u32,
    },
}

/// Mixture-of-experts part of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experts {
    /// Routed experts a layer.
    pub routed: u32,
    /// Routed experts that each token visits.
    pub per_token: u32,
    /// Width of one routed expert.
    pub width: u32,
    /// Experts that every token visits.
    pub shared: u32,
    /// Width of one shared expert.
    pub shared_width: u32,
    /// The layers whose feed-forward is dense nevertheless, in ascending order.
    pub dense_layers: Vec<u32>,
}

impl Experts {
    /// Whether the feed-forward of this layer is made of experts.
    #[must_use]
    pub fn is_sparse(&self, layer: u32) -> bool {
        self.dense_layers.binary_search(&layer).is_err()
    }
}

/// A decoder-only transformer, as far as planning needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelShape {
    /// Preset name or folder name.
    pub name: String,
    /// Family of its decoder block.
    pub architecture: Architecture,
    /// Decoder layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Attention of every layer.
    pub attention: Attention,
    /// Width of the dense feed-forward (gate, up and down projection).
    pub ffn_width: u32,
    /// Experts, where the model has them.
    pub experts: Option<Experts>,
    /// Entries of the vocabulary.
    pub vocab: u32,
    /// Whether the output projection is the embedding.
    pub tied_embeddings: bool,
    /// Longest context that the model was made for \[tokens\].
    pub max_context: u32,
    /// How weights are stored.
    pub weights: NumberFormat,
    /// How keys and values are cached, and what the activations between machines are.
    pub activations: NumberFormat,
}

impl ModelShape {
    /// Weights of the attention of one layer, norms not counted \[numbers\].
    #[must_use]
    pub fn attention_parameters(&self) -> u64 {
        let hidden = u64::from(self.hidden);
        match self.attention {
            Attention::Grouped { query_heads, kv_heads, head_dim } => {
                let (q, kv, d) = (u64::from(query_heads), u64::from(kv_heads), u64::from(head_dim));
                2 * hidden * q * d + 2 * hidden * kv * d
            }
            Attention::Latent {
                query_heads,
                q_lora_rank,
                kv_lora_rank,
                qk_nope_head_dim,
                qk_rope_head_dim,
                v_head_dim,
            } => {
                let (q, latent) = (u64::from(query_heads), u64::from(kv_lora_rank));
                let (nope, rope, v) =
                    (u64::from(qk_nope_head_dim), u64::from(qk_rope_head_dim), u64::from(v_head_dim));
                let query = match q_lora_rank.map(u64::from) {
                    Some(rank) => hidden * rank + rank * q * (nope + rope),
                    None => hidden * q * (nope + rope),
                };
                query + hidden * (latent + rope) + latent * q * (nope + v) + q * v * hidden
            }
        }
    }

    /// Weights of one layer's feed-forward, router included \[numbers\].
    #[must_use]
    pub fn ffn_parameters(&self, layer: u32) -> u64 {
        let hidden = u64::from(self.hidden);
        match &self.experts {
            Some(experts) if experts.is_sparse(layer) => {
                let routed = u64::from(experts.routed) * 3 * hidden * u64::from(experts.width);
                let shared = u64::from(experts.shared) * 3 * hidden * u64::from(experts.shared_width);
                routed + shared + hidden * u64::from(experts.routed)
            }
            _ => 3 * hidden * u64::from(self.ffn_width),
        }
    }

    /// Weights of the norms and biases that the family's layers have \[numbers\].
    ///
    /// Biases that a configuration turns on beyond its family's are not counted: less than a ten-thousandth.
    fn vector_parameters(&self, layer: u32) -> u64 {
        let norms = 2 * u64::from(self.hidden);
        let of_attention = match self.attention {
            Attention::Grouped { query_heads, kv_heads, head_dim } => match self.architecture {
                Architecture::Qwen2 => {
                    (u64::from(query_heads) + 2 * u64::from(kv_heads)) * u64::from(head_dim)
                }
                Architecture::Qwen3 | Architecture::Qwen3Moe => 2 * u64::from(head_dim),
                _ => 0,
            },
            Attention::Latent { q_lora_rank, kv_lora_rank, .. } => {
                u64::from(q_lora_rank.unwrap_or(0)) + u64::from(kv_lora_rank)
            }
        };
        let routing_bias = match (&self.experts, self.architecture) {
            (Some(experts), Architecture::DeepseekV3) if experts.is_sparse(layer) => {
                u64::from(experts.routed)
            }
            _ => 0,
        };
        norms + of_attention + routing_bias
    }

    /// Weights of one layer, norms and biases included \[numbers\].
    #[must_use]
    pub fn layer_parameters(&self, layer: u32) -> u64 {
        self.attention_parameters() + self.ffn_parameters(layer) + self.vector_parameters(layer)
    }

    /// Weights of one layer that one token multiplies with: of the routed experts only those it visits \[numbers\].
    #[must_use]
    pub fn active_layer_parameters(&self, layer: u32) -> u64 {
        let idle = match &self.experts {
            Some(experts) if experts.is_sparse(layer) => {
                u64::from(experts.routed - experts.per_token)
                    * 3
                    * u64::from(self.hidden)
                    * u64::from(experts.width)
            }
            _ => 0,
        };
        self.layer_parameters(layer) - idle
    }

    /// Weights of the whole model, embedding and output projection included \[numbers\].
    #[must_use]
    pub fn parameters(&self) -> u64 {
        (0..self.layers).map(|layer| self.layer_parameters(layer)).sum::<u64>() + self.end_parameters()
    }

    /// Weights that take part in one token, as model cards count them: the embeddings whole, of the routed experts only
    /// those that the token visits \[numbers\].
    #[must_use]
    pub fn active_parameters(&self) -> u64 {
        (0..self.layers).map(|layer| self.active_layer_parameters(layer)).sum::<u64>() + self.end_parameters()
    }

    /// Weights outside the layers: embedding, output projection, last norm \[numbers\].
    #[must_use]
    pub fn end_parameters(&self) -> u64 {
        let embeddings = u64::from(self.vocab) * u64::from(self.hidden);
        let both = if self.tied_embeddings { embeddings } else { 2 * embeddings };
        both + u64::from(self.hidden)
    }

    /// Memory of the weights of a layer range.
    #[must_use]
    pub fn weight_bytes(&self, layers: Range<u32>) -> Bytes {
        self.weights.bytes(layers.map(|layer| self.layer_parameters(layer)).sum())
    }

    /// Memory of the heaviest layer: what a plan by layer counts must allow for each of them.
    #[must_use]
    pub fn heaviest_layer_bytes(&self) -> Bytes {
        let heaviest = (0..self.layers).map(|layer| self.layer_parameters(layer)).max().unwrap_or(0);
        self.weights.bytes(heaviest)
    }

    /// Memory that one token keeps in the cache of one layer.
    #[must_use]
    pub fn kv_bytes_per_token(&self) -> Bytes {
        let numbers = match self.attention {
            Attention::Grouped { kv_heads, head_dim, .. } => 2 * u64::from(kv_heads) * u64::from(head_dim),
            Attention::Latent { kv_lora_rank, qk_rope_head_dim, .. } => {
                u64::from(kv_lora_rank) + u64::from(qk_rope_head_dim)
            }
        };
        self.activations.bytes(numbers)
    }

    /// Bytes that one token's activation takes between two machines.
    #[must_use]
    pub fn activation_bytes(&self) -> Bytes {
        self.activations.bytes(u64::from(self.hidden))
    }
}
