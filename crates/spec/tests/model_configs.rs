//! `config.json` files of all ages and families, and those that are refused.

use helix_spec::{Attention, ModelShape, NumberFormat};

const LLAMA: &str = include_str!("../data/models/llama-3.1-8b.json");
const MIXTRAL: &str = include_str!("../data/models/mixtral-8x7b.json");
const QWEN3: &str = include_str!("../data/models/qwen3-8b.json");
const QWEN3_MOE: &str = include_str!("../data/models/tiny-moe-test.json");
const DEEPSEEK: &str = include_str!("../data/models/deepseek-v3.json");

/// Replaces the value of a key, or takes the whole line away.
fn with(text: &str, key: &str, value: Option<&str>) -> String {
    let quoted = format!("  \"{key}\":");
    assert!(text.contains(&quoted), "{key}");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match value {
            _ if !line.starts_with(&quoted) => lines.push(line.trim_end_matches(',').to_owned()),
            Some(value) => lines.push(format!("{quoted} {value}")),
            None => {}
        }
    }
    let body = lines[1..lines.len() - 1].join(",\n");
    format!("{{\n{body}\n}}\n")
}

fn read(text: &str) -> ModelShape {
    ModelShape::from_config_json(text, "probe/config.json").unwrap()
}

fn refused(text: &str) -> String {
    ModelShape::from_config_json(text, "probe/config.json").unwrap_err().to_string()
}

#[test]
fn old_and_new_names_of_a_key_give_the_same_shape() {
    let llama = read(LLAMA);
    assert_eq!(llama.name, "probe");
    let same = [
        LLAMA.replace("torch_dtype", "dtype"),
        LLAMA.replace("\"bfloat16\"", "\"torch.bfloat16\""),
        LLAMA.replace("\"vocab_size\"", "\"dtype\": \"bfloat16\",\n\"vocab_size\""),
        LLAMA.replace("rope_scaling", "rope_parameters"),
        LLAMA.replace("rope_type", "type"),
        with(LLAMA, "tie_word_embeddings", None),
        with(LLAMA, "rope_scaling", Some("null")),
        with(LLAMA, "hidden_act", Some("\"a key that planning does not need\"")),
        LLAMA.replace("\"hidden_act\"", "\"head_dim\": null, \"hidden_act\""),
        LLAMA.replace("\"hidden_act\"", "\"head_dim\": 128, \"hidden_act\""),
        with(LLAMA, "architectures", None),
        with(LLAMA, "architectures", Some("[]")),
        with(LLAMA, "model_type", None),
        LLAMA.replace("LlamaFor", "LLaMAFor"),
        LLAMA.replace('\n', "\r\n"),
        LLAMA.replace('\n', " "),
    ];
    for text in same {
        assert_eq!(read(&text), llama, "{text}");
    }
    for name in ["num_experts", "n_routed_experts"] {
        assert_eq!(read(&MIXTRAL.replace("num_local_experts", name)), read(MIXTRAL), "{name}");
    }
    for name in ["num_local_experts", "n_routed_experts"] {
        assert_eq!(
            read(&QWEN3_MOE.replace("num_experts\"", &format!("{name}\""))),
            read(QWEN3_MOE),
            "{name}"
        );
    }
    assert_eq!(read(&with(DEEPSEEK, "moe_layer_freq", None)), read(DEEPSEEK));
}

#[test]
fn keys_that_are_missing_take_the_defaults_of_transformers() {
    let heads = |text: &str| read(text).attention;
    let llama = with(LLAMA, "num_key_value_heads", None);
    assert_eq!(heads(&llama), Attention::Grouped { query_heads: 32, kv_heads: 32, head_dim: 128 });
    // Qwen3 has a width of its own even where hidden / heads would be another.
    let qwen3 = with(&with(QWEN3, "head_dim", None), "num_attention_heads", Some("16"));
    assert_eq!(heads(&qwen3), Attention::Grouped { query_heads: 16, kv_heads: 8, head_dim: 128 });
    let lite = include_str!("../data/models/deepseek-v2-lite.json");
    assert!(matches!(heads(lite), Attention::Latent { q_lora_rank: None, .. }));
    assert_eq!(heads(&with(lite, "q_lora_rank", None)), heads(lite));
    assert_eq!(read(&with(LLAMA, "max_position_embeddings", None)).max_context, 2048);
    assert_eq!(read(&with(DEEPSEEK, "n_shared_experts", Some("null"))).experts.unwrap().shared, 0);
}

