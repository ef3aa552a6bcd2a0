//! One worker's driver of the scheduler's node: what arrives becomes work, batches are computed, results go on.
//!
//! ```text
//!   Open, activations, tokens ──> Resident ──held back by credits──> Node ──batch──> StageExecutor
//!                                                                                        │
//!       the next machine <── activations ──┬────────────────────────────── Forward <─────┘
//!       first stage, coordinator <── token ┘           the machine before <── credit
//! ```
//!
//! Knows no sockets and no clock of its own: it is handed the time and an [`Outlet`]. Backpressure is a window for each
//! request and hop: at most `window` tokens of a prompt are between this machine's node and the next one's results. A
//! request waits only for machines that come later on its own way, and the last one waits for nobody: no circle of
//! waiting can close, whatever ways the requests take.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use helix_scheduler::node::{Node, NodeAction, NodeEvent};
use helix_scheduler::{Phase, RequestId, Work};
use helix_spec::{LayerRange, SimTime};

use super::executor::{StageExecutor, StageInput, StageItem};
use super::resident::Resident;
use super::tombs::Tombs;
use crate::wire::{Activations, Decision, Ending, Message, Open, Sampled, ShortOfBlocks, Status};

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The coordinator.
    Coordinator,
    /// A machine later on the way, or the first stage.
    Machine(u32),
    /// The machine before, on the connection by which it sends.
    Back(u32),
}

/// Takes what is to be sent; never waits.
pub trait Outlet {
    /// Sends, or drops what cannot be sent: who is gone is told as [`StageEvent::PeerGone`].
    fn send(&mut self, to: To, message: &Message);
}

/// What a worker is told.
#[derive(Debug)]
pub enum StageEvent {
    /// A message, from the coordinator or another machine.
    Message(Message),
    /// The connection to a machine is gone, and why.
    PeerGone(u32, String),
}

/// What it holds, and how much of a prompt it takes at a time.
#[derive(Debug, Clone, Copy)]
pub struct StageLimits {
    /// Index of the machine.
    pub machine: u32,
    /// Layers of the whole model.
    pub model_layers: u32,
    /// The most tokens of a prompt that are given to the node at once.
    pub chunk: u32,
    /// The most tokens of one prompt between this machine and what the next one has computed.
    pub window: u32,
}

/// The driver.
pub struct StageLoop<E, O> {
    limits: StageLimits,
    node: Node,
    executor: E,
    outlet: O,
    clock: Box<dyn Fn() -> SimTime + Send>,
    residents: BTreeMap<u64, Resident>,
    tombs: Tombs,
    /// Tokens from this machine's last stage to its own first one.
    local: VecDeque<Sampled>,
    actions: Vec<NodeAction>,
    outputs: BTreeMap<(u64, u32), Vec<f32>>,
    status: Status,
    told: Status,
}

impl<E: StageExecutor, O: Outlet> StageLoop<E, O> {
    /// An idle worker.
    pub fn new(
        limits: StageLimits,
        node: Node,
        (executor, outlet): (E, O),
        clock: Box<dyn Fn() -> SimTime + Send>,
    ) -> Self {
        let blocks_total = u32::try_from(node.kv().capacity).unwrap_or(u32::MAX);
        let tombs = Tombs::new(node.config().stale_for);
        Self {
            limits,
            node,
            executor,
            outlet,
            clock,
            residents: BTreeMap::new(),
            tombs,
            local: VecDeque::new(),
            actions: Vec::new(),
            outputs: BTreeMap::new(),
            status: Status { blocks_total, ..Status::default() },
            told: Status::default(),
        }
    }

    /// How the worker is.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Where messages go: for tests.
    pub fn outlet(&mut self) -> &mut O {
        &mut self.outlet
    }

