//! Finding a way for a request, in line or at once.

use helix_spec::{Endpoint, SimTime};

use super::config::{KvEstimate, OnNoRoute, Routing};
use super::machines::{capacity, fits};
use super::protocol::{Action, Hop, Outcome};
use super::requests::Stage;
use super::state::{Coordinator, Timer};
use crate::route::{Candidate, Question, RoutePolicy};
use crate::{LinkId, Phase, RequestId};

impl<P: RoutePolicy> Coordinator<P> {
    pub(super) fn arrive(
        &mut self,
        now: SimTime,
        request: RequestId,
        (prompt, deadline): (u32, Option<SimTime>),
        actions: &mut Vec<Action>,
    ) {
        if self.requests.place(request).is_some() {
            return;
        }
        let place = self.requests.insert(request, prompt, deadline);
        if let Some(deadline) = deadline {
            if deadline <= now {
                self.end(request, Outcome::DeadlinePassed, actions);
                return;
            }
            self.set_timer(deadline, Timer::Request(request));
        }
        if prompt == 0 {
            self.end(request, Outcome::EmptyPrompt, actions);
            return;
        }
        if self.waiting.is_empty() && self.admit(request, place, actions) {
            return;
        }
        match self.config.on_no_route {
            OnNoRoute::Reject => self.end(request, Outcome::NoRoute, actions),
            OnNoRoute::Queue { bound, .. } if self.waiting.len() >= bound as usize => {
                self.end(request, Outcome::QueueFull, actions);
            }
            OnNoRoute::Queue { .. } if !self.fits_when_empty(prompt) => {
                self.end(request, Outcome::TooLarge, actions);
            }
            OnNoRoute::Queue { deadline, .. } => {
                self.wait(request, SimTime(now.0.saturating_add(deadline.0)));
                actions.push(Action::Waits { request });
            }
        }
    }

    /// Puts a request in line.
    pub(super) fn wait(&mut self, request: RequestId, until: SimTime) {
        let Some(place) = self.requests.place(request) else { return };
        self.requests.at_mut(place).wait_until = Some(until);
        self.waiting.insert(request);
        self.set_timer(until, Timer::Request(request));
    }

    /// Lets those in line go, the oldest first, until one finds no way. After a preemption nobody goes before something
    /// else has been freed, or the victim would take at once what it gave.
    pub(super) fn admit_waiting(&mut self, actions: &mut Vec<Action>) {
        while self.freed || self.waiting.len() == self.requests.len() {
            let Some(&request) = self.waiting.first() else { break };
            let Some(place) = self.requests.place(request) else { break };
            if !self.admit(request, place, actions) {
                if self.config.on_no_route != OnNoRoute::Reject {
                    break;
                }
                self.end(request, Outcome::NoRoute, actions);
            }
        }
        self.freed = false;
    }

    /// Sends a request on its way if there is one.
    fn admit(&mut self, request: RequestId, place: u32, actions: &mut Vec<Action>) -> bool {
        let prompt = self.requests.at(place).prompt;
        let expected = self.expected(prompt);
        let mut route = std::mem::take(&mut self.route);
        route.clear();
        let found =
            self.config.routing == Routing::HopByHop || self.find_route((prompt, expected), &mut route);
        if found {
            self.waiting.remove(&request);
            let found = self.requests.at_mut(place);
            (found.stage, found.expected, found.wait_until) = (Stage::Active, expected, None);
            (found.passes, found.epoch) = (0, self.epoch);
            found.hops.clear();
            let attempt = found.attempt;
            for &hop in &route {
                self.add_hop((request, attempt), place, hop, actions);
            }
            actions.push(Action::Dispatch {
                request,
                attempt,
                phase: Phase::Prefill,
                tokens: prompt,
                context: 0,
            });
        }
        self.route = route;
        found
    }

