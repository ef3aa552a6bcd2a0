//! A Hugging Face `config.json` becomes a [`ModelShape`]: eight families, old and new key names.
//!
//! Keys that planning does not need are ignored, because every family and every release of `transformers` writes others.
//! Those it needs are checked one by one; a default is taken only where `transformers` itself has it.

use super::keys::{Found, Keys};
use super::{Architecture, Attention, Experts, ModelShape, NumberFormat};
use crate::file::{FileError, Source, nearest};

// Bounds of the dimensions: an order of magnitude beyond any published model, and small enough that no product below
// overflows: 2^14 experts x 3 x 2^17 wide x 2^20 x 2^10 layers < 2^63.
const MAX_LAYERS: u32 = 1 << 10;
const MAX_HIDDEN: u32 = 1 << 17;
const MAX_WIDTH: u32 = 1 << 20;
const MAX_HEADS: u32 = 1 << 12;
const MAX_HEAD_DIM: u32 = 1 << 13;
const MAX_EXPERTS: u32 = 1 << 14;
const MAX_SHARED: u32 = 1 << 10;
const MAX_VOCAB: u32 = 1 << 24;
const MAX_CONTEXT: u32 = 1 << 30;

/// A model with more parameters is refused: beyond it byte counts are not exact in `f64` any more.
const MAX_PARAMETERS: u64 = 1_000_000_000_000_000;

/// `architectures` entry, `model_type`, family.
const FAMILIES: &[(&str, &str, Architecture)] = &[
    ("LlamaForCausalLM", "llama", Architecture::Llama),
    ("MistralForCausalLM", "mistral", Architecture::Mistral),
    ("MixtralForCausalLM", "mixtral", Architecture::Mixtral),
    ("Qwen2ForCausalLM", "qwen2", Architecture::Qwen2),
    ("Qwen3ForCausalLM", "qwen3", Architecture::Qwen3),
    ("Qwen3MoeForCausalLM", "qwen3_moe", Architecture::Qwen3Moe),
    ("DeepseekV2ForCausalLM", "deepseek_v2", Architecture::DeepseekV2),
    ("DeepseekV3ForCausalLM", "deepseek_v3", Architecture::DeepseekV3),
];

/// Reads the text of a `config.json`.
pub(super) fn parse(name: &str, source: Source<'_>) -> Result<ModelShape, FileError> {
    if source.text.trim().is_empty() {
        return Err(FileError::new(source.origin, "is empty"));
    }
    let keys = Keys::parse(source)?;
    let architecture = architecture(&keys)?;
    let layers = keys.count(&["num_hidden_layers"], MAX_LAYERS)?;
    let hidden = keys.count(&["hidden_size"], MAX_HIDDEN)?;
    let activations = number_format(&keys)?;
    let shape = ModelShape {
        name: name.to_owned(),
        architecture,
        layers,
        hidden,
        attention: attention(&keys, architecture, hidden)?,
        ffn_width: keys.count(&["intermediate_size"], MAX_WIDTH)?,
        experts: experts(&keys, architecture, layers)?,
        vocab: keys.count(&["vocab_size"], MAX_VOCAB)?,
        tied_embeddings: keys.flag("tie_word_embeddings")?,
        max_context: max_context(&keys, architecture)?,
        weights: super::quantization::weight_format(&keys, activations)?,
        activations,
    };
    let parameters = shape.parameters();
    if parameters > MAX_PARAMETERS {
        return Err(keys.refuse_file(format!(
            "has {parameters} parameters in all, at most {MAX_PARAMETERS} are planned"
        )));
    }
    Ok(shape)
}

