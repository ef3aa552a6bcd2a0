//! Attention of one token over the cache of one KV head: online softmax over tiles, with the weight of its softmax.
//!
//! Products with keys and sums of values are both sums of scaled rows of 16 numbers, for four heads at a time:
//!
//! ```text
//! logits[head][16 keys]     += query[head][i]  · transposed keys[i][16 keys]        i over the width of a key
//! output[head][16 numbers]  += weight[head][i] · values[i][16 numbers]              i over the keys of a tile
//! ```
//!
//! Tiles begin at multiples of a fixed length and sums are taken in the order of the cache, tile by tile: the same cache
//! gives the same bits.

use super::math::{LANES, dot};
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

/// Keys of a tile.
const TILE: usize = 4 * LANES;

/// Heads that are worked on at once.
const HEADS: usize = 4;

/// From so many query heads on, turning keys around once pays for itself.
const HEADS_FOR_TRANSPOSING: usize = 16;

/// Sixteen numbers side by side.
type Row<T> = [T; LANES];

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
    let heads = statistics.len();
    outputs.fill(T::ZERO);
    statistics.fill(Statistics::EMPTY);
    let mut weights = vec![T::ZERO; heads * TILE];
    let mut rows = vec![[T::ZERO; LANES]; key_width.max(TILE)];
    for start in (0..tokens).step_by(TILE) {
        let length = TILE.min(tokens - start);
        let keys = &cache.keys[start * key_width..][..length * key_width];
        if heads >= HEADS_FOR_TRANSPOSING {
            transposed_logits(queries, keys, &mut rows[..key_width], &mut weights);
        } else {
            logits(queries, keys, key_width, &mut weights);
        }
        for (head, statistics) in statistics.iter_mut().enumerate() {
            let output = &mut outputs[head * value_width..][..value_width];
            exponentiate(&mut weights[head * TILE..][..length], scale, statistics, output);
        }
        let values = Values {
            numbers: &cache.values[start * value_stride..],
            stride: value_stride,
            width: value_width,
        };
        accumulate(&values, &mut rows[..length], &weights, outputs);
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

/// The sum of `rows`, scaled by each head's coefficients in turn.
#[inline]
fn scaled_sums<T: Real>(coefficients: [&[T]; HEADS], rows: &[Row<T>]) -> [Row<T>; HEADS] {
    let mut sums = [[T::ZERO; LANES]; HEADS];
    let coefficients = coefficients.map(|own| &own[..rows.len()]);
    for (index, row) in rows.iter().enumerate() {
        for head in 0..HEADS {
            let factor = coefficients[head][index];
            for lane in 0..LANES {
                sums[head][lane] = factor.times_plus(row[lane], sums[head][lane]);
            }
        }
    }
    sums
}

/// Four heads from `first` on; where there are fewer, the last one again.
fn four_heads<T>(all: &[T], width: usize, first: usize, heads: usize) -> [&[T]; HEADS] {
    std::array::from_fn(|head| &all[(first + head).min(heads - 1) * width..][..width])
}

/// Products of all queries with the keys of a tile: `weights[head * TILE + key]`.
fn logits<T: Real>(queries: &[T], keys: &[T], width: usize, weights: &mut [T]) {
    for (key, numbers) in keys.chunks_exact(width).enumerate() {
        for (query, weights) in queries.chunks_exact(width).zip(weights.chunks_exact_mut(TILE)) {
            weights[key] = dot(query, numbers);
        }
    }
}

/// The same by way of sixteen keys turned around, component by component; keys beyond the tile count as 0.
fn transposed_logits<T: Real>(queries: &[T], keys: &[T], rows: &mut [Row<T>], weights: &mut [T]) {
    let (width, heads) = (rows.len(), weights.len() / TILE);
    for (block, keys) in keys.chunks(LANES * width).enumerate() {
        if keys.len() < LANES * width {
            rows.fill([T::ZERO; LANES]);
        }
        for (lane, key) in keys.chunks_exact(width).enumerate() {
            for (row, &number) in rows.iter_mut().zip(key) {
                row[lane] = number;
            }
        }
        for first in (0..heads).step_by(HEADS) {
            let sums = scaled_sums(four_heads(queries, width, first, heads), rows);
            for (head, sums) in (first..heads).zip(&sums) {
                weights[head * TILE + block * LANES..][..LANES].copy_from_slice(sums);
            }
        }
    }
}

/// Turns products of a tile into weights relative to the largest logit so far and rescales what came before.
fn exponentiate<T: Real>(weights: &mut [T], scale: T, statistics: &mut Statistics<T>, output: &mut [T]) {
    let before = statistics.max;
    let mut max = before;
    for weight in &mut *weights {
        *weight *= scale;
        // A NaN stays: it must not vanish.
        if !(max >= *weight || max.get().is_nan()) {
            max = *weight;
        }
    }
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
    let mut sum = T::ZERO;
    for weight in weights {
        *weight = if *weight == max { T::ONE } else { (*weight - max).exp() };
        sum += *weight;
    }
    statistics.sum += sum;
}

/// The values of a tile.
struct Values<'a, T> {
    numbers: &'a [T],
    stride: usize,
    width: usize,
}