    /// Takes an event. Nothing is computed before [`step`](Self::step).
    pub fn handle(&mut self, event: StageEvent) {
        let now = (self.clock)();
        match event {
            StageEvent::Message(Message::Open(open)) => self.open(now, open),
            StageEvent::Message(Message::Activations(activations)) => self.activations(now, &activations),
            StageEvent::Message(Message::Sampled(sampled)) => self.continue_with(now, &sampled),
            StageEvent::Message(Message::Credit { request, attempt, tokens }) => {
                if let Some(resident) = self.resident(request, attempt) {
                    resident.outstanding = resident.outstanding.saturating_sub(tokens);
                    self.feed(now, request);
                }
            }
            StageEvent::Message(Message::Free { request, attempt, in_flight }) => {
                self.free(now, request, attempt, in_flight);
            }
            // What only the coordinator is told.
            StageEvent::Message(
                Message::OutOfBlocks(_)
                | Message::Decided { .. }
                | Message::PeerLost { .. }
                | Message::Status(_),
            ) => {}
            StageEvent::PeerGone(machine, reason) => {
                self.outlet.send(To::Coordinator, &Message::PeerLost { machine, reason });
            }
        }
        self.act();
    }

    /// Computes a batch if there is one; whether there was.
    pub fn step(&mut self) -> bool {
        let started = (self.clock)();
        self.node.handle(started, NodeEvent::Start, &mut self.actions);
        let runs = self.actions.iter().any(|action| matches!(action, NodeAction::Run(_)));
        if runs {
            self.compute();
            let ended = (self.clock)();
            self.status.busy_us += ended.0.saturating_sub(started.0) / 1_000_000;
            self.node.handle(ended, NodeEvent::BatchFinished, &mut self.actions);
        }
        self.act();
        self.outputs.clear();
        self.tell_status(runs);
        runs
    }

    fn resident(&mut self, request: u64, attempt: u32) -> Option<&mut Resident> {
        self.residents.get_mut(&request).filter(|resident| resident.attempt() == attempt)
    }

    fn fail(&mut self, request: u64, attempt: u32, reason: String) {
        let decision = Decision::Failed(reason);
        self.outlet.send(To::Coordinator, &Message::Decided { request, attempt, decision });
    }

    fn open(&mut self, now: SimTime, open: Open) {
        let (request, attempt) = (open.request, open.attempt);
        if self.tombs.holds(now, request, attempt) {
            return;
        }
        if let Some(known) = self.residents.get(&request).map(Resident::attempt) {
            if known >= attempt {
                return;
            }
            self.free(now, request, known, true);
        }
        let held = self.node.config().layers;
        let ours = open.route.iter().position(|hop| hop.machine == self.limits.machine);
        let layers = ours.and_then(|hop| LayerRange::new(open.route[hop].start, open.route[hop].end));
        let fits = layers.is_some_and(|layers| layers.start() >= held.start() && layers.end() <= held.end());
        let (Some(hop), Some(layers), true) = (ours, layers, fits) else {
            let reason = format!("the request's way {:?} does not fit the layers {held} here", open.route);
            self.fail(request, attempt, reason);
            return;
        };
        let Ok(tokens) = u32::try_from(open.tokens.len()) else { return };
        let mut resident = Resident::new(open, hop);
        if let Some(next) = resident.next() {
            self.outlet.send(To::Machine(next.machine), &Message::Open(resident.open.clone()));
        }
        if hop == 0 {
            resident.put(0, tokens, StageInput::Tokens(resident.open.tokens.clone()));
            resident.held.push_back(Work {
                request: RequestId(request),
                attempt,
                phase: Phase::Prefill,
                tokens,
                context: 0,
                layers,
                last: true,
            });
        }
        self.residents.insert(request, resident);
        self.feed(now, request);
    }

    fn activations(&mut self, now: SimTime, found: &Activations) {
        let width = self.executor.width();
        let Some(resident) = self.resident(found.request, found.attempt) else { return };
        let Some(layers) = resident.layers() else { return };
        if found.width != width || layers.start() == 0 || found.context.checked_add(found.tokens).is_none() {
            let reason = format!(
                "activations of {} numbers a token came for layer {}, {width} were expected",
                found.width,
                layers.start()
            );
            self.fail(found.request, found.attempt, reason);
            return;
        }
        let numbers = found.hidden.chunks_exact(4);
        let numbers = numbers.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        resident.put(found.context, found.tokens, StageInput::Activations(numbers.collect()));
        let work = Work {
            request: RequestId(found.request),
            attempt: found.attempt,
            phase: if found.decode { Phase::Decode } else { Phase::Prefill },
            tokens: found.tokens,
            context: found.context,
            layers,
            last: found.last,
        };
        if found.decode {
            self.node.handle(now, NodeEvent::Work(work), &mut self.actions);
        } else {
            resident.held.push_back(work);
            self.feed(now, found.request);
        }
    }

