//! Quantities with their units: integers inside, a unit on the outside.
//!
//! Every quantity in a file is written with its unit (`"40 GB"`, `"10 Gbit/s"`, `"50 ms"`), so that a bare number can
//! never be read in the wrong one. Decimal prefixes are powers of ten, `Ki`/`Mi`/`Gi` powers of two.
//!
//! ```
//! use helix_spec::{Bytes, Bandwidth, SimTime};
//! assert_eq!("40 GB".parse::<Bytes>().unwrap(), Bytes(40_000_000_000));
//! assert_eq!("100 Mbit/s".parse::<Bandwidth>().unwrap().bytes_per_second(), 12.5e6);
//! assert_eq!("50 ms".parse::<SimTime>().unwrap().to_string(), "50 ms");
//! ```

use std::fmt;
use std::str::FromStr;

use crate::file::excerpt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No number in front of the unit.
    #[error("`{text}` does not start with a number; write for example `{example}`")]
    NotANumber {
        /// What was found.
        text: String,
        /// A value that would be right.
        example: &'static str,
    },
    /// A number without a unit, or with one that this quantity does not have.
    #[error("`{text}` {}, allowed are {allowed}; write for example `{example}`", wrong_unit(.unit))]
    WrongUnit {
        /// What was found.
        text: String,
        /// Its unit, empty when there is none.
        unit: String,
        /// The units of this quantity.
        allowed: String,
        /// A value that would be right.
        example: &'static str,
    },
    /// Negative, infinite, not a number, too large, or too small to be told from zero.
    #[error("`{text}` is out of range: {why}")]
    OutOfRange {
        /// What was found.
        text: String,
        /// The limit that it breaks.
        why: &'static str,
    },
}

fn wrong_unit(unit: &str) -> String {
    if unit.is_empty() { "has no unit".to_owned() } else { format!("has the unit `{unit}`") }
}

/// Reads `"1.53 GB"` as 1.53 times the factor of `GB`, rounded to the nearest integer: exact for up to 38 digits.
pub(crate) fn parse_quantity(
    text: &str,
    units: &[(&str, u64)],
    example: &'static str,
) -> Result<u64, UnitError> {
    let trimmed = text.trim();
    let end = trimmed
        .char_indices()
        .find(|&(i, c)| {
            let exponent = matches!(c, 'e' | 'E')
                && trimmed[i + 1..].starts_with(|d: char| d.is_ascii_digit() || matches!(d, '+' | '-'));
            let sign_of_exponent = matches!(c, '+' | '-') && (i == 0 || trimmed[..i].ends_with(['e', 'E']));
            !(c.is_ascii_digit() || matches!(c, '.' | '_') || exponent || sign_of_exponent)
        })
        .map_or(trimmed.len(), |(i, _)| i);
    let (number, unit) = trimmed.split_at(end);
    let (number, unit) = (number.replace('_', ""), unit.trim());
    let value: f64 = number.parse().map_err(|_| UnitError::NotANumber { text: excerpt(text), example })?;
    let Some(&(_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let allowed = units.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(UnitError::WrongUnit { text: excerpt(text), unit: excerpt(unit), allowed, example });
    };
    if value < 0.0 {
        return Err(UnitError::OutOfRange { text: excerpt(text), why: "it must not be negative" });
    }
    let rounded = to_integer(text, value * factor as f64)?;
    let exact = exact_product(&number, factor).unwrap_or(rounded);
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    if exact == 0 && mantissa.contains(|c| matches!(c, '1'..='9')) {
        let why = "it is smaller than the smallest unit";
        return Err(UnitError::OutOfRange { text: excerpt(text), why });
    }
    Ok(exact)
}

/// `number * factor` in integers, halves rounded up; `None` where the digits are too many for that.
fn exact_product(number: &str, factor: u64) -> Option<u64> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(u128::from(factor))?;
    let power = 10u128.checked_pow(scale.unsigned_abs())?;
    let exact =
        if scale >= 0 { product.checked_mul(power)? } else { product.checked_add(power / 2)? / power };
    u64::try_from(exact).ok()
}