#[test]
fn the_layers_without_experts_are_found_by_each_family_s_rule() {
    let dense = |text: &str| read(text).experts.map(|experts| experts.dense_layers);
    // Qwen: layer i has experts if (i + 1) divides by the step and it is not listed.
    let stepped = with(QWEN3_MOE, "decoder_sparse_step", Some("2"));
    assert_eq!(dense(&with(&stepped, "mlp_only_layers", Some("[3, 3]"))), Some(vec![0, 2, 3]));
    assert_eq!(dense(&with(QWEN3_MOE, "mlp_only_layers", Some("[3, 1]"))), Some(vec![1, 3]));
    assert_eq!(dense(&with(QWEN3_MOE, "mlp_only_layers", Some("[0, 1, 2, 3]"))), None);
    // DeepSeek: layer i has experts if i divides by the frequency and is not one of the first.
    let tiny = include_str!("../data/models/tiny-mla-test.json");
    assert_eq!(dense(&with(tiny, "first_k_dense_replace", Some("0"))), Some(vec![]));
    assert_eq!(dense(&with(tiny, "moe_layer_freq", Some("2"))), Some(vec![0, 1, 3]));
    assert_eq!(dense(&with(tiny, "n_routed_experts", Some("null"))), None);
    assert_eq!(dense(&with(tiny, "first_k_dense_replace", Some("4"))), None);
}

