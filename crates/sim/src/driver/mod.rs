//! The driver: virtual time around the scheduler.
//!
//! ```text
//!  feeder ──Issue──> coordinator ──Hop, Dispatch──> links ──Arrive──> node ──Run──> clock
//!                        ^                            ^                └──Forward──┘ │
//!                        └───────── Gather <──────────┴──────────────────────────────┘
//! ```
//! What runs where and goes which way is decided by `helix-scheduler`; this module carries its actions out in virtual
//! time. The coordinator itself takes no time, as in the paper's simulator.

mod ahead;
mod compute;
mod coordination;
mod counts;
mod event;
mod faults;
mod feed;
mod machine;
mod report;
mod requests;
mod transport;
mod ways;

pub use event::{EventKind, Observer, Record, RequestRecord, Spent, Subject};
pub use faults::{Fault, FaultKind};
pub use feed::Feed;
pub use report::{LinkLoad, MachineLoad, Report, Whereabouts};

use helix_scheduler::coordinator::{Action, Coordinator};
use helix_scheduler::node::{Batching, Node, NodeAction};
use helix_scheduler::route::{
    Candidate, LatencyAware, MaxFlow, Observation, RandomChoice, RoutePolicy, ShortestQueue, Swarm,
};
use helix_scheduler::{LinkId, RandomSource, RequestId, Work};
use helix_spec::SimTime;

use crate::queue::EventQueue;
use crate::random::MersenneTwister;
use crate::scene::{Inputs, Scene, SceneError, endpoint_of};
use crate::settings::{LayerEvents, Policy, Settings};

use counts::Counts;
use event::Event;
use machine::{Machine, MachineCounts};
use requests::Requests;
use transport::Transport;

impl RandomSource for MersenneTwister {
    fn below(&mut self, bound: u32) -> u32 {
        MersenneTwister::below(self, bound)
    }
}

/// How far a call of [`Simulation::run`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    Going,
    /// The run is over.
    Done,
}

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulationError {
    /// No time for a batch.
    #[error("a batch of machine {machine}: {problem}")]
    Batch {
        /// Index of the machine.
        machine: u32,
        /// Why not.
        problem: Box<helix_cost::BatchError>,
    },
    /// Times do not fit.
    #[error("the run would take longer than 104 simulated days; is the window or a trace in the wrong unit?")]
    TooLong,
}

/// A cluster in virtual time.
pub struct Simulation<O> {
    settings: Settings,
    scene: Scene,
    queue: EventQueue<Event>,
    coordinator: Coordinator<Box<dyn RoutePolicy>>,
    machines: Vec<Option<Machine>>,
    transport: Transport,
    requests: Requests,
    feed: Feed,
    faults: Vec<Fault>,
    counts: Counts,
    observer: O,
    jitter: Option<MersenneTwister>,
    /// When requests begin to come, and the ends of the window.
    begin: SimTime,
    window: (SimTime, SimTime),
    began: bool,
    measuring: bool,
    passes: u32,
    /// Works that reached the coordinator and wait to be gathered.
    gathered: Vec<Work>,
    /// Prompts that wait at an end for the choice of their next hop: their places among all that waits there, since when.
    unrouted: Vec<Vec<(u64, SimTime, Work)>>,
    /// By end: the link on which a work came and what was seen of it, of works that are about to be sent on.
    onward: Vec<Vec<(LinkId, Observation)>>,
    /// The newest online request, until it is issued; when offline saturation launches next.
    awaited: Option<u32>,
    launching: Option<SimTime>,
    /// Whether all layers of a batch are one event.
    joins_layers: bool,
    tick: Option<SimTime>,
    /// Kept to save their memory.
    actions: Vec<Action>,
    node_actions: Vec<NodeAction>,
    candidates: Vec<Candidate>,
}

const SECOND: u64 = 1_000_000_000_000;

/// Latest end of a run.
const LONGEST: u64 = 9_000_000_000_000_000_000;

