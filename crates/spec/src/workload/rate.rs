//! A rate of requests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::units::{UnitError, parse_quantity};

/// A rate of requests \[req/s\]: finite and more than zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct RequestsPerSecond(f64);

/// The base unit is a millionth of a request an hour, so that every unit is a whole number of it.
const UNITS: &[(&str, u64)] = &[("req/s", 3_600_000_000), ("req/min", 60_000_000), ("req/h", 1_000_000)];
const EXAMPLE: &str = "2.5 req/s";

impl RequestsPerSecond {
    /// `None` unless it is more than a request a year and at most a million a second.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (3e-8..=1e6).contains(&value).then_some(Self(value))
    }

    /// The bare number \[req/s\].
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for RequestsPerSecond {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let value = parse_quantity(text, UNITS, EXAMPLE)? as f64 / UNITS[0].1 as f64;
        Self::new(value).ok_or_else(|| UnitError::OutOfRange {
            text: text.to_owned(),
            why: "it must be more than zero and at most a million requests a second",
        })
    }
}

impl fmt::Display for RequestsPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} req/s", self.0)
    }
}

impl<'de> Deserialize<'de> for RequestsPerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = RequestsPerSecond;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a rate with its unit, like \"{EXAMPLE}\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RequestsPerSecond, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
