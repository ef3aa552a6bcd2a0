//! The model: Llama's decoder, small, with the names and shapes of its Hugging Face weights.
//!
//! ```text
//! tokens ─ embed ─┬─ norm ─ q k v ─ rope ─ attention ─ o ─┬─ norm ─ silu(gate)·up ─ down ─┬─ … ─ norm ─ embedᵀ ─ logits
//!                 └───────────────────────────────────────+───────────────────────────────+
//! ```

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var};

use crate::ops::{CausalSoftmax, CrossEntropy, RmsNorm, Rope, SwiGlu};
use crate::random::Random;

/// The sizes of the model, as `config.json` names them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Tokens.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward part.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Base of the rotary embedding.
    pub rope_theta: f32,
    /// Added to the mean square in the norms.
    pub rms_norm_eps: f32,
    /// Longest context.
    pub max_position_embeddings: usize,
}

impl Config {
    /// The built-in model.
    pub const TINY: Config = Config {
        vocab_size: crate::vocabulary::SIZE,
        hidden_size: 128,
        intermediate_size: 320,
        num_hidden_layers: 8,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 32,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        max_position_embeddings: 1024,
    };

    /// Every weight: its name and its shape, in the order in which they are drawn and updated.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, ffn) = (self.hidden_size, self.intermediate_size);
        let q = self.num_attention_heads * self.head_dim;
        let kv = self.num_key_value_heads * self.head_dim;
        let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden])];
        for layer in 0..self.num_hidden_layers {
            for (name, shape) in [
                ("input_layernorm", vec![hidden]),
                ("self_attn.q_proj", vec![q, hidden]),
                ("self_attn.k_proj", vec![kv, hidden]),
                ("self_attn.v_proj", vec![kv, hidden]),
                ("self_attn.o_proj", vec![hidden, q]),
                ("post_attention_layernorm", vec![hidden]),
                ("mlp.gate_proj", vec![ffn, hidden]),
                ("mlp.up_proj", vec![ffn, hidden]),
                ("mlp.down_proj", vec![hidden, ffn]),
            ] {
                shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
            }
        }
        shapes.push(("model.norm.weight".to_owned(), vec![hidden]));
        shapes
    }
}

/// The weights, by name.
pub struct Model {
    /// The sizes.
    pub config: Config,
    /// Every weight.
    pub weights: BTreeMap<String, Var>,
}

impl Model {
    /// A model that has learned nothing: norms at one, the rest normal with deviation `1/√inputs`, halved and halved
    /// again towards the residual stream.
    pub fn new(config: Config, seed: u64) -> Result<Model> {
        let mut weights = BTreeMap::new();
        for (index, (name, shape)) in config.shapes().into_iter().enumerate() {
            let mut random = Random::new(seed, (1 << 62) + index as u64);
            let count = shape.iter().product();
            let values = if let [_, inputs] = shape[..] {
                let into_stream = name.contains("o_proj") || name.contains("down_proj");
                let depth = if into_stream { (2.0 * config.num_hidden_layers as f64).sqrt() } else { 1.0 };
                let deviation =
                    if name.contains("embed") { 0.05 } else { 1.0 / (inputs as f64).sqrt() / depth };
                #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
                let draws = (0..count).map(|_| (random.normal() * deviation) as f32).collect();
                draws
            } else {
                vec![1f32; count]
            };
            weights.insert(name, Var::from_vec(values, shape, &Device::Cpu)?);
        }
        Ok(Model { config, weights })
    }

    fn weight(&self, name: &str) -> &Tensor {
        self.weights[name].as_tensor()
    }

    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        x.matmul(&self.weight(name).t()?)
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        x.apply_op2(self.weight(name), RmsNorm { epsilon: self.config.rms_norm_eps })
    }

    /// The final state of each token: `[rows × length, hidden]`.
    pub fn states(&self, inputs: &[u32], rows: usize) -> Result<Tensor> {
        let length = inputs.len() / rows;
        let inputs = Tensor::new(inputs, &Device::Cpu)?;
        let mut x = self.weight("model.embed_tokens.weight").index_select(&inputs, 0)?;
        for layer in 0..self.config.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            let normed = self.norm(&x, &name("input_layernorm"))?;
            let mixed = self.attention(&normed, (rows, length), &name)?;
            x = (x + self.linear(&mixed, &name("self_attn.o_proj"))?)?;
            let normed = self.norm(&x, &name("post_attention_layernorm"))?;
            let gate = self.linear(&normed, &name("mlp.gate_proj"))?;
            let up = self.linear(&normed, &name("mlp.up_proj"))?;
            x = (x + self.linear(&gate.apply_op2(&up, SwiGlu)?, &name("mlp.down_proj"))?)?;
        }
        self.norm(&x, "model.norm.weight")
    }

    fn attention(
        &self,
        x: &Tensor,
        (rows, length): (usize, usize),
        name: &dyn Fn(&str) -> String,
    ) -> Result<Tensor> {
        let Config { num_attention_heads: heads, num_key_value_heads: groups, head_dim, rope_theta, .. } =
            self.config;
        let split = |part: &str, heads: usize| {
            let projected = self.linear(x, &name(part))?;
            projected.reshape((rows, length, heads, head_dim))?.transpose(1, 2)?.contiguous()
        };
        let rope = || Rope { theta: rope_theta, direction: 1.0 };
        let q = split("self_attn.q_proj", heads)?.apply_op1(rope())?;
        let k = split("self_attn.k_proj", groups)?.apply_op1(rope())?;
        let v = split("self_attn.v_proj", groups)?;
        // The heads of a group lie one after the other, so that no key or value is copied.
        let q = q.reshape((rows, groups, heads / groups * length, head_dim))?;
        #[expect(clippy::cast_possible_truncation, reason = "an inverse square root")]
        let scale = (1.0 / (head_dim as f64).sqrt()) as f32;
        let mixed = q.matmul(&k.t()?)?.apply_op1(CausalSoftmax { scale })?.matmul(&v)?;
        mixed
            .reshape((rows, heads, length, head_dim))?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((rows * length, heads * head_dim))
    }

    /// The logits at the given positions: `[positions, vocabulary]`.
    pub fn logits(&self, inputs: &[u32], rows: usize, positions: &[u32]) -> Result<Tensor> {
        let positions = Tensor::new(positions, &Device::Cpu)?;
        let states = self.states(inputs, rows)?.index_select(&positions, 0)?;
        self.linear(&states, "model.embed_tokens.weight")
    }

    /// The mean loss over the given positions.
    pub fn loss(&self, batch: &crate::batch::Batch) -> Result<Tensor> {
        let logits = self.logits(&batch.inputs, batch.rows, &batch.positions)?;
        logits.apply_op1(CrossEntropy { targets: batch.targets.clone() })
    }
}
