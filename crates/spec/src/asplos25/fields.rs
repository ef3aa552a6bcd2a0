//! The keys of one section as quantities: dimension, range and whole numbers are checked here, once.

use super::expression::{Dimension, Number, Refused, Value, parse_value};
use super::ini::{Ini, Section, alike, shorten};
use crate::{Bandwidth, Bytes, BytesPerSecond, FileError, SimTime};

/// One section of a file, to be read key by key.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) ini: &'a Ini,
    pub(super) section: &'a Section,
}

impl<'a> Fields<'a> {
    /// The section of this name.
    pub(super) fn of(ini: &'a Ini, name: &str) -> Result<Self, FileError> {
        Ok(Self { ini, section: ini.section(name)? })
    }

    /// A refusal at the section's head.
    pub(super) fn refuse(&self, problem: &str) -> FileError {
        let name = shorten(&self.section.name);
        FileError::new(&self.ini.origin, format!("`[{name}]` {problem}")).at_line(self.section.line)
    }

    /// A refusal at a key.
    pub(super) fn refuse_key(&self, key: &str, problem: &str) -> FileError {
        let line = self.section.entries.get(key).map_or(self.section.line, |entry| entry.line);
        let name = shorten(&self.section.name);
        FileError::new(&self.ini.origin, format!("`{}` of `[{name}]` {problem}", shorten(key))).at_line(line)
    }

