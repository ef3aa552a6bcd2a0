//! Stop strings: what may be the beginning of one is held back until it is clear.

/// Watches the text of one answer.
#[derive(Debug, Clone, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

impl StopStrings {
    /// Empty ones are left out: they would stop everything.
    #[must_use]
    pub fn new(stops: impl IntoIterator<Item = String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, held: String::new(), stopped: false }
    }

    /// Whether a stop string was seen.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Adds text; gives what is certainly not part of a stop string. The first stop string ends the answer: it and what
    /// follows are left out.
    pub fn push(&mut self, text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = found {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let certain = self.held.len() - self.longest_beginning();
        let rest = self.held.split_off(certain);
        std::mem::replace(&mut self.held, rest)
    }

    /// What is left when no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text with which a stop string begins.
    fn longest_beginning(&self) -> usize {
        let beginnings =
            self.stops.iter().flat_map(|stop| stop.char_indices().map(move |(at, _)| &stop[..at]));
        beginnings.filter(|beginning| self.held.ends_with(beginning)).map(str::len).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the text is cut, the same comes out: everything before the first stop string.
    #[test]
    fn cuts_do_not_matter() {
        let cases = [
            (vec!["END", "é!"], "one ENé two é! three", Some("one ENé two ")),
            (vec!["aab"], "aaaab", Some("aa")),
            (vec!["xyz", "yz"], "wxyz", Some("w")),
            (vec!["###"], "a ## b ##", None),
            (vec![""], "abc", None),
        ];
        for (stops, text, expected) in cases {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            for step in 1..ends.len() {
                let mut watch = StopStrings::new(stops.iter().map(|stop| (*stop).to_owned()));
                let mut out = String::new();
                let mut from = 0;
                for &to in ends.iter().step_by(step).chain([&text.len()]) {
                    out += &watch.push(&text[from..to]);
                    from = to;
                }
                assert_eq!(watch.stopped(), expected.is_some(), "{text}");
                out += &watch.finish();
                assert_eq!(out, expected.unwrap_or(text), "{stops:?} {step}");
            }
        }
    }
}