impl<O: Observer> Simulation<O> {
    /// Everything idle at time zero.
    pub fn new(
        inputs: &Inputs<'_>,
        settings: Settings,
        feed: Feed,
        faults: Vec<Fault>,
        observer: O,
    ) -> Result<Self, SceneError> {
        let scene = Scene::new(inputs, &settings)?;
        let policy: Box<dyn RoutePolicy> = match settings.policy {
            Policy::MaxFlow { least_share } => Box::new(MaxFlow::new(&scene.topology, least_share)),
            Policy::MixedFlow => Box::new(MaxFlow::mixing(&scene.topology)),
            Policy::LatencyAware => {
                let times = scene.hop_times(&settings)?;
                Box::new(LatencyAware::new(&scene.topology, &times, LatencyAware::WINDOW))
            }
            Policy::Swarm => Box::new(Swarm::new(&scene.topology)),
            Policy::Random => Box::new(RandomChoice::new(MersenneTwister::new(settings.seed))),
            Policy::ShortestQueue => Box::new(ShortestQueue),
        };
        let coordinator = Coordinator::new(settings.coordinator, scene.topology.clone(), policy)?;
        let mut machines = Vec::new();
        for (index, machine) in scene.machines.iter().enumerate() {
            machines.push(match machine {
                None => None,
                Some(machine) => {
                    let name = || inputs.cluster.machines[index].name.clone();
                    let fail = |problem| SceneError::Node { machine: name(), problem };
                    let node = Node::new(machine.node).map_err(fail)?;
                    Some(Machine::new(node, machine.clock.clone()))
                }
            });
        }
        let jitter = (settings.jitter > SimTime::ZERO).then(|| MersenneTwister::new(!settings.seed));
        let mut simulation = Self {
            transport: Transport::new(&scene, &settings),
            counts: Counts::new(&settings),
            queue: EventQueue::new(),
            requests: Requests::default(),
            began: false,
            measuring: false,
            passes: 0,
            begin: SimTime::ZERO,
            window: (SimTime::ZERO, SimTime::ZERO),
            gathered: Vec::new(),
            unrouted: vec![Vec::new(); scene.ends.len()],
            onward: vec![Vec::new(); scene.ends.len()],
            awaited: None,
            launching: None,
            joins_layers: settings.batching == Batching::WholeRange
                || (settings.layer_events == LayerEvents::Joined
                    && faults.is_empty()
                    && scene.enters_at_the_first_layer()),
            tick: None,
            actions: Vec::new(),
            node_actions: Vec::new(),
            candidates: Vec::new(),
            settings,
            scene,
            coordinator,
            machines,
            feed,
            faults,
            observer,
            jitter,
        };
        simulation.prepare();
        Ok(simulation)
    }

    /// Loads the machines' layers and sets the times of the run.
    fn prepare(&mut self) {
        if self.settings.loading {
            let longest = self.scene.machines.iter().flatten().map(|machine| machine.loading.0).max();
            let seconds = longest.unwrap_or(0).div_ceil(SECOND).saturating_add(1);
            self.begin = SimTime(seconds.saturating_mul(SECOND).min(LONGEST));
            for (index, machine) in (0u32..).zip(&self.machines) {
                if machine.is_some() {
                    self.queue.push(SimTime::ZERO, Event::LoadModel(index));
                }
            }
        } else {
            self.machines.iter_mut().flatten().for_each(|machine| machine.loaded = true);
        }
        let start = self.begin.0.saturating_add(self.settings.window.warmup.0);
        let end = start.saturating_add(self.settings.window.duration.0);
        self.window = (SimTime(start.min(LONGEST)), SimTime(end.min(LONGEST)));
        for (index, fault) in (0u32..).zip(&self.faults) {
            self.queue.push(SimTime(self.begin.0.saturating_add(fault.at.0)), Event::Fault(index));
        }
    }

    /// Runs on, for at most so many events.
    pub fn run(&mut self, events: u64) -> Result<Progress, SimulationError> {
        let mut left = events;
        if !self.began {
            while let Some((now, event)) = self.queue.pop_before(self.begin) {
                self.handle(now, event)?;
            }
            self.queue.advance_to(self.begin);
            self.began = true;
            self.start_feeding();
        }
        if !self.measuring {
            if !self.run_until(self.window.0, &mut left)? {
                return Ok(Progress::Going);
            }
            self.queue.advance_to(self.window.0);
            self.start_measuring();
        }
        if !self.counts.closed {
            if !self.run_until(self.window.1, &mut left)? {
                return Ok(Progress::Going);
            }
            if self.queue.next_time().is_some_and(|next| next > self.window.1) || !self.settings.window.drain
            {
                self.queue.advance_to(self.window.1);
            }
            // Both ends of the window count.
            if self.settings.window.drain {
                while self.queue.next_time() == Some(self.window.1) {
                    let Some((now, event)) = self.queue.pop() else { break };
                    self.handle(now, event)?;
                }
            }
            self.stop_measuring();
        }
        if self.settings.window.drain {
            while let Some((now, event)) = self.queue.pop() {
                if now.0 > LONGEST {
                    return Err(SimulationError::TooLong);
                }
                self.handle(now, event)?;
                if self.feed.is_over() && self.requests.under_way() == 0 {
                    break;
                }
                left = left.saturating_sub(1);
                if left == 0 {
                    return Ok(Progress::Going);
                }
            }
        }
        Ok(Progress::Done)
    }

