//! Where requests come from while the simulation runs.

use helix_spec::{SimTime, TraceRequest};

use super::Simulation;
use super::event::Observer;
use crate::load::LengthSource;
use crate::settings::{OfflineFeed, Refill};

/// So many requests in a row that the cluster refuses end the offline feed.
const FUTILE: u64 = 10_000;

/// Where requests come from.
pub enum Feed {
    /// As many as the cluster takes; lengths one after the other.
    Offline {
        /// Their lengths.
        lengths: Box<LengthSource>,
        /// Most that are launched.
        limit: Option<u64>,
    },
    /// At their own times, from the beginning of the run on.
    Online(Box<dyn Iterator<Item = TraceRequest>>),
    /// No more.
    Over,
}

impl Feed {
    /// Whether no request is to come any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over | Self::Offline { limit: Some(0), .. })
    }

    /// The caches are filled for the first time.
    fn filled(&mut self) {
        if let Self::Offline { lengths, .. } = self {
            lengths.filled();
        }
    }

    /// Lengths of the next offline request.
    fn next_offline(&mut self) -> Option<(u32, u32)> {
        let Self::Offline { lengths, limit } = self else { return None };
        if let Some(left) = limit {
            *left = left.checked_sub(1)?;
        }
        lengths.next_lengths()
    }
}

impl<O: Observer> Simulation<O> {
    /// The first requests.
    pub(super) fn start_feeding(&mut self) {
        match self.settings.offline {
            None => self.feed_online(),
            Some(OfflineFeed { initial, spacing, .. }) => {
                for index in 0..initial {
                    let after = spacing.0.saturating_mul(u64::from(index));
                    self.launch(SimTime(self.begin.0.saturating_add(after)));
                }
            }
        }
    }

    /// Offline: another request.
    fn launch(&mut self, time: SimTime) {
        let Some((prompt, output)) = self.feed.next_offline() else { return };
        if let Some(number) = self.requests.add(prompt, output, time) {
            self.push_issue(time, number);
        }
    }

    /// Online: the next request of the list.
    fn feed_online(&mut self) {
        let Feed::Online(requests) = &mut self.feed else { return };
        let Some(TraceRequest { arrival, input, output }) = requests.next() else {
            self.feed = Feed::Over;
            return;
        };
        let time = SimTime(self.begin.0.saturating_add(arrival.0)).max(self.queue.now());
        if let Some(number) = self.requests.add(input, output, time) {
            self.awaited = Some(number);
            self.push_issue(time, number);
        }
    }

    /// A pass was issued: if it was the newest online request, the next one is put into the queue, and offline another
    /// one may be due.
    pub(super) fn issued(&mut self, now: SimTime, number: u32) {
        if self.awaited == Some(number) {
            self.awaited = None;
            self.feed_online();
        }
        self.saturate(now);
    }

    /// Offline: a prompt was finished, or a request (`whole`).
    pub(super) fn refill(&mut self, now: SimTime, whole: bool) {
        let Some(OfflineFeed { refill, delay, .. }) = self.settings.offline else { return };
        let launch = match refill {
            Refill::WhileCacheBelow(most) => {
                let room = self.coordinator.waiting() == 0 && self.coordinator.expected_kv_usage() <= most;
                if !room {
                    self.feed.filled();
                }
                room
            }
            Refill::OneForOne => whole,
            Refill::WhileNoneWaits => {
                self.saturate(now);
                false
            }
        };
        if launch {
            self.launch(SimTime(now.0.saturating_add(delay.0)));
        }
    }

    /// A request ended without success: where one follows another, it does so here too, but not at once, or a cluster
    /// that refuses everything would never get on in time.
    pub(super) fn gave_up(&mut self, now: SimTime) {
        let Some(OfflineFeed { refill, delay, .. }) = self.settings.offline else { return };
        if self.counts.futile >= FUTILE {
            self.feed = Feed::Over;
        } else if refill == Refill::OneForOne {
            self.launch(SimTime(now.0.saturating_add(delay.0.max(1_000_000_000))));
        }
    }

    /// Keeps one request in line, where that is asked for.
    fn saturate(&mut self, now: SimTime) {
        let saturates =
            matches!(self.settings.offline, Some(OfflineFeed { refill: Refill::WhileNoneWaits, .. }));
        if saturates && self.coordinator.waiting() > 0 {
            self.feed.filled();
        }
        // One at a time: whether another one is due shows when it has been handled.
        if saturates && self.coordinator.waiting() == 0 && self.launching.is_none_or(|launch| launch <= now) {
            let time = SimTime(now.0.saturating_add(1));
            self.launching = Some(time);
            self.launch(time);
        }
    }
}
