//! Model shapes against published figures: parameters, cache sizes, and what `config.json` files of all ages say.

use helix_spec::{Architecture, Attention, Bytes, ModelShape, NumberFormat};

/// Parameters of the published checkpoints: the sum over their tensors (DeepSeek-V3's without the layer that predicts a
/// second token; LLaMA-1's by its paper's "32.5B" and its dimensions).
const PUBLISHED: &[(&str, u64)] = &[
    ("llama-1-30b", 32_528_943_616),
    ("llama-2-70b", 68_976_648_192),
    ("llama-3.1-8b", 8_030_261_248),
    ("llama-3.1-70b", 70_553_706_496),
    ("llama-3.1-405b", 405_853_388_800),
    ("mistral-7b", 7_241_732_096),
    ("mixtral-8x7b", 46_702_792_704),
    ("qwen2.5-0.5b", 494_032_768),
    ("qwen3-8b", 8_190_735_360),
    ("qwen3-32b", 32_762_123_264),
    ("qwen3-235b-a22b", 235_093_634_560),
    ("deepseek-v2-lite", 15_706_484_224),
    ("deepseek-v3", 671_026_419_200),
    ("deepseek-r1", 671_026_419_200),
];

#[test]
fn presets_have_exactly_the_published_parameters() {
    for &(name, parameters) in PUBLISHED {
        let shape = ModelShape::preset(name).unwrap();
        assert_eq!(shape.parameters(), parameters, "{name}");
        assert_eq!(shape.name, name);
    }
    for name in ModelShape::presets() {
        let shape = ModelShape::preset(name).unwrap();
        let listed = PUBLISHED.iter().any(|(published, _)| *published == name);
        assert!(listed || (name.ends_with("-test") && shape.parameters() < 1_000_000), "{name}");
    }
}

/// Active parameters as the model cards round them.
#[test]
fn active_parameters_of_mixtures_are_those_of_their_cards() {
    for (name, billions, rounding) in
        [("mixtral-8x7b", 12.9, 0.05), ("qwen3-235b-a22b", 22.0, 0.5), ("deepseek-v3", 37.0, 0.6)]
    {
        let active = ModelShape::preset(name).unwrap().active_parameters() as f64 / 1e9;
        assert!((active - billions).abs() <= rounding, "{name}: {active}");
    }
    let dense = ModelShape::preset("llama-2-70b").unwrap();
    assert_eq!(dense.active_parameters(), dense.parameters());
}

/// Cache sizes of the Helix Parallelism paper's two models (4-bit), and R1's in 8 and 16 bits.
#[test]
fn cache_sizes_are_the_known_ones() {
    let whole = |name: &str, activations| {
        let shape = ModelShape { activations, ..ModelShape::preset(name).unwrap() };
        shape.kv_bytes_per_token().checked_mul(u64::from(shape.layers)).unwrap()
    };
    assert_eq!(whole("llama-3.1-405b", NumberFormat::Fp4), Bytes(129_024));
    assert_eq!(whole("deepseek-r1", NumberFormat::Fp4), Bytes(17_568));
    assert_eq!(whole("deepseek-r1", NumberFormat::Fp8), Bytes(35_136));
    assert_eq!(whole("deepseek-r1", NumberFormat::Bf16), Bytes(70_272));
    // 2 x 8 heads x 128 x 2 bytes x 80 layers.
    assert_eq!(whole("llama-2-70b", NumberFormat::F16), Bytes(327_680));
}

#[test]
fn presets_have_the_dimensions_of_their_model_cards() {
    let llama = ModelShape::preset("LLaMA-3.1-405B").unwrap();
    assert_eq!((llama.layers, llama.hidden, llama.ffn_width), (126, 16384, 53248));
    assert_eq!(llama.attention, Attention::Grouped { query_heads: 128, kv_heads: 8, head_dim: 128 });
    assert_eq!((llama.max_context, llama.weights), (131_072, NumberFormat::Bf16));
    let first = ModelShape::preset("llama-1-30b").unwrap();
    assert_eq!(first.attention, Attention::Grouped { query_heads: 52, kv_heads: 52, head_dim: 128 });
    let r1 = ModelShape::preset("deepseek-r1").unwrap();
    assert_eq!((r1.architecture, r1.layers), (Architecture::DeepseekV3, 61));
    assert_eq!((r1.weights, r1.activations), (NumberFormat::Fp8, NumberFormat::Bf16));
    assert_eq!(r1.max_context, 163_840);
    let experts = r1.experts.unwrap();
    assert_eq!((experts.routed, experts.per_token, experts.shared), (256, 8, 1));
    assert_eq!(experts.dense_layers, [0, 1, 2]);
    assert!(ModelShape::preset("qwen2.5-0.5b").unwrap().tied_embeddings);
}

/// Counted tensor by tensor.
#[test]
fn a_tiny_mixture_by_hand() {
    let tiny = ModelShape::preset("tiny-moe-test").unwrap();
    // q and o: 64 x 4 x 16 each; k and v: 64 x 2 x 16 each; two norms of 64, two of 16.
    let attention = 2 * 64 * 64 + 2 * 64 * 32;
    let vectors = 2 * 64 + 2 * 16;
    assert_eq!(tiny.layer_parameters(0), attention + vectors + 3 * 64 * 176);
    assert_eq!(tiny.layer_parameters(1), attention + vectors + 8 * 3 * 64 * 48 + 64 * 8);
    assert_eq!(tiny.active_layer_parameters(1), attention + vectors + 2 * 3 * 64 * 48 + 64 * 8);
    assert_eq!(tiny.weight_bytes(0..1), Bytes(4 * tiny.layer_parameters(0)));
    assert_eq!(tiny.heaviest_layer_bytes(), Bytes(4 * tiny.layer_parameters(3)));
}
