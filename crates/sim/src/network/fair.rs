//! Links that are shared fairly: all transfers of a link progress together, and so do the links of an interface.
//!
//! A link gets the least of its own speed and an equal part of each interface at its ends, counted over the links that
//! carry something. Within the link every transfer gets an equal part of that. So a token never waits for a long prompt
//! to be through, and neither link nor interface is ever used above its speed.
//!
//! Each link counts the bytes that one transfer would have got since it began to carry something (its virtual time); a
//! transfer ends when that count has grown by its size. So a change of speed costs no visit to each transfer.
//!
//! ```text
//! sender 3   link 8   ──────> through at 40 µs ┐
//!            link 9   ──────> through at 40 µs ├─ one forecast, for 40 µs: both are taken then, and speeds shared anew once
//!            link 11  ──────> through at 95 µs ┘
//! ```
//! A batch sends to many machines at once, and what it sends is through at few instants; so senders have forecasts, not
//! links.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use helix_scheduler::prefetch::prefetch_bytes;
use helix_spec::SimTime;
use smallvec::SmallVec;

use super::{Carried, Ends, NEVER, Wire};

#[derive(Debug, Clone)]
struct Transfer<T> {
    /// The count at which it is through \[bytes\].
    end: f64,
    number: u64,
    payload: T,
}

impl<T> PartialEq for Transfer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Transfer<T> {}

impl<T> PartialOrd for Transfer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Transfer<T> {
    /// The first to end is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.end.total_cmp(&self.end).then(other.number.cmp(&self.number))
    }
}

/// A link that carries something.
#[derive(Debug, Clone)]
struct Busy<T> {
    link: u32,
    transfers: BinaryHeap<Transfer<T>>,
    /// Bytes that one transfer would have got.
    count: f64,
    /// When the count was right.
    counted: SimTime,
    /// Bytes a second of the whole link now.
    rate: f64,
    /// When its first transfer is through, at this rate.
    due: SimTime,
}

impl<T> Busy<T> {
    /// Counts what the link carried until now.
    fn settle(&mut self, now: SimTime) {
        let seconds = SimTime(now.0 - self.counted.0).seconds();
        self.count += self.rate * seconds / self.transfers.len() as f64;
        self.counted = now;
    }

    /// Says anew when its first transfer is through; rounded up, so that the count has reached the end by then.
    fn set_due(&mut self, now: SimTime) {
        let Some(first) = self.transfers.peek() else { return };
        let bytes = (first.end - self.count).max(0.0) * self.transfers.len() as f64;
        let wait = (bytes / self.rate * 1e12).ceil();
        self.due = if wait.is_finite() && wait < 9.0e18 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
            let wait = wait as u64;
            SimTime(now.0.saturating_add(wait))
        } else {
            NEVER
        };
    }
}

/// The links of an end that carry something away from it, in the order in which they began to.
#[derive(Debug, Clone)]
struct Sender<T> {
    busy: Vec<Busy<T>>,
    /// Time of the forecast that holds; [`NEVER`] where there is none. Never later than what is due first.
    forecast: SimTime,
    /// Changes with every new forecast: one with an older number is void.
    number: u32,
}

/// When a sender has something for a receiver next, at the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// The sender.
    pub from: usize,
    /// When.
    pub time: SimTime,
    /// To be handed to [`Fair::finish`].
    pub number: u32,
}

/// All links of a cluster.
#[derive(Debug, Clone)]
pub struct Fair<T> {
    wires: Vec<Wire>,
    ends: Ends,
    senders: Vec<Sender<T>>,
    /// By end: the links that carry something towards it; seldom more than a few.
    busy_in: Vec<SmallVec<[u32; 4]>>,
    /// Transfers so far.
    number: u64,
    forecasts: Vec<Forecast>,
    /// Kept to save their memory: heaps of idle links, and receivers whose interface is shared among more or fewer now.
    spare: Vec<BinaryHeap<Transfer<T>>>,
    changed: Vec<usize>,
}

/// Bytes by which a count may be short of a transfer's size at its end: picoseconds are rounded.
const SLACK: f64 = 1e-3;

