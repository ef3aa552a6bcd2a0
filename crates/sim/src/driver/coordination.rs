//! The coordinator's part: passes begin, tokens come back, actions are carried out.

use helix_scheduler::coordinator::{Action, Event as ToCoordinator, Outcome};
use helix_scheduler::node::NodeEvent;
use helix_scheduler::{Phase, RequestId, Work};
use helix_spec::{LayerRange, SimTime};

use super::Simulation;
use super::event::{Event, Observer, Record, RequestRecord};
use super::requests::Step;

/// The driver's number of a request.
pub(super) fn number_of(request: RequestId) -> u32 {
    u32::try_from(request.0).expect("the driver gives ids from u32")
}

fn id_of(number: u32) -> RequestId {
    RequestId(u64::from(number))
}

impl<O: Observer> Simulation<O> {
    /// The next pass of a request begins at an instant.
    pub(super) fn push_issue(&mut self, time: SimTime, request: u32) {
        let pass = self.passes;
        self.passes = self.passes.wrapping_add(1);
        self.queue.push(time, Event::Issue { request, pass });
    }

    /// A pass begins: the prompt of a new request, or the decode that follows a token.
    pub(super) fn issue(&mut self, now: SimTime, number: u32) {
        let Some(request) = self.requests.get_mut(number) else { return };
        if request.first_token.is_none() {
            (request.arrived, request.issued, request.in_line) = (now, now, now);
            let prompt_tokens = request.prompt;
            self.counts.request_came(now);
            let request = id_of(number);
            self.coordinate(now, ToCoordinator::Arrived { request, prompt_tokens, deadline: None });
        } else {
            let attempt = request.attempt;
            let request = id_of(number);
            self.coordinate(now, ToCoordinator::Token { request, attempt, last: false });
        }
        self.issued(now, number);
    }

    /// Hands the coordinator an event and does what it asks for.
    pub(super) fn coordinate(&mut self, now: SimTime, event: ToCoordinator) {
        let mut actions = std::mem::take(&mut self.actions);
        self.coordinator.handle(now, event, &mut actions);
        self.carry_out(now, &mut actions);
        self.actions = actions;
        self.set_tick(now);
    }

    /// Time has come for those who wait too long.
    pub(super) fn tick(&mut self, now: SimTime) {
        self.tick = None;
        self.coordinate(now, ToCoordinator::Tick);
    }

    /// Time that the coordinator waits for is an event.
    pub(super) fn set_tick(&mut self, now: SimTime) {
        let Some(next) = self.coordinator.next_deadline() else { return };
        if next < crate::network::NEVER && self.tick.is_none_or(|tick| tick <= now || next < tick) {
            let next = next.max(SimTime(now.0 + 1));
            self.tick = Some(next);
            self.queue.push(next, Event::Tick);
        }
    }

    /// Does what the coordinator asks for.
    pub(super) fn carry_out(&mut self, now: SimTime, actions: &mut Vec<Action>) {
        let (mut sends, mut frees) = (false, false);
        for action in actions.drain(..) {
            frees |= matches!(action, Action::Free { .. } | Action::Ended { .. });
            match action {
                Action::Hop { request, attempt, hop } => {
                    if let Some(found) = self.requests.get_mut(number_of(request)) {
                        if found.attempt != attempt {
                            found.attempt = attempt;
                            found.steps.clear();
                        }
                        found.steps.push(Step::new(hop.link, hop.machine));
                    }
                }
                Action::Dispatch { request, attempt, phase, tokens, context } => {
                    sends = true;
                    let Some(layers) = LayerRange::new(0, self.scene.topology.model_layers()) else {
                        continue;
                    };
                    let work = Work { request, attempt, phase, tokens, context, layers, last: true };
                    self.dispatch(now, work);
                }
                Action::Free { machine, request, attempt, in_flight } => {
                    self.free(now, machine.0, NodeEvent::Free { request, attempt, in_flight });
                }
                Action::Restarts { request, attempt, .. } => {
                    self.counts.restarts += 1;
                    if let Some(found) = self.requests.get_mut(number_of(request)) {
                        (found.attempt, found.in_line) = (attempt, now);
                        found.steps.clear();
                    }
                }
                Action::Ended { request, outcome, generated } => self.ended(now, request, outcome, generated),
                Action::Waits { .. } | Action::Drained { .. } => {}
            }
        }
        if sends {
            self.flush(now, 0);
        }
        // Of the machines that are there only those without cache take no prompts. Who makes room may have been made to by
        // one who waits (preemption), so it is not only ends that count.
        if frees && self.settings.coordinator.kv.is_some() {
            self.ask_hops_again(now);
        }
    }

