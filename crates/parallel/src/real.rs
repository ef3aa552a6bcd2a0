//! The numbers of the reference execution: f32 and f64, and the rounding of what is exchanged.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

/// f32 and f64 alike: what every computation with layers needs of its numbers.
pub trait Number:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The maximum over nothing.
    const NEG_INFINITY: Self;

    /// The nearest value.
    fn of(value: f64) -> Self;
    /// The same value.
    fn of_f32(value: f32) -> Self;
    /// The same value as f64, exactly.
    fn get(self) -> f64;
}

/// A number in which layers are executed here.
pub trait Real: Number {
    /// Format in which it travels without loss.
    const WIRE: Wire;

    /// e to this power.
    #[must_use]
    fn exp(self) -> Self;
    /// 2 to this power.
    #[must_use]
    fn exp2(self) -> Self;
    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// `self * a + b`: rounded once where the processor does that in one instruction, else twice.
    #[must_use]
    fn times_plus(self, a: Self, b: Self) -> Self;
}

macro_rules! real {
    ($type:ident, $wire:expr, $of:expr) => {
        impl Number for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $type::NEG_INFINITY;

            #[inline]
            fn of(value: f64) -> Self {
                $of(value)
            }
            #[inline]
            fn of_f32(value: f32) -> Self {
                Self::from(value)
            }
            #[inline]
            fn get(self) -> f64 {
                f64::from(self)
            }
        }

        impl Real for $type {
            const WIRE: Wire = $wire;

            #[inline]
            fn exp(self) -> Self {
                $type::exp(self)
            }
            #[inline]
            fn exp2(self) -> Self {
                $type::exp2(self)
            }
            #[inline]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline]
            fn times_plus(self, a: Self, b: Self) -> Self {
                // Without the instruction, `mul_add` is a library call forty times as slow.
                if cfg!(target_feature = "fma") { self.mul_add(a, b) } else { self * a + b }
            }
        }
    };
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

real!(f32, Wire::F32, to_f32);
real!(f64, Wire::F64, std::convert::identity::<f64>);

/// Number format of what travels between ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// 64-bit.
    F64,
    /// 32-bit.
    F32,
    /// 16-bit with 8 bits of exponent.
    Bf16,
}

impl Wire {
    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// The value as it arrives: rounded to nearest, ties to even.
    ///
    /// ```
    /// use helix_parallel::Wire;
    /// assert_eq!(Wire::Bf16.round(1.0 + 1.0 / 256.0), 1.0);
    /// assert_eq!(Wire::Bf16.round(1.0 + 3.0 / 256.0), 1.0 + 1.0 / 64.0);
    /// ```
    #[must_use]
    pub fn round<T: Real>(self, value: T) -> T {
        match self {
            Self::F64 => value,
            Self::F32 => T::of(f64::from(to_f32(value.get()))),
            Self::Bf16 => T::of(f64::from(round_to_bf16(to_f32(value.get())))),
        }
    }

    /// Format of softmax statistics beside partials in this format: never below 32 bits.
    #[must_use]
    pub fn for_statistics(self) -> Self {
        if self == Self::F64 { Self::F64 } else { Self::F32 }
    }
}

fn round_to_bf16(value: f32) -> f32 {
    if !value.is_finite() {
        return value;
    }
    let bits = value.to_bits();
    let tie = (bits >> 16) & 1;
    f32::from_bits((bits + 0x7fff + tie) & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_keeps_eight_bits_and_rounds_ties_to_even() {
        let exact = [(0.0, 0.0), (-1.5, -1.5), (257.0, 256.0), (259.0, 260.0), (3.4e38, f32::INFINITY)];
        for (value, rounded) in exact {
            assert_eq!(round_to_bf16(value), rounded, "{value}");
        }
        assert!(round_to_bf16(f32::NAN).is_nan());
        assert_eq!(round_to_bf16(f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert_eq!(Wire::F32.round(1.0_f64 + 1e-12), 1.0);
        assert_eq!(Wire::F64.round(1.0_f64 + 1e-12), 1.0 + 1e-12);
    }
}
