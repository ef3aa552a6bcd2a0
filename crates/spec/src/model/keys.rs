//! The keys of a `config.json`, each with its line: found under an old or a new name, checked, never guessed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::file::{FileError, Source};

/// One JSON object whose values are still text.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    source: Source<'a>,
    keys: BTreeMap<String, &'a RawValue>,
}

/// A value with the name under which it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub key: &'a str,
    raw: &'a RawValue,
}

/// The object's pairs; a name that appears twice is an error, because one of the two values would be lost.
struct Pairs<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> serde::Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object with the configuration of a model")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut keys = BTreeMap::new();
                while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
                    if keys.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("`{}` appears twice", shorten(&key))));
                    }
                    keys.insert(key, raw);
                }
                Ok(Pairs(keys))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'a> Keys<'a> {
    /// Splits the text of a JSON object.
    pub(super) fn parse(source: Source<'a>) -> Result<Self, FileError> {
        match serde_json::from_str::<Pairs<'a>>(source.text) {
            Ok(Pairs(keys)) => Ok(Self { source, keys }),
            Err(error) => {
                let text = error.to_string();
                let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
                // serde quotes what it found, however long that is.
                let problem = cut(problem, 160);
                let problem = format!("is not the JSON of a model configuration: {problem}");
                Err(FileError::new(source.origin, problem).at_line(error.line().max(1)))
            }
        }
    }

    /// The keys of an object inside this one; lines stay those of the file.
    pub(super) fn object(&self, found: &Found<'a>) -> Result<Self, FileError> {
        match serde_json::from_str::<Pairs<'a>>(found.raw.get()) {
            Ok(Pairs(keys)) => Ok(Self { source: self.source, keys }),
            Err(_) => Err(self.refuse(found, "it must be an object")),
        }
    }

    /// The value under the first of these names that is there and not null.
    ///
    /// Two names of one thing that disagree are an error: whichever was taken, the other reader would take the other.
    pub(super) fn find(&self, names: &[&'static str]) -> Result<Option<Found<'a>>, FileError> {
        let mut first: Option<Found<'a>> = None;
        for name in names {
            let Some(raw) = self.keys.get(*name).filter(|raw| raw.get() != "null") else { continue };
            match &first {
                None => first = Some(Found { key: name, raw }),
                Some(other) if other.raw.get() == raw.get() => {}
                Some(other) => {
                    let problem = format!(
                        "it means the same as `{}`, which is {}; leave one of them",
                        other.key,
                        shorten(other.raw.get())
                    );
                    return Err(self.refuse(&Found { key: name, raw }, &problem));
                }
            }
        }
        Ok(first)
    }

    /// The same for a value that must be there.
    pub(super) fn need(&self, names: &[&'static str]) -> Result<Found<'a>, FileError> {
        self.find(names)?.ok_or_else(|| self.missing(names))
    }

    /// A refusal because none of these names is there.
    pub(super) fn missing(&self, names: &[&'static str]) -> FileError {
        let others = match names {
            [_, others @ ..] if !others.is_empty() => {
                format!(" (nor under its other name, `{}`)", others.join("` or `"))
            }
            _ => String::new(),
        };
        FileError::new(self.source.origin, format!("has no `{}`{others}", names[0]))
            .help("is it the whole config.json of the model?")
    }

    /// A refusal of a value: where it is, what it is, and `rule`, what it must be.
    pub(super) fn refuse(&self, found: &Found<'_>, rule: &str) -> FileError {
        let problem = format!("`{}` is {}, {rule}", found.key, shorten(found.raw.get()));
        // The value is a slice of the text, so its address says where in the text it stands.
        let position = (found.raw.get().as_ptr() as usize).saturating_sub(self.source.text.as_ptr() as usize);
        self.source.error_at(&(position..position), problem)
    }

    /// A value of any type; `rule` says which one when it is another.
    pub(super) fn value<T: DeserializeOwned>(&self, found: &Found<'_>, rule: &str) -> Result<T, FileError> {
        serde_json::from_str(found.raw.get()).map_err(|_| self.refuse(found, rule))
    }

    /// A whole number in `least..=most`.
    pub(super) fn whole(&self, found: &Found<'_>, least: u32, most: u32) -> Result<u32, FileError> {
        serde_json::from_str::<u32>(found.raw.get())
            .ok()
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| self.refuse(found, &format!("it must be a whole number from {least} to {most}")))
    }

    /// A whole number in `1..=most` that must be there.
    pub(super) fn count(&self, names: &[&'static str], most: u32) -> Result<u32, FileError> {
        self.whole(&self.need(names)?, 1, most)
    }

    /// A whole number in `least..=most`, if it is there.
    pub(super) fn optional(
        &self,
        names: &[&'static str],
        least: u32,
        most: u32,
    ) -> Result<Option<u32>, FileError> {
        self.find(names)?.map(|found| self.whole(&found, least, most)).transpose()
    }

    /// True or false, `false` when it is not there.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, FileError> {
        match self.find(&[name])? {
            Some(found) => self.value(&found, "it must be true or false"),
            None => Ok(false),
        }
    }

    /// A refusal of the whole file.
    pub(super) fn refuse_file(&self, problem: String) -> FileError {
        FileError::new(self.source.origin, problem)
    }
}

/// Enough of a value to recognise it.
pub(super) fn shorten(text: &str) -> String {
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), 60)
}

/// The first `most` characters that can be shown.
fn cut(text: &str, most: usize) -> String {
    let mut shown = text.chars().filter(|c| !c.is_control());
    let start: String = shown.by_ref().take(most).collect();
    if shown.next().is_some() { format!("{start}…") } else { start }
}