    /// False when the events ran out before the time was reached.
    fn run_until(&mut self, end: SimTime, left: &mut u64) -> Result<bool, SimulationError> {
        while let Some((now, event)) = self.queue.pop_before(end) {
            self.handle(now, event)?;
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Simulated time so far, from the first request on.
    #[must_use]
    pub fn simulated(&self) -> SimTime {
        SimTime(self.queue.now().0.saturating_sub(self.begin.0))
    }

    /// What the run is expected to simulate, without draining.
    #[must_use]
    pub fn planned(&self) -> SimTime {
        SimTime(self.window.1.0 - self.begin.0)
    }

    /// The observer, with what it has seen.
    #[must_use]
    pub fn into_observer(self) -> O {
        self.observer
    }

    fn handle(&mut self, now: SimTime, event: Event) -> Result<(), SimulationError> {
        self.counts.processed += 1;
        self.tell_of(now, event);
        self.look_ahead(&event);
        if now >= self.counts.next_sample {
            self.sample(now);
        }
        match event {
            Event::LoadModel(machine) => self.queue.push(now, Event::StartLoading(machine)),
            Event::StartLoading(machine) => {
                let loading = self.scene.machines[machine as usize].as_ref().map(|known| known.loading);
                self.push_after(now, loading.unwrap_or(SimTime::ZERO), Event::FinishLoading(machine));
            }
            Event::FinishLoading(machine) => {
                if let Some(loaded) = &mut self.machines[machine as usize] {
                    loaded.loaded = true;
                }
                self.queue.push(now, Event::StartExecution(machine));
            }
            Event::Issue { request, .. } => self.issue(now, request),
            Event::StartTransmission(end) => self.start_transmission(now, end),
            Event::FinishSending { link, parcel } => self.finish_sending(now, link, parcel),
            Event::Delivered { end, forecast } => self.delivered(now, end, forecast),
            Event::Arrive { parcel } => self.arrive(now, parcel),
            Event::Gather => self.gather(now),
            Event::StartExecution(machine) => return self.start_execution(now, machine),
            Event::FinishExecution { machine, generation } => self.finish_execution(now, machine, generation),
            Event::Tick => self.tick(now),
            Event::Fault(index) => self.fault(now, index),
        }
        Ok(())
    }

    /// Closes the window where it is, for a report of a run that was stopped.
    fn close(&mut self) {
        if self.measuring && !self.counts.closed {
            self.stop_measuring();
        }
        if self.counts.machines.len() < self.machines.len() {
            self.counts.machines.resize(self.machines.len(), MachineCounts::default());
        }
        self.machines.iter_mut().flatten().for_each(Machine::note_kv);
        let now = self.queue.now();
        self.sample(now);
        self.counts.hold_present(now);
    }

    /// Adds an event, with jitter where there is a delay and jitter is asked for.
    fn push_after(&mut self, now: SimTime, delay: SimTime, event: Event) {
        let delay = self.with_jitter(delay);
        self.queue.push(SimTime(now.0.saturating_add(delay.0)), event);
    }

    /// A delay with jitter, where it is one.
    fn with_jitter(&mut self, delay: SimTime) -> SimTime {
        let extra = match &mut self.jitter {
            Some(random) if delay > SimTime::ZERO => jitter(random, self.settings.jitter),
            _ => 0,
        };
        SimTime(delay.0.saturating_add(extra))
    }

    /// Tells the observer of an event before it takes effect; of parcels where each of them is at hand.
    fn tell_of(&mut self, time: SimTime, event: Event) {
        let end = |index: u32| Subject::End(endpoint_of(index));
        let machine = |index: u32| end(index + 1);
        let (kind, subject) = match event {
            Event::LoadModel(index) => (EventKind::LoadModel, machine(index)),
            Event::StartLoading(index) => (EventKind::StartLoading, machine(index)),
            Event::FinishLoading(index) => (EventKind::FinishLoading, machine(index)),
            Event::Issue { request, pass } => {
                let request = RequestId(u64::from(request));
                (EventKind::Issue, Subject::Pass { pass, request })
            }
            Event::StartTransmission(index) => (EventKind::StartTransmission, end(index)),
            Event::FinishSending { link, .. } => (EventKind::FinishSending, Subject::Link(link)),
            Event::Delivered { .. } | Event::Arrive { .. } => return,
            Event::Gather => (EventKind::Gather, Subject::None),
            Event::StartExecution(index) => (EventKind::StartExecution, machine(index)),
            Event::FinishExecution { machine: index, .. } => (EventKind::FinishExecution, machine(index)),
            Event::Tick => (EventKind::Tick, Subject::None),
            Event::Fault(_) => (EventKind::Fault, Subject::None),
        };
        self.tell(time, kind, subject);
    }

    fn tell(&mut self, time: SimTime, kind: EventKind, subject: Subject) {
        self.observer.observe(&Record::Event { time, kind, subject });
    }
}

/// A time from 0 to `most`, both included.
fn jitter(random: &mut MersenneTwister, most: SimTime) -> u64 {
    let share = random.unit() * (most.0 as f64 + 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a u64")]
    let extra = share as u64;
    extra.min(most.0)
}