    /// The token that the last stage chose goes into the first layer.
    fn continue_with(&mut self, now: SimTime, sampled: &Sampled) {
        let Some(resident) = self.resident(sampled.request, sampled.attempt) else { return };
        let Some(layers) = resident.layers().filter(|layers| layers.start() == 0) else { return };
        resident.put(sampled.context, 1, StageInput::Tokens(vec![sampled.token]));
        let work = Work {
            request: RequestId(sampled.request),
            attempt: sampled.attempt,
            phase: Phase::Decode,
            tokens: 1,
            context: sampled.context,
            layers,
            last: true,
        };
        self.node.handle(now, NodeEvent::Work(work), &mut self.actions);
    }

    /// Gives the node as much of a prompt as the next machine has room for.
    fn feed(&mut self, now: SimTime, request: u64) {
        let StageLimits { chunk, window, .. } = self.limits;
        let Some(resident) = self.residents.get_mut(&request) else { return };
        let goes_on = resident.next().is_some();
        while let Some(front) = resident.held.front_mut() {
            let part = front.tokens.min(chunk);
            if goes_on && resident.outstanding > 0 && resident.outstanding.saturating_add(part) > window {
                break;
            }
            let whole = part == front.tokens;
            let work = Work { tokens: part, last: front.last && whole, ..*front };
            (front.context, front.tokens) = (front.context + part, front.tokens - part);
            if whole {
                resident.held.pop_front();
            }
            if goes_on {
                resident.outstanding += part;
            }
            self.node.handle(now, NodeEvent::Work(work), &mut self.actions);
        }
    }

    fn free(&mut self, now: SimTime, request: u64, attempt: u32, in_flight: bool) {
        if in_flight {
            self.tombs.bury(now, request, attempt);
        }
        let event = NodeEvent::Free { request: RequestId(request), attempt, in_flight };
        self.node.handle(now, event, &mut self.actions);
        if self.residents.get(&request).is_some_and(|resident| resident.attempt() <= attempt) {
            self.residents.remove(&request);
            self.executor.release(request);
        }
    }

    /// Runs the node's batch and keeps what comes out until the node says where it goes.
    fn compute(&mut self) {
        let works: Vec<Work> = self.node.running().copied().collect();
        let width = self.executor.width() as usize;
        let (mut items, mut kept) = (Vec::with_capacity(works.len()), Vec::with_capacity(works.len()));
        for work in works {
            let input = self.resident(work.request.0, work.attempt).and_then(|r| r.take(&work, width));
            let Some(input) = input else {
                self.fail(work.request.0, work.attempt, "its inputs are not there".to_owned());
                continue;
            };
            items.push(StageItem {
                request: work.request.0,
                context: work.context,
                layers: work.layers,
                input,
                logits: work.last && work.layers.end() == self.limits.model_layers,
            });
            kept.push(work);
        }
        let first = kept.iter().map(|work| work.layers.start()).min().unwrap_or(0);
        let end = kept.iter().map(|work| work.layers.end()).max().unwrap_or(first);
        self.status.batch_layers += u64::from(end - first);
        match self.executor.run(&items) {
            Ok(outputs) => self.keep(kept.iter().zip(outputs)),
            // One item spoils the batch: each alone, so that only the requests fail that cannot be computed.
            Err(_) => {
                for (item, work) in items.chunks(1).zip(&kept) {
                    match self.executor.run(item) {
                        Ok(outputs) => self.keep(std::iter::once(work).zip(outputs)),
                        Err(reason) => self.fail(work.request.0, work.attempt, reason),
                    }
                }
            }
        }
    }

