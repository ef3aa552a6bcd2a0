//! A small random model in a folder of its own, and what one machine alone answers with it.

use std::path::{Path, PathBuf};

use helix_engine::{
    Input, Item, LogitsOf, ModelConfig, Output, RequestId, Stage, StageOptions, WeightFormat,
};
use helix_runtime::service::{ModelInfo, TextModel};
use helix_scheduler::SplitMix64;
use helix_spec::LayerRange;

pub const LAYERS: u32 = 6;
const HIDDEN: usize = 32;
const HEAD: usize = 8;
const KV_HEADS: usize = 2;
const FFN: usize = 48;
const VOCAB: usize = 257;
const CONTEXT: usize = 512;

/// A folder that goes away with the value.
pub struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Writes a model whose weights follow from the seed.
pub fn random_model(name: &str, seed: u64) -> Folder {
    let folder = std::env::temp_dir().join(format!("helix-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = format!(
        r#"{{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":{HIDDEN},
        "intermediate_size":{FFN},"num_hidden_layers":{LAYERS},"num_attention_heads":4,
        "num_key_value_heads":{KV_HEADS},"head_dim":{HEAD},"vocab_size":{VOCAB},"rms_norm_eps":1e-5,
        "rope_theta":10000.0,"max_position_embeddings":{CONTEXT},"tie_word_embeddings":false,
        "torch_dtype":"float32","hidden_act":"silu","eos_token_id":256,"bos_token_id":0}}"#
    );
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer()).unwrap();
    std::fs::write(folder.join("model.safetensors"), weights(seed)).unwrap();
    Folder(folder)
}

fn tokenizer() -> String {
    let vocab = (0u32..256).map(|byte| format!(r#""<0x{byte:02X}>":{byte}"#)).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,
        "added_tokens":[{{"id":256,"content":"<end>","single_word":false,"lstrip":false,"rstrip":false,
                         "normalized":false,"special":true}}],
        "normalizer":null,"pre_tokenizer":null,"post_processor":null,
        "decoder":{{"type":"Sequence","decoders":[{{"type":"ByteFallback"}},{{"type":"Fuse"}}]}},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
                 "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":true,"ignore_merges":false,
                 "vocab":{{{vocab}}},"merges":[]}}}}"#
    )
}

fn weights(seed: u64) -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>)> = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCAB, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCAB, HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let mut add = |part: &str, shape: Vec<usize>| {
            tensors.push((format!("model.layers.{layer}.{part}.weight"), shape));
        };
        add("input_layernorm", vec![HIDDEN]);
        add("post_attention_layernorm", vec![HIDDEN]);
        add("self_attn.q_proj", vec![4 * HEAD, HIDDEN]);
        add("self_attn.k_proj", vec![KV_HEADS * HEAD, HIDDEN]);
        add("self_attn.v_proj", vec![KV_HEADS * HEAD, HIDDEN]);
        add("self_attn.o_proj", vec![HIDDEN, 4 * HEAD]);
        add("mlp.gate_proj", vec![FFN, HIDDEN]);
        add("mlp.up_proj", vec![FFN, HIDDEN]);
        add("mlp.down_proj", vec![HIDDEN, FFN]);
    }
    let mut random = SplitMix64::new(seed);
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for (name, shape) in tensors {
        let begin = data.len();
        for _ in 0..shape.iter().product::<usize>() {
            let unit = (random.next_u64() >> 40) as f32 / (1u32 << 24) as f32;
            // Wide weights: a model whose answers depend on every layer and every token before.
            let number = if shape.len() == 1 { 0.8 + 0.4 * unit } else { unit - 0.5 };
            data.extend(number.to_le_bytes());
        }
        header.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{}]}}"#,
            data.len()
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// What a coordinator must know of the model.
pub fn info(folder: &Path) -> (ModelInfo, TextModel) {
    let config = ModelConfig::from_folder(folder).unwrap();
    let info = ModelInfo {
        name: "random".to_owned(),
        folder: folder.to_owned(),
        fingerprint: helix_runtime::fingerprint(folder).unwrap(),
        layers: config.shape.layers,
        vocab: config.shape.vocab,
        max_context: config.shape.max_context,
        end_tokens: config.end_tokens,
        sampling: helix_runtime::service::SamplingDefaults::default(),
        created: 0,
    };
    (info, TextModel::from_folder(folder).unwrap())
}

/// The most probable tokens, computed by one stage that holds the whole model, one request, no batches.
pub fn alone(folder: &Path, prompt: &[u32], tokens: usize) -> Vec<u32> {
    let options = StageOptions { weights: WeightFormat::Full, threads: 1, cache_blocks: 2000, isa: None };
    let layers = LayerRange::new(0, LAYERS).unwrap();
    let mut stage = Stage::<f32>::load(folder, layers, &options).unwrap();
    let (mut answer, mut input, mut position) = (Vec::new(), prompt.to_vec(), 0);
    while answer.len() < tokens {
        let item = Item {
            request: RequestId(1),
            position,
            layers,
            input: Input::Tokens(&input),
            logits: LogitsOf::Last,
        };
        let outputs = stage.forward(&[item]).unwrap();
        let Output::Logits(logits) = &outputs[0] else { panic!("logits were asked for") };
        let best = (0..).zip(logits).fold((0u32, f32::NEG_INFINITY), |best, (token, &logit)| {
            if logit > best.1 { (token, logit) } else { best }
        });
        position += input.len();
        input = vec![best.0];
        if best.0 == 256 {
            break;
        }
        answer.push(best.0);
    }
    answer
}
