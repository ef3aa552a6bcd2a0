//! Max-flow routing that takes the way on which a prompt is through first, as long as the plan leaves a choice.
//!
//! ```text
//!  ways with flow to spare?  ── yes ──> of those the one where the prompt is through first, and tokens come soon after
//!        └── no ──────────────────────> interleaved weighted round-robin with varied turns, as in max_flow
//! ```
//!
//! *Flow to spare.* Every link has a load, as in [`MaxFlow`](super::MaxFlow): the seconds that its flow needs for what it was
//! given, here counted from `now - window` at least. A link has flow to spare for a request if its load with the request
//! is not beyond now, with [`LatencyAware::MOST`] times its flow: the window has not given it more than that. As load
//! grows, links run out of spare flow one after the other, and round-robin over the flow is left.
//!
//! *Through first.* Each link and machine has a time at which it is through with the prompts that were sent its way, by
//! [`HopTime`]; a prompt begins there when it has come and those before it are through. What prompts took beyond that (decodes
//! were in the way) is learned for every link, and so is the time of a decode.

use helix_spec::{Endpoint, MachineId, SimTime};

use super::max_flow::Turns;
use super::{Observation, Question, RoutePolicy};
use crate::prefetch::prefetch_entry;
use crate::{LinkId, Phase, Topology};

/// How long a prompt takes along a link and through the layers at its end.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HopTime {
    /// Propagation \[s\].
    pub latency: f64,
    /// Time on the link, a token \[s\].
    pub send_per_token: f64,
    /// Time of the layers that is the same for all prompts \[s\].
    pub run_fixed: f64,
    /// Time of the layers, a token \[s\].
    pub run_per_token: f64,
}

impl HopTime {
    /// Whether all of it are times: finite, and not negative.
    fn is_valid(&self) -> bool {
        let times = [self.latency, self.send_per_token, self.run_fixed, self.run_per_token];
        times.iter().all(|time| time.is_finite() && *time >= 0.0)
    }
}

/// The policy; see the module.
#[derive(Debug, Clone)]
pub struct LatencyAware {
    links: Vec<Link>,
    /// By place (0 the coordinator, then the machines): the planned links that begin there.
    outgoing: Vec<Vec<LinkId>>,
    /// Places in the order of the layers: every planned link leads to a later one, or back to the coordinator.
    order: Vec<usize>,
    /// By place: its position in `order`.
    position: Vec<usize>,
    machines: Vec<Machine>,
    /// How far back unused flow counts \[s\].
    window: f64,
    /// When the last question was asked \[s\].
    now: f64,
    /// Where the request in question is expected next, and when \[s\]; the same for the one that is charged.
    asked: (usize, f64),
    charged: (usize, f64),
    turns: Turns,
    /// Kept to save the memory.
    reached: Vec<Reached>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// The plan's \[tokens/s\]; 0 for a link that is never taken.
    planned: f64,
    /// The same, by the machine's measured speed.
    flow: f64,
    /// Up to which time its flow is given away \[s\].
    load: f64,
    /// When the prompts that take it have left it \[s\].
    free: f64,
    time: HopTime,
    /// What prompts take beyond `time` \[s\].
    delay: f64,
    /// What a decode takes \[s\].
    decode: f64,
    from: usize,
    /// The place at its end; the number of places where that is the coordinator.
    to: usize,
}

impl Link {
    /// What its load would be with so many more tokens; unused flow from before `since` is lost \[s\].
    fn after(&self, tokens: f64, since: f64) -> f64 {
        self.load.max(since) + tokens / (LatencyAware::MOST * self.flow)
    }
}

#[derive(Debug, Clone, Copy)]
struct Machine {
    /// When it is through with the prompts that were sent to it \[s\].
    free: f64,
    speed: f64,
}

/// The best way found to a place.
#[derive(Debug, Clone, Copy)]
struct Reached {
    /// What decides: time, and the weighted time of decodes \[s\].
    cost: f64,
    /// When the prompt is there \[s\].
    time: f64,
    /// The last link of the way.
    link: Option<LinkId>,
}

const NOWHERE: Reached = Reached { cost: f64::INFINITY, time: f64::INFINITY, link: None };

fn place(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Coordinator => 0,
        Endpoint::Machine(machine) => machine.index() + 1,
    }
}

