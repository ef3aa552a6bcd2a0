//! The two types in which layers are computed, with functions that give the same bits on every machine.

use helix_parallel::Number;

/// f32 for serving, f64 for tests of exactness.
pub trait Float: Number {
    /// The nearest f32.
    fn to_f32(self) -> f32;
    /// `self * a + b`, rounded once on every machine.
    #[must_use]
    fn times_plus(self, a: Self, b: Self) -> Self;
    /// e to this power: of software, so that machines agree; within 2 units in the last place, and of f32 0 below -87.
    #[must_use]
    fn exp(self) -> Self;
    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self;
}

impl Float for f32 {
    #[inline]
    fn to_f32(self) -> f32 {
        self
    }
    #[inline]
    fn times_plus(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    #[inline]
    fn exp(self) -> Self {
        exp_f32(self)
    }
    #[inline]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

impl Float for f64 {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
    fn to_f32(self) -> f32 {
        self as f32
    }
    #[inline]
    fn times_plus(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    #[inline]
    fn exp(self) -> Self {
        libm::exp(self)
    }
    #[inline]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

/// 2^n · p(r) with x = n·ln 2 + r: the polynomial of Cephes' `expf`, without a branch, so that loops over it become vector
/// instructions. Clamped at -87 (which gives 0) and 88.
#[inline]
fn exp_f32(x: f32) -> f32 {
    /// Adding it rounds to whole numbers, which then stand in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < -87.0 { -87.0 } else { x };
    let clamped = if clamped > 88.0 { 88.0 } else { clamped };
    let shifted = clamped.mul_add(LOG2_E, MAGIC);
    let whole = shifted - MAGIC;
    let rest = whole.mul_add(-LN_2_HIGH, clamped);
    let rest = whole.mul_add(-LN_2_LOW, rest);
    let mut sum = 1.987_569_1e-4_f32;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum.mul_add(rest, coefficient);
    }
    let sum = (sum * rest).mul_add(rest, rest) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    let result = sum * power;
    if x < -87.0 { 0.0 } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_near_the_exact_ones_and_keep_nan() {
        let mut x = -86.99_f32;
        while x < 88.0 {
            let exact = f64::from(x).exp();
            let error = (f64::from(Float::exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "{x}: {error:e}");
            x += 0.003_7;
        }
        assert_eq!(Float::exp(0.0_f32), 1.0);
        assert_eq!(Float::exp(-100.0_f32), 0.0);
        assert_eq!(Float::exp(f32::NEG_INFINITY), 0.0);
        assert!(Float::exp(f32::NAN).is_nan());
        assert!(Float::exp(1e30_f32) > 1e38);
    }
}
