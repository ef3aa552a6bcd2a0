//! Attention of one token over the cache of one KV head: online softmax over tiles, with the weight of its softmax.
//!
//! Sums over keys are taken in the order of the cache and tiles begin at multiples of a fixed length, so a head's result
//! does not depend on the heads computed beside it.

use super::math::{LANES, sum_lanes};
use crate::{Real, Statistics};

/// The cache of one KV head, or as many of its first tokens as are visible.
#[derive(Debug, Clone, Copy)]
pub struct KeyValue<'a, T> {
    /// Keys, token after token, rotated.
    pub keys: &'a [T],
    /// Numbers a key.
    pub key_width: usize,
    /// Values, token after token; in latent attention the keys themselves.
    pub values: &'a [T],
    /// Distance between the values of two tokens.
    pub value_stride: usize,
    /// Numbers a value.
    pub value_width: usize,
}

/// Bytes of keys and values of a tile: it should stay in a core's first cache.
const TILE_BYTES: usize = 32 << 10;

/// Attends from several query heads of one token: `queries` holds `key_width` numbers for each.
///
/// Writes each head's normalised output (`value_width` numbers) and the weight of its softmax, base e. No tokens give 0
/// and the empty weight.
pub fn attend<T: Real>(
    queries: &[T],
    cache: &KeyValue<'_, T>,
    scale: T,
    outputs: &mut [T],
    statistics: &mut [Statistics<T>],
) {
    let &KeyValue { key_width, value_width, value_stride, .. } = cache;
    let tokens = cache.keys.len() / key_width;
    let token_bytes = (key_width + value_width) * size_of::<T>();
    let tile = (TILE_BYTES / token_bytes).clamp(8, 64) / 4 * 4;
    outputs.fill(T::ZERO);
    statistics.fill(Statistics::EMPTY);
    let heads = statistics.len();
    let mut weights = vec![T::ZERO; heads * tile];
    for start in (0..tokens).step_by(tile) {
        let length = tile.min(tokens - start);
        let keys = &cache.keys[start * key_width..][..length * key_width];
        let values = &cache.values[start * value_stride..];
        for (queries, weights) in queries.chunks(4 * key_width).zip(weights.chunks_mut(4 * tile)) {
            logits(queries, keys, key_width, scale, weights);
        }
        for head in 0..heads {
            let output = &mut outputs[head * value_width..][..value_width];
            exponentiate(&mut weights[head * tile..][..length], &mut statistics[head], output);
        }
        let rows = Rows { values, stride: value_stride, width: value_width, tokens: length };
        for (outputs, weights) in outputs.chunks_mut(4 * value_width).zip(weights.chunks(4 * tile)) {
            accumulate(&rows, weights, tile, outputs);
        }
    }
    for (output, statistics) in outputs.chunks_exact_mut(value_width).zip(statistics) {
        if statistics.is_empty() {
            *statistics = Statistics::EMPTY;
            continue;
        }
        for value in output {
            *value = *value / statistics.sum;
        }
    }
}

/// Scaled products of up to four queries with all keys of a tile: `weights[head * tile + key]`.
fn logits<T: Real>(queries: &[T], keys: &[T], width: usize, scale: T, weights: &mut [T]) {
    let heads = queries.len() / width;
    let tile = weights.len() / heads;
    let mut pairs = keys.chunks_exact(2 * width);
    let mut key = 0;
    for pair in &mut pairs {
        if heads == 4 {
            let products = products::<T, 4, 2>(queries, pair, width);
            for (head, products) in products.iter().enumerate() {
                weights[head * tile + key] = products[0] * scale;
                weights[head * tile + key + 1] = products[1] * scale;
            }
        } else {
            for head in 0..heads {
                let products = products::<T, 1, 2>(&queries[head * width..], pair, width);
                weights[head * tile + key] = products[0][0] * scale;
                weights[head * tile + key + 1] = products[0][1] * scale;
            }
        }
        key += 2;
    }
    for last in pairs.remainder().chunks_exact(width) {
        for head in 0..heads {
            weights[head * tile + key] =
                products::<T, 1, 1>(&queries[head * width..], last, width)[0][0] * scale;
        }
    }
}

