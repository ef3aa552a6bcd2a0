//! The driver of the scheduler's coordinator: events of workers and clients in, messages and answers out.
//!
//! ```text
//!   submissions ──┐                                             ┌─> Open, Free to the workers
//!   tokens ───────┼─> Dispatcher ─ Event > Coordinator > Action ┼─> tokens, ends to the clients
//!   joins, losses ┘                                             └─> orders to the workers
//! ```

use std::collections::BTreeMap;

use helix_scheduler::coordinator::{Action, Coordinator, Event, Outcome};
use helix_scheduler::node::{Refusal, Shortfall};
use helix_scheduler::route::Observation;
use helix_scheduler::{Phase, RequestId};
use helix_spec::{MachineId, SimTime};
use tokio::sync::oneshot;

use super::machine::Machine;
use super::recorder::{Recorded, Recorder};
use super::request::Active;
use super::routes::Policy;
use super::speed::against_others;
use crate::control::proto;
use crate::service::{GenerationError, MachineState, Submission};
use crate::wire::{Decision, Message, RouteHop, Sampled, ShortOfBlocks, Status};

/// Counts what became of requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) finished: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) preempted: u64,
    pub(super) prompt_tokens: u64,
    pub(super) generated_tokens: u64,
}

/// Requests and tokens of one way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

/// State of the coordinator's loop.
pub(super) struct Dispatcher {
    pub(super) scheduler: Coordinator<Policy>,
    pub(super) machines: Vec<Machine>,
    pub(super) requests: BTreeMap<u64, Active>,
    pub(super) pipelines: BTreeMap<Vec<RouteHop>, Traffic>,
    pub(super) counts: Counts,
    /// Where what was served is written.
    pub(super) recorder: Option<Recorder>,
    next_request: u64,
    end_tokens: Vec<u32>,
    /// The machine whose loss is being dealt with.
    losing: Option<u32>,
}

impl Dispatcher {
    pub(super) fn new(scheduler: Coordinator<Policy>, machines: Vec<Machine>, end_tokens: Vec<u32>) -> Self {
        Self {
            scheduler,
            machines,
            requests: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            counts: Counts::default(),
            recorder: None,
            next_request: 0,
            end_tokens,
            losing: None,
        }
    }

