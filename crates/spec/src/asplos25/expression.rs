//! The values of the authors' files: Python expressions there, a small grammar without evaluation here.
//!
//! ```text
//! sum     = product { ("+" | "-") product }          product = signed { ("*" | "/") signed }
//! signed  = { "+" | "-" } atom                       list    = "[" [ sum { "," sum } [ "," ] ] "]"
//! atom    = number | text | unit | "(" sum ")" | list
//! ```
//!
//! The names that a value may hold are the units of the authors' simulator. Beware: its `kbps`, `mbps` and `gbps` are
//! **bytes** a second, so a "1000 mbps" link carries 8 Gbit/s. Numbers carry their dimension, so that a latency in
//! `mbps` is refused.

use super::ini::shorten;
use crate::nearest;

/// Parentheses and lists within one another, at most.
const MAX_DEPTH: usize = 32;
/// Elements of all lists of one value together, at most: a hundred times what the largest known file holds.
const MAX_ELEMENTS: usize = 100_000;

/// What a number counts: powers of byte and second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dimension {
    bytes: i8,
    seconds: i8,
}

impl Dimension {
    pub(super) const NONE: Self = Self { bytes: 0, seconds: 0 };
    pub(super) const DATA: Self = Self { bytes: 1, seconds: 0 };
    pub(super) const TIME: Self = Self { bytes: 0, seconds: 1 };
    pub(super) const RATE: Self = Self { bytes: 1, seconds: -1 };

    fn combine(self, other: Self, sign: i8) -> Option<Self> {
        Some(Self {
            bytes: self.bytes.checked_add(other.bytes.checked_mul(sign)?)?,
            seconds: self.seconds.checked_add(other.seconds.checked_mul(sign)?)?,
        })
    }
}

/// The units of the authors' simulator: name, factor to bytes and seconds, dimension.
pub(super) const UNITS: &[(&str, f64, Dimension)] = &[
    ("kbps", 1e3, Dimension::RATE),
    ("mbps", 1e6, Dimension::RATE),
    ("gbps", 1e9, Dimension::RATE),
    ("Byte", 1.0, Dimension::DATA),
    ("KB", 1e3, Dimension::DATA),
    ("MB", 1e6, Dimension::DATA),
    ("GB", 1e9, Dimension::DATA),
    ("Sec", 1.0, Dimension::TIME),
    ("MilliSec", 1e-3, Dimension::TIME),
    ("MicroSec", 1e-6, Dimension::TIME),
];

/// A number with what it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    /// In bytes and seconds.
    pub(super) value: f64,
    pub(super) dimension: Dimension,
}

/// A value of an `.ini` file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(Number),
    Text(String),
    List(Vec<Value>),
}

impl Value {
    /// How messages speak of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
        }
    }
}

/// Why a text is not a value, and the byte where it stops being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) problem: String,
    pub(super) help: Option<String>,
}

