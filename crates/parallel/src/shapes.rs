//! Layers of known models, by name.

use helix_spec::Attention;

use crate::layer::{ExpertShape, FfnShape, LayerShape, Pairing, Rope, Routing};

/// A mixture-of-experts layer of DeepSeek-V3 and R1: 256 experts, 8 a token, one shared.
#[must_use]
pub fn deepseek_v3() -> LayerShape {
    let routing = Routing::Sigmoid { groups: 8, kept_groups: 4, scaling: 2.5 };
    // YaRN by 40 with mscale 1: 0.1 · ln 40 + 1, squared.
    let mscale = 0.1 * 40.0_f64.ln() + 1.0;
    LayerShape {
        hidden: 7168,
        attention: latent(128, Some(1536)),
        rope: Rope { theta: 10_000.0, pairing: Pairing::Neighbours },
        softmax_factor: mscale * mscale,
        norm_epsilon: 1e-6,
        ffn: FfnShape::Experts(ExpertShape {
            routed: 256,
            per_token: 8,
            width: 2048,
            shared_width: 2048,
            routing,
        }),
    }
}

/// A mixture-of-experts layer of "V3-Lite", the small shape of TensorRT-LLM's tests: 72 experts, 6 a token, two shared.
#[must_use]
pub fn deepseek_v3_lite() -> LayerShape {
    let routing = Routing::Sigmoid { groups: 1, kept_groups: 1, scaling: 2.5 };
    LayerShape {
        hidden: 2560,
        attention: latent(32, None),
        softmax_factor: 1.0,
        ffn: FfnShape::Experts(ExpertShape {
            routed: 72,
            per_token: 6,
            width: 1536,
            shared_width: 3072,
            routing,
        }),
        ..deepseek_v3()
    }
}

/// The grouped-query layer of TensorRT-LLM's Helix tests, with a feed-forward of 4 × hidden.
#[must_use]
pub fn grouped_test() -> LayerShape {
    LayerShape {
        hidden: 2048,
        attention: Attention::Grouped { query_heads: 16, kv_heads: 4, head_dim: 128 },
        rope: Rope { theta: 10_000.0, pairing: Pairing::Halves },
        softmax_factor: 1.0,
        norm_epsilon: 1e-6,
        ffn: FfnShape::Dense { width: 8192 },
    }
}

/// A layer of Llama-3.1-405B.
#[must_use]
pub fn llama_405b() -> LayerShape {
    LayerShape {
        hidden: 16_384,
        attention: Attention::Grouped { query_heads: 128, kv_heads: 8, head_dim: 128 },
        rope: Rope { theta: 500_000.0, pairing: Pairing::Halves },
        softmax_factor: 1.0,
        norm_epsilon: 1e-5,
        ffn: FfnShape::Dense { width: 53_248 },
    }
}

/// The same layer with a dense feed-forward.
#[must_use]
pub fn dense(shape: LayerShape, width: u32) -> LayerShape {
    LayerShape { ffn: FfnShape::Dense { width }, ..shape }
}

fn latent(query_heads: u32, q_lora_rank: Option<u32>) -> Attention {
    Attention::Latent {
        query_heads,
        q_lora_rank,
        kv_lora_rank: 512,
        qk_nope_head_dim: 128,
        qk_rope_head_dim: 64,
        v_head_dim: 128,
    }
}