impl<T> Fair<T> {
    /// Idle links.
    #[must_use]
    pub fn new(wires: Vec<Wire>, ends: Ends) -> Self {
        let idle = |_| Sender { busy: Vec::new(), forecast: NEVER, number: 0 };
        Self {
            senders: ends.iter().map(idle).collect(),
            busy_in: vec![SmallVec::new(); ends.len()],
            wires,
            ends,
            number: 0,
            forecasts: Vec::new(),
            spare: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// New forecasts since the last call.
    pub fn forecasts(&mut self) -> impl Iterator<Item = Forecast> {
        self.forecasts.drain(..)
    }

    /// Begins transfers `(link, payload, bytes)` on links of one sender.
    pub fn send(&mut self, now: SimTime, from: usize, transfers: impl IntoIterator<Item = (u32, T, u64)>) {
        let sender = &mut self.senders[from];
        let before = sender.busy.len();
        for (link, payload, bytes) in transfers {
            debug_assert_eq!(self.wires[link as usize].from, from, "only links of this sender");
            self.number += 1;
            let number = self.number;
            if let Some(busy) = sender.busy.iter_mut().find(|busy| busy.link == link) {
                busy.settle(now);
                busy.transfers.push(Transfer { end: busy.count + bytes as f64, number, payload });
                busy.set_due(now);
            } else {
                let mut transfers = self.spare.pop().unwrap_or_default();
                transfers.push(Transfer { end: bytes as f64, number, payload });
                sender.busy.push(Busy { link, transfers, count: 0.0, counted: now, rate: 0.0, due: NEVER });
            }
        }
        for busy in &sender.busy[before..] {
            let to = self.wires[busy.link as usize].to;
            self.busy_in[to].push(busy.link);
            self.changed.push(to);
        }
        self.share(now, from);
    }

    /// Takes what a sender is through with, by link and in the order in which it began, if the forecast still holds.
    pub fn finish(&mut self, now: SimTime, from: usize, number: u32, done: &mut Vec<T>) {
        let sender = &mut self.senders[from];
        if sender.number != number {
            return;
        }
        sender.forecast = NEVER;
        sender.busy.retain_mut(|busy| {
            if busy.due > now {
                return true;
            }
            busy.settle(now);
            while busy.transfers.peek().is_some_and(|first| first.end <= busy.count + SLACK) {
                done.extend(busy.transfers.pop().map(|transfer| transfer.payload));
            }
            if !busy.transfers.is_empty() {
                busy.set_due(now);
                return true;
            }
            let to = self.wires[busy.link as usize].to;
            self.busy_in[to].retain(|link| *link != busy.link);
            self.changed.push(to);
            self.spare.push(std::mem::take(&mut busy.transfers));
            false
        });
        self.share(now, from);
    }

    /// Asks memory for what a sender sends now, and will add.
    pub fn prefetch(&self, from: usize) {
        let busy = &self.senders[from].busy;
        prefetch_bytes(busy.as_ptr().addr(), (busy.len() + 4).min(16) * size_of::<Busy<T>>());
    }

    /// The links.
    #[must_use]
    pub fn wires(&self) -> &[Wire] {
        &self.wires
    }

    /// What a link carried, to be added to.
    pub fn carried(&mut self, link: usize) -> &mut Carried {
        &mut self.wires[link].carried
    }

    /// Gives a link another speed \[bytes/s\].
    pub fn set_speed(&mut self, now: SimTime, link: usize, bytes_per_s: f64) {
        self.wires[link].bytes_per_s = bytes_per_s;
        self.share(now, self.wires[link].from);
    }

    /// New speeds for the links of a sender and those that share a changed receiver with one of them.
    fn share(&mut self, now: SimTime, from: usize) {
        for index in 0..self.senders[from].busy.len() {
            self.set_rate(now, from, index);
        }
        self.forecast(from);
        while let Some(to) = self.changed.pop() {
            for index in 0..self.busy_in[to].len() {
                let link = self.busy_in[to][index];
                let other = self.wires[link as usize].from;
                if other == from {
                    continue;
                }
                let place = self.senders[other].busy.iter().position(|busy| busy.link == link);
                if place.is_some_and(|place| self.set_rate(now, other, place)) {
                    self.forecast(other);
                }
            }
        }
    }

    /// The speed of a busy link as it is now; whether that is another one.
    fn set_rate(&mut self, now: SimTime, from: usize, index: usize) -> bool {
        let sender = &mut self.senders[from];
        let links = sender.busy.len();
        let busy = &mut sender.busy[index];
        let wire = self.wires[busy.link as usize];
        let outbound = self.ends[from].outbound / links as f64;
        let inbound = self.ends[wire.to].inbound / self.busy_in[wire.to].len() as f64;
        let rate = wire.bytes_per_s.min(outbound).min(inbound);
        if rate == busy.rate {
            return false;
        }
        busy.settle(now);
        busy.rate = rate;
        busy.set_due(now);
        true
    }

    /// Makes a forecast for a sender where there is none, or what is due first is due earlier now. One that is too early
    /// stays: when its time has come there is another.
    fn forecast(&mut self, from: usize) {
        let sender = &mut self.senders[from];
        let Some(time) = sender.busy.iter().map(|busy| busy.due).min() else { return };
        if time < sender.forecast {
            sender.number = sender.number.wrapping_add(1);
            sender.forecast = time;
            self.forecasts.push(Forecast { from, time, number: sender.number });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interface;
    use super::*;

    /// Runs transfers `(start [ns], link, bytes)` to their end: `(end [ns], transfer)`.
    fn run(wires: &[Wire], ends: Ends, transfers: &[(u64, usize, u64)]) -> Vec<(u64, usize)> {
        let mut links: Fair<usize> = Fair::new(wires.to_vec(), ends);
        let mut queue = crate::EventQueue::new();
        let (mut done, mut ended) = (Vec::new(), Vec::new());
        for (index, (start, ..)) in transfers.iter().enumerate() {
            queue.push(SimTime(start * 1000), (index, None));
        }
        while let Some((now, (index, forecast))) = queue.pop() {
            match forecast {
                None => {
                    let (_, link, bytes) = transfers[index];
                    links.send(now, wires[link].from, [(u32::try_from(link).unwrap(), index, bytes)]);
                }
                Some(number) => links.finish(now, index, number, &mut done),
            }
            ended.extend(done.drain(..).map(|transfer| ((now.0 + 500) / 1000, transfer)));
            for Forecast { from, time, number } in links.forecasts() {
                queue.push(time, (from, Some(number)));
            }
        }
        ended
    }

    fn wire(from: usize, to: usize) -> Wire {
        Wire { from, to, bytes_per_s: 1e9, latency: SimTime::ZERO, carried: Carried::default() }
    }

    #[test]
    fn transfers_of_a_link_share_it() {
        let ends = vec![Interface { inbound: 1e10, outbound: 1e10 }; 2];
        // A byte a nanosecond: the short one takes twice its time, the long one waits for its part.
        let ended = run(&[wire(0, 1)], ends, &[(0, 0, 1000), (0, 0, 100), (2000, 0, 50)]);
        assert_eq!(ended, [(200, 1), (1100, 0), (2050, 2)]);
    }

    #[test]
    fn links_of_an_interface_share_it() {
        let mut ends = vec![Interface { inbound: 1e10, outbound: 1e10 }; 3];
        ends[0].outbound = 1e9;
        // 0.5 bytes a nanosecond each until the first is through.
        let ended = run(&[wire(0, 1), wire(0, 2)], ends, &[(0, 0, 1000), (0, 1, 100)]);
        assert_eq!(ended, [(200, 1), (1100, 0)]);
        let mut ends = vec![Interface { inbound: 1e10, outbound: 1e10 }; 3];
        ends[2].inbound = 1e9;
        let ended = run(&[wire(0, 2), wire(1, 2)], ends, &[(0, 0, 1000), (100, 1, 100)]);
        assert_eq!(ended, [(300, 1), (1100, 0)]);
    }

    /// The definition, step by step: all shares anew, then on to the next end or beginning.
    fn run_plainly(wires: &[Wire], ends: &Ends, transfers: &[(u64, usize, u64)]) -> Vec<f64> {
        let mut left: Vec<f64> = transfers.iter().map(|&(.., bytes)| bytes as f64).collect();
        let mut ended = vec![f64::NAN; transfers.len()];
        let mut now = 0.0;
        while ended.iter().any(|end| end.is_nan()) {
            let active = |index: &usize| transfers[*index].0 as f64 <= now && ended[*index].is_nan();
            let active: Vec<usize> = (0..transfers.len()).filter(active).collect();
            let sharing = |is: &dyn Fn(usize, usize) -> bool, link: usize| {
                let mut links: Vec<usize> = active.iter().map(|&index| transfers[index].1).collect();
                links.sort_unstable();
                links.dedup();
                links.into_iter().filter(|&other| is(other, link)).count() as f64
            };
            let rate = |index: usize| {
                let link = transfers[index].1;
                let outbound =
                    ends[wires[link].from].outbound / sharing(&|a, b| wires[a].from == wires[b].from, link);
                let inbound =
                    ends[wires[link].to].inbound / sharing(&|a, b| wires[a].to == wires[b].to, link);
                let together = active.iter().filter(|&&other| transfers[other].1 == link).count() as f64;
                wires[link].bytes_per_s.min(outbound).min(inbound) / together * 1e-9
            };
            let rates: Vec<f64> = active.iter().map(|&index| rate(index)).collect();
            let starts = transfers.iter().map(|&(start, ..)| start as f64).filter(|&start| start > now);
            let through = active.iter().zip(&rates).map(|(&index, rate)| now + left[index] / rate);
            let next = starts.chain(through).fold(f64::INFINITY, f64::min);
            for (&index, rate) in active.iter().zip(&rates) {
                left[index] -= rate * (next - now);
                if left[index] < 1e-6 {
                    ended[index] = next;
                }
            }
            now = next;
        }
        ended
    }

    proptest::proptest! {
        #[test]
        fn all_end_when_the_definition_says(
            speeds in proptest::collection::vec(1u32..8, 20),
            transfers in proptest::collection::vec((0u64..4000, 0usize..12, 1u64..2000), 1..40),
        ) {
            // Every one of 4 ends to the 3 others; links, then interfaces.
            let pairs = (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to);
            let speed = |index: usize| f64::from(speeds[index]) * 0.25e9;
            let with_speed = |(index, (from, to))| Wire { bytes_per_s: speed(index), ..wire(from, to) };
            let wires: Vec<Wire> = pairs.enumerate().map(with_speed).collect();
            let interface = |index: usize| Interface { inbound: speed(12 + index), outbound: speed(16 + index) };
            let ends: Ends = (0..4).map(interface).collect();
            let plain = run_plainly(&wires, &ends, &transfers);
            let ended = run(&wires, ends, &transfers);
            proptest::prop_assert_eq!(ended.len(), transfers.len());
            for (end, transfer) in ended {
                proptest::prop_assert!((end as f64 - plain[transfer]).abs() < 1.0, "{} at {} ns", transfer, end);
            }
        }
    }

    #[test]
    fn a_broken_link_waits_until_it_is_whole_again() {
        let ends = vec![Interface { inbound: 1e9, outbound: 1e9 }; 2];
        let mut links: Fair<usize> = Fair::new(vec![wire(0, 1)], ends);
        links.send(SimTime::ZERO, 0, [(0, 7, 1000)]);
        let Some(Forecast { number, time: SimTime(1_000_000), .. }) = links.forecasts().next() else {
            panic!()
        };
        links.set_speed(SimTime(400_000), 0, 0.0);
        let mut done = Vec::new();
        links.finish(SimTime(1_000_000), 0, number, &mut done);
        assert_eq!((done.len(), links.forecasts().count()), (0, 0));
        links.set_speed(SimTime(2_000_000), 0, 5e8);
        // 600 bytes are left, at half a byte a nanosecond.
        let forecasts: Vec<Forecast> = links.forecasts().collect();
        let [Forecast { time: SimTime(3_200_000), number, .. }] = forecasts[..] else {
            panic!("{forecasts:?}")
        };
        links.finish(SimTime(3_200_000), 0, number, &mut done);
        assert_eq!(done, [7]);
    }

    #[test]
    fn a_batch_that_is_sent_at_once_is_one_forecast_and_taken_at_once() {
        let ends = vec![Interface { inbound: 1e9, outbound: 1e9 }; 5];
        let wires: Vec<Wire> = (1..5).map(|to| wire(0, to)).collect();
        let mut links: Fair<usize> = Fair::new(wires, ends);
        links.send(SimTime::ZERO, 0, (0..4).map(|link| (link, link as usize, 1000)));
        let forecasts: Vec<Forecast> = links.forecasts().collect();
        assert_eq!(forecasts, [Forecast { from: 0, time: SimTime(4_000_000), number: 1 }]);
        let mut done = Vec::new();
        links.finish(SimTime(4_000_000), 0, 1, &mut done);
        assert_eq!(done, [0, 1, 2, 3]);
        assert_eq!(links.forecasts().count(), 0);
    }
}
