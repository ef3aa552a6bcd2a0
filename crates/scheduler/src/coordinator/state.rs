//! The coordinator's state, and which event goes where.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use helix_spec::SimTime;

use super::config::{CoordinatorConfig, CoordinatorConfigError};
use super::machines::{MachineState, Machines};
use super::protocol::{Action, Event, Hop};
use super::requests::{Requests, Stage};
use crate::route::{Candidate, RoutePolicy};
use crate::{RequestId, Topology};

/// What ends with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A wait or a life of a request.
    Request(RequestId),
    /// The patience with a machine that lacks blocks.
    Machine(u32),
}

/// Routes requests, admits them, and puts right what goes wrong; see the module.
///
/// Generic over the route policy; `Box<dyn RoutePolicy>` is one too. Memory: in proportion to the requests that are there.
#[derive(Debug, Clone)]
pub struct Coordinator<P> {
    pub(super) config: CoordinatorConfig,
    pub(super) topology: Topology,
    pub(super) policy: P,
    pub(super) epoch: u64,
    /// When the event came that is being handled.
    pub(super) now: SimTime,
    pub(super) machines: Machines,
    pub(super) requests: Requests,
    /// In line, the oldest first.
    pub(super) waiting: BTreeSet<RequestId>,
    /// Those in line may go when something has been freed.
    pub(super) freed: bool,
    pub(super) timers: BinaryHeap<Reverse<(SimTime, Timer)>>,
    /// Kept to save their memory.
    pub(super) candidates: Vec<Candidate>,
    pub(super) route: Vec<Hop>,
    /// By machine: no way leads on from it for the request that is being routed. Empty until one is met.
    pub(super) dead_ends: Vec<bool>,
}

impl<P: RoutePolicy> Coordinator<P> {
    /// All machines up and empty.
    pub fn new(
        config: CoordinatorConfig,
        topology: Topology,
        policy: P,
    ) -> Result<Self, CoordinatorConfigError> {
        config.validate()?;
        let machines = Machines(topology.machines().iter().map(MachineState::new).collect());
        Ok(Self {
            config,
            topology,
            policy,
            epoch: 0,
            now: SimTime::ZERO,
            machines,
            requests: Requests::default(),
            waiting: BTreeSet::new(),
            freed: false,
            timers: BinaryHeap::new(),
            candidates: Vec::new(),
            route: Vec::new(),
            dead_ends: Vec::new(),
        })
    }

    /// Takes an event and appends what is to be done. `now` must not go back.
    pub fn handle(&mut self, now: SimTime, event: Event, actions: &mut Vec<Action>) {
        self.expire(now, actions);
        match event {
            Event::Arrived { request, prompt_tokens, deadline } => {
                self.arrive(now, request, (prompt_tokens, deadline), actions);
            }
            Event::AskHop { request, attempt, candidates } => {
                self.hop(now, (request, attempt), &candidates, actions);
            }
            Event::Token { request, attempt, last } => self.token((request, attempt), last, actions),
            Event::Cancel { request } => self.cancel(request, actions),
            Event::OutOfBlocks { machine, shortage } => self.out_of_blocks(now, machine, shortage, actions),
            Event::Refused { machine, request, attempt, why } => {
                self.refused(now, machine, ((request, attempt), why), actions);
            }
            Event::Observed(observation) => self.observe(observation),
            Event::MachineLost { machine } => self.lose(now, machine, actions),
            Event::MachineDraining { machine } => self.drain(machine, actions),
            Event::MachineJoined { machine } => self.join(machine),
            Event::Tick => {}
        }
        self.admit_waiting(actions);
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &CoordinatorConfig {
        &self.config
    }

    /// The ways that requests may take now.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The route policy.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// The hops of a request so far.
    #[must_use]
    pub fn route(&self, request: RequestId) -> Option<&[Hop]> {
        let found = self.requests.at(self.requests.place(request)?);
        (found.stage == Stage::Active).then_some(&found.hops)
    }

    /// How many requests have not ended.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// How many of them wait in line.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many requests are on a machine, or have it before them.
    #[must_use]
    pub fn requests_on(&self, machine: helix_spec::MachineId) -> u32 {
        self.machines.0.get(machine.index()).map_or(0, |machine| machine.active)
    }

    /// The factor that a machine's weights carry for its measured speed; 1 as long as none was measured.
    #[must_use]
    pub fn speed(&self, machine: helix_spec::MachineId) -> f64 {
        self.machines.0.get(machine.index()).map_or(1.0, |machine| machine.factor)
    }

    /// How many timers there are: in proportion to the requests and machines that are there.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// When to say [`Event::Tick`] if nothing else happens until then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<SimTime> {
        self.timers.peek().map(|Reverse((time, _))| *time)
    }

    /// The fullest layer by expected cache: the greatest over all layers of 1 - free / capacity, each summed over the
    /// machines that hold the layer, per layer of theirs (section 2.7 of the paper's simulator). 1 for a layer that
    /// nobody holds. Complexity: layers × machines.
    #[must_use]
    pub fn expected_kv_usage(&self) -> f64 {
        let layers = self.topology.model_layers() as usize;
        let mut sums = vec![(0.0, 0.0); layers];
        for (machine, state) in self.topology.machines().iter().zip(&self.machines.0) {
            let Some(held) = machine.layers else { continue };
            let count = f64::from(held.len());
            for (free, capacity) in &mut sums[held.start() as usize..held.end() as usize] {
                *free += state.kv_available as f64 / count;
                *capacity += machine.kv_capacity as f64 / count;
            }
        }
        let used = sums.iter().map(|&(free, all)| if all > 0.0 { 1.0 - free / all } else { 1.0 });
        used.max_by(f64::total_cmp).unwrap_or(1.0)
    }
}
