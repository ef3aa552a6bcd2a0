//! Checks that several parts of a cluster file share: names, values above zero, references to names.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use crate::file::{FileError, Source, excerpt, nearest};

/// Longest name of a machine, a region or a machine type, so that tables and pictures stay readable.
pub(super) const MAX_NAME: usize = 100;

/// Refuses names that cannot be shown in a table: empty, long, with spaces around them or control characters inside.
pub(super) fn check_name(source: &Source<'_>, what: &str, name: &Spanned<String>) -> Result<(), FileError> {
    let text = name.get_ref();
    let fits = text.chars().count() <= MAX_NAME && !text.is_empty();
    if fits && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let problem = format!("{what} cannot have the name `{}`", excerpt(text));
    Err(source.error_at(&name.span(), problem).help(format!(
        "a name has 1 to {MAX_NAME} characters, none of them a control character, and no space at its ends"
    )))
}

/// Refuses zero; the unit's own parser has refused what is negative or not finite.
pub(super) fn above_zero(
    source: &Source<'_>,
    key: &str,
    value: u64,
    span: &Range<usize>,
) -> Result<(), FileError> {
    if value > 0 {
        return Ok(());
    }
    let written = source.text.get(span.clone()).unwrap_or("0");
    Err(source.error_at(span, format!("{key} is {written}, it must be more than zero")))
}

/// Names of one kind and what they stand for, with the place of each declaration.
#[derive(Debug)]
pub(super) struct Names<T> {
    what: &'static str,
    entries: BTreeMap<String, (T, usize)>,
}

impl<T: Copy> Names<T> {
    /// No names yet; `what` is the word for them in messages.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, entries: BTreeMap::new() }
    }

    /// Declares a name (the text at `span` may be only its stem); refuses one that is declared already.
    pub(super) fn declare(
        &mut self,
        source: &Source<'_>,
        name: &str,
        span: &Range<usize>,
        stands_for: T,
    ) -> Result<(), FileError> {
        let what = self.what;
        if let Some((_, first)) = self.entries.get(name) {
            let line = source.line_of(*first);
            let problem = format!("{what} `{name}` is declared twice, first in line {line}");
            return Err(source.error_at(span, problem).help("keep one of them, or give one another name"));
        }
        self.entries.insert(name.to_owned(), (stands_for, span.start));
        Ok(())
    }

    /// What a name stands for; refuses one that nobody declared, with the nearest that somebody did.
    pub(super) fn find(&self, source: &Source<'_>, name: &Spanned<String>) -> Result<T, FileError> {
        if let Some((found, _)) = self.entries.get(name.get_ref()) {
            return Ok(*found);
        }
        let what = self.what;
        let problem = format!("there is no {what} `{}`", excerpt(name.get_ref()));
        let refused = source.error_at(&name.span(), problem);
        let names = || self.entries.keys().map(String::as_str);
        Err(match (nearest(name.get_ref(), names()), self.entries.len()) {
            (_, 0) => refused.help(format!("the file declares no {what} at all")),
            (Some(name), _) => refused.help(format!("did you mean `{name}`?")),
            (None, 1..=12) => {
                refused.help(format!("declared are `{}`", names().collect::<Vec<_>>().join("`, `")))
            }
            (None, n) => refused.help(format!("{n} are declared, none has a name like it")),
        })
    }
}
