//! Works on their way between ends.

use std::collections::{BTreeMap, VecDeque};

use helix_scheduler::coordinator::Event as ToCoordinator;
use helix_scheduler::node::NodeConfig;
use helix_scheduler::prefetch::prefetch;
use helix_scheduler::{LinkId, Phase, Work};
use helix_spec::SimTime;
use smallvec::SmallVec;

use super::event::{Event, EventKind, Observer, Record, Subject};
use super::requests::Step;
use super::{Simulation, coordination::number_of};
use crate::network::{Carried, Fair, Forecast, Rates, Reserved, Started, Wire};
use crate::scene::{Scene, number_of_end};
use crate::settings::{LinkMode, Policy, Settings};

/// Slower reservations are not worth it, as in the paper's simulator \[bytes/s\].
const LEAST_RATE: f64 = 10.0;

/// What travels together.
#[derive(Debug, Clone, Default)]
struct Parcel {
    /// With their places at the machine that they go to, as [`Step`] has them.
    works: SmallVec<[(Work, u32); 2]>,
    bytes: u64,
    offered: SimTime,
    started: SimTime,
    /// Reserved speed \[bytes/s\].
    rate: f64,
    link: u32,
    /// The end to which the link leads.
    to: u32,
    /// It has prompts or parts of them, else tokens.
    prompts: bool,
    /// The next of those that left their sender with it and arrive with it.
    next: Option<u32>,
}

#[derive(Debug, Clone)]
enum Links {
    Reserved(Reserved<u32>),
    Fair(Fair<u32>),
}

/// A parcel that is being filled.
#[derive(Debug, Clone, Copy)]
struct Open {
    from: u32,
    link: u32,
    parcel: u32,
}

/// Prompts take a link one after the other, as on the connections of workers, where tokens pass them. Else a short last part of
/// a prompt would be through before the long one ahead of it.
#[derive(Debug, Clone, Copy, Default)]
struct Prompts {
    /// Some are being sent.
    sending: bool,
    /// When the last that left arrive.
    arrive: SimTime,
}

/// Links and what is on them.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    links: Links,
    parcels: Vec<Parcel>,
    vacant: Vec<u32>,
    /// Parcels that are being filled, for fair links.
    open: Vec<Open>,
    /// By link, for fair links.
    prompts: Vec<Prompts>,
    /// By link: prompts that wait until those before them have left.
    held: BTreeMap<u32, VecDeque<u32>>,
    started: Vec<Started<u32>>,
    delivered: Vec<u32>,
}

impl Transport {
    pub fn new(scene: &Scene, settings: &Settings) -> Self {
        let (cables, ends) = (scene.cables.clone(), scene.ends.clone());
        let links = match (settings.links, settings.policy) {
            (LinkMode::Fair, _) => Links::Fair(Fair::new(cables, ends)),
            (LinkMode::Reserved, policy) if policy.by_flow() => {
                Links::Reserved(Reserved::new(cables, ends, Rates::Planned(scene.planned_rates.clone())))
            }
            (LinkMode::Reserved, _) => {
                Links::Reserved(Reserved::new(cables, ends, Rates::LeftOver { least: LEAST_RATE }))
            }
        };
        Self {
            links,
            parcels: Vec::new(),
            vacant: Vec::new(),
            open: Vec::new(),
            prompts: vec![Prompts::default(); scene.cables.len()],
            held: BTreeMap::new(),
            started: Vec::new(),
            delivered: Vec::new(),
        }
    }

    fn new_parcel(&mut self, link: u32, prompts: bool) -> u32 {
        let parcel = self.vacant.pop().unwrap_or_else(|| {
            self.parcels.push(Parcel::default());
            u32::try_from(self.parcels.len() - 1).expect("fewer parcels at once than a u32 counts")
        });
        let new = &mut self.parcels[parcel as usize];
        (new.bytes, new.link, new.prompts, new.next) = (0, link, prompts, None);
        parcel
    }

    /// Asks memory for what sending from an end will look at.
    pub fn prefetch_sender(&self, end: u32) {
        if let Links::Fair(links) = &self.links {
            links.prefetch(end as usize);
        }
    }

    /// The parcels that arrive with one: where, and what.
    pub fn arriving(&self, parcel: u32) -> impl Iterator<Item = (u32, &[(Work, u32)])> {
        let at = |parcel: u32| &self.parcels[parcel as usize];
        let all = std::iter::successors(Some(at(parcel)), move |parcel| parcel.next.map(at));
        all.map(|parcel| (parcel.to, &parcel.works[..]))
    }

