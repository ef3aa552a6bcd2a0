//! Links with reserved speeds: section 2.3 of the description of the authors' simulator.

use std::collections::VecDeque;

use helix_spec::SimTime;

use super::{Carried, Ends, Interface, Wire, time_of};

/// Which speed a transfer gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Rates {
    /// A fixed one for each link \[bytes/s\], one transfer at a time: its share of the interfaces by planned flow.
    Planned(Vec<f64>),
    /// Whatever the sender's interface (an equal part for each of its links), the link, and the receiver's interface
    /// have left \[bytes/s\], if it is more than this.
    LeftOver {
        /// Slower links are not worth it.
        least: f64,
    },
}

/// A transfer that began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Started<T> {
    /// Its link.
    pub link: usize,
    /// What it carries.
    pub payload: T,
    /// How long the sender is busy with it.
    pub sending: SimTime,
    /// What it reserved \[bytes/s\]; to be handed back to [`Reserved::finish`].
    pub rate: f64,
}

#[derive(Debug, Clone)]
struct Waiting<T> {
    number: u64,
    payload: T,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    sending: u32,
    reserved: f64,
}

/// All links of a cluster.
#[derive(Debug, Clone)]
pub struct Reserved<T> {
    wires: Vec<Wire>,
    rates: Rates,
    links: Vec<State<T>>,
    ends: Ends,
    free: Ends,
    outgoing: Vec<Vec<usize>>,
    /// Links of an end on which something waits, and might be sent.
    pending: Vec<Vec<usize>>,
    number: u64,
}

impl<T: Copy> Reserved<T> {
    /// Idle links.
    #[must_use]
    pub fn new(wires: Vec<Wire>, ends: Ends, rates: Rates) -> Self {
        let mut outgoing = vec![Vec::new(); ends.len()];
        for (index, wire) in wires.iter().enumerate() {
            outgoing[wire.from].push(index);
        }
        let idle = || State { waiting: VecDeque::new(), sending: 0, reserved: 0.0 };
        Self {
            links: wires.iter().map(|_| idle()).collect(),
            pending: vec![Vec::new(); ends.len()],
            free: ends.clone(),
            wires,
            rates,
            ends,
            outgoing,
            number: 0,
        }
    }

    /// Something waits for a link from now on, behind all that waits for it already.
    pub fn offer(&mut self, link: usize, payload: T, bytes: u64) {
        let ticket = self.ticket();
        self.offer_with(ticket, link, payload, bytes);
    }