/// Parses one value; all of the text must belong to it.
pub(super) fn parse_value(text: &str) -> Result<Value, Refused> {
    let mut parser = Parser { text, at: 0, elements: 0 };
    let value = parser.sum(0)?;
    match parser.peek() {
        None => Ok(value),
        Some(found) => Err(parser.refuse(format!("unexpected `{found}` after the value"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    elements: usize,
}

impl Parser<'_> {
    fn refuse(&self, problem: impl Into<String>) -> Refused {
        Refused { at: self.at, problem: problem.into(), help: None }
    }

    /// The next character that is neither space nor comment.
    fn peek(&mut self) -> Option<char> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return trimmed.chars().next();
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn sum(&mut self, depth: usize) -> Result<Value, Refused> {
        let mut left = self.product(depth)?;
        loop {
            let sign = match self.peek() {
                Some('+') => 1.0,
                Some('-') => -1.0,
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.product(depth)?;
            let (a, b) = self.two_numbers(&left, &right)?;
            if a.dimension != b.dimension {
                return Err(self.refuse("adds numbers of different units"));
            }
            left = self.number(a.value + sign * b.value, Some(a.dimension))?;
        }
    }

    fn product(&mut self, depth: usize) -> Result<Value, Refused> {
        let mut left = self.signed(depth)?;
        loop {
            let sign = match self.peek() {
                Some('*') => 1,
                Some('/') => -1,
                _ => return Ok(left),
            };
            self.at += 1;
            if self.text[self.at..].starts_with(['*', '/']) {
                return Err(self.refuse("`**` and `//` are not read, only + - * /"));
            }
            let right = self.signed(depth)?;
            let (a, b) = self.two_numbers(&left, &right)?;
            if sign < 0 && b.value == 0.0 {
                return Err(self.refuse("divides by zero"));
            }
            let value = if sign > 0 { a.value * b.value } else { a.value / b.value };
            left = self.number(value, a.dimension.combine(b.dimension, sign))?;
        }
    }

    fn two_numbers(&self, a: &Value, b: &Value) -> Result<(Number, Number), Refused> {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => Ok((*a, *b)),
            (Value::Number(_), other) | (other, _) => {
                Err(self.refuse(format!("calculates with {}", other.kind())))
            }
        }
    }

    fn number(&self, value: f64, dimension: Option<Dimension>) -> Result<Value, Refused> {
        match dimension {
            Some(dimension) if value.is_finite() => Ok(Value::Number(Number { value, dimension })),
            _ => Err(self.refuse("is too large a number")),
        }
    }

    fn signed(&mut self, depth: usize) -> Result<Value, Refused> {
        let (mut signs, mut negative) = (0_usize, false);
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.at += 1;
            signs += 1;
            negative ^= sign == '-';
        }
        match self.atom(depth)? {
            Value::Number(number) if negative => Ok(Value::Number(Number { value: -number.value, ..number })),
            other @ (Value::Text(_) | Value::List(_)) if signs > 0 => {
                Err(self.refuse(format!("has a sign before {}", other.kind())))
            }
            other => Ok(other),
        }
    }

    fn atom(&mut self, depth: usize) -> Result<Value, Refused> {
        match self.peek() {
            None => Err(self.refuse("ends where a value is needed")),
            Some('(' | '[') if depth >= MAX_DEPTH => {
                Err(self.refuse(format!("is nested deeper than {MAX_DEPTH} levels")))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.sum(depth + 1)?;
                if self.take(')') { Ok(inner) } else { Err(self.refuse("has no closing `)`")) }
            }
            Some('[') => self.list(depth + 1),
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some(c) if c.is_ascii_digit() || c == '.' => self.literal(),
            Some(c) if c.is_alphabetic() || c == '_' => self.unit(),
            Some(found) => Err(self.refuse(format!("unexpected `{found}` where a value is needed"))),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Refused> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(']') {
            items.push(self.sum(depth)?);
            self.elements += 1;
            if self.elements > MAX_ELEMENTS {
                return Err(self.refuse(format!("has more than {MAX_ELEMENTS} elements")));
            }
            if !self.take(',') && self.peek() != Some(']') {
                return Err(self.refuse("is a list without a comma between elements or a closing `]`"));
            }
        }
        Ok(Value::List(items))
    }

    fn quoted(&mut self, quote: char) -> Result<Value, Refused> {
        let inside = &self.text[self.at + 1..];
        let Some(end) = inside.find([quote, '\n', '\\']).filter(|end| inside[*end..].starts_with(quote))
        else {
            return Err(self.refuse("is a text that does not end on its line, or that holds a backslash"));
        };
        self.at += 1 + end + quote.len_utf8();
        Ok(Value::Text(inside[..end].to_owned()))
    }

    fn literal(&mut self) -> Result<Value, Refused> {
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        let part_of_number = |i: usize| match bytes[i] {
            b'0'..=b'9' | b'.' | b'_' | b'e' | b'E' => true,
            b'+' | b'-' => i > 0 && matches!(bytes[i - 1], b'e' | b'E'),
            _ => false,
        };
        let end = (0..bytes.len()).find(|&i| !part_of_number(i)).unwrap_or(bytes.len());
        let literal = &rest[..end];
        let Ok(value) = literal.replace('_', "").parse::<f64>() else {
            return Err(self.refuse(format!("`{}` is not a number", shorten(literal))));
        };
        if rest[end..].starts_with(|c: char| c.is_alphanumeric()) {
            let shown: String = rest[end..].chars().take_while(|c| c.is_alphanumeric()).take(20).collect();
            let literal = shorten(literal);
            return Err(self.refuse(format!("`{literal}{shown}` is not a number; write `{literal} * unit`")));
        }
        if !literal.contains(['.', 'e', 'E']) && !same_integer(literal, value) {
            let shown = shorten(literal);
            return Err(self.refuse(format!("the integer {shown} is too large to be kept exactly")));
        }
        let number = self.number(value, Some(Dimension::NONE))?;
        self.at += end;
        Ok(number)
    }

    fn unit(&mut self) -> Result<Value, Refused> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        if let Some((_, value, dimension)) = UNITS.iter().find(|(unit, ..)| *unit == name) {
            self.at += end;
            return Ok(Value::Number(Number { value: *value, dimension: *dimension }));
        }
        let shown: String = name.chars().take(40).collect();
        let all: Vec<&str> = UNITS.iter().map(|(unit, ..)| *unit).collect();
        let help = match nearest(&shown, all.iter().copied()) {
            Some(unit) => format!("did you mean `{unit}`? allowed: {}", all.join(", ")),
            None => format!("allowed: {}; nothing is evaluated", all.join(", ")),
        };
        let problem = format!("unknown name `{shown}`");
        Err(Refused { at: self.at, problem, help: Some(help) })
    }
}

/// Whether a double is the very integer that its digits say.
fn same_integer(digits: &str, value: f64) -> bool {
    let kept = format!("{value}");
    let digits = digits.replace('_', "");
    let digits = digits.trim_start_matches('0');
    kept == if digits.is_empty() { "0" } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> (f64, Dimension) {
        match parse_value(text) {
            Ok(Value::Number(number)) => (number.value, number.dimension),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn refused(text: &str) -> String {
        let refused = parse_value(text).expect_err(text);
        format!("{} {}", refused.problem, refused.help.unwrap_or_default())
    }

    #[test]
    fn the_values_of_the_files_have_pythons_doubles() {
        // The right-hand sides are what CPython 3.11 prints for the same expressions.
        assert_eq!(number("1000 * mbps"), (1_000_000_000.0, Dimension::RATE));
        assert_eq!(number("51 * MilliSec"), (0.051_000_000_000_000_004, Dimension::TIME));
        assert_eq!(number("51.00000000000001 * MilliSec"), (0.051_000_000_000_000_01, Dimension::TIME));
        assert_eq!(number("14.2 * mbps"), (14_200_000.0, Dimension::RATE));
        assert_eq!(number("40 * GB"), (4e10, Dimension::DATA));
        assert_eq!(number("-1"), (-1.0, Dimension::NONE));
        assert_eq!(number("(2 + 3) * 4 - 6 / 2"), (17.0, Dimension::NONE));
        assert_eq!(number("7 - 2 - 1"), (4.0, Dimension::NONE));
        assert_eq!(number("--1.5e3 # ten\n * KB"), (1.5e6, Dimension::DATA));
        assert_eq!(number("10 * GB / Sec"), (1e10, Dimension::RATE));
    }

    #[test]
    fn lists_hold_numbers_and_texts() {
        let list = parse_value("['source', 1,\n \"x\", ]").unwrap();
        let one = Value::Number(Number { value: 1.0, dimension: Dimension::NONE });
        let (source, x) = (Value::Text("source".to_owned()), Value::Text("x".to_owned()));
        assert_eq!(list, Value::List(vec![source, one, x]));
        assert_eq!(parse_value("[]"), Ok(Value::List(vec![])));
    }

    #[test]
    fn nothing_else_is_a_value() {
        assert!(refused("__import__('os').system('true')").starts_with("unknown name `__import__`"));
        assert!(refused("10 * Mbps").contains("did you mean `mbps`?"));
        for text in [
            "",
            "1 2",
            "[1, 2",
            "(1",
            "1 * ",
            "'a",
            "'a\\n'",
            "2 ** 9",
            "7 // 2",
            "1 / 0",
            "1e400",
            "1e200 * 1e200",
            "1 + mbps",
            "'a' * 3",
            "-'a'",
            "[1] + [2]",
            "10mbps",
            "nan",
            "inf",
            "9007199254740993",
            "1.2.3",
            "é",
            "lambda: 1",
            "{}",
            "a.b",
            "1 if 1 else 2",
            "0x10",
        ] {
            assert!(parse_value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        for open in ["[", "(", "-(", "1+("] {
            assert!(refused(&open.repeat(100_000)).contains("nested deeper"), "{open}");
        }
        assert_eq!(number(&format!("{}1", "-".repeat(100_000))).0, 1.0);
        assert!(refused(&format!("[{}]", "1,".repeat(MAX_ELEMENTS + 1))).contains("more than"));
    }
}