#[test]
fn rotary_scaling_stretches_the_context_only_where_it_means_so() {
    let context = |scaling: &str| {
        read(&QWEN3.replace("\"hidden_act\"", &format!("\"rope_scaling\": {scaling}, \"hidden_act\"")))
            .max_context
    };
    assert_eq!(
        context(r#"{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}"#),
        131_072
    );
    assert_eq!(context(r#"{"rope_type": "linear", "factor": 2}"#), 81_920);
    assert_eq!(context(r#"{"rope_type": "default", "rope_theta": 10000.0}"#), 40_960);
    assert_eq!(context(r#"{"rope_theta": 10000.0}"#), 40_960);
    assert_eq!(read(LLAMA).max_context, 131_072);
    assert_eq!(read(DEEPSEEK).max_context, 40 * 4096);
}

#[test]
fn quantised_checkpoints_keep_their_format() {
    let weights =
        |quantization: &str| read(&with(DEEPSEEK, "quantization_config", Some(quantization))).weights;
    assert_eq!(weights("null"), NumberFormat::Bf16);
    assert_eq!(weights(r#"{"quant_method": "fp8"}"#), NumberFormat::Fp8);
    assert_eq!(weights(r#"{"quant_method": "modelopt", "quant_algo": "NVFP4"}"#), NumberFormat::Fp4);
    let groups = |bits: u32, kind: &str| {
        format!(
            r#"{{"quant_method": "compressed-tensors",
                "config_groups": {{"group_0": {{"weights": {{"num_bits": {bits}, "type": "{kind}"}}}}}}}}"#
        )
    };
    assert_eq!(weights(&groups(8, "float")), NumberFormat::Fp8);
    let error = refused(&with(DEEPSEEK, "quantization_config", Some(&groups(4, "int").replace('\n', " "))));
    assert!(error.contains("`quant_method` is \"compressed-tensors\", it must be `fp8`"), "{error}");
    let error = refused(&with(DEEPSEEK, "quantization_config", Some(r#"{"quant_method": "awq"}"#)));
    assert!(error.contains("`quant_method` is \"awq\"") && error.contains("not quantised"), "{error}");
}

#[test]
fn a_wrong_value_is_refused_with_its_key_its_line_and_what_is_allowed() {
    let cases = [
        (
            with(LLAMA, "hidden_size", Some("0")),
            ":4: `hidden_size` is 0, it must be a whole number from 1 to 131072",
        ),
        (with(LLAMA, "hidden_size", Some("-4096")), "`hidden_size` is -4096, it must be"),
        (with(LLAMA, "hidden_size", Some("4096.5")), "`hidden_size` is 4096.5, it must be"),
        (with(LLAMA, "hidden_size", Some("\"4096\"")), "`hidden_size` is \"4096\", it must be"),
        (with(LLAMA, "hidden_size", Some("1e400")), "`hidden_size` is 1e400, it must be"),
        (
            with(LLAMA, "hidden_size", Some("99999999999999999999")),
            "`hidden_size` is 99999999999999999999, it",
        ),
        (with(LLAMA, "hidden_size", Some("NaN")), "config.json:4: is not the JSON of a model configuration"),
        (with(LLAMA, "hidden_size", None), "has no `hidden_size`; is it the whole config.json"),
        (
            with(LLAMA, "hidden_size", Some("4100")),
            "`num_attention_heads` is 32, it must divide `hidden_size`, 4100",
        ),
        (
            with(LLAMA, "num_key_value_heads", Some("5")),
            "`num_key_value_heads` is 5, it must divide `num_attention_heads`, 32",
        ),
        (
            with(LLAMA, "num_hidden_layers", Some("1025")),
            "`num_hidden_layers` is 1025, it must be a whole number from 1 to 1024",
        ),
        (with(LLAMA, "torch_dtype", Some("\"int8\"")), "`torch_dtype` is \"int8\", it must be `bfloat16`"),
        (with(LLAMA, "torch_dtype", None), "has no `dtype` (nor under its other name, `torch_dtype`)"),
        (
            LLAMA.replace("\"vocab_size\"", "\"dtype\": \"float16\",\n\"vocab_size\""),
            "it means the same as `dtype`, which is \"float16\"",
        ),
        (with(LLAMA, "tie_word_embeddings", Some("\"no\"")), "it must be true or false"),
        (
            with(LLAMA, "rope_scaling", Some(r#"{"type": "magic", "factor": 2}"#)),
            "`type` is \"magic\", it must be `default`",
        ),
        (
            with(LLAMA, "rope_scaling", Some(r#"{"type": "linear", "factor": 1e300}"#)),
            "`factor` is 1e300, it must be a number from 1",
        ),
        (with(LLAMA, "rope_scaling", Some(r#"{"type": "linear", "factor": 0.5}"#)), "`factor` is 0.5"),
        (with(LLAMA, "rope_scaling", Some("[1]")), "`rope_scaling` is [1], it must be an object"),
        (
            with(MIXTRAL, "num_experts_per_tok", Some("9")),
            "`num_experts_per_tok` is 9, it must be at most the number of experts, 8",
        ),
        (
            with(MIXTRAL, "num_local_experts", None),
            "has no `num_local_experts` (nor under its other name, `num_experts` or `n_routed_experts`)",
        ),
        (with(QWEN3, "num_key_value_heads", None), "has no `num_key_value_heads`"),
        (
            with(QWEN3_MOE, "mlp_only_layers", Some("[4]")),
            "`mlp_only_layers` is [4], it must be a list of layers from 0 to 3",
        ),
        (with(QWEN3_MOE, "decoder_sparse_step", Some("0")), "`decoder_sparse_step` is 0"),
        (
            with(DEEPSEEK, "first_k_dense_replace", Some("62")),
            "`first_k_dense_replace` is 62, it must be a whole number from 0 to 61",
        ),
        (with(DEEPSEEK, "kv_lora_rank", None), "has no `kv_lora_rank`"),
        (
            LLAMA.replace("\"hidden_act\"", "\"hidden_size\": 1,\n\"hidden_act\""),
            "`hidden_size` appears twice",
        ),
    ];
    for (text, expected) in cases {
        let error = refused(&text);
        assert!(error.starts_with("probe/config.json:"), "{error}");
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
}

/// Every dimension at its own bound: the product is refused, and nothing overflows on the way.
#[test]
fn dimensions_that_are_absurd_together_are_refused() {
    let mut text = DEEPSEEK.to_owned();
    for (key, value) in [
        ("num_hidden_layers", "1024"),
        ("hidden_size", "131072"),
        ("intermediate_size", "1048576"),
        ("num_attention_heads", "4096"),
        ("q_lora_rank", "131072"),
        ("kv_lora_rank", "131072"),
        ("qk_nope_head_dim", "8192"),
        ("qk_rope_head_dim", "8192"),
        ("v_head_dim", "8192"),
        ("moe_intermediate_size", "1048576"),
        ("n_routed_experts", "16384"),
        ("n_shared_experts", "1024"),
        ("num_experts_per_tok", "16384"),
        ("vocab_size", "16777216"),
    ] {
        text = with(&text, key, Some(value));
    }
    let error = refused(&text);
    assert!(error.contains("parameters in all, at most 1000000000000000 are planned"), "{error}");
}

#[test]
fn an_unsupported_architecture_lists_the_supported_ones_and_the_nearest() {
    let error = refused(&LLAMA.replace("LlamaForCausalLM", "Llama4ForCausalLM"));
    assert!(
        error.contains("config.json:2: `architectures` is [\"Llama4ForCausalLM\"], which is not supported"),
        "{error}"
    );
    assert!(
        error.contains("did you mean `LlamaForCausalLM`? supported are LlamaForCausalLM, Mistral"),
        "{error}"
    );
    let error = refused(&with(LLAMA, "architectures", None).replace("\"llama\"", "\"qwen3_mo\""));
    assert!(
        error.contains("`model_type` is \"qwen3_mo\"") && error.contains("did you mean `qwen3_moe`"),
        "{error}"
    );
    let error = refused(&LLAMA.replace("[\"LlamaForCausalLM\"]", "[\"A\", \"B\"]"));
    assert!(error.contains("it must name one architecture"), "{error}");
    assert!(refused("{}").contains("has no `architectures` (nor under its other name, `model_type`)"));
}

#[test]
fn truncated_empty_and_binary_texts_are_refused() {
    for end in 0..LLAMA.trim_end().len() {
        assert!(ModelShape::from_config_json(&LLAMA[..end], "cut").is_err(), "{end}");
    }
    assert!(refused(" \n").ends_with("is empty"));
    assert!(refused("[1]").contains("a JSON object with the configuration of a model"));
    assert!(refused(&"[".repeat(100_000)).contains("config.json:1: is not the JSON"));
    assert!(refused("\0\u{1}\u{2}").contains("is not the JSON"));
    let long = refused(&with(LLAMA, "hidden_size", Some(&format!("\"{}\"", "x".repeat(10_000)))));
    assert!(long.len() < 300, "{long}");
    let long = refused(&format!("\"{}\"", "x".repeat(10_000)));
    assert!(long.contains("invalid type: string \"xxx") && long.len() < 300, "{long}");
}

#[test]
fn a_name_that_is_neither_preset_nor_folder_lists_both_possibilities() {
    let error = ModelShape::named_or_folder("lama-2-70b").unwrap_err().to_string();
    assert!(
        error.starts_with("model `lama-2-70b`: is no preset, and there is no folder or file of this name; did you mean `llama-2-70b`?"),
        "{error}"
    );
    assert!(error.contains("deepseek-r1") && error.contains("config.json"), "{error}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    let error = ModelShape::named_or_folder(folder).unwrap_err().to_string();
    assert!(error.contains("data: has no config.json"), "{error}");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/models/qwen3-8b.json");
    assert_eq!(ModelShape::named_or_folder(file).unwrap(), ModelShape::preset("qwen3-8b").unwrap());
    assert_eq!(ModelShape::named_or_folder("Qwen3-8B").unwrap().name, "qwen3-8b");
}