/// Adds the weighted values of a tile to the outputs of all heads, sixteen numbers of every value at a time; numbers
/// beyond the width count as 0.
fn accumulate<T: Real>(values: &Values<'_, T>, rows: &mut [Row<T>], weights: &[T], outputs: &mut [T]) {
    let heads = weights.len() / TILE;
    for start in (0..values.width).step_by(LANES) {
        let length = LANES.min(values.width - start);
        for (row, value) in rows.iter_mut().zip(values.numbers.chunks(values.stride)) {
            row[length..].fill(T::ZERO);
            row[..length].copy_from_slice(&value[start..start + length]);
        }
        for first in (0..heads).step_by(HEADS) {
            let sums = scaled_sums(four_heads(weights, TILE, first, heads), rows);
            for (head, sums) in (first..heads).zip(&sums) {
                let output = &mut outputs[head * values.width + start..][..length];
                for (into, &sum) in output.iter_mut().zip(sums) {
                    *into += sum;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uniform;

    /// Softmax by its definition.
    fn expected(queries: &[f64], cache: &KeyValue<'_, f64>, scale: f64) -> Vec<f64> {
        let tokens = cache.keys.len() / cache.key_width;
        let mut outputs = Vec::new();
        for query in queries.chunks(cache.key_width) {
            let product = |key: &[f64]| query.iter().zip(key).map(|(q, k)| q * k).sum::<f64>() * scale;
            let weights: Vec<f64> =
                cache.keys.chunks(cache.key_width).map(|key| product(key).exp()).collect();
            let sum: f64 = weights.iter().sum();
            outputs.extend((0..cache.value_width).map(|number| {
                let value = |token: usize| cache.values[token * cache.value_stride + number];
                (0..tokens).map(|token| weights[token] * value(token)).sum::<f64>()
                    / sum.max(f64::MIN_POSITIVE)
            }));
        }
        outputs
    }

    /// Both ways to multiply, lengths around every boundary, widths that sixteen does not divide, values within keys.
    #[test]
    fn attention_is_softmax_for_every_length_width_and_number_of_heads() {
        for (key_width, value_width, latent) in
            [(16, 16, false), (37, 23, true), (5, 40, false), (1, 1, true)]
        {
            for heads in [1, 3, 4, 15, 16, 18] {
                for tokens in [0, 1, 15, 16, 17, 63, 64, 65, 200] {
                    let random =
                        |stream, count| (0..count as u64).map(|i| uniform(7, stream, i)).collect::<Vec<_>>();
                    let (queries, keys) = (random(1, heads * key_width), random(2, tokens * key_width));
                    let own_values = random(3, tokens * value_width);
                    let (values, value_stride) =
                        if latent { (&keys, key_width) } else { (&own_values, value_width) };
                    let cache = KeyValue { keys: &keys, key_width, values, value_stride, value_width };
                    let (mut outputs, mut statistics) =
                        (vec![f64::NAN; heads * value_width], vec![Statistics { max: 1.0, sum: 1.0 }; heads]);
                    attend(&queries, &cache, 2.0, &mut outputs, &mut statistics);
                    for (output, expected) in outputs.iter().zip(expected(&queries, &cache, 2.0)) {
                        assert!(
                            (output - expected).abs() < 1e-13,
                            "{heads} heads, {tokens} tokens: {output} {expected}"
                        );
                    }
                    assert_eq!(statistics.iter().all(|s| s.is_empty()), tokens == 0);
                }
            }
        }
    }

    /// Logits that overflow e^x by far, and those of tokens that count nothing.
    #[test]
    fn large_and_infinite_logits_make_no_nan() {
        let keys = [900.0_f32, -900.0, f32::NEG_INFINITY, 899.0];
        let values = [1.0_f32, 2.0, 3.0, 4.0];
        let cache = KeyValue { keys: &keys, key_width: 1, values: &values, value_stride: 1, value_width: 1 };
        let (mut outputs, mut statistics) = ([0.0_f32], [Statistics::EMPTY]);
        attend(&[1.0], &cache, 1.0, &mut outputs, &mut statistics);
        let share = 1.0 / (1.0 + (-1.0_f32).exp());
        assert!((outputs[0] - (share + 4.0 * (1.0 - share))).abs() < 1e-6);
        let nothing = KeyValue { keys: &keys[2..3], values: &values[2..3], ..cache };
        attend(&[1.0], &nothing, 1.0, &mut outputs, &mut statistics);
        assert_eq!((outputs[0], statistics[0]), (0.0, Statistics::EMPTY));
    }
}
