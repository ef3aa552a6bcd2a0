//! Whether a folder holds all weights of its model: every tensor by its name, shape and type. Nothing is read but headers.

use std::path::Path;

use helix_spec::FileError;

use super::WeightFiles;
use crate::config::ModelConfig;
use crate::stage::EMBEDDING;

/// Checks what a stage of all layers would take; how many bytes those tensors have together.
///
/// # Errors
/// [`FileError`] for the first file that is missing or damaged, and the first tensor that is missing or contradicts
/// `config.json`.
pub fn check_weights(folder: &Path) -> Result<u64, FileError> {
    let config = ModelConfig::from_folder(folder)?;
    let files = WeightFiles::open(folder)?;
    for (name, shape) in expected(&config) {
        files.tensor(&name, &shape)?;
    }
    Ok(files.bytes_read())
}

/// Names and shapes; of a matrix `[rows, columns]`.
fn expected(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let (vocab, hidden, head) = (config.vocab(), config.hidden(), config.head_dim);
    let ffn = config.shape.ffn_width as usize;
    let (queries, keys) = (config.query_heads * head, config.kv_heads * head);
    let output = if config.shape.tied_embeddings { EMBEDDING } else { "lm_head.weight" };
    let mut all = vec![
        (EMBEDDING.to_owned(), vec![vocab, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
        (output.to_owned(), vec![vocab, hidden]),
    ];
    let matrices = [
        ("self_attn.q_proj", (queries, hidden), config.qkv_bias),
        ("self_attn.k_proj", (keys, hidden), config.qkv_bias),
        ("self_attn.v_proj", (keys, hidden), config.qkv_bias),
        ("self_attn.o_proj", (hidden, queries), config.output_bias),
        ("mlp.gate_proj", (ffn, hidden), config.feed_forward_bias),
        ("mlp.up_proj", (ffn, hidden), config.feed_forward_bias),
        ("mlp.down_proj", (hidden, ffn), config.feed_forward_bias),
    ];
    let vectors = [
        ("input_layernorm", hidden, true),
        ("post_attention_layernorm", hidden, true),
        ("self_attn.q_norm", head, config.qk_norm),
        ("self_attn.k_norm", head, config.qk_norm),
    ];
    for layer in 0..config.shape.layers {
        let mut add = |part: &str, kind: &str, shape| {
            all.push((format!("model.layers.{layer}.{part}.{kind}"), shape));
        };
        for (part, (rows, columns), bias) in matrices {
            add(part, "weight", vec![rows, columns]);
            if bias {
                add(part, "bias", vec![rows]);
            }
        }
        for (part, length, _) in vectors.iter().filter(|(.., there)| *there) {
            add(part, "weight", vec![*length]);
        }
    }
    all
}