    /// A place behind all that waits to be sent, where that has an order.
    pub fn ticket(&mut self) -> u64 {
        match &mut self.links {
            Links::Reserved(links) => links.ticket(),
            Links::Fair(_) => 0,
        }
    }

    /// The links as what sends on them sees them, with what they carried within the window.
    pub fn wires(&self) -> &[Wire] {
        match &self.links {
            Links::Reserved(links) => links.wires(),
            Links::Fair(links) => links.wires(),
        }
    }

    pub fn wire(&self, link: u32) -> &Wire {
        &self.wires()[link as usize]
    }

    fn carried(&mut self, link: u32) -> &mut Carried {
        match &mut self.links {
            Links::Reserved(links) => links.carried(link as usize),
            Links::Fair(links) => links.carried(link as usize),
        }
    }

    /// Begins what an end can begin of what waits there ahead of a ticket, where that has an order.
    pub fn start_before(&mut self, end: u32, ticket: u64) {
        if let Links::Reserved(links) = &mut self.links {
            links.start_before(end as usize, ticket, &mut self.started);
        }
    }

    /// Whether a transfer on a link could begin at once.
    pub fn is_free(&self, link: usize) -> bool {
        match &self.links {
            Links::Reserved(links) => links.is_free(link),
            Links::Fair(_) => true,
        }
    }

    /// Forgets the prompts that wait at an end; how many bytes they had does not matter any more.
    pub fn drop_held(&mut self, end: u32) {
        let from_there = |link: u32| self.wire(link).from == end as usize;
        let links: Vec<u32> = self.held.keys().copied().filter(|&link| from_there(link)).collect();
        for parcel in links.into_iter().filter_map(|link| self.held.remove(&link)).flatten() {
            self.parcels[parcel as usize].works.clear();
            self.vacant.push(parcel);
        }
    }

    /// Changes the speed of a link \[bytes/s\]; what it already sends with a reserved speed goes on with it.
    pub fn set_speed(&mut self, now: SimTime, link: usize, bytes_per_s: f64, planned: f64) {
        match &mut self.links {
            Links::Reserved(links) => links.set_speed(link, bytes_per_s, planned),
            Links::Fair(links) => links.set_speed(now, link, bytes_per_s),
        }
    }
}

impl<O: Observer> Simulation<O> {
    /// A work is to take a link from an end, at the place of its ticket, for which it waits since some time; [`Self::flush`]
    /// sends it off.
    pub(super) fn offer(
        &mut self,
        now: SimTime,
        (from, step): (u32, Step),
        (ticket, since): (u64, SimTime),
        (work, bytes): (Work, u64),
    ) {
        let Step { link, place, .. } = step;
        debug_assert_eq!(number_of_end(self.transport.wire(link.0).from), from, "a link of that end");
        if self.settings.policy.learns()
            && let Some(request) = self.requests.get_mut(number_of(work.request))
        {
            request.left = Some((link, now));
        }
        let prompts = work.phase == Phase::Prefill;
        let transport = &mut self.transport;
        if let Links::Reserved(_) = transport.links {
            let parcel = transport.new_parcel(link.0, prompts);
            let filled = &mut transport.parcels[parcel as usize];
            filled.works.push((work, place));
            (filled.bytes, filled.offered) = (bytes, since);
            if let Links::Reserved(links) = &mut transport.links {
                links.offer_with(ticket, link.index(), parcel, bytes);
            }
            return;
        }
        if now > since {
            let request = self.requests.get_mut(number_of(work.request));
            if let Some(request) = request.filter(|request| request.counts(&work)) {
                request.link_queues.0 += now.0 - since.0;
            }
        }
        let fits =
            |open: &&Open| open.link == link.0 && transport.parcels[open.parcel as usize].prompts == prompts;
        let parcel = if let Some(open) = transport.open.iter().find(fits) {
            open.parcel
        } else {
            let parcel = transport.new_parcel(link.0, prompts);
            prefetch(transport.wire(link.0));
            transport.open.push(Open { from, link: link.0, parcel });
            parcel
        };
        let filled = &mut transport.parcels[parcel as usize];
        filled.works.push((work, place));
        filled.bytes = filled.bytes.saturating_add(bytes);
        (filled.offered, filled.started) = (now, now);
    }

