//! The two models of the paper's evaluation, from their model cards.

use helix_spec::{Architecture, Attention, Experts, ModelShape, NumberFormat};

/// 126 layers, grouped-query attention, dense.
pub fn llama_405b() -> ModelShape {
    ModelShape {
        name: "llama-3.1-405b".to_owned(),
        architecture: Architecture::Llama,
        layers: 126,
        hidden: 16_384,
        attention: Attention::Grouped { query_heads: 128, kv_heads: 8, head_dim: 128 },
        ffn_width: 53_248,
        experts: None,
        vocab: 128_256,
        tied_embeddings: false,
        max_context: 131_072,
        weights: NumberFormat::Bf16,
        activations: NumberFormat::Bf16,
    }
}

/// 61 layers, latent attention, 256 experts in all but the first three layers.
pub fn deepseek_r1() -> ModelShape {
    ModelShape {
        name: "deepseek-r1".to_owned(),
        architecture: Architecture::DeepseekV3,
        layers: 61,
        hidden: 7168,
        attention: Attention::Latent {
            query_heads: 128,
            q_lora_rank: Some(1536),
            kv_lora_rank: 512,
            qk_nope_head_dim: 128,
            qk_rope_head_dim: 64,
            v_head_dim: 128,
        },
        ffn_width: 18_432,
        experts: Some(Experts {
            routed: 256,
            per_token: 8,
            width: 2048,
            shared: 1,
            shared_width: 2048,
            dense_layers: vec![0, 1, 2],
        }),
        vocab: 129_280,
        tied_embeddings: false,
        max_context: 163_840,
        weights: NumberFormat::Fp8,
        activations: NumberFormat::Bf16,
    }
}