fn architecture(keys: &Keys<'_>) -> Result<Architecture, FileError> {
    let unsupported = |found: &Found<'_>, name: &str, known: Vec<&str>| {
        let likest = nearest(name, known.iter().copied());
        let offer = likest.map_or(String::new(), |name| format!("did you mean `{name}`? "));
        keys.refuse(found, "which is not supported")
            .help(format!("{offer}supported are {}", known.join(", ")))
    };
    if let Some(found) = keys.find(&["architectures"])? {
        let names: Vec<String> = keys.value(&found, "it must be a list of names")?;
        if let [name] = names.as_slice() {
            // The first conversions of LLaMA-1 wrote the name in capitals.
            let family = FAMILIES.iter().find(|(class, _, _)| {
                class == name || (*class == "LlamaForCausalLM" && name == "LLaMAForCausalLM")
            });
            return match family {
                Some(&(_, _, architecture)) => Ok(architecture),
                None => Err(unsupported(&found, name, FAMILIES.iter().map(|family| family.0).collect())),
            };
        }
        if !names.is_empty() {
            return Err(keys.refuse(&found, "it must name one architecture"));
        }
    }
    let found = keys.find(&["model_type"])?.ok_or_else(|| keys.missing(&["architectures", "model_type"]))?;
    let name: String = keys.value(&found, "it must be a name")?;
    match FAMILIES.iter().find(|(_, model_type, _)| *model_type == name) {
        Some(&(_, _, architecture)) => Ok(architecture),
        None => Err(unsupported(&found, &name, FAMILIES.iter().map(|family| family.1).collect())),
    }
}

fn attention(keys: &Keys<'_>, architecture: Architecture, hidden: u32) -> Result<Attention, FileError> {
    let heads = keys.need(&["num_attention_heads"])?;
    let query_heads = keys.whole(&heads, 1, MAX_HEADS)?;
    if matches!(architecture, Architecture::DeepseekV2 | Architecture::DeepseekV3) {
        return Ok(Attention::Latent {
            query_heads,
            q_lora_rank: keys.optional(&["q_lora_rank"], 1, MAX_HIDDEN)?,
            kv_lora_rank: keys.count(&["kv_lora_rank"], MAX_HIDDEN)?,
            qk_nope_head_dim: keys.count(&["qk_nope_head_dim"], MAX_HEAD_DIM)?,
            qk_rope_head_dim: keys.count(&["qk_rope_head_dim"], MAX_HEAD_DIM)?,
            v_head_dim: keys.count(&["v_head_dim"], MAX_HEAD_DIM)?,
        });
    }
    let kv_heads = match keys.find(&["num_key_value_heads"])? {
        Some(found) => {
            let kv_heads = keys.whole(&found, 1, MAX_HEADS)?;
            if !query_heads.is_multiple_of(kv_heads) {
                let rule = format!("it must divide `num_attention_heads`, {query_heads}");
                return Err(keys.refuse(&found, &rule));
            }
            kv_heads
        }
        // Multi-head attention: configurations older than grouped queries do not have the key.
        None if architecture == Architecture::Llama => query_heads,
        None => keys.count(&["num_key_value_heads"], MAX_HEADS)?,
    };
    let head_dim = match (keys.optional(&["head_dim"], 1, MAX_HEAD_DIM)?, architecture) {
        (Some(head_dim), _) => head_dim,
        (None, Architecture::Qwen3) => 128,
        (None, _) if !hidden.is_multiple_of(query_heads) => {
            let rule = format!("it must divide `hidden_size`, {hidden}, where there is no `head_dim`");
            return Err(keys.refuse(&heads, &rule));
        }
        (None, _) => hidden / query_heads,
    };
    if head_dim > MAX_HEAD_DIM {
        let rule = format!("which makes heads {head_dim} wide, at most {MAX_HEAD_DIM} is allowed");
        return Err(keys.refuse(&heads, &rule));
    }
    Ok(Attention::Grouped { query_heads, kv_heads, head_dim })
}

/// Names under which families and releases give the number of routed experts.
const ROUTED: &[&str] = &["num_local_experts", "num_experts", "n_routed_experts"];

fn experts(keys: &Keys<'_>, architecture: Architecture, layers: u32) -> Result<Option<Experts>, FileError> {
    let routed = match architecture {
        Architecture::Llama | Architecture::Mistral | Architecture::Qwen2 | Architecture::Qwen3 => 0,
        Architecture::Mixtral => keys.count(ROUTED, MAX_EXPERTS)?,
        _ => keys.optional(ROUTED, 0, MAX_EXPERTS)?.unwrap_or(0),
    };
    if routed == 0 {
        return Ok(None);
    }
    let dense_layers = dense_layers(keys, architecture, layers)?;
    if dense_layers.len() == layers as usize {
        return Ok(None);
    }
    let chosen = keys.need(&["num_experts_per_tok"])?;
    let per_token = keys.whole(&chosen, 1, MAX_EXPERTS)?;
    if per_token > routed {
        return Err(keys.refuse(&chosen, &format!("it must be at most the number of experts, {routed}")));
    }
    let width = match architecture {
        Architecture::Mixtral => keys.count(&["intermediate_size"], MAX_WIDTH)?,
        _ => keys.count(&["moe_intermediate_size"], MAX_WIDTH)?,
    };
    let shared = match architecture {
        Architecture::DeepseekV2 | Architecture::DeepseekV3 => {
            keys.optional(&["n_shared_experts"], 0, MAX_SHARED)?.unwrap_or(0)
        }
        _ => 0,
    };
    Ok(Some(Experts { routed, per_token, width, shared, shared_width: width, dense_layers }))
}

