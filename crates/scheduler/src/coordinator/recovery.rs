//! Preemption, lost and new machines, new placements, measured speeds.

use helix_spec::{MachineId, SimTime};

use super::admission::taken;
use super::config::{OnLoss, OnNoRoute};
use super::machines::{MachineState, Status, capacity};
use super::protocol::{Action, Outcome};
use super::requests::Stage;
use super::state::{Coordinator, Timer};
use crate::node::{Refusal, Shortfall};
use crate::route::{Observation, RoutePolicy};
use crate::{Phase, RequestId, Topology};

impl<P: RoutePolicy> Coordinator<P> {
    /// A decode makes the youngest give way at once; a prompt waits a while first, for it holds up only itself.
    pub(super) fn out_of_blocks(
        &mut self,
        now: SimTime,
        machine: MachineId,
        shortage: Shortfall,
        actions: &mut Vec<Action>,
    ) {
        let Some(state) = self.machines.get_mut(machine) else { return };
        if state.status == Status::Lost || !self.is_current(shortage.request, shortage.attempt) {
            return;
        }
        if shortage.phase == Phase::Decode || self.config.patience == SimTime::ZERO {
            self.preempt(now, shortage, actions);
        } else {
            let until = SimTime(now.0.saturating_add(self.config.patience.0));
            self.machines.0[machine.index()].shortfall = Some((until, shortage));
            self.set_timer(until, Timer::Machine(machine.0));
        }
    }

    /// The prompt has waited long enough; nothing was freed on its machine meanwhile.
    pub(super) fn lose_patience(&mut self, now: SimTime, machine: MachineId, actions: &mut Vec<Action>) {
        let Some(state) = self.machines.get_mut(machine) else { return };
        let Some((_, shortage)) = state.shortfall.take_if(|(until, _)| *until <= now) else { return };
        self.preempt(now, shortage, actions);
    }

    /// Whether a request is on its way in this attempt.
    fn is_current(&self, request: RequestId, attempt: u32) -> bool {
        self.requests.place(request).is_some_and(|place| {
            let found = self.requests.at(place);
            found.stage == Stage::Active && found.attempt == attempt
        })
    }

    /// The youngest of those who hold blocks and the one who waits gives way. If it has left meanwhile, the machine hears
    /// of it and asks again if that was not enough.
    fn preempt(&mut self, now: SimTime, shortage: Shortfall, actions: &mut Vec<Action>) {
        let waits = (shortage.request, shortage.attempt);
        let (victim, attempt) = shortage.youngest.max(waits);
        if self.is_current(waits.0, waits.1) && self.is_current(victim, attempt) {
            self.restart(now, victim, actions);
        }
    }

    /// Takes a request off its machines and puts it in line again, with what it has generated.
    fn restart(&mut self, now: SimTime, request: RequestId, actions: &mut Vec<Action>) {
        let Some(place) = self.requests.place(request) else { return };
        let found = self.requests.at(place);
        let next = found.prompt_as_sent.checked_add(found.generated).zip(found.attempt.checked_add(1));
        let Some((tokens, attempt)) = next else {
            self.end(request, Outcome::TooLarge, actions);
            return;
        };
        self.leave(request, place, true, actions);
        let found = self.requests.at_mut(place);
        (found.prompt, found.attempt) = (tokens, attempt);
        found.hops.clear();
        actions.push(Action::Restarts { request, attempt, tokens });
        let until = match self.config.on_no_route {
            OnNoRoute::Reject => SimTime(u64::MAX),
            OnNoRoute::Queue { deadline, .. } => SimTime(now.0.saturating_add(deadline.0)),
        };
        self.wait(request, until);
    }

    pub(super) fn refused(
        &mut self,
        now: SimTime,
        _machine: MachineId,
        ((request, attempt), why): ((RequestId, u32), Refusal),
        actions: &mut Vec<Action>,
    ) {
        if !self.is_current(request, attempt) {
            return;
        }
        match why {
            // A machine that has changed its layers meanwhile.
            Refusal::LayersNotHeld => self.survive(now, request, Outcome::Refused, actions),
            Refusal::BeyondBatchLimits | Refusal::BeyondCache => {
                self.end(request, Outcome::TooLarge, actions);
            }
            Refusal::Malformed => self.end(request, Outcome::Refused, actions),
        }
    }

    /// A request lost its way: it starts anew, or ends if the settings say so.
    fn survive(&mut self, now: SimTime, request: RequestId, or: Outcome, actions: &mut Vec<Action>) {
        let Some(place) = self.requests.place(request) else { return };
        let found = self.requests.at_mut(place);
        found.losses = found.losses.saturating_add(1);
        match self.config.on_loss {
            OnLoss::Requeue { times } if found.losses <= times => self.restart(now, request, actions),
            OnLoss::Requeue { .. } | OnLoss::Fail => self.end(request, or, actions),
        }
    }