impl LatencyAware {
    /// Unused flow of so many seconds counts.
    pub const WINDOW: SimTime = SimTime(60_000_000_000_000);
    /// So many times its flow a link may be given before others must help: the plan's flow is about a full cluster.
    pub const MOST: f64 = 2.0;
    /// A second of a decode's round counts as so many of the prompt's.
    const DECODES: f64 = 0.2;
    /// Weight of the newest prompt, and of the newest decode, in what is learned.
    const NEWEST: (f64, f64) = (0.1, 0.01);

    /// Weights from the flows of a topology, and a time for every link. A time that is missing, or is none, counts as zero.
    #[must_use]
    pub fn new(topology: &Topology, times: &[HopTime], window: SimTime) -> Self {
        let weights = super::MaxFlow::new(topology, 0.0);
        let places = topology.machines().len() + 1;
        let mut outgoing = vec![Vec::new(); places];
        let mut links = Vec::with_capacity(topology.links().len());
        for (id, link) in (0..).map(LinkId).zip(topology.links()) {
            let planned = weights.weight(id);
            let from = place(link.from);
            let to = topology.machine_at_end(id).map_or(places, |machine| machine.index() + 1);
            let time = times.get(id.index()).copied().filter(HopTime::is_valid).unwrap_or_default();
            let (load, free, delay, decode) = (f64::NEG_INFINITY, 0.0, 0.0, 0.0);
            links.push(Link { planned, flow: planned, load, free, time, delay, decode, from, to });
            if planned > 0.0 {
                outgoing[from].push(id);
            }
        }
        let end = |place: &usize| {
            let held = place.checked_sub(1).and_then(|machine| topology.machines()[machine].layers);
            held.map_or(0, helix_spec::LayerRange::end)
        };
        let mut order: Vec<usize> = (0..places).collect();
        order.sort_by_key(end);
        let mut position = vec![0; places];
        for (index, &place) in order.iter().enumerate() {
            position[place] = index;
        }
        Self {
            links,
            outgoing,
            order,
            position,
            machines: vec![Machine { free: 0.0, speed: 1.0 }; places - 1],
            window: window.seconds(),
            now: 0.0,
            asked: (places, 0.0),
            charged: (places, 0.0),
            turns: Turns::varied(),
            reached: vec![NOWHERE; places + 1],
        }
    }

    /// The weight of a link now \[tokens/s\].
    #[must_use]
    pub fn weight(&self, link: LinkId) -> f64 {
        self.links[link.index()].flow
    }

    fn machine_at(&self, place: usize) -> Option<&Machine> {
        self.machines.get(place.checked_sub(1)?)
    }

    /// Sending, and running, if nothing is in the way \[s\].
    fn alone(&self, link: &Link, tokens: f64) -> (f64, f64) {
        let speed = self.machine_at(link.to).map_or(1.0, |machine| machine.speed);
        let HopTime { send_per_token, run_fixed, run_per_token, .. } = link.time;
        (tokens * send_per_token, (run_fixed + tokens * run_per_token) / speed)
    }

    /// When a prompt that is ready for a link at `start` has left the link, and when the machine at its end is through with
    /// it \[s\].
    fn through(&self, link: &Link, start: f64, tokens: f64) -> (f64, f64) {
        let (sends, runs) = self.alone(link, tokens);
        let left = start.max(link.free) + sends;
        let came = left + link.time.latency;
        let begins = self.machine_at(link.to).map_or(came, |machine| came.max(machine.free));
        (left, begins + runs)
    }

    /// What a link's load would be with so many more tokens \[s\].
    fn after(&self, link: &Link, tokens: f64) -> f64 {
        link.after(tokens, self.now - self.window)
    }

    /// Takes a link into account for a prompt that has come so far, if it has flow to spare.
    fn relax(&self, reached: &mut [Reached], (id, tokens): (LinkId, f64), so_far: Reached) {
        let link = &self.links[id.index()];
        if link.flow > 0.0 && self.after(link, tokens) <= self.now {
            let time = self.through(link, so_far.time, tokens).1 + link.delay;
            let cost = so_far.cost + (time - so_far.time) + Self::DECODES * link.decode;
            if cost < reached[link.to].cost {
                reached[link.to] = Reached { cost, time, link: Some(id) };
            }
        }
    }