    /// Tokens leave the coordinator.
    fn dispatch(&mut self, now: SimTime, work: Work) {
        let Some(request) = self.requests.get_mut(number_of(work.request)) else { return };
        request.attempt = work.attempt;
        request.phase = work.phase;
        if work.phase == Phase::Prefill {
            request.line.0 += now.0 - request.in_line.0;
        }
        let first = request.steps.get(0);
        let ticket = self.transport.ticket();
        if let Some(step) = first {
            self.go_on(now, 0, (step, ticket, now), work);
        } else {
            self.unrouted[0].push((ticket, now, work));
        }
    }

    fn free(&mut self, now: SimTime, index: u32, event: NodeEvent) {
        let Some(machine) = &mut self.machines[index as usize] else { return };
        machine.settle(now);
        machine.note_kv();
        let mut actions = std::mem::take(&mut self.node_actions);
        machine.node.handle(now, event, &mut actions);
        // Those who waited for blocks may go on.
        let wakes = machine.node.pool().is_some() && machine.running.is_none() && machine.node.queued() > 0;
        let taken = self.take_node_actions(now, index, &mut actions);
        debug_assert!(taken.is_ok(), "a request that leaves starts no batch");
        self.node_actions = actions;
        if wakes {
            self.queue.push(now, Event::StartExecution(index));
        }
    }

    /// The coordinator takes what has come back.
    pub(super) fn gather(&mut self, now: SimTime) {
        let mut works = std::mem::take(&mut self.gathered);
        if self.looks_ahead() {
            self.coordinator.prefetch(works.iter().map(|work| work.request));
        }
        for work in works.drain(..) {
            self.came_back(now, &work);
        }
        self.gathered = works;
    }

    fn came_back(&mut self, now: SimTime, work: &Work) {
        let number = number_of(work.request);
        let Some(request) = self.requests.get_mut(number) else { return };
        if request.attempt != work.attempt || !work.last {
            return;
        }
        let took = SimTime(now.0 - request.issued.0);
        let (first, attempt, prompt) = (request.first_token.is_none(), request.attempt, request.prompt);
        request.issued = now;
        if first {
            request.first_token = Some(now);
        } else {
            request.decoded += 1;
        }
        let got = request.decoded + u32::from(self.settings.prompt_yields_token);
        let last = got >= request.output;
        if first {
            self.counts.prompt_done(now, took, prompt);
        } else {
            self.counts.decode_done(now, took);
        }
        if last {
            let request = id_of(number);
            self.coordinate(now, ToCoordinator::Token { request, attempt, last });
        } else {
            self.push_issue(now, number);
        }
        if first || last {
            self.refill(now, last);
        }
    }

    fn ended(&mut self, now: SimTime, request: RequestId, outcome: Outcome, generated: u32) {
        let number = number_of(request);
        let Some(found) = self.requests.get(number) else { return };
        let record = RequestRecord {
            request,
            prompt_tokens: found.prompt,
            output_tokens: found.output,
            arrived: found.arrived,
            first_token: found.first_token,
            ended: now,
            outcome,
            generated,
            hops: u32::try_from(found.steps.len().saturating_sub(1)).unwrap_or(u32::MAX),
            restarts: found.attempt,
            spent: found.spent_until(now),
        };
        self.counts.request_done(now, &record);
        self.observer.observe(&Record::Request(record));
        self.requests.end(number);
        if outcome != Outcome::Finished {
            self.gave_up(now);
        }
    }
}
