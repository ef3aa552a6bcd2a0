//! One decoder layer, whatever the family: what differs is in the configuration.
//!
//! ```text
//! x ─ norm ─ q k v (bias, norm per head) ─ rotate ─ cache ─ attend ─ project ─(+ x)─ norm ─ gate·up, down ─(+)─> x
//! ```

use helix_spec::FileError;

use crate::backends::cpu::{Float, gated_silu, rms_norm};
use crate::config::ModelConfig;
use crate::linear::{Cpu, Linear, Loader, Part, load_vector};
use crate::scratch::Scratch;

/// Weights of one layer.
#[derive(Debug)]
pub(crate) struct Block<T> {
    pub attention_norm: Vec<T>,
    pub attention: Attention<T>,
    pub feed_forward_norm: Vec<T>,
    pub feed_forward: FeedForward<T>,
}

/// Kinds of attention.
#[derive(Debug)]
pub(crate) enum Attention<T> {
    /// Multi-head, multi-query, grouped-query.
    Grouped(GroupedAttention<T>),
}

/// Kinds of feed-forward.
#[derive(Debug)]
pub(crate) enum FeedForward<T> {
    /// `down(silu(gate(x)) · up(x))`
    Gated(Gated<T>),
}

#[derive(Debug)]
pub(crate) struct GroupedAttention<T> {
    /// Queries, keys, values.
    pub qkv: Linear<T>,
    pub output: Linear<T>,
    /// Weights of the norms of a head's queries and keys.
    pub qk_norms: Option<(Vec<T>, Vec<T>)>,
    /// Tokens that a token sees, itself included.
    pub window: usize,
}

#[derive(Debug)]
pub(crate) struct Gated<T> {
    gate_up: Linear<T>,
    down: Linear<T>,
    width: usize,
}

impl<T: Float> Block<T> {
    pub fn load(loader: &Loader<'_>, config: &ModelConfig, layer: u32) -> Result<Self, FileError> {
        let files = loader.files;
        let prefix = format!("model.layers.{layer}");
        let hidden = config.hidden();
        Ok(Self {
            attention_norm: load_vector(files, &format!("{prefix}.input_layernorm.weight"), hidden)?,
            attention: Attention::Grouped(GroupedAttention::load(loader, config, layer)?),
            feed_forward_norm: load_vector(
                files,
                &format!("{prefix}.post_attention_layernorm.weight"),
                hidden,
            )?,
            feed_forward: FeedForward::Gated(Gated::load(loader, config, &prefix)?),
        })
    }

    /// Memory of the matrices \[bytes\].
    pub fn bytes(&self) -> usize {
        let Attention::Grouped(attention) = &self.attention;
        let FeedForward::Gated(gated) = &self.feed_forward;
        attention.qkv.bytes() + attention.output.bytes() + gated.gate_up.bytes() + gated.down.bytes()
    }
}

impl<T: Float> GroupedAttention<T> {
    fn load(loader: &Loader<'_>, config: &ModelConfig, layer: u32) -> Result<Self, FileError> {
        let files = loader.files;
        let prefix = format!("model.layers.{layer}.self_attn");
        let name = |part: &str| format!("{prefix}.{part}");
        let (query_rows, kv_rows) = (config.query_heads * config.head_dim, config.kv_heads * config.head_dim);
        let (q, k, v) = (name("q_proj"), name("k_proj"), name("v_proj"));
        let bias = config.qkv_bias;
        let parts = [
            Part { name: &q, rows: query_rows, bias },
            Part { name: &k, rows: kv_rows, bias },
            Part { name: &v, rows: kv_rows, bias },
        ];
        let output = Part { name: &name("o_proj"), rows: config.hidden(), bias: config.output_bias };
        let head_norm = |part: &str| load_vector(files, &name(part), config.head_dim);
        let qk_norms = if config.qk_norm {
            Some((head_norm("q_norm.weight")?, head_norm("k_norm.weight")?))
        } else {
            None
        };
        Ok(Self {
            qkv: Linear::load(loader, &parts, config.hidden())?,
            output: Linear::load(loader, &[output], query_rows)?,
            qk_norms,
            window: config.windows[layer as usize].map_or(usize::MAX, |window| window as usize),
        })
    }
}

impl<T: Float> Gated<T> {
    fn load(loader: &Loader<'_>, config: &ModelConfig, prefix: &str) -> Result<Self, FileError> {
        let width = config.shape.ffn_width as usize;
        let name = |part: &str| format!("{prefix}.mlp.{part}");
        let (gate, up, down) = (name("gate_proj"), name("up_proj"), name("down_proj"));
        let bias = config.feed_forward_bias;
        let parts = [Part { name: &gate, rows: width, bias }, Part { name: &up, rows: width, bias }];
        let down = Part { name: &down, rows: config.hidden(), bias };
        Ok(Self {
            gate_up: Linear::load(loader, &parts, config.hidden())?,
            down: Linear::load(loader, &[down], width)?,
            width,
        })
    }
}

impl<T: Float> FeedForward<T> {
    /// Leaves what is added to the activations in `scratch.results`; reads `scratch.normed`.
    pub fn apply(&self, cpu: &Cpu, scratch: &mut Scratch<T>) {
        let Self::Gated(gated) = self;
        let rows = scratch.rows.len();
        gated.gate_up.multiply(cpu, &scratch.normed, &mut scratch.results);
        scratch.wide.resize(rows * gated.width, T::ZERO);
        let up = gated.gate_up.first_panel(1);
        gated_silu((cpu.isa, &cpu.threads), &scratch.results, up, gated.width, &mut scratch.wide);
        gated.down.multiply(cpu, &scratch.wide, &mut scratch.results);
    }
}

/// Norms of the batch's rows that go through a layer: `scratch.rows` of `activations` to `scratch.normed`.
pub(crate) fn norm_rows<T: Float>(
    cpu: &Cpu,
    weight: &[T],
    epsilon: T,
    activations: &[T],
    scratch: &mut Scratch<T>,
) {
    let hidden = weight.len();
    scratch.normed.resize(scratch.rows.len() * hidden, T::ZERO);
    let work = scratch.rows.iter().zip(scratch.normed.chunks_exact_mut(hidden)).collect();
    cpu.threads.each(work, |(&row, normed)| {
        rms_norm(cpu.isa, &activations[row * hidden..][..hidden], weight, epsilon, normed);
    });
}

/// Adds `scratch.results` to the rows that go through a layer.
pub(crate) fn add_results<T: Float>(hidden: usize, activations: &mut [T], scratch: &Scratch<T>) {
    for (result, &row) in scratch.rows.iter().enumerate() {
        let into = activations[row * hidden..][..hidden].chunks_mut(crate::backends::cpu::LANES);
        for (panel, into) in into.enumerate() {
            for (into, &number) in into.iter_mut().zip(scratch.results.lanes(result, panel)) {
                *into += number;
            }
        }
    }
}