    /// The text of a key as it stands, without the quotes around it if it has them.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, FileError> {
        let value = self.raw(key)?;
        let inside = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
        let text = inside('"').or_else(|| inside('\'')).unwrap_or(value);
        if text.is_empty() { Err(self.refuse_key(key, "is empty")) } else { Ok(text) }
    }

    fn raw(&self, key: &str) -> Result<&'a str, FileError> {
        let section = self.section;
        if let Some(entry) = section.entries.get(key) {
            return Ok(&entry.value);
        }
        let error = self.refuse(&format!("has no `{key}`"));
        Err(match alike(key, section.entries.keys().map(String::as_str)) {
            Some(like) => error.help(format!("did you mean its `{}`?", shorten(like))),
            None => error,
        })
    }

    /// The value of a key, of whatever kind.
    pub(super) fn value(&self, key: &str) -> Result<Value, FileError> {
        let text = self.raw(key)?;
        parse_value(text).map_err(|Refused { at, problem, help }| {
            let mut error = self.refuse_key(key, &format!("is no value: {problem}"));
            // An expression may go on over several lines.
            error.line = error.line.map(|line| line + text.get(..at).map_or(0, |t| t.matches('\n').count()));
            match help {
                Some(help) => error.help(help),
                None => error,
            }
        })
    }

    /// The elements of a list.
    pub(super) fn list(&self, key: &str) -> Result<Vec<Value>, FileError> {
        match self.value(key)? {
            Value::List(values) => Ok(values),
            other => Err(self.refuse_key(key, &format!("must be a list, found {}", other.kind()))),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, FileError> {
        let text = |value| match value {
            Value::Text(text) => Ok(text),
            other => {
                Err(self.refuse_key(key, &format!("must be a list of names, it holds {}", other.kind())))
            }
        };
        self.list(key)?.into_iter().map(text).collect()
    }

    /// A whole number that is not negative.
    pub(super) fn integer(&self, key: &str) -> Result<u64, FileError> {
        let value = self.value(key)?;
        whole_number(&value).ok_or_else(|| {
            self.refuse_key(
                key,
                &format!("must be a whole number of at least 0, found `{}`", self.shown(key)),
            )
        })
    }

    /// A link's or interface's speed; zero and negative ones are refused.
    pub(super) fn bandwidth(&self, key: &str) -> Result<Bandwidth, FileError> {
        let bytes = self.positive(key, Dimension::RATE, "`1000 * mbps`")?;
        Bandwidth::from_bytes_per_second(bytes).ok_or_else(|| self.out_of_range(key))
    }

    /// A link's or interface's speed, or `None` where the file says `-1`, which is its word for unused.
    pub(super) fn optional_bandwidth(&self, key: &str) -> Result<Option<Bandwidth>, FileError> {
        if self.is_unused(key)? { Ok(None) } else { self.bandwidth(key).map(Some) }
    }

    /// A disk's speed, or `None` where the file says `-1`.
    pub(super) fn optional_speed(&self, key: &str) -> Result<Option<BytesPerSecond>, FileError> {
        if self.is_unused(key)? { Ok(None) } else { self.speed(key).map(Some) }
    }

    /// A disk's speed.
    pub(super) fn speed(&self, key: &str) -> Result<BytesPerSecond, FileError> {
        let bytes = self.positive(key, Dimension::RATE, "`1 * gbps`")?;
        round(bytes).map(BytesPerSecond).ok_or_else(|| self.out_of_range(key))
    }

    /// A memory's size, or `None` where the file says `-1`.
    pub(super) fn optional_bytes(&self, key: &str) -> Result<Option<Bytes>, FileError> {
        if self.is_unused(key)? { Ok(None) } else { self.bytes(key).map(Some) }
    }

    /// A memory's size.
    pub(super) fn bytes(&self, key: &str) -> Result<Bytes, FileError> {
        let bytes = self.positive(key, Dimension::DATA, "`16 * GB`")?;
        round(bytes).map(Bytes).ok_or_else(|| self.out_of_range(key))
    }

    /// A latency, which may be zero.
    pub(super) fn latency(&self, key: &str) -> Result<SimTime, FileError> {
        let seconds = self.quantity(key, Dimension::TIME, "`1 * MilliSec`")?;
        if seconds < 0.0 {
            return Err(self.refuse_key(key, &format!("must not be negative, found `{}`", self.shown(key))));
        }
        SimTime::from_seconds(seconds).ok_or_else(|| self.out_of_range(key))
    }

    fn is_unused(&self, key: &str) -> Result<bool, FileError> {
        let unused = Number { value: -1.0, dimension: Dimension::NONE };
        Ok(self.value(key)? == Value::Number(unused))
    }

    fn positive(&self, key: &str, dimension: Dimension, example: &str) -> Result<f64, FileError> {
        let value = self.quantity(key, dimension, example)?;
        if value > 0.0 {
            return Ok(value);
        }
        Err(self.refuse_key(key, &format!("must be above zero, found `{}`", self.shown(key))))
    }

    /// A number of the given dimension. A bare number is taken in bytes and seconds, which is what it means there.
    fn quantity(&self, key: &str, dimension: Dimension, example: &str) -> Result<f64, FileError> {
        match self.value(key)? {
            Value::Number(number) if [dimension, Dimension::NONE].contains(&number.dimension) => {
                Ok(number.value)
            }
            Value::Number(_) => {
                let problem = format!("has the wrong unit, found `{}`", self.shown(key));
                Err(self.refuse_key(key, &problem).help(format!("write for example {example}")))
            }
            other => {
                let problem = format!("must be a number, found {}", other.kind());
                Err(self.refuse_key(key, &problem).help(format!("write for example {example}")))
            }
        }
    }

    fn out_of_range(&self, key: &str) -> FileError {
        self.refuse_key(key, &format!("is out of range, found `{}`", self.shown(key)))
    }

    /// The text of a key for messages.
    fn shown(&self, key: &str) -> String {
        self.section.entries.get(key).map(|entry| shorten(&entry.value)).unwrap_or_default()
    }
}

/// The value as a whole number without unit that is not negative and exact.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(Number { value, dimension: Dimension::NONE }) => exact(*value),
        _ => None,
    }
}

/// A double as a whole number, if it is one that is exact.
pub(super) fn exact(value: f64) -> Option<u64> {
    if value.fract() == 0.0 && value <= 9_007_199_254_740_992.0 { round(value) } else { None }
}

/// To the nearest integer; `None` if that is negative, or zero for more than zero, or beyond 2^53.
fn round(value: f64) -> Option<u64> {
    let rounded = value.round();
    if !(0.0..=9_007_199_254_740_992.0).contains(&rounded) || (rounded == 0.0 && value != 0.0) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked at both ends above")]
    Some(rounded as u64)
}