/// The layers that stay dense in a mixture-of-experts model, ascending.
fn dense_layers(keys: &Keys<'_>, architecture: Architecture, layers: u32) -> Result<Vec<u32>, FileError> {
    match architecture {
        Architecture::Qwen3Moe => {
            let step = keys.optional(&["decoder_sparse_step"], 1, MAX_LAYERS)?.unwrap_or(1);
            let dense: Vec<u32> = match keys.find(&["mlp_only_layers"])? {
                Some(found) => {
                    let rule = format!("it must be a list of layers from 0 to {}, each once", layers - 1);
                    let dense: Vec<u32> = keys.value(&found, &rule)?;
                    if dense.len() > layers as usize || dense.iter().any(|&layer| layer >= layers) {
                        return Err(keys.refuse(&found, &rule));
                    }
                    dense
                }
                None => Vec::new(),
            };
            Ok((0..layers)
                .filter(|layer| !(layer + 1).is_multiple_of(step) || dense.contains(layer))
                .collect())
        }
        Architecture::DeepseekV2 | Architecture::DeepseekV3 => {
            let first = keys.optional(&["first_k_dense_replace"], 0, layers)?.unwrap_or(0);
            let step = keys.optional(&["moe_layer_freq"], 1, MAX_LAYERS)?.unwrap_or(1);
            Ok((0..layers).filter(|&layer| layer < first || !layer.is_multiple_of(step)).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// How the unquantised checkpoint stores numbers, and so what is computed with and cached.
fn number_format(keys: &Keys<'_>) -> Result<NumberFormat, FileError> {
    let found = keys.need(&["dtype", "torch_dtype"])?;
    let rule = "it must be `bfloat16`, `float16` or `float32`";
    match keys.value::<String>(&found, rule)?.trim_start_matches("torch.") {
        "bfloat16" => Ok(NumberFormat::Bf16),
        "float16" => Ok(NumberFormat::F16),
        "float32" => Ok(NumberFormat::F32),
        _ => Err(keys.refuse(&found, rule)),
    }
}

/// The longest context: `max_position_embeddings`, stretched where the kind of rotary scaling says that it is the length
/// before scaling (vLLM reads it in the same way).
fn max_context(keys: &Keys<'_>, architecture: Architecture) -> Result<u32, FileError> {
    let positions = &["max_position_embeddings", "max_sequence_length"];
    let trained = match (keys.optional(positions, 1, MAX_CONTEXT)?, architecture) {
        (Some(positions), _) => positions,
        (None, Architecture::Llama) => 2048,
        (None, _) => keys.count(positions, MAX_CONTEXT)?,
    };
    let Some(found) = keys.find(&["rope_scaling", "rope_parameters"])? else { return Ok(trained) };
    let rope = keys.object(&found)?;
    let Some(kind) = rope.find(&["rope_type", "type"])? else { return Ok(trained) };
    let rule = "it must be `default`, `linear`, `dynamic`, `yarn`, `llama3` or `longrope`";
    let before = match rope.value::<String>(&kind, rule)?.as_str() {
        "default" | "llama3" | "longrope" | "su" => return Ok(trained),
        "linear" | "dynamic" => trained,
        "yarn" => rope.optional(&["original_max_position_embeddings"], 1, MAX_CONTEXT)?.unwrap_or(trained),
        _ => return Err(rope.refuse(&kind, rule)),
    };
    let factor_key = rope.need(&["factor"])?;
    let rule = format!("it must be a number from 1 that makes a context of {MAX_CONTEXT} tokens at most");
    let factor: f64 = rope.value(&factor_key, &rule)?;
    let stretched = (f64::from(before) * factor).floor();
    if !(factor >= 1.0 && stretched <= f64::from(MAX_CONTEXT)) {
        return Err(rope.refuse(&factor_key, &rule));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 2^30")]
    Ok(stretched as u32)
}
