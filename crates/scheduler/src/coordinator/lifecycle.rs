//! What a request goes through once it is on its way: tokens, cancellation, deadlines, its end.

use std::cmp::Reverse;

use helix_spec::SimTime;

use super::admission::taken;
use super::config::DecodeDispatch;
use super::machines::Status;
use super::protocol::{Action, Outcome};
use super::requests::Stage;
use super::state::{Coordinator, Timer};
use crate::prefetch::prefetch;
use crate::route::RoutePolicy;
use crate::{Phase, RequestId};

impl<P: RoutePolicy> Coordinator<P> {
    /// Asks memory for what the next tokens of these requests will look at: for all of them at once, where it would wait for
    /// one after the other.
    pub fn prefetch(&self, requests: impl Iterator<Item = RequestId> + Clone) {
        requests.clone().for_each(|request| self.requests.prefetch(request));
        let found =
            requests.filter_map(|request| self.requests.place(request)).map(|place| self.requests.at(place));
        found.clone().for_each(|request| request.hops.iter().for_each(prefetch));
        for request in found {
            request.hops.iter().for_each(|hop| self.policy.prefetch(hop.link));
        }
    }

    pub(super) fn token(
        &mut self,
        (request, attempt): (RequestId, u32),
        last: bool,
        actions: &mut Vec<Action>,
    ) {
        let Some(place) = self.requests.place(request) else { return };
        let found = self.requests.at_mut(place);
        if found.stage != Stage::Active || found.attempt != attempt || !found.is_routed() {
            return;
        }
        let counts = found.generated.checked_add(1).zip(found.passes.checked_add(1));
        let context = found.prompt.checked_add(found.passes);
        let Some(((generated, passes), context)) = counts.zip(context) else {
            self.end(request, Outcome::TooLarge, actions);
            return;
        };
        (found.generated, found.passes) = (generated, passes);
        if last {
            self.end(request, Outcome::Finished, actions);
            return;
        }
        if found.epoch == self.epoch {
            for hop in &found.hops {
                self.policy.charge(hop.link, Phase::Decode, 1);
            }
        }
        if self.config.decodes == DecodeDispatch::Coordinator {
            actions.push(Action::Dispatch { request, attempt, phase: Phase::Decode, tokens: 1, context });
        }
    }

    pub(super) fn cancel(&mut self, request: RequestId, actions: &mut Vec<Action>) {
        if self.requests.place(request).is_some() {
            self.end(request, Outcome::Cancelled, actions);
        }
    }

    /// Ends a request, wherever it is.
    pub(super) fn end(&mut self, request: RequestId, outcome: Outcome, actions: &mut Vec<Action>) {
        let Some(place) = self.requests.place(request) else { return };
        self.leave(request, place, outcome != Outcome::Finished, actions);
        self.waiting.remove(&request);
        let generated = self.requests.at(place).generated;
        self.requests.remove(request);
        self.freed = true;
        actions.push(Action::Ended { request, outcome, generated });
    }

    /// Takes a request off all its machines.
    pub(super) fn leave(
        &mut self,
        request: RequestId,
        place: u32,
        in_flight: bool,
        actions: &mut Vec<Action>,
    ) {
        let found = self.requests.at_mut(place);
        if found.stage != Stage::Active {
            return;
        }
        found.stage = Stage::Waiting;
        let attempt = found.attempt;
        for hop in &found.hops {
            let Some((machine, layers)) = hop.machine.zip(hop.layers) else { continue };
            let Some(state) = self.machines.get_mut(machine) else { continue };
            state.kv_available = state.kv_available.saturating_add(taken(found.expected, layers.len()));
            state.active -= 1;
            state.shortfall = None;
            if state.status != Status::Lost {
                actions.push(Action::Free { machine, request, attempt, in_flight });
            }
            if state.status == Status::Draining && state.active == 0 {
                actions.push(Action::Drained { machine });
            }
        }
    }

    pub(super) fn set_timer(&mut self, time: SimTime, timer: Timer) {
        // Timers of requests that ended long before their time would pile up.
        if self.timers.len() > 64 + 4 * (self.requests.len() + self.machines.0.len()) {
            let (requests, machines) = (&self.requests, &self.machines);
            self.timers.retain(|Reverse((_, timer))| match timer {
                Timer::Request(request) => requests.place(*request).is_some(),
                Timer::Machine(machine) => {
                    machines.0.get(*machine as usize).is_some_and(|machine| machine.shortfall.is_some())
                }
            });
        }
        self.timers.push(Reverse((time, timer)));
    }

    /// Takes note of the time, and ends what has waited or lived too long.
    pub(super) fn expire(&mut self, now: SimTime, actions: &mut Vec<Action>) {
        self.now = now;
        while let Some(&Reverse((time, timer))) = self.timers.peek() {
            if time > now {
                break;
            }
            self.timers.pop();
            match timer {
                Timer::Machine(machine) => self.lose_patience(now, helix_spec::MachineId(machine), actions),
                Timer::Request(request) => {
                    let Some(place) = self.requests.place(request) else { continue };
                    let found = self.requests.at(place);
                    if found.deadline.is_some_and(|deadline| deadline <= now) {
                        self.end(request, Outcome::DeadlinePassed, actions);
                    } else if found.wait_until.is_some_and(|until| until <= now) {
                        self.end(request, Outcome::WaitedTooLong, actions);
                    }
                }
            }
        }
    }
}
