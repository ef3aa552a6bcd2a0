//! Reading files: sizes and versions are checked first, and every refusal says where and what to do.
//!
//! ```text
//! path ──read──> text ──version──> private serde struct ──validate()──> public type
//!                 └── empty, binary, huge        └── unknown key, wrong unit: line, nearest right name
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Larger description files are refused: no cluster, placement or model configuration comes near.
pub const MAX_DESCRIPTION_BYTES: u64 = 64 << 20;

/// The version that every format of Helix carries for now.
pub const FORMAT_VERSION: i64 = 1;

/// Why a file was refused: which file, which line, what is wrong, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The file, or what stands for it (`preset single24`).
    pub origin: String,
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What was found and what is allowed.
    pub problem: String,
    /// What to do about it, where there is more to say.
    pub help: Option<String>,
}

impl FileError {
    /// A refusal without a line.
    #[must_use]
    pub fn new(origin: &str, problem: impl Into<String>) -> Self {
        Self { origin: origin.to_owned(), line: None, problem: problem.into(), help: None }
    }

    /// The same with the line, counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}

/// A text with its origin, to turn byte positions into lines.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file, or what stands for it.
    pub origin: &'a str,
    /// The whole text.
    pub text: &'a str,
}

impl Source<'_> {
    /// A refusal at a byte range of the text.
    #[must_use]
    pub fn error_at(&self, span: &Range<usize>, problem: impl Into<String>) -> FileError {
        FileError::new(self.origin, problem).at_line(self.line_of(span.start))
    }

    /// The line, counted from 1, of a byte position.
    #[must_use]
    pub fn line_of(&self, position: usize) -> usize {
        1 + self.text[..self.text.floor_char_boundary(position)].matches('\n').count()
    }
}