    /// Takes a request; its name, and what tells when it has ended.
    pub(super) fn submit(&mut self, now: SimTime, submission: Submission) -> (u64, oneshot::Receiver<()>) {
        let request = self.next_request;
        self.next_request += 1;
        let (watch, ended) = oneshot::channel();
        let Submission { request: wanted, events } = submission;
        let deadline = wanted.deadline.map(|deadline| {
            let picoseconds = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX).saturating_mul(1000);
            SimTime(now.0.saturating_add(picoseconds))
        });
        let active = Active::new(wanted, events, &self.end_tokens, watch);
        let prompt_tokens = u32::try_from(active.prompt_tokens()).unwrap_or(u32::MAX);
        self.counts.prompt_tokens += u64::from(prompt_tokens);
        self.requests.insert(request, active);
        self.schedule(now, Event::Arrived { request: RequestId(request), prompt_tokens, deadline });
        (request, ended)
    }

    /// Gives the scheduler an event and does what it asks for.
    pub(super) fn schedule(&mut self, now: SimTime, event: Event) {
        let mut actions = Vec::new();
        self.scheduler.handle(now, event, &mut actions);
        self.act(actions);
    }

    pub(super) fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Hop { request, attempt, hop } => {
                    let Some(active) = self.requests.get_mut(&request.0) else { continue };
                    if active.attempt != attempt {
                        active.attempt = attempt;
                        active.route.clear();
                    }
                    if let Some((machine, layers)) = hop.machine.zip(hop.layers) {
                        let (start, end) = (layers.start(), layers.end());
                        active.route.push(RouteHop { machine: machine.0, start, end });
                    }
                }
                Action::Dispatch { request, phase: Phase::Prefill, .. } => self.dispatch(request.0),
                // The last stage sends tokens to the first one itself; waiting needs nothing.
                Action::Dispatch { .. } | Action::Waits { .. } => {}
                Action::Restarts { request, attempt, .. } => {
                    self.counts.preempted += 1;
                    if let Some(active) = self.requests.get_mut(&request.0) {
                        active.attempt = attempt;
                        active.route.clear();
                    }
                }
                Action::Free { machine, request, attempt, in_flight } => {
                    let free = Message::Free { request: request.0, attempt, in_flight };
                    if let Some(machine) = self.machines.get(machine.index()) {
                        machine.send(&free);
                    }
                }
                Action::Drained { machine } => self.release(machine.0),
                Action::Ended { request, outcome, .. } => self.ended(request.0, outcome),
            }
        }
    }

    /// A worker has nothing left to do here.
    pub(super) fn release(&mut self, machine: u32) {
        let Some(machine) = self.machines.get_mut(machine as usize) else { return };
        machine.released = true;
        let reason = "it takes no more requests and has none left".to_owned();
        machine.order(proto::to_worker::Message::Shutdown(proto::Shutdown { reason }));
    }

    fn dispatch(&mut self, request: u64) {
        let Some(active) = self.requests.get(&request) else { return };
        let Some(first) = active.route.first() else { return };
        let open = active.open(request);
        self.pipelines.entry(active.route.clone()).or_default().requests += 1;
        if let Some(machine) = self.machines.get(first.machine as usize) {
            machine.send(&Message::Open(open));
        }
    }

    fn ended(&mut self, request: u64, outcome: Outcome) {
        let Some(active) = self.requests.remove(&request) else { return };
        self.record(&active, outcome);
        if outcome == Outcome::Cancelled && active.failure.is_none() {
            self.counts.cancelled += 1;
            return;
        }
        let lost = self.losing.and_then(|machine| self.machines.get(machine as usize));
        let machine = lost.map_or_else(|| "unknown".to_owned(), |machine| machine.planned.name.clone());
        if active.end(failure(outcome, machine)) {
            self.counts.finished += 1;
        } else {
            self.counts.failed += 1;
        }
    }

    fn record(&self, active: &Active, outcome: Outcome) {
        let Some(recorder) = &self.recorder else { return };
        let name = |hop: &RouteHop| self.machines.get(hop.machine as usize).map(|m| m.planned.name.as_str());
        recorder.write(&Recorded {
            arrival_s: recorder.seconds(active.arrived),
            prompt_tokens: active.prompt_tokens(),
            output_tokens: active.tokens,
            first_token_s: active.first_token.map(|first| recorder.seconds(first)),
            ended_s: recorder.seconds(std::time::Instant::now()),
            outcome: match outcome {
                _ if active.is_good() => "finished",
                Outcome::Cancelled if active.failure.is_none() => "cancelled",
                _ => "failed",
            },
            attempts: active.attempt + 1,
            pipeline: active.route.iter().filter_map(name).collect(),
        });
    }

    /// A message of a worker about requests.
    pub(super) fn message(&mut self, now: SimTime, machine: u32, message: Message) {
        match message {
            Message::Sampled(sampled) => self.sampled(now, sampled),
            Message::OutOfBlocks(ShortOfBlocks { waits, decode, youngest }) => {
                let shortage = Shortfall {
                    request: RequestId(waits.0),
                    attempt: waits.1,
                    phase: if decode { Phase::Decode } else { Phase::Prefill },
                    youngest: (RequestId(youngest.0), youngest.1),
                };
                self.schedule(now, Event::OutOfBlocks { machine: MachineId(machine), shortage });
            }
            Message::Decided { request, attempt, decision: Decision::Refused(code) } => {
                let why = refusal(code);
                let (request, machine) = (RequestId(request), MachineId(machine));
                self.schedule(now, Event::Refused { machine, request, attempt, why });
            }
            Message::Decided { request, attempt, decision: Decision::Failed(reason) } => {
                if self.requests.get(&request).is_some_and(|active| active.attempt == attempt) {
                    self.fail(now, request, machine, reason);
                }
            }
            Message::PeerLost { machine: peer, reason } => self.peer_lost(now, machine, peer, &reason),
            Message::Status(status) => self.status(now, machine, status),
            // What only workers are told.
            Message::Open(_) | Message::Activations(_) | Message::Credit { .. } | Message::Free { .. } => {}
        }
    }

    /// How a worker is, and how fast it computed.
    fn status(&mut self, now: SimTime, machine: u32, status: Status) {
        let Some(known) = self.machines.get_mut(machine as usize) else { return };
        known.status = status;
        let Some(times) = known.planned.times else { return };
        if !known.speed.take(&status, &times) {
            return;
        }
        let Some(mine) = known.speed.ratio() else { return };
        let all = self.machines.iter().filter_map(|machine| machine.speed.ratio());
        if let Some(factor) = against_others(mine, all) {
            let observed = Observation::Speed { machine: MachineId(machine), factor };
            self.schedule(now, Event::Observed(observed));
        }
    }

    fn sampled(&mut self, now: SimTime, sampled: Sampled) {
        let (request, attempt) = (sampled.request, sampled.attempt);
        let Some(active) = self.requests.get_mut(&request).filter(|active| active.attempt == attempt) else {
            return;
        };
        self.counts.generated_tokens += 1;
        if let Some(traffic) = self.pipelines.get_mut(&active.route) {
            traffic.tokens += 1;
        }
        let last = active.take(sampled);
        self.schedule(now, Event::Token { request: RequestId(request), attempt, last });
    }

    /// Ends a request with an error that names the worker.
    fn fail(&mut self, now: SimTime, request: u64, machine: u32, reason: String) {
        let Some(active) = self.requests.get_mut(&request) else { return };
        let name = self.machines.get(machine as usize).map(|machine| machine.planned.name.clone());
        let machine = name.unwrap_or_default();
        active.failure = Some(GenerationError::WorkerFailed { machine, reason });
        self.schedule(now, Event::Cancel { request: RequestId(request) });
    }

    /// What was between two workers is gone: the requests that pass there end.
    fn peer_lost(&mut self, now: SimTime, machine: u32, peer: u32, reason: &str) {
        let name = self.machines.get(peer as usize).map_or("", |machine| machine.planned.name.as_str());
        let words = format!("its connection to worker {name} ended: {reason}");
        let passes = |route: &[RouteHop]| {
            let ends = route.last().zip(route.first());
            route.windows(2).any(|hops| hops[0].machine == machine && hops[1].machine == peer)
                || ends.is_some_and(|(last, first)| last.machine == machine && first.machine == peer)
        };
        let broken = self.requests.iter().filter(|(_, active)| passes(&active.route));
        for request in broken.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.fail(now, request, machine, words.clone());
        }
    }

    /// A worker is gone: its requests end, and say so.
    pub(super) fn lost(&mut self, now: SimTime, machine: u32, reason: String) {
        let Some(known) = self.machines.get_mut(machine as usize) else { return };
        let served = matches!(known.state, MachineState::Ready | MachineState::Draining);
        known.leave(reason);
        if served {
            self.losing = Some(machine);
            self.schedule(now, Event::MachineLost { machine: MachineId(machine) });
            self.losing = None;
        }
    }

    /// Ends everything.
    pub(super) fn shut_down(&mut self) {
        for (_, active) in std::mem::take(&mut self.requests) {
            let count = if active.end(GenerationError::ShuttingDown) {
                &mut self.counts.finished
            } else {
                &mut self.counts.failed
            };
            *count += 1;
        }
        for machine in &self.machines {
            let reason = "the coordinator is shutting down".to_owned();
            machine.order(proto::to_worker::Message::Shutdown(proto::Shutdown { reason }));
        }
    }
}

/// The scheduler's end of a request in words for its client.
fn failure(outcome: Outcome, machine: String) -> GenerationError {
    let why = match outcome {
        Outcome::MachineLost => return GenerationError::WorkerLost { machine },
        Outcome::DeadlinePassed => return GenerationError::Deadline,
        Outcome::Finished | Outcome::Cancelled => return GenerationError::ShuttingDown,
        Outcome::NoRoute => "no pipeline can take it now",
        Outcome::QueueFull => "as many requests wait as may wait",
        Outcome::WaitedTooLong => "it waited as long as a request may",
        Outcome::TooLarge => "it needs more cache than the machines of any pipeline have",
        Outcome::EmptyPrompt => "its prompt is empty",
        Outcome::Refused => "a machine on its way cannot run it",
    };
    GenerationError::NotPlaced(why.to_owned())
}

fn refusal(code: u8) -> Refusal {
    match code {
        0 => Refusal::LayersNotHeld,
        2 => Refusal::BeyondBatchLimits,
        3 => Refusal::BeyondCache,
        _ => Refusal::Malformed,
    }
}