    /// Sends off what was offered at an end.
    pub(super) fn flush(&mut self, now: SimTime, end: u32) {
        if let Links::Reserved(_) = self.transport.links {
            self.queue.push(now, Event::StartTransmission(end));
            return;
        }
        self.learn(now, end);
        self.route_prompts(now, end);
        let Transport { links, parcels, open, prompts, held, .. } = &mut self.transport;
        let Links::Fair(links) = links else { return };
        // Choosing ways may have made requests begin elsewhere.
        let here = open.extract_if(.., |open| open.from == end);
        let starts = here.filter_map(|Open { link, parcel, .. }| {
            let Parcel { bytes, prompts: has_prompts, .. } = parcels[parcel as usize];
            if has_prompts && std::mem::replace(&mut prompts[link as usize].sending, true) {
                held.entry(link).or_default().push_back(parcel);
                return None;
            }
            Some((link, parcel, bytes))
        });
        links.send(now, end as usize, starts);
        self.push_forecasts();
    }

    /// New forecasts of fair links become events.
    pub(super) fn push_forecasts(&mut self) {
        let Links::Fair(links) = &mut self.transport.links else { return };
        for Forecast { from, time, number } in links.forecasts() {
            let end = number_of_end(from);
            self.queue.push(time, Event::Delivered { end, forecast: number });
        }
    }

    /// Tells the route policy how long works took that are sent on from an end, and gives the ends that sent them here.
    fn learn(&mut self, now: SimTime, end: u32) -> Vec<usize> {
        let mut senders = Vec::new();
        for (link, observation) in std::mem::take(&mut self.onward[end as usize]) {
            self.coordinate(now, ToCoordinator::Observed(observation));
            let sender = self.scene.cables[link.index()].from;
            if self.settings.policy == Policy::Swarm && !senders.contains(&sender) {
                senders.push(sender);
            }
        }
        senders
    }

    /// An end begins what it can send. With latency-weighted routing, those who sent it what it now sends on look again,
    /// too (the "retransmissions" of section 2.2 of the description of the authors' simulator).
    pub(super) fn start_transmission(&mut self, now: SimTime, end: u32) {
        if let Links::Fair(_) = self.transport.links {
            self.flush(now, end);
            return;
        }
        let senders = self.learn(now, end);
        self.route_prompts(now, end);
        let mut started = std::mem::take(&mut self.transport.started);
        if let Links::Reserved(links) = &mut self.transport.links {
            links.start(end as usize, &mut started);
        }
        for Started { link, payload, sending, rate } in started.drain(..) {
            let parcel = &mut self.transport.parcels[payload as usize];
            (parcel.started, parcel.rate) = (now, rate);
            let link = u32::try_from(link).expect("link ids are u32");
            for (work, _) in &parcel.works {
                let Some(request) = self.requests.get_mut(number_of(work.request)) else { continue };
                if self.settings.policy == Policy::Swarm {
                    request.left = Some((LinkId(link), now));
                }
                if request.counts(work) {
                    request.link_queues.0 += now.0 - parcel.offered.0;
                }
            }
            self.push_after(now, sending, Event::FinishSending { link, parcel: payload });
        }
        self.transport.started = started;
        for sender in senders {
            let sender = number_of_end(sender);
            self.queue.push(now, Event::StartTransmission(sender));
        }
    }

    /// A reserved transfer has left its sender.
    pub(super) fn finish_sending(&mut self, now: SimTime, link: u32, parcel: u32) {
        let rate = self.transport.parcels[parcel as usize].rate;
        if let Links::Reserved(links) = &mut self.transport.links {
            links.finish(link as usize, rate);
        }
        let arrival = self.left(now, parcel);
        let sender = self.transport.wire(link).from;
        let sender = number_of_end(sender);
        self.queue.push(now, Event::StartTransmission(sender));
        self.queue.push(arrival, Event::Arrive { parcel });
    }

    /// Fair links of an end may be through with something.
    pub(super) fn delivered(&mut self, now: SimTime, end: u32, forecast: u32) {
        let mut done = std::mem::take(&mut self.transport.delivered);
        if let Links::Fair(links) = &mut self.transport.links {
            links.finish(now, end as usize, forecast, &mut done);
        }
        self.counts.several(done.len());
        // The last parcel, and when it arrives: others that do too are one event.
        let mut before: Option<(u32, SimTime)> = None;
        for parcel in done.drain(..) {
            self.tell(
                now,
                EventKind::FinishSending,
                Subject::Link(self.transport.parcels[parcel as usize].link),
            );
            let arrival = self.left(now, parcel);
            match before {
                Some((last, time)) if time == arrival => {
                    self.transport.parcels[last as usize].next = Some(parcel);
                }
                _ => self.queue.push(arrival, Event::Arrive { parcel }),
            }
            before = Some((parcel, arrival));
            let Parcel { link, prompts, .. } = self.transport.parcels[parcel as usize];
            if prompts {
                self.send_held(now, (end, link));
            }
        }
        self.push_forecasts();
        self.transport.delivered = done;
    }

