//! Weights of one layer: the whole of them, of which each rank reads its slice.

use helix_spec::Attention;

use super::matrix::{Matrix, Packing};
use super::shape::{FfnShape, LayerShape, Routing, ShapeError};
use crate::{Real, Wire};

/// Weights of attention. `W` is `outputs × inputs`.
#[derive(Debug, Clone, PartialEq)]
pub enum AttentionWeights<T> {
    /// Multi-head, multi-query or grouped-query.
    Grouped {
        /// `query heads · head width × hidden`.
        query: Matrix<T>,
        /// `KV heads · head width × hidden`.
        key: Matrix<T>,
        /// `KV heads · head width × hidden`.
        value: Matrix<T>,
    },
    /// Multi-head latent.
    Latent {
        /// Down-projection of the query and its norm, `q_lora × hidden`, where there is one.
        query_down: Option<(Matrix<T>, Vec<T>)>,
        /// `query heads · (nope + rope) × (q_lora or hidden)`.
        query_up: Matrix<T>,
        /// `latent + rope × hidden`.
        latent_down: Matrix<T>,
        /// Norm of the latent.
        latent_norm: Vec<T>,
        /// `W_UK`: `query heads · nope × latent`.
        key_up: Matrix<T>,
        /// `W_UV`: `query heads · value width × latent`.
        value_up: Matrix<T>,
    },
}

/// A gated feed-forward.
#[derive(Debug, Clone, PartialEq)]
pub struct GatedWeights<T> {
    /// `width × hidden`.
    pub gate: Matrix<T>,
    /// `width × hidden`.
    pub up: Matrix<T>,
    /// `hidden × width`.
    pub down: Matrix<T>,
}

/// A mixture of experts.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertWeights<T> {
    /// `experts × hidden`.
    pub router: Matrix<T>,
    /// Added to the scores when winners are chosen, one an expert.
    pub bias: Vec<T>,
    /// Expert `e` has the weights `held[e % held.len()]`: fewer than the routed experts are held where memory is short.
    pub held: Vec<GatedWeights<T>>,
    /// All shared experts as one.
    pub shared: Option<GatedWeights<T>>,
}

/// Weights of the feed-forward.
#[derive(Debug, Clone, PartialEq)]
pub enum FfnWeights<T> {
    /// Dense.
    Dense(GatedWeights<T>),
    /// Mixture of experts.
    Experts(ExpertWeights<T>),
}

/// Weights of one layer, with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWeights<T> {
    /// The shape that they have.
    pub shape: LayerShape,
    /// Norm before attention.
    pub attention_norm: Vec<T>,
    /// Attention.
    pub attention: AttentionWeights<T>,
    /// `hidden × query heads · value width`.
    pub output: Matrix<T>,
    /// Norm before the feed-forward.
    pub ffn_norm: Vec<T>,
    /// Feed-forward.
    pub ffn: FfnWeights<T>,
}

