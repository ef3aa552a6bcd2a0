//! The top-level parameters of a body, each as the JSON text it came as.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ApiError;

/// The most parameters of a body.
const MAX_FIELDS: usize = 256;
/// The most of a client's own words that an error quotes \[characters\].
const MAX_QUOTED: usize = 80;

/// The parameters not taken yet.
pub struct Fields<'a> {
    fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Cuts a body into its parameters.
    pub fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let at = error.valid_up_to();
            let byte = body.get(at).copied().unwrap_or_default();
            ApiError::bad_request(format!("the body is not UTF-8: byte 0x{byte:02x} at offset {at}"))
        })?;
        serde_json::from_str(text)
            .map_err(|error| ApiError::bad_request(format!("the body is not usable: {}", quote(&error))))
    }

    /// A parameter of any type; `null` is as good as absent. `allowed` says what may be given.
    pub fn take<T: Deserialize<'a>>(&mut self, name: &str, allowed: &str) -> Result<Option<T>, ApiError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| not_allowed(name, raw.get(), allowed))
    }

    /// A parameter as it came; `null` is as good as absent.
    pub fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.remove(name).filter(|raw| raw.get() != "null")
    }

    /// Whether a parameter is there and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.take(name, "true or false")
    }

    /// A number, compared as it came: one that is too large for `f32` is refused, not rounded to infinity.
    pub fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
        allowed: &str,
    ) -> Result<Option<f32>, ApiError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let found: Option<f64> = serde_json::from_str(raw.get()).ok();
        match found.filter(|found| range.contains(found)) {
            #[expect(clippy::cast_possible_truncation, reason = "in a range that f32 covers; digits may go")]
            Some(found) => Ok(Some(found as f32)),
            None => Err(not_allowed(name, raw.get(), allowed)),
        }
    }

    /// A whole number.
    pub fn integer(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
        allowed: &str,
    ) -> Result<Option<i64>, ApiError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let found: Option<i64> = serde_json::from_str(raw.get()).ok();
        match found.filter(|found| range.contains(found)) {
            Some(found) => Ok(Some(found)),
            None => Err(not_allowed(name, raw.get(), allowed)),
        }
    }

    /// The names that nobody took.
    pub fn rest(self) -> Vec<String> {
        self.fields.into_keys().map(Cow::into_owned).collect()
    }
}

/// The error of a parameter whose value, as JSON text, is not allowed.
pub fn not_allowed(name: &str, found: &str, allowed: &str) -> ApiError {
    ApiError::parameter(name, format!("{name} is {}, allowed: {allowed}", quote(&found)))
}

/// A client's words, cut to what an error may quote.
pub fn quote(words: &impl ToString) -> String {
    let words = words.to_string();
    // What an error of the parser says of the place stands at its end.
    let (words, place) = words.rfind(" at line ").map_or((&words[..], ""), |at| words.split_at(at));
    format!("{}{}", cut(words), cut(place))
}

fn cut(words: &str) -> String {
    match words.char_indices().nth(MAX_QUOTED) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words.to_owned(),
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &RawValue>()? {
            if fields.len() == MAX_FIELDS {
                return Err(A::Error::custom(format!("more than {MAX_FIELDS} parameters")));
            }
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("parameter `{}` stands there twice", quote(&name))));
            }
            fields.insert(name, raw);
        }
        Ok(Fields { fields })
    }
}

/// A name, borrowed from the body where it holds no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