/// Products of `HEADS` queries with `KEYS` keys.
#[inline]
fn products<T: Real, const HEADS: usize, const KEYS: usize>(
    queries: &[T],
    keys: &[T],
    width: usize,
) -> [[T; KEYS]; HEADS] {
    let query_rows: [_; HEADS] =
        std::array::from_fn(|head| queries[head * width..][..width].as_chunks::<LANES>());
    let key_rows: [_; KEYS] = std::array::from_fn(|key| keys[key * width..][..width].as_chunks::<LANES>());
    let mut lanes = [[[T::ZERO; LANES]; KEYS]; HEADS];
    for chunk in 0..width / LANES {
        for head in 0..HEADS {
            for key in 0..KEYS {
                let (query, row) = (&query_rows[head].0[chunk], &key_rows[key].0[chunk]);
                for (lane, sum) in lanes[head][key].iter_mut().enumerate() {
                    *sum = query[lane].times_plus(row[lane], *sum);
                }
            }
        }
    }
    std::array::from_fn(|head| {
        std::array::from_fn(|key| {
            let mut lanes = lanes[head][key];
            for (lane, (query, row)) in query_rows[head].1.iter().zip(key_rows[key].1).enumerate() {
                lanes[lane] = query.times_plus(*row, lanes[lane]);
            }
            sum_lanes(lanes)
        })
    })
}

/// Turns logits of a tile into weights relative to the largest logit so far and rescales what came before.
fn exponentiate<T: Real>(weights: &mut [T], statistics: &mut Statistics<T>, output: &mut [T]) {
    let before = statistics.max;
    let max = weights
        .iter()
        .fold(before, |max, &logit| if max >= logit || max.get().is_nan() { max } else { logit });
    if max == T::NEG_INFINITY {
        weights.fill(T::ZERO);
        return;
    }
    if max != before {
        let shrink = if before == T::NEG_INFINITY { T::ZERO } else { (before - max).exp() };
        statistics.sum *= shrink;
        for value in output {
            *value *= shrink;
        }
        statistics.max = max;
    }
    for weight in weights {
        *weight = if *weight == max { T::ONE } else { (*weight - max).exp() };
        statistics.sum += *weight;
    }
}

/// The values of a tile.
struct Rows<'a, T> {
    values: &'a [T],
    stride: usize,
    width: usize,
    tokens: usize,
}

/// Adds weighted values of a tile to the outputs of up to four heads, key by key.
fn accumulate<T: Real>(rows: &Rows<'_, T>, weights: &[T], tile: usize, outputs: &mut [T]) {
    let heads = outputs.len() / rows.width;
    let fours = rows.tokens / 4 * 4;
    for token in (0..fours).step_by(4) {
        let values: [_; 4] =
            std::array::from_fn(|key| &rows.values[(token + key) * rows.stride..][..rows.width]);
        for head in 0..heads {
            let factors: [T; 4] = std::array::from_fn(|key| weights[head * tile + token + key]);
            add_four(factors, values, &mut outputs[head * rows.width..][..rows.width]);
        }
    }
    for token in fours..rows.tokens {
        let values = &rows.values[token * rows.stride..][..rows.width];
        for head in 0..heads {
            let factor = weights[head * tile + token];
            for (out, &value) in outputs[head * rows.width..][..rows.width].iter_mut().zip(values) {
                *out = factor.times_plus(value, *out);
            }
        }
    }
}

#[inline]
fn add_four<T: Real>(factors: [T; 4], values: [&[T]; 4], output: &mut [T]) {
    let [a, b, c, d] = values.map(<[T]>::as_chunks::<LANES>);
    let (chunks, rest) = output.as_chunks_mut::<LANES>();
    for ((((out, a), b), c), d) in chunks.iter_mut().zip(a.0).zip(b.0).zip(c.0).zip(d.0) {
        for lane in 0..LANES {
            let sum = factors[0].times_plus(a[lane], out[lane]);
            let sum = factors[1].times_plus(b[lane], sum);
            let sum = factors[2].times_plus(c[lane], sum);
            out[lane] = factors[3].times_plus(d[lane], sum);
        }
    }
    for (at, out) in rest.iter_mut().enumerate() {
        for (factor, values) in factors.iter().zip([a.1, b.1, c.1, d.1]) {
            *out = factor.times_plus(values[at], *out);
        }
    }
}
