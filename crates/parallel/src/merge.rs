//! Merging partial attention: softmax over shards that never see each other's keys.
//!
//! A shard keeps, for each query head, its normalised output `o` and the weight of its softmax, `sum · base^max`.
//!
//! ```text
//! M   = max over shards of max_c
//! w_c = sum_c · base^(max_c - M)                 (paper, section 2.1; TensorRT-LLM's post-process kernel)
//! O   = Σ w_c · o_c / Σ w_c
//! ```
//!
//! The merge is associative and commutative up to rounding, and the empty shard (`max` = -∞, `sum` = 0) is its identity:
//! whatever its output holds, even NaN, is not looked at. All shards empty (a padding row) gives 0. No NaN comes out
//! that did not go in.

use crate::Real;

/// Base of the exponentials: kernels differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Natural logarithms (TensorRT-LLM).
    E,
    /// Binary logarithms (`FlashInfer`).
    Two,
}

impl Base {
    fn power<T: Real>(self, exponent: T) -> T {
        match self {
            Self::E => exponent.exp(),
            Self::Two => exponent.exp2(),
        }
    }

    /// What a natural logarithm is multiplied with to be one in this base.
    #[must_use]
    pub fn per_natural(self) -> f64 {
        match self {
            Self::E => 1.0,
            Self::Two => std::f64::consts::LOG2_E,
        }
    }
}

/// The weight of a shard's softmax: `sum · base^max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics<T> {
    /// Largest logit.
    pub max: T,
    /// Sum of `base^(logit - max)`.
    pub sum: T,
}

impl<T: Real> Statistics<T> {
    /// A shard without tokens.
    pub const EMPTY: Self = Self { max: T::NEG_INFINITY, sum: T::ZERO };

    /// From a log-sum-exp: the same weight.
    #[must_use]
    pub fn from_log_sum_exp(value: T) -> Self {
        if value == T::NEG_INFINITY { Self::EMPTY } else { Self { max: value, sum: T::ONE } }
    }

    /// `max + log(sum)` in the given base; -∞ for an empty shard.
    #[must_use]
    pub fn log_sum_exp(self, base: Base) -> T {
        if self.is_empty() {
            return T::NEG_INFINITY;
        }
        self.max + T::of(self.sum.get().ln() * base.per_natural())
    }

    /// Whether the shard weighs nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.sum == T::ZERO || self.max == T::NEG_INFINITY
    }

    /// The weight relative to `base^max`, for a `max` that is at least this one's.
    fn weight(self, base: Base, max: T) -> T {
        if self.is_empty() {
            T::ZERO
        } else if self.max == max {
            // Also for an infinite maximum, where the difference would be NaN.
            self.sum
        } else {
            self.sum * base.power(self.max - max)
        }
    }

    /// The larger maximum. A NaN wins: it must not vanish.
    fn larger_max(self, other: Self) -> T {
        if self.is_empty() {
            return if other.is_empty() { T::NEG_INFINITY } else { other.max };
        }
        let keep = self.max >= other.max || other.is_empty() || self.max.get().is_nan();
        if keep { self.max } else { other.max }
    }
}

/// Merges a shard into an accumulated one. Both outputs are normalised and of one length.
///
/// ```
/// use helix_parallel::{Base, Statistics, merge_into};
/// // Logits 0 and ln 3 with values 10 and 20: softmax weights 1/4 and 3/4.
/// let mut stats = Statistics { max: 0.0_f64, sum: 1.0 };
/// let mut output = [10.0];
/// merge_into(Base::E, (&mut stats, &mut output), (Statistics { max: 3.0_f64.ln(), sum: 1.0 }, &[20.0]));
/// assert!((output[0] - 17.5).abs() < 1e-14);
/// ```
pub fn merge_into<T: Real>(base: Base, into: (&mut Statistics<T>, &mut [T]), from: (Statistics<T>, &[T])) {
    let (stats, output) = into;
    let (other, other_output) = from;
    let max = stats.larger_max(other);
    let (own_weight, other_weight) = (stats.weight(base, max), other.weight(base, max));
    let sum = own_weight + other_weight;
    if sum == T::ZERO {
        *stats = Statistics::EMPTY;
        output.fill(T::ZERO);
        return;
    }
    let (keep, take) = (own_weight / sum, other_weight / sum);
    for (own, &theirs) in output.iter_mut().zip(other_output) {
        let kept = if own_weight == T::ZERO { T::ZERO } else { *own * keep };
        let taken = if other_weight == T::ZERO { T::ZERO } else { theirs * take };
        *own = kept + taken;
    }
    *stats = Statistics { max, sum };
}

/// Merges all shards at once, in the order given: what a rank does after the all-to-all.
///
/// Writes the merged output and returns its statistics.
pub fn combine<T: Real>(base: Base, shards: &[(Statistics<T>, &[T])], output: &mut [T]) -> Statistics<T> {
    output.fill(T::ZERO);
    let all = shards.iter().fold(Statistics::EMPTY, |all, (stats, _)| {
        let max = all.larger_max(*stats);
        Statistics { max, sum: if max == T::NEG_INFINITY { T::ZERO } else { T::ONE } }
    });
    let sum = shards.iter().fold(T::ZERO, |sum, (stats, _)| sum + stats.weight(base, all.max));
    if sum == T::ZERO {
        return Statistics::EMPTY;
    }
    for (stats, values) in shards {
        let weight = stats.weight(base, all.max);
        if weight == T::ZERO {
            continue;
        }
        let share = weight / sum;
        for (out, &value) in output.iter_mut().zip(*values) {
            *out = share.times_plus(value, *out);
        }
    }
    Statistics { max: all.max, sum }
}