/// Reads a text file that is at most `limit` bytes long, not empty and not binary.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    use std::io::Read as _;
    let origin = path.display().to_string();
    let fail = |error: std::io::Error| FileError::new(&origin, format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(FileError::new(&origin, "is a folder, a file is needed"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::new(
            &origin,
            format!("is larger than {limit} bytes, the most that is read of such a file"),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        FileError::new(&origin, format!("is not text: byte {position} is not UTF-8"))
            .help("is it the right file?")
    })?;
    refuse_empty(&Source { origin: &origin, text: &text })?;
    Ok(text)
}

pub(crate) fn refuse_empty(source: &Source<'_>) -> Result<(), FileError> {
    if source.text.trim().is_empty() {
        return Err(FileError::new(source.origin, "is empty"));
    }
    match source.text.find('\0') {
        Some(at) => Err(source.error_at(&(at..at), "is not text: it holds a zero byte")),
        None => Ok(()),
    }
}

/// Parses a TOML text of one of Helix's formats into its private serde struct.
///
/// The version is looked at first, so that a file of a later Helix is refused for its version and not for the first key
/// that this one does not know.
pub fn parse_toml<T: DeserializeOwned>(source: &Source<'_>) -> Result<T, FileError> {
    refuse_empty(source)?;
    let table = toml::de::DeTable::parse(source.text).map_err(|error| toml_error(source, &error))?;
    match table.get_ref().get("version") {
        None => {
            return Err(FileError::new(source.origin, "has no `version`")
                .help("write `version = 1` in its first line"));
        }
        Some(value) => {
            let found = value.get_ref().as_integer().and_then(|n| n.as_str().parse::<i64>().ok());
            if found != Some(FORMAT_VERSION) {
                let at = value.span();
                let text = source.text.get(at.clone()).unwrap_or("?");
                return Err(source
                    .error_at(&at, format!("has version {text}, this Helix reads version {FORMAT_VERSION}"))
                    .help("a later version needs a newer Helix"));
            }
        }
    }
    T::deserialize(toml::de::Deserializer::from(table)).map_err(|error| toml_error(source, &error))
}

fn toml_error(source: &Source<'_>, error: &toml::de::Error) -> FileError {
    let (mut problem, help) = explain(error.message());
    if let ("duplicate key", Some(span)) = (problem.as_str(), error.span()) {
        let key = source.text.get(span).unwrap_or("?");
        problem = format!("the key `{}` is given twice", excerpt(key));
    }
    let refused = match error.span() {
        Some(span) => source.error_at(&span, problem),
        None => FileError::new(source.origin, problem),
    };
    match help {
        Some(help) => refused.help(help),
        None => refused,
    }
}

/// Turns serde's words for an unknown key or name into ours, with the nearest right one.
pub(crate) fn explain(message: &str) -> (String, Option<String>) {
    let message = message.trim_end();
    for (start, what) in [("unknown field `", "key"), ("unknown variant `", "name")] {
        let Some(rest) = message.strip_prefix(start) else { continue };
        let Some((found, expected)) = rest.split_once('`') else { continue };
        let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let short = excerpt(found);
        let help = match nearest(found, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`? allowed: {}", names.join(", ")),
            None => format!("allowed: {}", names.join(", ")),
        };
        return (format!("unknown {what} `{short}`"), Some(help));
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return (format!("the key `{key}` is missing"), None);
    }
    (shortened(&message.replace('\n', " ")), None)
}

/// Serde's message with its names of types in words, and without the middle of what a file says at great length.
fn shortened(message: &str) -> String {
    let words = [
        (", expected u32", ", expected a whole number from 0 to 4294967295"),
        (", expected u64", ", expected a whole number that is not negative"),
        (", expected f64", ", expected a number"),
    ];
    let found = words.iter().find_map(|(end, words)| Some((message.strip_suffix(end)?, *words)));
    let (message, end) = found.unwrap_or((message, ""));
    let length = message.chars().count();
    if length <= 300 {
        return format!("{message}{end}");
    }
    let (head, tail) = (message.chars().take(150), message.chars().skip(length - 100));
    format!("{} … {}{end}", head.collect::<String>(), tail.collect::<String>())
}

/// At most the first hundred characters, on one line, for messages that quote what a file says.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(100).flat_map(escaped_if_control).collect();
    if text.chars().nth(100).is_some() {
        short.push('…');
    }
    short
}

fn escaped_if_control(c: char) -> impl Iterator<Item = char> {
    let escape = c.is_control().then(|| c.escape_default());
    escape.into_iter().flatten().chain((!c.is_control()).then_some(c))
}

/// Letters of a name that is so short that a long one with the same letters may be more like it than one with a single letter changed.
const SHORT: usize = 2;

/// The name most like `found`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    by_likeness(found, names.into_iter().map(|name| (name, name))).first().map(|(name, _)| *name)
}

/// The names that are like `found`, the likest first, each with what belongs to it.
pub(crate) fn by_likeness<'a, T>(
    found: &str,
    names: impl IntoIterator<Item = (&'a str, T)>,
) -> Vec<(&'a str, T)> {
    // Comparing is quadratic in the length: of a text that is no name at all, the beginning does.
    let lower = found.chars().take(100).collect::<String>().to_lowercase();
    let letters = |text: &str| text.replace(|c: char| !c.is_alphanumeric(), "");
    let bare = letters(&lower);
    // Names that differ in their dashes alone are the likest of all; of short ones that says more than the likeness.
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        if letters(&name) == bare {
            1.0
        } else if bare.len() <= SHORT && strsim::osa_distance(&lower, &name) == 1 {
            0.99
        } else {
            strsim::jaro_winkler(&lower, &name)
        }
    };
    let mut likest: Vec<_> = names
        .into_iter()
        .map(|(name, what)| (likeness(name), name, what))
        .filter(|(likeness, _, _)| *likeness > 0.7)
        .collect();
    likest.sort_by(|a, b| b.0.total_cmp(&a.0));
    likest.into_iter().map(|(_, name, what)| (name, what)).collect()
}

/// Two values as a file writes them, `[a, b]`; unlike serde's own pairs it refuses a third.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<A, B>(pub A, pub B);

impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Deserialize<'de> for Pair<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Two<A, B>(PhantomData<(A, B)>);
        impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Visitor<'de> for Two<A, B> {
            type Value = Pair<A, B>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of two")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Pair<A, B>, S::Error> {
                let first = list.next_element()?.ok_or_else(|| S::Error::invalid_length(0, &self))?;
                let second = list.next_element()?.ok_or_else(|| S::Error::invalid_length(1, &self))?;
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(Pair(first, second)),
                    Some(_) => Err(S::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_seq(Two(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Probe {
        #[expect(dead_code, reason = "only its presence matters")]
        version: i64,
        #[serde(default)]
        #[expect(dead_code, reason = "only its name matters")]
        bandwidth: Option<crate::Bandwidth>,
    }

    fn refused(text: &str) -> String {
        parse_toml::<Probe>(&Source { origin: "probe.toml", text }).unwrap_err().to_string()
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line_and_the_right_name() {
        let text = "version = 1\n\nbandwith = \"1 Gbit/s\"\n";
        assert_eq!(
            refused(text),
            "probe.toml:3: unknown key `bandwith`; did you mean `bandwidth`? allowed: version, bandwidth"
        );
    }

    #[test]
    fn versions_and_empty_files_come_first() {
        assert!(refused("").ends_with("is empty"));
        assert!(
            refused("later = 3\nversion = 2\n")
                .contains("probe.toml:2: has version 2, this Helix reads version 1")
        );
        assert!(refused("bandwidth = \"1 Gbit/s\"\n").contains("has no `version`"));
        assert!(refused("version = \"1\"\n").contains("has version \"1\""));
        assert!(refused("version = 1\nbandwidth = \"1 GB/s\"\n").contains("probe.toml:2"));
        assert!(refused("version = 1\nbandwidth = 5\n").contains("like \"10 Gbit/s\""));
        assert!(refused("version = [").contains("probe.toml:1"));
    }
}