    /// A place behind all that waits, for what does not know its link yet.
    pub fn ticket(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Something waits for a link from now on, at the place of its ticket.
    pub fn offer_with(&mut self, ticket: u64, link: usize, payload: T, bytes: u64) {
        let waiting = &mut self.links[link].waiting;
        if waiting.is_empty() {
            self.pending[self.wires[link].from].push(link);
        }
        let place = waiting.iter().rposition(|before| before.number < ticket).map_or(0, |before| before + 1);
        waiting.insert(place, Waiting { number: ticket, payload, bytes });
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

    /// Whether an end could begin to send something.
    #[must_use]
    pub fn has_pending(&self, end: usize) -> bool {
        !self.pending[end].is_empty()
    }

    /// Begins all transfers that an end can begin, what waits longest first.
    pub fn start(&mut self, end: usize, started: &mut Vec<Started<T>>) {
        self.start_before(end, u64::MAX, started);
    }

    /// The same with those before a ticket.
    pub fn start_before(&mut self, end: usize, ticket: u64, started: &mut Vec<Started<T>>) {
        while let Some((place, link, rate)) = self.next_of(end, ticket) {
            let state = &mut self.links[link];
            let Some(Waiting { payload, bytes, .. }) = state.waiting.pop_front() else { return };
            if state.waiting.is_empty() {
                self.pending[end].swap_remove(place);
            }
            state.sending += 1;
            state.reserved += rate;
            let wire = self.wires[link];
            self.free[wire.from].outbound -= rate;
            self.free[wire.to].inbound -= rate;
            started.push(Started { link, payload, sending: time_of(bytes, rate), rate });
        }
    }

    /// Of the links on which something waits and may begin, the one whose first has waited longest.
    fn next_of(&self, end: usize, ticket: u64) -> Option<(usize, usize, f64)> {
        let candidates = self.pending[end].iter().enumerate();
        let usable = candidates.filter_map(|(place, &link)| {
            let number = self.links[link].waiting.front()?.number;
            if number >= ticket {
                return None;
            }
            Some((number, place, link, self.rate(link)?))
        });
        usable.min_by_key(|(number, ..)| *number).map(|(_, place, link, rate)| (place, link, rate))
    }

    /// The speed that a transfer on a link would get now; `None` if it cannot begin.
    fn rate(&self, link: usize) -> Option<f64> {
        let (wire, state) = (self.wires[link], &self.links[link]);
        match &self.rates {
            Rates::Planned(rates) => (state.sending == 0 && rates[link] > 0.0).then(|| rates[link]),
            Rates::LeftOver { least } => {
                let part = self.ends[wire.from].outbound / self.outgoing[wire.from].len() as f64;
                let rate = (part - state.reserved)
                    .min(self.free[wire.from].outbound)
                    .min(wire.bytes_per_s - state.reserved)
                    .min(self.free[wire.to].inbound);
                (rate > *least).then_some(rate)
            }
        }
    }

    /// The sender is done with a transfer.
    pub fn finish(&mut self, link: usize, rate: f64) {
        let wire = self.wires[link];
        let state = &mut self.links[link];
        state.sending -= 1;
        state.reserved -= rate;
        self.free[wire.from].outbound += rate;
        self.free[wire.to].inbound += rate;
        if state.sending == 0 {
            // No rounding error is carried on.
            state.reserved = 0.0;
        }
    }

    /// Whether a transfer on a link could begin at once if nothing else waited: it has speed left.
    #[must_use]
    pub fn is_free(&self, link: usize) -> bool {
        self.rate(link).is_some()
    }

    /// Changes the speed of a link, and what is planned for it \[bytes/s\]; what it sends already goes on as reserved.
    pub fn set_speed(&mut self, link: usize, bytes_per_s: f64, planned: f64) {
        self.wires[link].bytes_per_s = bytes_per_s;
        if let Rates::Planned(rates) = &mut self.rates {
            rates[link] = planned;
        }
    }

    /// How many transfers wait for a link.
    #[must_use]
    pub fn waiting(&self, link: usize) -> usize {
        self.links[link].waiting.len()
    }

    /// What is left of the interface of an end \[bytes/s\].
    #[must_use]
    pub fn left(&self, end: usize) -> Interface {
        self.free[end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(to: usize, bytes_per_s: f64) -> Wire {
        Wire { from: 0, to, bytes_per_s, latency: SimTime(1_000), carried: Carried::default() }
    }

    fn ends(outbound: f64, inbound: f64) -> Ends {
        vec![Interface { inbound, outbound }; 3]
    }

    fn started(links: &mut Reserved<char>) -> Vec<(usize, char, u64)> {
        let mut started = Vec::new();
        links.start(0, &mut started);
        started.iter().map(|one| (one.link, one.payload, one.sending.0)).collect()
    }

    #[test]
    fn planned_links_send_one_after_the_other() {
        let wires = vec![wire(1, 1e9), wire(2, 1e9)];
        let mut links = Reserved::new(wires, ends(1e10, 1e10), Rates::Planned(vec![1e9, 5e8]));
        links.offer(1, 'a', 1000);
        links.offer(0, 'b', 1000);
        links.offer(0, 'c', 1000);
        // What waits longest begins first, whatever its link.
        assert_eq!(started(&mut links), [(1, 'a', 2_000_000), (0, 'b', 1_000_000)]);
        assert_eq!((started(&mut links), links.waiting(0)), (vec![], 1));
        links.finish(0, 1e9);
        assert_eq!(started(&mut links), [(0, 'c', 1_000_000)]);
        assert!(!links.has_pending(0));
    }

    #[test]
    fn what_is_left_over_goes_to_the_next() {
        // The receiver takes 6e8 of the link's 1e9: a second transfer on it gets the rest that its interface has.
        let wires = vec![wire(1, 1e9)];
        let mut links = Reserved::new(wires, ends(1e10, 6e8), Rates::LeftOver { least: 10.0 });
        links.offer(0, 'a', 600);
        links.offer(0, 'b', 600);
        assert_eq!(started(&mut links), [(0, 'a', 1_000_000)]);
        assert!(!links.is_free(0) && links.left(1).inbound == 0.0);
        links.finish(0, 6e8);
        assert_eq!(started(&mut links), [(0, 'b', 1_000_000)]);
    }

    #[test]
    fn a_ticket_keeps_a_place_until_the_link_is_known() {
        let wires = vec![wire(1, 1e9), wire(2, 1e9)];
        let mut links = Reserved::new(wires, ends(1e10, 1e10), Rates::LeftOver { least: 10.0 });
        let ticket = links.ticket();
        links.offer(0, 'b', 1000);
        links.offer(1, 'c', 1000);
        let mut begun = Vec::new();
        links.start_before(0, ticket, &mut begun);
        assert!(begun.is_empty() && links.is_free(0));
        links.offer_with(ticket, 0, 'a', 1000);
        assert_eq!(started(&mut links), [(0, 'a', 1_000_000), (1, 'c', 1_000_000)]);
    }

    #[test]
    fn an_interface_is_divided_by_its_links() {
        let wires = vec![wire(1, 1e9), wire(2, 1e9)];
        let mut links = Reserved::new(wires, ends(1e9, 1e9), Rates::LeftOver { least: 10.0 });
        links.offer(0, 'a', 500);
        assert_eq!(started(&mut links), [(0, 'a', 1_000_000)]);
    }

    #[test]
    fn a_link_without_speed_waits_for_some() {
        let mut links = Reserved::new(vec![wire(1, 0.0)], ends(1e9, 1e9), Rates::Planned(vec![0.0]));
        links.offer(0, 'a', 1);
        assert_eq!(started(&mut links), []);
        links.set_speed(0, 1e9, 1e9);
        assert_eq!(started(&mut links), [(0, 'a', 1000)]);
    }
}