    /// Prompts have left on a link of an end: the next ones go on.
    fn send_held(&mut self, now: SimTime, (end, link): (u32, u32)) {
        let Transport { links, parcels, prompts, held, .. } = &mut self.transport;
        let next = held.get_mut(&link).and_then(VecDeque::pop_front);
        let Some(next) = next else {
            held.remove(&link);
            prompts[link as usize].sending = false;
            return;
        };
        let parcel = &mut parcels[next as usize];
        parcel.started = now;
        for (work, _) in &parcel.works {
            let request = self.requests.get_mut(number_of(work.request));
            if let Some(request) = request.filter(|request| request.counts(work)) {
                request.link_queues.0 += now.0 - parcel.offered.0;
            }
        }
        if let Links::Fair(links) = links {
            links.send(now, end as usize, [(link, next, parcel.bytes)]);
        }
    }

    /// The last byte has left the sender; when it arrives.
    fn left(&mut self, now: SimTime, parcel: u32) -> SimTime {
        let sent = &self.transport.parcels[parcel as usize];
        let Wire { to, latency, .. } = *self.transport.wire(sent.link);
        let mut arrival = SimTime(now.0.saturating_add(self.with_jitter(latency).0));
        let sent = &mut self.transport.parcels[parcel as usize];
        sent.to = number_of_end(to);
        let Parcel { bytes, offered, started, link, prompts, .. } = *sent;
        if prompts {
            // Whatever their delays, they do not overtake each other.
            let last = &mut self.transport.prompts[link as usize].arrive;
            arrival = arrival.max(*last);
            *last = arrival;
        }
        let works = u32::try_from(sent.works.len()).unwrap_or(u32::MAX);
        for (work, _) in &sent.works {
            let request = self.requests.get_mut(number_of(work.request));
            if let Some(request) = request.filter(|request| request.counts(work)) {
                request.sending.0 += arrival.0 - started.0;
            }
        }
        if self.counts.counting() {
            let carried = self.transport.carried(link);
            carried.bytes += bytes;
            carried.waited += f64::from(works) * SimTime(started.0 - offered.0).seconds();
            carried.sending += f64::from(works) * SimTime(now.0 - started.0).seconds();
        }
        self.observer.observe(&Record::Transfer { link, start: started, end: arrival, bytes, works });
        arrival
    }

    /// Whether the request of a work has neither ended nor begun anew.
    pub(super) fn is_current(&self, work: &Work) -> bool {
        let request = self.requests.get(number_of(work.request));
        request.is_some_and(|request| request.attempt == work.attempt)
    }

    /// Parcels have come to the ends of their links.
    pub(super) fn arrive(&mut self, now: SimTime, parcel: u32) {
        let (mut next, mut parcels) = (Some(parcel), 0);
        while let Some(parcel) = next {
            let arrived = &mut self.transport.parcels[parcel as usize];
            next = arrived.next.take();
            let (to, link, offered) = (arrived.to, arrived.link, arrived.offered);
            let works = std::mem::take(&mut arrived.works);
            self.tell(now, EventKind::Arrive, Subject::Link(link));
            self.deliver(now, (to, offered), works);
            self.transport.vacant.push(parcel);
            parcels += 1;
        }
        self.counts.several(parcels);
    }

    /// Hands works to an end that were offered to it at some time.
    fn deliver(&mut self, now: SimTime, (to, offered): (u32, SimTime), works: SmallVec<[(Work, u32); 2]>) {
        match to.checked_sub(1) {
            None => {
                self.gathered.extend(works.into_iter().map(|(work, _)| work));
                self.queue.push(now, Event::Gather);
            }
            Some(machine) => {
                // A machine forgets in time which attempts are over, and with its loss all at once.
                let forgets = !self.faults.is_empty() || now.0 - offered.0 >= NodeConfig::STALE_FOR.0;
                for work in works {
                    if !forgets || self.is_current(&work.0) {
                        self.take_work(now, machine, work);
                    }
                }
                self.look_for_work(now, machine);
            }
        }
    }
}
