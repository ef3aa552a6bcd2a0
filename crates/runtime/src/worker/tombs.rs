//! Requests that were freed while words about them were still on their way.

use std::collections::{BTreeMap, VecDeque};

use helix_spec::SimTime;

/// Remembers freed attempts for a while, so that a late message does not bring one back to life.
#[derive(Debug)]
pub(super) struct Tombs {
    keep: SimTime,
    by_request: BTreeMap<u64, (u32, SimTime)>,
    by_time: VecDeque<(SimTime, u64)>,
}

impl Tombs {
    pub(super) fn new(keep: SimTime) -> Self {
        Self { keep, by_request: BTreeMap::new(), by_time: VecDeque::new() }
    }

    /// This attempt and older ones are over.
    pub(super) fn bury(&mut self, now: SimTime, request: u64, attempt: u32) {
        self.expire(now);
        let until = SimTime(now.0.saturating_add(self.keep.0));
        let tomb = self.by_request.entry(request).or_insert((attempt, until));
        *tomb = (tomb.0.max(attempt), until);
        self.by_time.push_back((until, request));
    }

    pub(super) fn holds(&mut self, now: SimTime, request: u64, attempt: u32) -> bool {
        self.expire(now);
        self.by_request.get(&request).is_some_and(|(buried, _)| *buried >= attempt)
    }

    fn expire(&mut self, now: SimTime) {
        while let Some((until, request)) = self.by_time.front().copied().filter(|(until, _)| *until <= now) {
            self.by_time.pop_front();
            if self.by_request.get(&request).is_some_and(|(_, last)| *last <= until) {
                self.by_request.remove(&request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_stays_buried_for_its_time_and_a_later_one_is_not() {
        let mut tombs = Tombs::new(SimTime(10));
        tombs.bury(SimTime(0), 1, 2);
        assert!(tombs.holds(SimTime(9), 1, 2) && tombs.holds(SimTime(9), 1, 0));
        assert!(!tombs.holds(SimTime(9), 1, 3) && !tombs.holds(SimTime(9), 2, 0));
        tombs.bury(SimTime(9), 1, 3);
        assert!(tombs.holds(SimTime(18), 1, 2), "the later burial counts");
        assert!(!tombs.holds(SimTime(19), 1, 2));
        assert!(tombs.by_request.is_empty() && tombs.by_time.is_empty());
    }
}
