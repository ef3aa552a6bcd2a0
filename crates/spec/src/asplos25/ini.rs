//! The `.ini` dialect of Python's `ConfigParser`, with the lines of what it finds.
//!
//! As there: `key = value`, `key=value` or `key: value`; keys ignore letter case, sections do not; a line that is
//! indented deeper than its key continues the value; lines that begin with `#` or `;` are comments; a section or key
//! given twice is an error. Not as there: no `[DEFAULT]` section and no `%(name)s` interpolation, which no file uses.

use std::collections::BTreeMap;

use crate::file::refuse_empty;
use crate::{FileError, Source, nearest};

/// A value, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    /// Line of the key.
    pub(super) line: usize,
}

/// One section of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: usize,
    /// By key in lower case.
    pub(super) entries: BTreeMap<String, Entry>,
}

/// A whole file: its sections by name, and their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ini {
    pub(super) origin: String,
    /// In the order of the file.
    pub(super) sections: Vec<Section>,
    by_name: BTreeMap<String, usize>,
}

impl Ini {
    /// Parses a text.
    pub(super) fn parse(source: &Source<'_>) -> Result<Self, FileError> {
        refuse_empty(source)?;
        let mut ini =
            Self { origin: source.origin.to_owned(), sections: Vec::new(), by_name: BTreeMap::new() };
        let mut open: Option<Open> = None;
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
        for (index, line) in text.lines().enumerate() {
            let (number, content) = (index + 1, line.trim());
            let indent = line.len() - line.trim_start().len();
            if content.is_empty() || content.starts_with(['#', ';']) {
                if let Some(open) = &mut open {
                    open.lines += 1;
                }
            } else if let Some(open) = open.as_mut().filter(|open| indent > open.indent) {
                ini.continue_value(open, content);
            } else if content.starts_with('[') {
                ini.begin_section(content, number)?;
                open = None;
            } else {
                open = Some(ini.begin_entry(content, number, indent)?);
            }
        }
        if ini.sections.is_empty() {
            return Err(FileError::new(source.origin, "has no section, such as `[NodeNames]`"));
        }
        Ok(ini)
    }

    fn begin_section(&mut self, content: &str, line: usize) -> Result<(), FileError> {
        let fail = |problem: String| FileError::new(&self.origin, problem).at_line(line);
        let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return Err(fail(format!("section `{}` has no `]` at its end", shorten(content))));
        };
        if name.is_empty() || name == "DEFAULT" {
            return Err(fail(format!("a section `[{name}]` is not read")));
        }
        if let Some(earlier) = self.by_name.get(name) {
            let earlier = self.sections[*earlier].line;
            return Err(fail(format!(
                "section `[{}]` is there twice, first in line {earlier}",
                shorten(name)
            )));
        }
        self.by_name.insert(name.to_owned(), self.sections.len());
        self.sections.push(Section { name: name.to_owned(), line, entries: BTreeMap::new() });
        Ok(())
    }

    fn begin_entry(&mut self, content: &str, line: usize, indent: usize) -> Result<Open, FileError> {
        let fail = |problem: String| FileError::new(&self.origin, problem).at_line(line);
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return Err(fail(format!("`{}` is neither a section nor `key = value`", shorten(content)))
                .help("indent the further lines of a value deeper than its key"));
        };
        let key = key.trim().to_lowercase();
        let Some(section) = self.sections.last_mut() else {
            return Err(fail(format!("key `{}` stands before the first section", shorten(&key))));
        };
        if key.is_empty() {
            return Err(fail(format!("`{}` has no key", shorten(content))));
        }
        if let Some(earlier) = section.entries.get(&key) {
            return Err(fail(format!(
                "key `{}` is in `[{}]` twice, first in line {}",
                shorten(&key),
                shorten(&section.name),
                earlier.line
            )));
        }
        section.entries.insert(key.clone(), Entry { value: value.trim().to_owned(), line });
        Ok(Open { key, indent, lines: 1 })
    }

    /// Adds a line to the value, with the empty and comment lines before it, so that lines can be counted in it.
    fn continue_value(&mut self, open: &mut Open, content: &str) {
        let entry = self.sections.last_mut().and_then(|section| section.entries.get_mut(&open.key));
        if let Some(entry) = entry {
            entry.value.extend(std::iter::repeat_n('\n', open.lines));
            entry.value.push_str(content);
            open.lines = 1;
        }
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Result<&Section, FileError> {
        if let Some(section) = self.find(name) {
            return Ok(section);
        }
        let error = FileError::new(&self.origin, format!("has no section `[{}]`", shorten(name)));
        Err(match alike(name, self.sections.iter().map(|section| section.name.as_str())) {
            Some(like) => error.help(format!("did you mean its `[{}]`?", shorten(like))),
            None => error,
        })
    }

    /// The section of this name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<&Section> {
        self.by_name.get(name).map(|index| &self.sections[*index])
    }
}

