//! Works on their way between ends.

use helix_scheduler::coordinator::Event as ToCoordinator;
use helix_scheduler::route::Candidate;
use helix_scheduler::{LinkId, Work};
use helix_spec::SimTime;

use super::event::{Event, Observer, Record};
use super::{Simulation, coordination::number_of};
use crate::network::{Fair, Rates, Reserved, Started};
use crate::scene::{Scene, endpoint_of};
use crate::settings::{LinkMode, Policy, Settings};

/// Slower reservations are not worth it, as in the paper's simulator \[bytes/s\].
const LEAST_RATE: f64 = 10.0;

/// What travels together.
#[derive(Debug, Clone, Default)]
struct Parcel {
    works: Vec<Work>,
    bytes: u64,
    offered: SimTime,
    started: SimTime,
    /// Reserved speed \[bytes/s\].
    rate: f64,
}

#[derive(Debug, Clone)]
enum Links {
    Reserved(Reserved<u32>),
    Fair(Fair<u32>),
}

/// Links and what is on them.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    links: Links,
    parcels: Vec<Parcel>,
    vacant: Vec<u32>,
    /// Parcels that are being filled: link and parcel.
    open: Vec<(u32, u32)>,
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
        let (parcels, vacant, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { links, parcels, vacant, open, started: Vec::new(), delivered: Vec::new() }
    }

    fn new_parcel(&mut self) -> u32 {
        self.vacant.pop().unwrap_or_else(|| {
            self.parcels.push(Parcel::default());
            u32::try_from(self.parcels.len() - 1).expect("fewer parcels at once than a u32 counts")
        })
    }

    /// A place behind all that waits to be sent, where that has an order.
    pub fn ticket(&mut self) -> u64 {
        match &mut self.links {
            Links::Reserved(links) => links.ticket(),
            Links::Fair(_) => 0,
        }
    }

    /// Whether a transfer on a link could begin at once.
    fn is_free(&self, link: usize) -> bool {
        match &self.links {
            Links::Reserved(links) => links.is_free(link),
            Links::Fair(_) => true,
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
    /// A work is to take a link, at the place of its ticket, for which it waits since some time; [`Self::flush`] sends it off.
    pub(super) fn offer(
        &mut self,
        now: SimTime,
        (link, ticket, since): (LinkId, u64, SimTime),
        work: Work,
        tokens: u64,
    ) {
        if self.settings.policy.learns()
            && let Some(request) = self.requests.get_mut(number_of(work.request))
        {
            request.left = Some((link, now));
        }
        let bytes = self.scene.bytes(link.index(), tokens);
        let transport = &mut self.transport;
        if let Links::Reserved(_) = transport.links {
            let parcel = transport.new_parcel();
            let filled = &mut transport.parcels[parcel as usize];
            filled.works.push(work);
            (filled.bytes, filled.offered) = (bytes, since);
            if let Links::Reserved(links) = &mut transport.links {
                links.offer_with(ticket, link.index(), parcel, bytes);
            }
            return;
        }
        let request = self.requests.get_mut(number_of(work.request));
        if let Some(request) = request.filter(|request| request.counts(&work)) {
            request.spent.link_queues.0 += now.0 - since.0;
        }
        let open = transport.open.iter().find(|(open, _)| *open == link.0);
        let parcel = if let Some(&(_, parcel)) = open {
            parcel
        } else {
            let parcel = transport.new_parcel();
            transport.open.push((link.0, parcel));
            transport.parcels[parcel as usize].bytes = 0;
            parcel
        };
        let filled = &mut transport.parcels[parcel as usize];
        filled.works.push(work);
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
        let Transport { links, parcels, open, .. } = &mut self.transport;
        let Links::Fair(links) = links else { return };
        for (link, parcel) in open.drain(..) {
            links.send(now, link as usize, parcel, parcels[parcel as usize].bytes);
        }
        self.push_forecasts();
    }

    /// New forecasts of fair links become events.
    pub(super) fn push_forecasts(&mut self) {
        let Links::Fair(links) = &mut self.transport.links else { return };
        for forecast in links.changes() {
            let link = u32::try_from(forecast.link).expect("link ids are u32");
            self.queue.push(forecast.time, Event::Delivered { link, forecast: forecast.number });
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
            for work in &parcel.works {
                let Some(request) = self.requests.get_mut(number_of(work.request)) else { continue };
                if self.settings.policy == Policy::Swarm {
                    request.left = Some((LinkId(link), now));
                }
                if request.counts(work) {
                    request.spent.link_queues.0 += now.0 - parcel.offered.0;
                }
            }
            self.push_after(now, sending, Event::FinishSending { link, parcel: payload });
        }
        self.transport.started = started;
        for sender in senders {
            let sender = u32::try_from(sender).expect("at most MAX_MACHINES machines");
            self.queue.push(now, Event::StartTransmission(sender));
        }
    }

    /// A reserved transfer has left its sender.
    pub(super) fn finish_sending(&mut self, now: SimTime, link: u32, parcel: u32) {
        let rate = self.transport.parcels[parcel as usize].rate;
        if let Links::Reserved(links) = &mut self.transport.links {
            links.finish(link as usize, rate);
        }
        self.left(now, link, parcel);
    }

    /// A fair link may be through with something.
    pub(super) fn delivered(&mut self, now: SimTime, link: u32, forecast: u32) {
        let mut done = std::mem::take(&mut self.transport.delivered);
        if let Links::Fair(links) = &mut self.transport.links {
            links.finish(now, link as usize, forecast, &mut done);
        }
        if done.is_empty() {
            self.counts.void += 1;
        }
        self.push_forecasts();
        for parcel in done.drain(..) {
            self.left(now, link, parcel);
        }
        self.transport.delivered = done;
    }

    /// The last byte has left the sender.
    fn left(&mut self, now: SimTime, link: u32, parcel: u32) {
        let cable = self.scene.cables[link as usize];
        let sent = &self.transport.parcels[parcel as usize];
        let works = u32::try_from(sent.works.len()).unwrap_or(u32::MAX);
        self.counts.sent(link, sent.bytes, works, (sent.offered, sent.started, now));
        let arrival = SimTime(now.0.saturating_add(cable.latency.0));
        let (start, end, bytes) = (sent.started, arrival, sent.bytes);
        self.observer.observe(&Record::Transfer { link, start, end, bytes, works });
        if let Links::Reserved(_) = self.transport.links {
            let sender = u32::try_from(cable.from).expect("at most MAX_MACHINES machines");
            self.queue.push(now, Event::StartTransmission(sender));
        }
        self.push_after(now, cable.latency, Event::Arrive { link, parcel });
    }

    /// A parcel has come to the end of its link.
    pub(super) fn arrive(&mut self, now: SimTime, link: u32, parcel: u32) {
        let started = self.transport.parcels[parcel as usize].started;
        let mut works = std::mem::take(&mut self.transport.parcels[parcel as usize].works);
        for work in &works {
            let request = self.requests.get_mut(number_of(work.request));
            if let Some(request) = request.filter(|request| request.counts(work)) {
                request.spent.sending.0 += now.0 - started.0;
            }
        }
        let to = u32::try_from(self.scene.cables[link as usize].to).expect("at most MAX_MACHINES machines");
        match to.checked_sub(1) {
            None => {
                self.gathered.append(&mut works);
                self.queue.push(now, Event::Gather);
            }
            Some(machine) => {
                for work in works.drain(..) {
                    self.take_work(now, machine, work);
                }
                self.queue.push(now, Event::StartExecution(machine));
            }
        }
        self.transport.parcels[parcel as usize].works = works;
        self.transport.vacant.push(parcel);
    }

    /// Asks for the next hop of the prompts that wait for one at an end.
    fn route_prompts(&mut self, now: SimTime, end: u32) {
        if self.unrouted[end as usize].is_empty() {
            return;
        }
        let works = std::mem::take(&mut self.unrouted[end as usize]);
        for (ticket, since, work) in works {
            // In the order in which all that waits came: what is before this prompt takes its links first.
            if let Links::Reserved(links) = &mut self.transport.links {
                links.start_before(end as usize, ticket, &mut self.transport.started);
            }
            let mut candidates = std::mem::take(&mut self.candidates);
            candidates.clear();
            for &link in self.scene.topology.outgoing(endpoint_of(end)) {
                let free = self.transport.is_free(link.index());
                candidates.push(Candidate { link, open: true, free, waiting: self.waiting_at(link) });
            }
            let (request, mut actions) = ((work.request, work.attempt), std::mem::take(&mut self.actions));
            let chosen = self.coordinator.ask_hop(now, request, &candidates, &mut actions);
            self.candidates = candidates;
            self.carry_out(now, &mut actions);
            self.actions = actions;
            match chosen {
                Some(link) => {
                    let layers = self.scene.topology.layers_at_end(link).unwrap_or(work.layers);
                    let back = self.scene.topology.machine_at_end(link).is_none();
                    let tokens = if back { self.tokens_back(&work) } else { work.tokens };
                    if tokens > 0 {
                        self.offer(now, (link, ticket, since), Work { layers, ..work }, u64::from(tokens));
                    }
                }
                None if self.requests.get(number_of(work.request)).is_some() => {
                    self.unrouted[end as usize].push((ticket, since, work));
                }
                None => {}
            }
        }
    }

    /// Works that wait in front of the first layer of the machine at the end of a link.
    fn waiting_at(&self, link: LinkId) -> u64 {
        let machine = self.scene.topology.machine_at_end(link);
        let machine = machine.and_then(|machine| self.machines[machine.index()].as_ref());
        machine.map_or(0, |machine| machine.node.queued_at(machine.node.config().layers.start()) as u64)
    }

    /// Tokens that travel back to the coordinator for a work that is through the last layer.
    pub(super) fn tokens_back(&self, work: &Work) -> u32 {
        match (self.settings.prompt_returns_whole, work.last) {
            (true, _) => work.tokens,
            (false, true) => 1,
            (false, false) => 0,
        }
    }
}
