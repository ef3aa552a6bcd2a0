//! From the hidden state to queries and to what is appended to the cache.

use std::ops::Range;

use helix_spec::Attention;

use super::math::{Rotation, rms_norm};
use super::matrix::Matrix;
use super::shape::LayerShape;
use super::weights::AttentionWeights;
use crate::Real;

/// Heads of one rank.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    /// Query heads that it attends from.
    pub query: Range<u32>,
    /// KV heads in its cache.
    pub kv: Range<u32>,
    /// Query heads that it holds after the exchange.
    pub output: Range<u32>,
}

/// Queries and cache entries of some tokens.
pub(super) struct Projected<T> {
    /// Token by token, this rank's query heads, `key_width` numbers each; latent queries are absorbed.
    pub queries: Vec<T>,
    /// Token by token, this rank's KV heads, rotated.
    pub keys: Vec<T>,
    /// Token by token, this rank's KV heads; none in latent attention.
    pub values: Vec<T>,
}

/// Computes them for normed hidden states at the given positions.
pub(super) fn project<T: Real>(
    shape: &LayerShape,
    weights: &AttentionWeights<T>,
    heads: &Heads,
    hidden: &[T],
    positions: &[u64],
) -> Projected<T> {
    match (weights, &shape.attention) {
        (AttentionWeights::Grouped { query, key, value }, &Attention::Grouped { head_dim, .. }) => {
            let inputs = 0..query.columns;
            let mut queries = query.apply(&numbers(&heads.query, head_dim), &inputs, hidden);
            let mut keys = key.apply(&numbers(&heads.kv, head_dim), &inputs, hidden);
            let values = value.apply(&numbers(&heads.kv, head_dim), &inputs, hidden);
            for vectors in [&mut queries, &mut keys] {
                rotate_heads(shape, head_dim as usize, positions, vectors);
            }
            Projected { queries, keys, values }
        }
        (
            AttentionWeights::Latent { query_down, query_up, latent_down, latent_norm, key_up, .. },
            attention,
        ) => {
            let Attention::Latent { qk_nope_head_dim, qk_rope_head_dim, .. } = *attention else {
                unreachable!("weights are drawn for their shape")
            };
            let reduced = query_down
                .as_ref()
                .map(|(down, norm)| rms_norm(norm, shape.norm_epsilon, &down.apply_all(hidden)));
            let inputs = reduced.as_deref().unwrap_or(hidden);
            let head_width = qk_nope_head_dim + qk_rope_head_dim;
            let rows = numbers(&heads.query, head_width);
            let queries = query_up.apply(&rows, &(0..query_up.columns), inputs);
            let queries = absorb(shape, key_up, heads, &queries, positions);
            let mut keys = latent_down.apply_all(hidden);
            for key in keys.chunks_exact_mut(latent_down.rows) {
                let latent = rms_norm(latent_norm, shape.norm_epsilon, &key[..latent_norm.len()]);
                key[..latent_norm.len()].copy_from_slice(&latent);
            }
            rotate_heads(shape, latent_down.rows, positions, &mut keys);
            Projected { queries, keys, values: Vec::new() }
        }
        (AttentionWeights::Grouped { .. }, Attention::Latent { .. }) => {
            unreachable!("weights are drawn for their shape")
        }
    }
}

/// Rows of several heads of `width` numbers.
pub(super) fn numbers(heads: &Range<u32>, width: u32) -> Range<usize> {
    (heads.start as usize * width as usize)..(heads.end as usize * width as usize)
}

/// Turns the last components of every head of `width` numbers to its token's position.
fn rotate_heads<T: Real>(shape: &LayerShape, width: usize, positions: &[u64], vectors: &mut [T]) {
    let per_token = vectors.len() / positions.len();
    let rope = shape.rope_width() as usize;
    let rotation = Rotation::new(shape.rope, rope);
    for (token, &position) in vectors.chunks_exact_mut(per_token).zip(positions) {
        for head in token.chunks_exact_mut(width) {
            rotation.turn(position, &mut head[width - rope..]);
        }
    }
}

/// Queries in the space of the cache: `[W_UKᵀ q_nope, rotated q_rope]` for each head.
fn absorb<T: Real>(
    shape: &LayerShape,
    key_up: &Matrix<T>,
    heads: &Heads,
    queries: &[T],
    positions: &[u64],
) -> Vec<T> {
    let (latent, rope) = (key_up.columns, shape.rope_width() as usize);
    let head_width = queries.len() / positions.len() / heads.query.len();
    let nope = head_width - rope;
    let mut absorbed = Vec::with_capacity(positions.len() * heads.query.len() * (latent + rope));
    for token in queries.chunks_exact(head_width * heads.query.len()) {
        for (head, query) in heads.query.clone().zip(token.chunks_exact(head_width)) {
            let rows = head as usize * nope..(head as usize + 1) * nope;
            absorbed.extend(key_up.apply_transposed(&rows, &query[..nope]));
            absorbed.extend_from_slice(&query[nope..]);
        }
    }
    rotate_heads(shape, latent + rope, positions, &mut absorbed);
    absorbed
}