    /// The first link of the best way from where the request is, over open links with flow to spare; none if there is no
    /// such way. Complexity: the planned links.
    fn first(&mut self, question: &Question<'_>, start: f64) -> Option<LinkId> {
        let (tokens, from) = (f64::from(question.tokens), place(question.from));
        let mut reached = std::mem::take(&mut self.reached);
        reached.fill(NOWHERE);
        let here = Reached { cost: 0.0, time: start, link: None };
        for candidate in question.candidates.iter().filter(|candidate| candidate.open) {
            self.relax(&mut reached, (candidate.link, tokens), here);
        }
        for &place in &self.order[self.position[from]..] {
            let so_far = reached[place];
            if so_far.link.is_some() {
                for &link in &self.outgoing[place] {
                    self.relax(&mut reached, (link, tokens), so_far);
                }
            }
        }
        let mut first = None;
        let mut place = self.machines.len() + 1;
        while let Some(link) = reached[place].link {
            first = Some(link);
            place = self.links[link.index()].from;
            if place == from {
                break;
            }
        }
        self.reached = reached;
        first
    }

    /// The links into a machine.
    fn inbound(&mut self, machine: MachineId) -> impl Iterator<Item = &mut Link> {
        self.links.iter_mut().filter(move |link| link.to == machine.index() + 1)
    }
}

impl RoutePolicy for LatencyAware {
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId> {
        let (now, tokens) = (question.now.seconds(), f64::from(question.tokens));
        // A whole pipeline is asked for at one instant: the prompt will be here later.
        let expected = self.asked.0 == place(question.from) && now == self.now;
        let start = if expected { self.asked.1 } else { now };
        self.now = now;
        let chosen = self.first(question, start).or_else(|| {
            // Round-robin over the flow.
            let (links, since) = (&self.links, now - self.window);
            let load = |link: LinkId, tokens| {
                let link = &links[link.index()];
                (link.flow > 0.0).then(|| link.after(tokens, since))
            };
            self.turns.least(question, load)
        })?;
        let link = &self.links[chosen.index()];
        self.asked = (link.to, self.through(link, start, tokens).1 + link.delay);
        Some(chosen)
    }

    fn charge(&mut self, link: LinkId, phase: Phase, tokens: u32) {
        let Some(&known) = self.links.get(link.index()) else { return };
        let tokens = f64::from(tokens);
        if known.flow > 0.0 {
            self.links[link.index()].load = self.after(&known, tokens);
        }
        if phase == Phase::Prefill {
            let start = if self.charged.0 == known.from { self.charged.1.max(self.now) } else { self.now };
            let (left, through) = self.through(&known, start, tokens);
            self.links[link.index()].free = left;
            if let Some(machine) = known.to.checked_sub(1).and_then(|machine| self.machines.get_mut(machine))
            {
                machine.free = through;
            }
            self.charged = (known.to, through + known.delay);
        }
    }

    fn prefetch(&self, link: LinkId) {
        prefetch_entry(&self.links, link.index());
    }

    fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::LinkTime { link, phase, tokens, took } => {
                let Some(&known) = self.links.get(link.index()) else { return };
                let (sends, runs) = self.alone(&known, f64::from(tokens));
                let learned = &mut self.links[link.index()];
                match phase {
                    Phase::Prefill => {
                        let delay = (took.seconds() - sends - known.time.latency - runs).max(0.0);
                        learned.delay += Self::NEWEST.0 * (delay - known.delay);
                    }
                    Phase::Decode => learned.decode += Self::NEWEST.1 * (took.seconds() - known.decode),
                }
            }
            Observation::Speed { machine, factor } if factor.is_finite() && factor > 0.0 => {
                if let Some(known) = self.machines.get_mut(machine.index()) {
                    known.speed = factor;
                }
                self.inbound(machine).for_each(|link| link.flow = link.planned * factor);
            }
            Observation::Returned { machine } => {
                let now = self.now;
                if let Some(known) = self.machines.get_mut(machine.index()) {
                    known.free = now;
                }
                self.inbound(machine).for_each(|link| link.load = link.load.max(now));
            }
            Observation::Speed { .. } => {}
        }
    }
}