/// The value that further lines may continue.
struct Open {
    key: String,
    indent: usize,
    /// Line ends between what the value has and the next line.
    lines: usize,
}

/// The name most like `found`; long names are left out, because comparing them takes the product of their lengths.
pub(super) fn alike<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let short = |name: &str| name.len() <= 100;
    if short(found) { nearest(found, names.into_iter().filter(|name| short(name))) } else { None }
}

/// What messages quote of a text that may be long or binary.
pub(super) fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Ini, FileError> {
        Ini::parse(&Source { origin: "x.ini", text })
    }

    #[test]
    fn keys_values_comments_and_continuations() {
        let text = "# head\n; too\n[A b]\nOne=1\ntwo : x = y\n  # inside\n\n three = [1,\n\t  2,\n   3]\nfour=\n[C]\n";
        let ini = parse(text).unwrap();
        let section = ini.section("A b").unwrap();
        let entry = |key: &str| (section.entries[key].value.as_str(), section.entries[key].line);
        assert_eq!(entry("one"), ("1", 4));
        // An indented line continues, even if it looks like a key: as ConfigParser does.
        assert_eq!(entry("two"), ("x = y\n\n\nthree = [1,\n2,\n3]", 5));
        assert_eq!(entry("four"), ("", 11));
        assert_eq!(ini.sections.iter().map(|section| section.line).collect::<Vec<_>>(), [3, 12]);
    }

    #[test]
    fn what_configparser_refuses_is_refused_with_its_line() {
        for (text, problem) in [
            ("", "x.ini: is empty"),
            ("# only\n", "x.ini: has no section, such as `[NodeNames]`"),
            ("a=1\n", "x.ini:1: key `a` stands before the first section"),
            ("[A]\na=1\nA=2\n", "x.ini:3: key `a` is in `[A]` twice, first in line 2"),
            ("[A]\n\n[A]\n", "x.ini:3: section `[A]` is there twice, first in line 1"),
            ("[A\n", "x.ini:1: section `[A` has no `]` at its end"),
            ("[A]\na=[1,\n]\n", "x.ini:3: section `]"),
            ("[A]\n=1\n", "x.ini:2: `=1` has no key"),
            ("[A]\na=1\nnoise\n", "x.ini:3: `noise` is neither"),
            ("[A]\na=\0\n", "x.ini:2: is not text"),
        ] {
            let found = parse(text).unwrap_err().to_string();
            // A bracket alone on its line is not a section head.
            let problem = problem.replace("section `]", "`]` is neither");
            assert!(found.starts_with(&problem), "{text:?}: {found}");
        }
        let missing = parse("[NodeName]\n").unwrap().section("NodeNames").unwrap_err().to_string();
        assert_eq!(missing, "x.ini: has no section `[NodeNames]`; did you mean its `[NodeName]`?");
    }
}
