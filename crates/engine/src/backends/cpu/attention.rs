//! Attention over a paged cache: online softmax block by block, with the log of its sum.
//!
//! A block holds sixteen tokens of one layer: keys turned around, so that sixteen keys are one vector, and values as they
//! are. Several queries of one KV head go over the blocks together; each of them does the same steps in the same order as
//! it would do alone, and sees no key beyond its own position.
//!
//! ```text
//! block, KV head h:   keys [head_dim][16 tokens]   values [16 tokens][head_dim]
//! ```

use super::isa::for_each_isa;
use super::rows::sum_of_lanes;
use super::{Float, Isa, LANES};

/// Tokens of a block.
pub const BLOCK: usize = LANES;

/// Queries that go over the blocks together.
const QUERIES: usize = 8;

/// Queries of one KV head of one request.
#[derive(Debug)]
pub struct AttentionUnit<'a, T> {
    /// `[query][head_dim]`, rotated.
    pub queries: &'a [T],
    /// The position of the first token; queries stand token by token, `group` of them each.
    pub position: usize,
    /// Queries before the first one of this unit that belong to its first token.
    pub offset: usize,
    /// Query heads of a KV head.
    pub group: usize,
    /// For each block of the request, keys and values of the KV head.
    pub blocks: &'a [(&'a [T], &'a [T])],
    /// Keys that a token sees, itself included.
    pub window: usize,
    /// Factor of the logits.
    pub scale: T,
    /// `[query][head_dim]`: weighted means of the values.
    pub outputs: &'a mut [T],
    /// For each query the logarithm of the sum of its exponentials, base e.
    pub log_sums: &'a mut [T],
}

/// Attends from all queries of a unit.
pub fn attend<T: Float>(isa: Isa, unit: &mut AttentionUnit<'_, T>) {
    attend_unit(isa, unit);
}

for_each_isa! {
    fn attend_unit<T>(unit: &mut AttentionUnit<'_, T>) = attend_body
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn attend_body<T: Float>(unit: &mut AttentionUnit<'_, T>) {
    let count = unit.log_sums.len();
    let mut first = 0;
    while first < count {
        first += match count - first {
            QUERIES.. => several::<T, QUERIES>(unit, first),
            4.. => several::<T, 4>(unit, first),
            2.. => several::<T, 2>(unit, first),
            _ => several::<T, 1>(unit, first),
        };
    }
}

/// Keys that a query sees, in positions.
#[derive(Clone, Copy)]
struct Sight {
    start: usize,
    end: usize,
}

impl Sight {
    /// The part in a block, counted from its beginning.
    #[inline]
    fn within(self, block: usize) -> (usize, usize) {
        let begin = block * BLOCK;
        (self.start.max(begin) - begin, self.end.min(begin + BLOCK).saturating_sub(begin))
    }
}

/// `COUNT` queries from `first` on; gives `COUNT`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn several<T: Float, const COUNT: usize>(unit: &mut AttentionUnit<'_, T>, first: usize) -> usize {
    let width = unit.queries.len() / unit.log_sums.len();
    let queries: [&[T]; COUNT] =
        std::array::from_fn(|query| &unit.queries[(first + query) * width..][..width]);
    let sights: [Sight; COUNT] = std::array::from_fn(|query| {
        let end = unit.position + (unit.offset + first + query) / unit.group + 1;
        Sight { start: end.saturating_sub(unit.window), end }
    });
    let outputs = &mut unit.outputs[first * width..][..COUNT * width];
    outputs.fill(T::ZERO);
    let mut maxima = [T::NEG_INFINITY; COUNT];
    let mut sums = [[T::ZERO; LANES]; COUNT];
    for block in sights[0].start / BLOCK..sights[COUNT - 1].end.div_ceil(BLOCK) {
        let (keys, values) = unit.blocks[block];
        let mut weights = logits::<T, COUNT>(queries, keys);
        let mut whole = true;
        let mut seen = [(0, 0); COUNT];
        for query in 0..COUNT {
            let (from, to) = sights[query].within(block);
            seen[query] = (from, to);
            whole &= from == 0 && to == BLOCK;
            if from >= to {
                continue;
            }
            let output = &mut outputs[query * width..][..width];
            let state = (&mut maxima[query], &mut sums[query]);
            if !exponentiate(&mut weights[query], unit.scale, (from, to), state, output) {
                seen[query] = (0, 0);
                whole = false;
            }
        }
        if whole {
            add_values::<T, COUNT>(&weights, values, outputs);
        } else {
            for (query, &(from, to)) in seen.iter().enumerate() {
                let output = &mut outputs[query * width..][..width];
                for token in from..to.max(from) {
                    for (output, &value) in output.iter_mut().zip(&values[token * width..][..width]) {
                        *output = weights[query][token].times_plus(value, *output);
                    }
                }
            }
        }
    }
    for query in 0..COUNT {
        let sum = sum_of_lanes(sums[query]);
        for output in &mut outputs[query * width..][..width] {
            *output = *output / sum;
        }
        unit.log_sums[first + query] = T::of(maxima[query].get() + libm::log(sum.get()));
    }
    COUNT
}

/// Products of the queries with the sixteen keys of a block.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn logits<T: Float, const COUNT: usize>(queries: [&[T]; COUNT], keys: &[T]) -> [[T; LANES]; COUNT] {
    let mut products = [[T::ZERO; LANES]; COUNT];
    for (column, keys) in keys.chunks_exact(LANES).enumerate() {
        for query in 0..COUNT {
            let number = queries[query][column];
            for lane in 0..LANES {
                products[query][lane] = keys[lane].times_plus(number, products[query][lane]);
            }
        }
    }
    products
}