/// Rounds to the nearest integer unit and refuses what an integer cannot hold.
fn to_integer(text: &str, value: f64) -> Result<u64, UnitError> {
    let rounded = value.round();
    if !rounded.is_finite() || rounded >= 9.0e18 {
        return Err(UnitError::OutOfRange {
            text: excerpt(text),
            why: "it is too large (9e18 base units at most)",
        });
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked against both ends above"
    )]
    Ok(rounded as u64)
}

/// Writes `value` in the largest decimal unit in which it is at least one, with every digit that it has: what is
/// written reads back as the same value.
fn write_quantity(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let power_of_ten = |factor: u64| factor == 10u64.pow(factor.ilog10());
    let (name, factor) = units
        .iter()
        .filter(|(_, factor)| power_of_ten(*factor) && *factor <= value.max(1))
        .fold(units[0], |best, unit| if unit.1 > best.1 { *unit } else { best });
    let (whole, rest) = (value / factor, value % factor);
    let digits = format!("{rest:0width$}", width = factor.ilog10() as usize);
    match digits.trim_end_matches('0') {
        "" => write!(f, "{whole} {name}"),
        fraction => write!(f, "{whole}.{fraction} {name}"),
    }
}

macro_rules! integer_unit {
    ($(#[$doc:meta])* $name:ident, $example:literal, $units:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl $name {
            /// The accepted unit names and their sizes in the base unit.
            pub const UNITS: &'static [(&'static str, u64)] = $units;
        }

        impl FromStr for $name {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                Ok(Self(parse_quantity(text, Self::UNITS, $example)?))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_quantity(f, self.0, Self::UNITS)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "a quantity with its unit, like \"{}\"", $example)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

integer_unit!(
    /// An amount of memory or data \[bytes\].
    Bytes,
    "40 GB",
    &[
        ("B", 1),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1_024),
        ("MiB", 1_048_576),
        ("GiB", 1_073_741_824),
        ("TiB", 1_099_511_627_776),
    ]
);

integer_unit!(
    /// Speed of a network link or interface \[bit/s\].
    Bandwidth,
    "10 Gbit/s",
    &[("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000), ("Tbit/s", 1_000_000_000_000)]
);

integer_unit!(
    /// Speed of a memory, a disk or an interconnect inside a machine \[bytes/s\].
    BytesPerSecond,
    "900 GB/s",
    &[
        ("B/s", 1),
        ("kB/s", 1_000),
        ("MB/s", 1_000_000),
        ("GB/s", 1_000_000_000),
        ("TB/s", 1_000_000_000_000),
        ("MiB/s", 1_048_576),
        ("GiB/s", 1_073_741_824),
    ]
);

integer_unit!(
    /// Arithmetic speed \[floating-point operations per second\].
    FlopsPerSecond,
    "312 TFLOP/s",
    &[("FLOP/s", 1), ("GFLOP/s", 1_000_000_000), ("TFLOP/s", 1_000_000_000_000), ("PFLOP/s", 1_000_000_000_000_000)]
);

integer_unit!(
    /// A time or a duration \[picoseconds\]. Integers, so that equal times are equal and sums do not drift.
    SimTime,
    "50 ms",
    &[
        ("ps", 1),
        ("ns", 1_000),
        ("us", 1_000_000),
        ("ms", 1_000_000_000),
        ("s", 1_000_000_000_000),
        ("min", 60_000_000_000_000),
        ("h", 3_600_000_000_000_000),
    ]
);

impl Bytes {
    /// `self * times`, or `None` beyond `u64`.
    #[must_use]
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(times).map(Self)
    }

    /// In decimal gigabytes, for messages and pictures.
    #[must_use]
    pub fn gigabytes(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Bandwidth {
    /// From bytes a second, the unit in which most tools measure; `None` when negative, not finite, too large, or so
    /// small that it would become zero.
    #[must_use]
    pub fn from_bytes_per_second(bytes: f64) -> Option<Self> {
        let bits = to_integer("", bytes * 8.0).ok()?;
        (bytes == 0.0 || (bytes > 0.0 && bits > 0)).then_some(Self(bits))
    }

    /// The same speed in bytes a second.
    #[must_use]
    pub fn bytes_per_second(self) -> f64 {
        self.0 as f64 / 8.0
    }
}

impl SimTime {
    /// Nothing has happened yet.
    pub const ZERO: Self = Self(0);

    /// From seconds; `None` when negative, not finite or beyond 104 days.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        if seconds < 0.0 {
            return None;
        }
        let picoseconds = (seconds * 1e12).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked against both ends"
        )]
        (picoseconds.is_finite() && picoseconds < 9.0e18).then_some(Self(picoseconds as u64))
    }

    /// In seconds, for reports.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e12
    }
}

