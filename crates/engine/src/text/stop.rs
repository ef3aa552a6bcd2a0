//! Stop strings: what may be the beginning of one is held back until it is clear.

/// Watches the text of one answer.
#[derive(Debug, Clone, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    held: String,
    stopped_by: Option<usize>,
}

impl StopStrings {
    /// Empty ones are left out: they would stop everything.
    #[must_use]
    pub fn new(stops: impl IntoIterator<Item = String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, held: String::new(), stopped_by: None }
    }

    /// The stop string that ended the answer, if one did: the one that was complete first, of several that end at one place the one
    /// that begins first.
    #[must_use]
    pub fn stopped_by(&self) -> Option<&str> {
        self.stopped_by.map(|index| self.stops[index].as_str())
    }

    /// Adds text; gives what is certainly not part of a stop string. The first stop string ends the answer: it and what
    /// follows are left out.
    pub fn push(&mut self, text: &str) -> String {
        if self.stopped_by.is_some() {
            return String::new();
        }
        self.held.push_str(text);
        let place = |(index, stop): (usize, &String)| {
            let at = self.held.find(stop.as_str())?;
            Some((at + stop.len(), at, index))
        };
        if let Some((_, at, index)) = self.stops.iter().enumerate().filter_map(place).min() {
            self.stopped_by = Some(index);
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
        let held = self.held.len();
        let beginnings = self.stops.iter().flat_map(|stop| {
            let places = stop.char_indices().map(|(at, _)| at).take_while(move |at| *at <= held);
            places.map(move |at| &stop[..at])
        });
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
            (vec!["END", "é!"], "one ENé two é! three", Some(("one ENé two ", "é!"))),
            (vec!["aab"], "aaaab", Some(("aa", "aab"))),
            (vec!["yz", "xyz"], "wxyz", Some(("w", "xyz"))),
            (vec!["xyz", "y"], "wxyz", Some(("wx", "y"))),
            (vec!["abc", "ab"], "abc", Some(("", "ab"))),
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
                let stopped_by = watch.stopped_by().map(str::to_owned);
                out += &watch.finish();
                let given = (out.as_str(), stopped_by.as_deref());
                assert_eq!(
                    given,
                    expected.map_or((text, None), |(text, stop)| (text, Some(stop))),
                    "{stops:?} {step}"
                );
            }
        }
    }
}