/// A number in (-1, 1) that depends only on its arguments and that f32 holds exactly.
#[must_use]
pub fn uniform(seed: u64, stream: u64, index: u64) -> f64 {
    let mut z = seed.wrapping_add(stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
    for word in [index, stream] {
        z = z.wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    // The upper 24 bits, centred between their neighbours.
    ((z >> 40) as f64 + 0.5) / f64::from(1 << 23) - 1.0
}

/// Draws the tensors of a layer, each from its own stream.
struct Draw {
    seed: u64,
    stream: u64,
    packing: Packing,
}

impl Draw {
    /// Weights that keep the variance of their inputs, times `gain`.
    fn matrix<T: Real>(&mut self, rows: u32, columns: u32, gain: f64) -> Matrix<T> {
        self.stream += 1;
        let scale = gain * (3.0 / f64::from(columns)).sqrt();
        let (seed, stream) = (self.seed, self.stream);
        let columns = columns as usize;
        Matrix::from_fn(rows as usize, columns, self.packing, |row, column| {
            Wire::F32.round(uniform(seed, stream, (row * columns + column) as u64) * scale)
        })
    }

    fn around<T: Real>(&mut self, centre: f64, spread: f64, length: u32) -> Vec<T> {
        self.stream += 1;
        let value = |index| centre + spread * uniform(self.seed, self.stream, index);
        (0..u64::from(length)).map(|index| T::of(Wire::F32.round(value(index)))).collect()
    }

    fn gated<T: Real>(&mut self, hidden: u32, width: u32) -> GatedWeights<T> {
        GatedWeights {
            gate: self.matrix(width, hidden, 1.0),
            up: self.matrix(width, hidden, 1.0),
            down: self.matrix(hidden, width, 1.0),
        }
    }
}

/// Gain on queries: logits then spread by about 2.5, so that softmax picks a few tokens and a lost one shows.
const QUERY_GAIN: f64 = 2.5;

impl<T: Real> LayerWeights<T> {
    /// Random weights of a shape: the same numbers in f32 and f64, and outputs as large as inputs.
    pub fn random(shape: &LayerShape, seed: u64) -> Result<Self, ShapeError> {
        Self::random_packed(shape, seed, Packing::Full, u32::MAX)
    }

    /// Random weights, packed. Of the routed experts the first `held` are drawn and the others share theirs.
    pub fn random_packed(
        shape: &LayerShape,
        seed: u64,
        packing: Packing,
        held: u32,
    ) -> Result<Self, ShapeError> {
        shape.validate()?;
        let mut draw = Draw { seed, stream: 0, packing };
        let hidden = shape.hidden;
        let attention_norm = draw.around(1.0, 0.1, hidden);
        let attention = random_attention(shape, &mut draw);
        let output = draw.matrix(hidden, shape.query_heads() * shape.value_width(), 1.0);
        let ffn_norm = draw.around(1.0, 0.1, hidden);
        let ffn = match shape.ffn {
            FfnShape::Dense { width } => FfnWeights::Dense(draw.gated(hidden, width)),
            FfnShape::Experts(experts) => FfnWeights::Experts(ExpertWeights {
                router: draw.matrix(experts.routed, hidden, 2.0),
                bias: match experts.routing {
                    Routing::Softmax { .. } => vec![T::ZERO; experts.routed as usize],
                    Routing::Sigmoid { .. } => draw.around(0.0, 0.2, experts.routed),
                },
                held: (0..held.clamp(1, experts.routed)).map(|_| draw.gated(hidden, experts.width)).collect(),
                shared: (experts.shared_width > 0).then(|| draw.gated(hidden, experts.shared_width)),
            }),
        };
        Ok(Self { shape: shape.clone(), attention_norm, attention, output, ffn_norm, ffn })
    }
}

fn random_attention<T: Real>(shape: &LayerShape, draw: &mut Draw) -> AttentionWeights<T> {
    let hidden = shape.hidden;
    match shape.attention {
        Attention::Grouped { query_heads, kv_heads, head_dim } => AttentionWeights::Grouped {
            query: draw.matrix(query_heads * head_dim, hidden, QUERY_GAIN),
            key: draw.matrix(kv_heads * head_dim, hidden, 1.0),
            value: draw.matrix(kv_heads * head_dim, hidden, 1.0),
        },
        Attention::Latent {
            query_heads,
            q_lora_rank,
            kv_lora_rank,
            qk_nope_head_dim,
            qk_rope_head_dim,
            v_head_dim,
        } => {
            let query_down =
                q_lora_rank.map(|rank| (draw.matrix(rank, hidden, 1.0), draw.around(1.0, 0.1, rank)));
            let query_inputs = q_lora_rank.unwrap_or(hidden);
            let query_rows = query_heads * (qk_nope_head_dim + qk_rope_head_dim);
            AttentionWeights::Latent {
                query_down,
                query_up: draw.matrix(query_rows, query_inputs, QUERY_GAIN),
                latent_down: draw.matrix(kv_lora_rank + qk_rope_head_dim, hidden, 1.0),
                latent_norm: draw.around(1.0, 0.1, kv_lora_rank),
                key_up: draw.matrix(query_heads * qk_nope_head_dim, kv_lora_rank, 1.0),
                value_up: draw.matrix(query_heads * v_head_dim, kv_lora_rank, 1.0),
            }
        }
    }
}
