//! The event queue: integer time, and first in, first out among equal times.
//!
//! ```text
//!   push(later) ──> heap by (time, number) ──┐
//!                                            ├─> pop: heap events of this instant, then the immediate ones, then on
//!   push(now)   ──> queue of this instant ───┘
//! ```
//! What is pushed for the current instant was pushed after everything in the heap that is due at that instant, so a
//! plain queue keeps the order of insertion, and the many events without a delay never touch the heap.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use helix_spec::SimTime;

/// An event in the heap.
#[derive(Debug, Clone)]
struct Entry<E> {
    time: u64,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.number) == (other.time, other.number)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    /// The earliest is the greatest, as a maximum heap needs it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.number).cmp(&(self.time, self.number))
    }
}

/// Events by time; equal times in the order of insertion.
///
/// ```
/// use helix_sim::EventQueue;
/// use helix_spec::SimTime;
/// let mut queue = EventQueue::new();
/// queue.push(SimTime(5), 'b');
/// queue.push(SimTime(3), 'a');
/// queue.push(SimTime(5), 'c');
/// assert_eq!(queue.pop(), Some((SimTime(3), 'a')));
/// assert_eq!(queue.pop(), Some((SimTime(5), 'b')));
/// queue.push(SimTime(5), 'd'); // now: after all that is already due at this instant
/// assert_eq!(queue.pop(), Some((SimTime(5), 'c')));
/// assert_eq!(queue.pop(), Some((SimTime(5), 'd')));
/// assert_eq!(queue.pop(), None);
/// ```
#[derive(Debug, Clone)]
pub struct EventQueue<E> {
    now: u64,
    number: u64,
    later: BinaryHeap<Entry<E>>,
    immediate: VecDeque<E>,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> EventQueue<E> {
    /// An empty queue at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self { now: 0, number: 0, later: BinaryHeap::new(), immediate: VecDeque::new() }
    }

    /// The current instant: the time of the last event that was popped.
    #[must_use]
    pub fn now(&self) -> SimTime {
        SimTime(self.now)
    }

    /// Adds an event.
    ///
    /// # Panics
    /// If its time has passed: causality is an invariant of the simulator.
    pub fn push(&mut self, time: SimTime, event: E) {
        assert!(time.0 >= self.now, "an event for {} ps was made at {} ps", time.0, self.now);
        if time.0 == self.now {
            self.immediate.push_back(event);
        } else {
            self.number += 1;
            self.later.push(Entry { time: time.0, number: self.number, event });
        }
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_time(&self) -> Option<SimTime> {
        if self.immediate.is_empty() {
            self.later.peek().map(|entry| SimTime(entry.time))
        } else {
            Some(SimTime(self.now))
        }
    }

    /// Of the events with a delay the one that is due first, and two of which one is the next after it.
    pub(crate) fn soon(&self) -> impl Iterator<Item = &E> {
        self.later.as_slice().iter().take(3).map(|entry| &entry.event)
    }

    /// Takes the next event and moves the clock to it.
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        if let Some(event) = self.pop_due() {
            return Some((SimTime(self.now), event));
        }
        let entry = self.later.pop()?;
        self.now = entry.time;
        Some((SimTime(self.now), entry.event))
    }

    /// Takes the next event if it is due before `end`.
    pub fn pop_before(&mut self, end: SimTime) -> Option<(SimTime, E)> {
        if self.next_time()? < end { self.pop() } else { None }
    }

    /// Moves the clock on where no event is due until then.
    ///
    /// # Panics
    /// If an event is due before `time`, or the clock is beyond it.
    pub fn advance_to(&mut self, time: SimTime) {
        assert!(time.0 >= self.now, "the clock cannot go back");
        assert!(self.next_time().is_none_or(|next| next >= time), "an event would be skipped");
        self.now = time.0;
    }

    /// Events that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.later.len() + self.immediate.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next event of this very instant.
    fn pop_due(&mut self) -> Option<E> {
        if self.later.peek().is_some_and(|entry| entry.time == self.now) {
            return self.later.pop().map(|entry| entry.event);
        }
        self.immediate.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slow and obvious queue: the earliest, and of those the first.
    #[derive(Default)]
    struct Plain(Vec<(u64, u32)>);

    impl Plain {
        fn pop(&mut self) -> Option<(u64, u32)> {
            let at = self.0.iter().enumerate().min_by_key(|(index, (time, _))| (*time, *index))?.0;
            Some(self.0.remove(at))
        }
    }

    #[test]
    fn it_agrees_with_an_obvious_queue() {
        let mut state = 7u64;
        let mut draw = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let (mut queue, mut plain) = (EventQueue::new(), Plain::default());
        for id in 0..20_000u32 {
            // Few different delays, so that ties are common; zero is one of them.
            let time = queue.now().0 + draw(4) * draw(3);
            queue.push(SimTime(time), id);
            plain.0.push((time, id));
            if draw(5) < 3 {
                for _ in 0..draw(4) {
                    assert_eq!(queue.pop().map(|(time, id)| (time.0, id)), plain.pop());
                }
            }
        }
        while let Some((time, id)) = queue.pop() {
            assert_eq!(Some((time.0, id)), plain.pop());
        }
        assert!(plain.0.is_empty());
    }

    #[test]
    fn the_clock_moves_between_events() {
        let mut queue = EventQueue::new();
        queue.push(SimTime(10), ());
        assert_eq!(queue.pop_before(SimTime(10)), None);
        queue.advance_to(SimTime(10));
        queue.push(SimTime(10), ());
        assert_eq!((queue.len(), queue.pop_before(SimTime(11))), (2, Some((SimTime(10), ()))));
    }

    #[test]
    #[should_panic(expected = "was made at")]
    fn the_past_is_over() {
        let mut queue = EventQueue::new();
        queue.push(SimTime(10), ());
        queue.pop();
        queue.push(SimTime(9), ());
    }
}