/// A rate of tokens \[tokens/s\]: finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct TokensPerSecond(f64);

impl TokensPerSecond {
    /// No tokens at all.
    pub const ZERO: Self = Self(0.0);

    /// `None` when negative or not finite.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// The bare number \[tokens/s\].
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for TokensPerSecond {}

#[expect(clippy::derive_ord_xor_partial_ord, reason = "never NaN, so the derived partial order is total")]
impl Ord for TokensPerSecond {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for TokensPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} tok/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree_both_ways() {
        for (text, value) in [("0 B", 0), ("1.53 GB", 1_530_000_000), ("16 GB", 16_000_000_000)] {
            let parsed: Bytes = text.parse().unwrap();
            assert_eq!(parsed, Bytes(value));
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!("1 GiB".parse(), Ok(Bytes(1 << 30)));
        assert_eq!("113.6 Mbit/s".parse::<Bandwidth>().unwrap().bytes_per_second(), 14.2e6);
        assert_eq!("1e-3 s".parse::<SimTime>().unwrap().to_string(), "1 ms");
        assert_eq!("1_000 ms".parse::<SimTime>().unwrap().seconds(), 1.0);
    }

    #[test]
    fn every_digit_survives_writing_and_reading() {
        let mut value = 1u64;
        for step in 0..40_000u64 {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (value >> (step % 64)) % 9_000_000_000_000_000_000;
            assert_eq!(SimTime(value).to_string().parse(), Ok(SimTime(value)));
            assert_eq!(Bytes(value).to_string().parse(), Ok(Bytes(value)));
            assert_eq!(Bandwidth(value).to_string().parse(), Ok(Bandwidth(value)));
        }
        // A double has no 2^53 + 1.
        assert_eq!(Bytes(9_007_199_254_740_993).to_string(), "9007.199254740993 TB");
        assert_eq!("0.5 B".parse(), Ok(Bytes(1)));
        assert_eq!("2.5e-1 kB".parse(), Ok(Bytes(250)));
        assert_eq!("100 s".parse::<SimTime>().unwrap().to_string(), "100 s");
    }

    #[test]
    fn a_wrong_unit_is_named_with_the_right_ones() {
        let error = "10 GB/s".parse::<Bandwidth>().unwrap_err().to_string();
        assert!(error.contains("`GB/s`") && error.contains("`Gbit/s`"), "{error}");
        assert!(matches!("10".parse::<Bytes>(), Err(UnitError::WrongUnit { .. })));
        assert!(matches!("GB".parse::<Bytes>(), Err(UnitError::NotANumber { .. })));
        for bad in ["-1 GB", "1e40 GB", "0.1 B", "1e-400 GB"] {
            assert!(matches!(bad.parse::<Bytes>(), Err(UnitError::OutOfRange { .. })), "{bad}");
        }
        for bad in ["NaN GB", "inf GB", "", "--3 GB", "1e GB", "é GB"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_never_nan_or_negative() {
        assert_eq!(TokensPerSecond::new(f64::NAN), None);
        assert_eq!(TokensPerSecond::new(f64::INFINITY), None);
        assert_eq!(TokensPerSecond::new(-1.0), None);
        assert_eq!(SimTime::from_seconds(f64::NAN), None);
        for bad in [f64::NAN, -1.0, 0.01, 1e300] {
            assert_eq!(Bandwidth::from_bytes_per_second(bad), None);
        }
        assert_eq!(Bandwidth::from_bytes_per_second(0.0), Some(Bandwidth(0)));
    }
}
