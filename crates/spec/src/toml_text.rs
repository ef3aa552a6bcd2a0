//! Pieces of TOML for the writers: strings, keys and inline tables, one entry a line.

use std::fmt::{self, Display, Write as _};

/// A string in quotes, escaped; it never holds a line break.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Besides the control characters those that some editors take for a line break.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                write(&mut quoted, format_args!("\\u{:04X}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key: bare where TOML allows it.
pub(crate) fn key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.chars().all(bare) { text.to_owned() } else { quoted(text) }
}

/// `{ key = value, … }`, built up key by key.
#[derive(Debug, Default)]
pub(crate) struct InlineTable(String);

impl InlineTable {
    /// Adds a value that is TOML as it displays (a number, an inner table).
    pub(crate) fn value(mut self, key: &str, value: impl Display) -> Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        write(&mut self.0, format_args!("{comma} {key} = {value}"));
        self
    }

    /// Adds a string, or a quantity with its unit.
    pub(crate) fn text(self, key: &str, value: impl Display) -> Self {
        self.value(key, quoted(&value.to_string()))
    }

    /// Adds a string unless it is the default.
    pub(crate) fn text_unless<T: Display + PartialEq>(self, key: &str, value: T, default: &T) -> Self {
        if value == *default { self } else { self.text(key, value) }
    }
}

impl Display for InlineTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("{}") } else { write!(f, "{{{} }}", self.0) }
    }
}

/// Appends `key = [` … `]`, an entry a line; nothing at all when there are no entries.
pub(crate) fn push_list(out: &mut String, key: &str, entries: impl IntoIterator<Item = impl Display>) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return;
    }
    write(out, format_args!("{key} = [\n"));
    for entry in entries {
        write(out, format_args!("  {entry},\n"));
    }
    out.push_str("]\n");
}

/// Appends text, as `write!` does, where nothing can fail.
pub(crate) fn write(out: &mut String, arguments: fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to a string succeeds");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_toml_reads() {
        for text in
            ["", "plain", "a b", "\"q\"", "back\\slash", "line\nbreak", "\0\u{7f}\u{85}\u{2028}", "é 漢 😀"]
        {
            let document = format!("{} = {}\n", key(text), InlineTable::default().text("x", text));
            assert_eq!(document.lines().count(), 1, "{document}");
            let table: toml::Table = document.parse().unwrap();
            assert_eq!(table[text]["x"].as_str(), Some(text), "{document}");
        }
        assert_eq!(key("a-1_B"), "a-1_B");
    }
}