    fn keep<'a>(&mut self, outputs: impl Iterator<Item = (&'a Work, Vec<f32>)>) {
        for (work, output) in outputs {
            match work.phase {
                Phase::Prefill => self.status.prompt_tokens += u64::from(work.tokens),
                Phase::Decode => self.status.decode_tokens += 1,
            }
            self.status.token_layers += u64::from(work.tokens) * u64::from(work.layers.len());
            self.outputs.insert((work.request.0, work.context), output);
        }
    }

    /// Does what the node asked for.
    fn act(&mut self) {
        loop {
            for action in std::mem::take(&mut self.actions) {
                self.act_on(action);
            }
            let Some(sampled) = self.local.pop_front() else { break };
            self.continue_with((self.clock)(), &sampled);
        }
    }

    fn act_on(&mut self, action: NodeAction) {
        match action {
            NodeAction::Forward(work) => self.forward(&work),
            NodeAction::Refuse { work, why } => {
                let (request, attempt) = (work.request.0, work.attempt);
                let decision = Decision::Refused(refusal_code(why));
                self.outlet.send(To::Coordinator, &Message::Decided { request, attempt, decision });
            }
            NodeAction::OutOfBlocks(short) => {
                let short = ShortOfBlocks {
                    waits: (short.request.0, short.attempt),
                    decode: short.phase == Phase::Decode,
                    youngest: (short.youngest.0.0, short.youngest.1),
                };
                self.outlet.send(To::Coordinator, &Message::OutOfBlocks(short));
            }
            // Run is done in `step`; blocks are shared by nobody here; what is discarded has no resident any more.
            NodeAction::Run(_) | NodeAction::CopyBlock { .. } | NodeAction::Discard(_) => {}
        }
    }

    /// Sends a result on: activations to the next machine, or a token where the model ends.
    fn forward(&mut self, work: &Work) {
        let (request, attempt) = (work.request.0, work.attempt);
        let Some(output) = self.outputs.remove(&(request, work.context)) else { return };
        let width = self.executor.width();
        let Some(resident) = self.resident(request, attempt) else { return };
        let (previous, next, first) = (resident.previous(), resident.next(), resident.first());
        let mut sampled = None;
        if next.is_none() && work.last {
            sampled = Some(resident.choose(work, &output));
        }
        if let Some(before) = previous.filter(|_| work.phase == Phase::Prefill) {
            let credit = Message::Credit { request, attempt, tokens: work.tokens };
            self.outlet.send(To::Back(before.machine), &credit);
        }
        if let Some(next) = next {
            let activations = Activations {
                request,
                attempt,
                decode: work.phase == Phase::Decode,
                last: work.last,
                context: work.context,
                tokens: work.tokens,
                width,
                hidden: little_endian(output),
            };
            self.outlet.send(To::Machine(next.machine), &Message::Activations(activations));
        }
        match sampled {
            None => {}
            Some(Err(error)) => self.fail(request, attempt, error.to_string()),
            Some(Ok(sampled)) => {
                if let Some(first) = first.filter(|_| sampled.ending == Ending::Goes) {
                    let short = Sampled { logprob: None, top: Vec::new(), ..sampled };
                    if first.machine == self.limits.machine {
                        self.local.push_back(short);
                    } else {
                        self.outlet.send(To::Machine(first.machine), &Message::Sampled(short));
                    }
                }
                self.outlet.send(To::Coordinator, &Message::Sampled(sampled));
            }
        }
    }

    /// Tells the coordinator how it is: when it becomes idle, and every now and then while it computes.
    fn tell_status(&mut self, computed: bool) {
        const EVERY_US: u64 = 100_000;
        self.status.blocks_used = u32::try_from(self.node.kv().used).unwrap_or(u32::MAX);
        self.status.requests = u32::try_from(self.residents.len()).unwrap_or(u32::MAX);
        let due = self.status.busy_us - self.told.busy_us >= EVERY_US;
        if self.status != self.told && (due || !computed) {
            self.told = self.status;
            self.outlet.send(To::Coordinator, &Message::Status(self.status));
        }
    }
}

/// The scheduler's refusals on the wire.
fn refusal_code(why: helix_scheduler::node::Refusal) -> u8 {
    use helix_scheduler::node::Refusal;
    match why {
        Refusal::LayersNotHeld => 0,
        Refusal::Malformed => 1,
        Refusal::BeyondBatchLimits => 2,
        Refusal::BeyondCache => 3,
    }
}

/// The numbers as the wire has them, without a copy where memory has them so already.
fn little_endian(mut numbers: Vec<f32>) -> Bytes {
    struct Numbers(Vec<f32>);
    impl AsRef<[u8]> for Numbers {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }
    for number in &mut numbers {
        *number = f32::from_bits(number.to_bits().to_le());
    }
    Bytes::from_owner(Numbers(numbers))
}
