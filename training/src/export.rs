//! The folder that others load: Hugging Face's file names and formats, weights in bf16; and reading it back.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context as _;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::model::{Config, Model};
use crate::vocabulary::{BEGIN, END, SPECIAL};

/// Each message between the token of its role and the end token; only these three roles.
pub const CHAT_TEMPLATE: &str = concat!(
    "{{- bos_token }}",
    "{%- for message in messages %}",
    "{%- if message['role'] not in ['system', 'user', 'assistant'] %}",
    "{{- raise_exception('the roles are system, user and assistant') }}",
    "{%- endif %}",
    "{{- '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}",
    "{%- endfor %}",
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}",
);

/// Writes the whole folder.
pub fn write(folder: &Path, model: &Model, tokenizer: &Tokenizer) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut tensors = BTreeMap::new();
    for (name, weight) in &model.weights {
        tensors.insert(name.clone(), weight.as_tensor().to_dtype(DType::BF16)?);
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let path = folder.join("model.safetensors");
    safetensors::serialize_to_file(tensors, Some(metadata), &path)
        .with_context(|| path.display().to_string())?;
    let text = tokenizer.to_string(true).map_err(|why| anyhow::anyhow!("tokenizer: {why}"))?;
    write_text(folder, "tokenizer.json", &text)?;
    write_json(folder, "config.json", &config(&model.config))?;
    write_json(folder, "tokenizer_config.json", &tokenizer_config(&model.config))?;
    write_json(
        folder,
        "generation_config.json",
        &json!({
            "bos_token_id": BEGIN,
            "eos_token_id": END,
            "do_sample": true,
            "temperature": 0.7,
            "top_p": 0.95,
        }),
    )
}

fn write_json(folder: &Path, name: &str, value: &Value) -> anyhow::Result<()> {
    write_text(folder, name, &serde_json::to_string_pretty(value)?)
}

fn write_text(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, format!("{text}\n")).with_context(|| path.display().to_string())
}

fn config(config: &Config) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_scaling": null,
        "attention_bias": false,
        "attention_dropout": 0.0,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": BEGIN,
        "eos_token_id": END,
        "initializer_range": 0.02,
        "use_cache": true,
        "torch_dtype": "bfloat16",
    })
}

fn tokenizer_config(config: &Config) -> Value {
    let special = |text: &str| {
        json!({
            "content": text,
            "lstrip": false,
            "normalized": false,
            "rstrip": false,
            "single_word": false,
            "special": true,
        })
    };
    let added: serde_json::Map<String, Value> =
        SPECIAL.iter().enumerate().map(|(id, text)| (id.to_string(), special(text))).collect();
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": added,
        "bos_token": SPECIAL[0],
        "eos_token": SPECIAL[1],
        "clean_up_tokenization_spaces": false,
        "model_max_length": config.max_position_embeddings,
        "chat_template": CHAT_TEMPLATE,
    })
}

/// How the weights of the folder are held when it is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    Exact,
    /// Matrices rounded to blocks of 32 8-bit numbers with a scale.
    Q8,
}

/// Reads a folder that [`write`] made.
pub fn read(folder: &Path, precision: Precision) -> anyhow::Result<(Model, Tokenizer)> {
    let path = folder.join("model.safetensors");
    let tensors =
        candle_core::safetensors::load(&path, &Device::Cpu).with_context(|| path.display().to_string())?;
    let model = Model::new(Config::TINY, 0)?;
    for (name, weight) in &model.weights {
        let saved = tensors.get(name).with_context(|| format!("{}: `{name}` is missing", path.display()))?;
        let mut saved = saved.to_dtype(DType::F32)?;
        if precision == Precision::Q8 && saved.rank() == 2 {
            saved = QTensor::quantize(&saved, GgmlDType::Q8_0)?.dequantize(&Device::Cpu)?;
        }
        weight.set(&saved).with_context(|| format!("{}: `{name}`", path.display()))?;
    }
    let path = folder.join("tokenizer.json");
    let tokenizer =
        Tokenizer::from_file(&path).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
    Ok((model, tokenizer))
}