/// Turns products into weights relative to the largest logit so far, and rescales what came before.
///
/// Gives false when all logits are -∞: the block then weighs nothing.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn exponentiate<T: Float>(
    weights: &mut [T; LANES],
    scale: T,
    seen: (usize, usize),
    state: (&mut T, &mut [T; LANES]),
    output: &mut [T],
) -> bool {
    let (maximum, sums) = state;
    for (lane, weight) in weights.iter_mut().enumerate() {
        let visible = lane >= seen.0 && lane < seen.1;
        *weight = if visible { *weight * scale } else { T::NEG_INFINITY };
    }
    let mut largest = *weights;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            // A NaN on the left stays, one on the right shows in the sum.
            largest[lane] =
                if largest[lane + width] > largest[lane] { largest[lane + width] } else { largest[lane] };
        }
        width /= 2;
    }
    let new = if largest[0] > *maximum { largest[0] } else { *maximum };
    if new == T::NEG_INFINITY && largest[0] == T::NEG_INFINITY {
        return false;
    }
    if new > *maximum {
        let shrink = (*maximum - new).exp();
        for sum in sums.iter_mut() {
            *sum *= shrink;
        }
        for output in output {
            *output *= shrink;
        }
        *maximum = new;
    }
    for (weight, sum) in weights.iter_mut().zip(sums) {
        *weight = (*weight - new).exp();
        *sum += *weight;
    }
    true
}

/// Adds the values of a whole block, weighted, to the outputs of all queries.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn add_values<T: Float, const COUNT: usize>(weights: &[[T; LANES]; COUNT], values: &[T], outputs: &mut [T]) {
    let width = values.len() / BLOCK;
    let whole = width / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        let mut sums: [[T; LANES]; COUNT] =
            std::array::from_fn(|query| std::array::from_fn(|lane| outputs[query * width + start + lane]));
        for token in 0..BLOCK {
            let values = &values[token * width + start..][..LANES];
            for query in 0..COUNT {
                for lane in 0..LANES {
                    sums[query][lane] = weights[query][token].times_plus(values[lane], sums[query][lane]);
                }
            }
        }
        for (query, sums) in sums.iter().enumerate() {
            outputs[query * width + start..][..LANES].copy_from_slice(sums);
        }
    }
    for query in 0..COUNT {
        for column in whole..width {
            let output = &mut outputs[query * width + column];
            for token in 0..BLOCK {
                *output = weights[query][token].times_plus(values[token * width + column], *output);
            }
        }
    }
}