    pub(super) fn lose(&mut self, now: SimTime, machine: MachineId, actions: &mut Vec<Action>) {
        let Some(state) = self.machines.get_mut(machine) else { return };
        state.status = Status::Lost;
        let on_it: Vec<RequestId> = self.active_where(|request| request.visits(machine));
        for request in on_it {
            self.survive(now, request, Outcome::MachineLost, actions);
        }
        self.freed = true;
    }

    fn active_where(&self, mut test: impl FnMut(&super::requests::Request) -> bool) -> Vec<RequestId> {
        let active = self.requests.iter().filter(|(_, place)| {
            let found = self.requests.at(*place);
            found.stage == Stage::Active && test(found)
        });
        active.map(|(request, _)| request).collect()
    }

    pub(super) fn drain(&mut self, machine: MachineId, actions: &mut Vec<Action>) {
        let Some(state) = self.machines.get_mut(machine) else { return };
        if state.status == Status::Up {
            state.status = Status::Draining;
            if state.active == 0 {
                actions.push(Action::Drained { machine });
            }
        }
    }

    pub(super) fn join(&mut self, machine: MachineId) {
        let Some(state) = self.machines.get_mut(machine) else { return };
        if state.status != Status::Up {
            state.status = Status::Up;
            self.policy.observe(Observation::Returned { machine });
            self.freed = true;
        }
    }

    /// Speeds are averaged before the policy hears of them; all else it hears as it is.
    pub(super) fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Speed { machine, factor } => {
                let Some(settings) = self.config.speed else { return };
                let Some(state) = self.machines.get_mut(machine) else { return };
                if let Some(factor) = state.measure(factor, &settings) {
                    self.policy.observe(Observation::Speed { machine, factor });
                }
            }
            Observation::LinkTime { .. } | Observation::Returned { .. } => self.policy.observe(observation),
        }
    }

    /// A new placement with its policy, for requests from now on. Machines keep their ids, their states, and, if they hold
    /// the layers still, their requests; the other requests start anew. False, and nothing happens, unless the epoch is
    /// larger than any before (at first it is 0).
    pub fn place(
        &mut self,
        now: SimTime,
        epoch: u64,
        (topology, policy): (Topology, P),
        actions: &mut Vec<Action>,
    ) -> bool {
        self.expire(now, actions);
        if epoch <= self.epoch {
            return false;
        }
        (self.epoch, self.topology, self.policy) = (epoch, topology, policy);
        let held = self.topology.machines();
        let stays = |request: &super::requests::Request| {
            request.is_routed()
                && request.hops.iter().all(|hop| {
                    let Some((machine, layers)) = hop.machine.zip(hop.layers) else { return true };
                    let now_held = held.get(machine.index()).and_then(|machine| machine.layers);
                    now_held.is_some_and(|held| held.start() <= layers.start() && layers.end() <= held.end())
                })
        };
        let moved = self.active_where(|request| !stays(request));
        for request in moved {
            self.restart(now, request, actions);
        }
        self.renew_machines();
        self.freed = true;
        self.admit_waiting(actions);
        true
    }

    /// Machines of the new placement: as full as the requests make them that stay.
    fn renew_machines(&mut self) {
        let mut renewed: Vec<MachineState> = self.topology.machines().iter().map(MachineState::new).collect();
        for (index, (new, old)) in (0..).zip(renewed.iter_mut().zip(&self.machines.0)) {
            (new.status, new.active, new.shortfall) = (old.status, 0, old.shortfall);
            if let Some(settings) = self.config.speed {
                new.inherit_speed(old);
                if (new.factor - 1.0).abs() > settings.hysteresis {
                    let machine = MachineId(index);
                    self.policy.observe(Observation::Speed { machine, factor: new.factor });
                }
            }
        }
        self.machines.0 = renewed;
        for (_, place) in self.requests.iter() {
            let found = self.requests.at(place);
            if found.stage != Stage::Active {
                continue;
            }
            for hop in &found.hops {
                let Some((machine, layers)) = hop.machine.zip(hop.layers) else { continue };
                let state = &mut self.machines.0[machine.index()];
                state.kv_available = state.kv_available.saturating_sub(taken(found.expected, layers.len()));
                state.active += 1;
            }
        }
        debug_assert!(
            self.machines
                .0
                .iter()
                .zip(self.topology.machines())
                .all(|(state, machine)| { state.active > 0 || state.kv_available == capacity(machine) }),
            "an empty machine is empty"
        );
    }
}
