//! Links that are shared fairly: all transfers of a link progress together, and so do the links of an interface.
//!
//! A link gets the least of its own speed and an equal part of each interface at its ends, counted over the links that
//! carry something. Within the link every transfer gets an equal part of that. So a token never waits for a long prompt
//! to be through, and neither link nor interface is ever used above its speed.
//!
//! Each link counts the bytes that one transfer would have got since the beginning (its virtual time); a transfer ends
//! when that count has grown by its size. So a change of speed costs no visit to each transfer.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use helix_spec::SimTime;

use super::{Ends, NEVER, Wire};

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

#[derive(Debug, Clone)]
struct State<T> {
    transfers: BinaryHeap<Transfer<T>>,
    /// Bytes that one transfer would have got.
    count: f64,
    /// When the count was right.
    counted: SimTime,
    /// Bytes a second of the whole link now.
    rate: f64,
    /// Changes with every new forecast: an event with an older number is void.
    forecast: u32,
}

/// When a link has something for its receiver next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// The link.
    pub link: usize,
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
    links: Vec<State<T>>,
    /// Links of each end that carry something, away from it and towards it.
    busy_out: Vec<Vec<usize>>,
    busy_in: Vec<Vec<usize>>,
    number: u64,
    changed: Vec<Forecast>,
}

/// Bytes by which a count may be short of a transfer's size at its end: picoseconds are rounded.
const SLACK: f64 = 1e-3;

impl<T> Fair<T> {
    /// Idle links.
    #[must_use]
    pub fn new(wires: Vec<Wire>, ends: Ends) -> Self {
        let idle = |_| State {
            transfers: BinaryHeap::new(),
            count: 0.0,
            counted: SimTime::ZERO,
            rate: 0.0,
            forecast: 0,
        };
        Self {
            links: wires.iter().map(idle).collect(),
            busy_out: vec![Vec::new(); ends.len()],
            busy_in: vec![Vec::new(); ends.len()],
            wires,
            ends,
            number: 0,
            changed: Vec::new(),
        }
    }

    /// New forecasts for every link whose speed or content changed since the last call.
    pub fn changes(&mut self) -> impl Iterator<Item = Forecast> {
        self.changed.drain(..)
    }

    /// Begins a transfer.
    pub fn send(&mut self, now: SimTime, link: usize, payload: T, bytes: u64) {
        self.settle(now, link);
        let state = &mut self.links[link];
        self.number += 1;
        let end = state.count + bytes as f64;
        state.transfers.push(Transfer { end, number: self.number, payload });
        if state.transfers.len() == 1 {
            let wire = self.wires[link];
            self.busy_out[wire.from].push(link);
            self.busy_in[wire.to].push(link);
            self.share_anew(now, link);
        }
        self.forecast(now, link);
    }

    /// Takes what a link is through with, in the order in which it began, if the forecast still holds.
    pub fn finish(&mut self, now: SimTime, link: usize, number: u32, done: &mut Vec<T>) {
        if self.links[link].forecast != number {
            return;
        }
        self.settle(now, link);
        let state = &mut self.links[link];
        while state.transfers.peek().is_some_and(|first| first.end <= state.count + SLACK) {
            done.extend(state.transfers.pop().map(|transfer| transfer.payload));
        }
        if state.transfers.is_empty() {
            state.count = 0.0;
            state.forecast = state.forecast.wrapping_add(1);
            let wire = self.wires[link];
            self.busy_out[wire.from].retain(|&busy| busy != link);
            self.busy_in[wire.to].retain(|&busy| busy != link);
            self.share_anew(now, link);
        } else {
            self.forecast(now, link);
        }
    }

    /// Takes everything off a link.
    pub fn cut(&mut self, now: SimTime, link: usize, lost: &mut Vec<T>) {
        let state = &mut self.links[link];
        if state.transfers.is_empty() {
            return;
        }
        let all = std::mem::take(&mut state.transfers).into_sorted_vec();
        lost.extend(all.into_iter().rev().map(|transfer| transfer.payload));
        state.count = 0.0;
        state.forecast = state.forecast.wrapping_add(1);
        let wire = self.wires[link];
        self.busy_out[wire.from].retain(|&busy| busy != link);
        self.busy_in[wire.to].retain(|&busy| busy != link);
        self.share_anew(now, link);
    }

    /// Gives a link another speed \[bytes/s\].
    pub fn set_speed(&mut self, now: SimTime, link: usize, bytes_per_s: f64) {
        self.settle(now, link);
        self.wires[link].bytes_per_s = bytes_per_s;
        self.share_anew(now, link);
        if !self.links[link].transfers.is_empty() {
            self.forecast(now, link);
        }
    }