    /// Tokens that a request is expected to have at its end.
    fn expected(&self, prompt: u32) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the paper rounds down; positive and far below 2^64, the settings are checked"
        )]
        self.config.kv.map_or(0, |kv| (f64::from(prompt) + kv.expected_output) as u64)
    }

    pub(super) fn hop_along(&self, link: LinkId) -> Hop {
        Hop { link, machine: self.topology.machine_at_end(link), layers: self.topology.layers_at_end(link) }
    }

    /// Charges a hop, takes its cache, and tells.
    fn add_hop(
        &mut self,
        (request, attempt): (RequestId, u32),
        place: u32,
        hop: Hop,
        actions: &mut Vec<Action>,
    ) {
        let found = self.requests.at_mut(place);
        found.hops.push(hop);
        self.policy.charge(hop.link, Phase::Prefill, found.prompt);
        if let Some((machine, layers)) = hop.machine.zip(hop.layers) {
            let state = &mut self.machines.0[machine.index()];
            state.kv_available = state.kv_available.saturating_sub(taken(found.expected, layers.len()));
            state.active += 1;
        }
        actions.push(Action::Hop { request, attempt, hop });
    }

    /// Answers [`Event::AskHop`](super::Event::AskHop) without a copy of the candidates: they may be narrowed. The link
    /// taken, also as an action.
    pub fn ask_hop(
        &mut self,
        now: SimTime,
        (request, attempt): (RequestId, u32),
        candidates: &[Candidate],
        actions: &mut Vec<Action>,
    ) -> Option<LinkId> {
        self.expire(now, actions);
        let link = self.hop(now, (request, attempt), candidates, actions);
        self.admit_waiting(actions);
        link
    }

    pub(super) fn hop(
        &mut self,
        now: SimTime,
        (request, attempt): (RequestId, u32),
        candidates: &[Candidate],
        actions: &mut Vec<Action>,
    ) -> Option<LinkId> {
        let place = self.requests.place(request)?;
        let found = self.requests.at(place);
        let current = found.stage == Stage::Active && found.attempt == attempt && found.epoch == self.epoch;
        if !current || found.is_routed() {
            return None;
        }
        let from = match found.hops.last().and_then(|hop| hop.machine) {
            None => Endpoint::Coordinator,
            Some(machine) => Endpoint::Machine(machine),
        };
        let (prompt, expected) = (found.prompt, found.expected);
        let mut narrowed = std::mem::take(&mut self.candidates);
        narrowed.clear();
        for candidate in candidates {
            let begins_here =
                self.topology.links().get(candidate.link.index()).is_some_and(|link| link.from == from);
            if begins_here {
                let open = candidate.open && takes(self, candidate.link, prompt, expected);
                narrowed.push(Candidate { open, ..*candidate });
            }
        }
        let link = self.policy.choose(&Question { now, from, tokens: prompt, candidates: &narrowed });
        self.candidates = narrowed;
        if let Some(link) = link {
            self.requests.at_mut(place).wait_until = None;
            self.add_hop((request, attempt), place, self.hop_along(link), actions);
        } else if let OnNoRoute::Queue { deadline, .. } = self.config.on_no_route
            && self.requests.at(place).wait_until.is_none()
        {
            let until = SimTime(now.0.saturating_add(deadline.0));
            self.requests.at_mut(place).wait_until = Some(until);
            self.set_timer(until, Timer::Request(request));
        }
        link
    }

    /// Whether a prompt would find a way if nothing else were there and all machines were.
    fn fits_when_empty(&self, prompt: u32) -> bool {
        let kv = self.config.kv.map(|kv| (kv, self.expected(prompt)));
        let mut seen = vec![false; self.topology.machines().len()];
        let mut open = vec![Endpoint::Coordinator];
        while let Some(from) = open.pop() {
            for &link in self.topology.outgoing(from) {
                let Some(machine) = self.topology.machine_at_end(link) else { return true };
                let held = &self.topology.machines()[machine.index()];
                if !seen[machine.index()] && fits(held, capacity(held), prompt, kv) {
                    seen[machine.index()] = true;
                    open.push(Endpoint::Machine(machine));
                }
            }
        }
        false
    }
}

/// Whether the machine at the end of a link takes a prompt.
pub(super) fn takes<P>(coordinator: &Coordinator<P>, link: LinkId, prompt: u32, expected: u64) -> bool {
    let Some(machine) = coordinator.topology.machine_at_end(link) else { return true };
    let kv: Option<(KvEstimate, u64)> = coordinator.config.kv.map(|kv| (kv, expected));
    let held = &coordinator.topology.machines()[machine.index()];
    coordinator.machines.0[machine.index()].takes(held, prompt, kv)
}

/// Cache that a request takes in so many layers \[tokens × layers\].
pub(super) fn taken(expected: u64, layers: u32) -> i64 {
    i64::try_from(expected.saturating_mul(u64::from(layers))).unwrap_or(i64::MAX)
}