    /// Bytes a second that a link carries now.
    #[must_use]
    pub fn rate(&self, link: usize) -> f64 {
        if self.links[link].transfers.is_empty() { 0.0 } else { self.links[link].rate }
    }

    /// Counts what a link carried until now.
    fn settle(&mut self, now: SimTime, link: usize) {
        let state = &mut self.links[link];
        if !state.transfers.is_empty() {
            let seconds = SimTime(now.0 - state.counted.0).seconds();
            state.count += state.rate * seconds / state.transfers.len() as f64;
        }
        state.counted = now;
    }

    /// New speeds for all links that share an interface with one that began or ended.
    fn share_anew(&mut self, now: SimTime, link: usize) {
        let wire = self.wires[link];
        for index in 0..self.busy_out[wire.from].len() {
            self.share(now, self.busy_out[wire.from][index], link);
        }
        for index in 0..self.busy_in[wire.to].len() {
            let other = self.busy_in[wire.to][index];
            if self.wires[other].from != wire.from {
                self.share(now, other, link);
            }
        }
    }

    fn share(&mut self, now: SimTime, link: usize, cause: usize) {
        let wire = self.wires[link];
        let outbound = self.ends[wire.from].outbound / self.busy_out[wire.from].len() as f64;
        let inbound = self.ends[wire.to].inbound / self.busy_in[wire.to].len() as f64;
        let rate = wire.bytes_per_s.min(outbound).min(inbound);
        if rate != self.links[link].rate {
            self.settle(now, link);
            self.links[link].rate = rate;
            if link != cause {
                self.forecast(now, link);
            }
        }
    }

    fn forecast(&mut self, now: SimTime, link: usize) {
        let state = &mut self.links[link];
        state.forecast = state.forecast.wrapping_add(1);
        let Some(first) = state.transfers.peek() else { return };
        let bytes = (first.end - state.count).max(0.0) * state.transfers.len() as f64;
        // Rounded up, so that the count has reached the end by then.
        let wait = (bytes / state.rate * 1e12).ceil();
        let time = if wait.is_finite() && wait < 9.0e18 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
            let wait = wait as u64;
            SimTime(now.0.saturating_add(wait))
        } else {
            NEVER
        };
        self.changed.push(Forecast { link, time, number: state.forecast });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interface;
    use super::*;

    /// Runs transfers `(start [ns], link, bytes)` to their end: `(end [ns], transfer)`.
    fn run(wires: Vec<Wire>, ends: Ends, transfers: &[(u64, usize, u64)]) -> Vec<(u64, usize)> {
        let mut links: Fair<usize> = Fair::new(wires, ends);
        let mut queue = crate::EventQueue::new();
        let (mut done, mut ended) = (Vec::new(), Vec::new());
        for (index, (start, ..)) in transfers.iter().enumerate() {
            queue.push(SimTime(start * 1000), (index, None));
        }
        while let Some((now, (index, forecast))) = queue.pop() {
            match forecast {
                None => links.send(now, transfers[index].1, index, transfers[index].2),
                Some(number) => links.finish(now, index, number, &mut done),
            }
            ended.extend(done.drain(..).map(|transfer| ((now.0 + 500) / 1000, transfer)));
            for Forecast { link, time, number } in links.changes() {
                queue.push(time, (link, Some(number)));
            }
        }
        ended
    }

    fn wire(from: usize, to: usize) -> Wire {
        Wire { from, to, bytes_per_s: 1e9, latency: SimTime::ZERO }
    }

    #[test]
    fn transfers_of_a_link_share_it() {
        let ends = vec![Interface { inbound: 1e10, outbound: 1e10 }; 2];
        // A byte a nanosecond: the short one takes twice its time, the long one waits for its part.
        let ended = run(vec![wire(0, 1)], ends, &[(0, 0, 1000), (0, 0, 100), (2000, 0, 50)]);
        assert_eq!(ended, [(200, 1), (1100, 0), (2050, 2)]);
    }

    #[test]
    fn links_of_an_interface_share_it() {
        let mut ends = vec![Interface { inbound: 1e10, outbound: 1e10 }; 3];
        ends[0].outbound = 1e9;
        // 0.5 bytes a nanosecond each until the first is through.
        let ended = run(vec![wire(0, 1), wire(0, 2)], ends, &[(0, 0, 1000), (0, 1, 100)]);
        assert_eq!(ended, [(200, 1), (1100, 0)]);
        let mut ends = vec![Interface { inbound: 1e10, outbound: 1e10 }; 3];
        ends[2].inbound = 1e9;
        let ended = run(vec![wire(0, 2), wire(1, 2)], ends, &[(0, 0, 1000), (100, 1, 100)]);
        assert_eq!(ended, [(300, 1), (1100, 0)]);
    }
}
