//! A small world around the scheduler: machines that compute, links that delay, things that break; every message in its own
//! time, drawn from a seed. It checks at every step what must always hold, and plays the driver's part as the
//! documentation asks for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use helix_scheduler::coordinator::{Action, Coordinator, DecodeDispatch, Event, Hop, Outcome, Routing};
use helix_scheduler::node::{KvConfig, Node, NodeAction, NodeConfig, NodeEvent};
use helix_scheduler::route::{Candidate, MaxFlow, Observation, RoutePolicy};
use helix_scheduler::{LinkId, Phase, RandomSource as _, RequestId, SplitMix64, Topology, Work};
use helix_spec::{MachineId, SimTime};

use super::checks::Books;

/// What is under way.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Arrive {
        request: u64,
        prompt: u32,
        tokens: u32,
        deadline: Option<SimTime>,
    },
    ToCoordinator(Event),
    /// With the machine's life that it was meant for.
    ToNode(usize, u32, NodeEvent),
    /// With the machine's life and the batch's number.
    BatchDone(usize, u32, u64),
    /// A prompt asks again for its next hop.
    Ask((RequestId, u32), Option<MachineId>),
    Lose(usize),
    Join(usize),
    Drain(usize),
    /// A new placement: the same machines, other weights.
    Place(u64, Topology),
    Tick,
}

/// An attempt, and the machine (or the coordinator) that it is about to leave.
type Place = ((RequestId, u32), Option<MachineId>);

pub struct Machine {
    pub config: NodeConfig,
    pub node: Option<Node>,
    pub life: u32,
    /// The life that the coordinator knows of, and those that it has still to hear of: a hop means the machine as the
    /// coordinator knew it.
    known_life: u32,
    joined: VecDeque<u32>,
    batch: u64,
    /// What the node was told and asked for in its first life.
    pub log: Vec<(SimTime, NodeEvent)>,
    pub actions: Vec<NodeAction>,
    started: SimTime,
    layer_time: u64,
}

pub struct World {
    pub now: SimTime,
    pub random: SplitMix64,
    pub coordinator: Coordinator<Box<dyn RoutePolicy>>,
    pub machines: Vec<Machine>,
    pub books: Books,
    queue: BinaryHeap<Reverse<(SimTime, u64)>>,
    messages: BTreeMap<u64, Message>,
    sent: u64,
    pub steps: u64,
    /// Latest delivery by channel: messages of one channel stay in order.
    channels: BTreeMap<(usize, usize, bool), SimTime>,
    /// Hops of each attempt with the lives of their machines.
    routes: BTreeMap<(RequestId, u32), Vec<(Hop, u32)>>,
    /// Parts of a prompt that wait for their next hop, in order.
    held: BTreeMap<Place, Vec<Work>>,
    next_tick: Option<SimTime>,
    /// What the coordinator was told, for a replay.
    pub log: Vec<(SimTime, Event)>,
    pub actions: Vec<Action>,
}

impl World {
    pub fn new(coordinator: Coordinator<Box<dyn RoutePolicy>>, nodes: &[NodeConfig], seed: u64) -> Self {
        let machines = nodes.iter().map(|&config| Machine {
            config,
            node: Some(Node::new(config).expect("a good configuration")),
            life: 0,
            known_life: 0,
            joined: VecDeque::new(),
            batch: 0,
            log: Vec::new(),
            actions: Vec::new(),
            started: SimTime::ZERO,
            layer_time: 1,
        });
        Self {
            now: SimTime::ZERO,
            random: SplitMix64::new(seed),
            coordinator,
            machines: machines.collect(),
            books: Books::default(),
            queue: BinaryHeap::new(),
            messages: BTreeMap::new(),
            sent: 0,
            steps: 0,
            channels: BTreeMap::new(),
            routes: BTreeMap::new(),
            held: BTreeMap::new(),
            next_tick: None,
            log: Vec::new(),
            actions: Vec::new(),
        }
    }

    pub fn at(&mut self, time: SimTime, message: Message) {
        self.sent += 1;
        self.queue.push(Reverse((time, self.sent)));
        self.messages.insert(self.sent, message);
    }

    /// Delivers everything until nothing is left to happen.
    pub fn run(&mut self) {
        while let Some(Reverse((time, number))) = self.queue.pop() {
            self.steps += 1;
            assert!(self.steps < 300_000, "this never ends");
            assert!(time >= self.now, "time goes on");
            self.now = time;
            let message = self.messages.remove(&number).expect("sent once");
            self.deliver(message);
            self.schedule_tick();
        }
        self.books.at_rest(&self.coordinator, &self.machines);
    }

    fn schedule_tick(&mut self) {
        let next = self.coordinator.next_deadline();
        if let Some(time) = next.filter(|_| next != self.next_tick) {
            self.next_tick = next;
            self.at(time.max(self.now), Message::Tick);
        }
    }

    /// Sends along a channel: in order, each with a delay of its own. Ends: 0 the coordinator, then the machines.
    fn send(&mut self, (from, to): (usize, usize), data: bool, message: Message) {
        let delay = u64::from(self.random.below(50)) * u64::from(self.random.below(20));
        let time = SimTime(self.now.0 + 1 + delay);
        let latest = self.channels.entry((from, to, data)).or_insert(time);
        *latest = (*latest).max(time);
        let time = *latest;
        self.at(time, message);
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Arrive { request, prompt, tokens, deadline } => {
                self.books.arrived(request, prompt, tokens);
                let request = RequestId(request);
                self.tell(Event::Arrived { request, prompt_tokens: prompt, deadline });
            }
            Message::ToCoordinator(event) => {
                if let Event::MachineJoined { machine } = event {
                    let machine = &mut self.machines[machine.index()];
                    machine.known_life = machine.joined.pop_front().expect("it joined");
                }
                self.tell(event);
            }
            Message::ToNode(machine, life, event) if self.machines[machine].life == life => {
                self.cut(machine, event);
                self.node(machine, event);
                self.node(machine, NodeEvent::Start);
            }
            Message::BatchDone(machine, life, batch)
                if self.machines[machine].life == life && self.machines[machine].batch == batch =>
            {
                let node = self.machines[machine].node.as_ref();
                assert!(node.is_some_and(|node| node.running_layers().is_some()), "a batch ends that ran");
                self.node(machine, NodeEvent::BatchFinished);
                self.node(machine, NodeEvent::Start);
                if self.random.below(20) == 0 {
                    let factor = f64::from(1 + self.random.below(30)) / 10.0;
                    let machine = MachineId(u32::try_from(machine).expect("few"));
                    self.tell(Event::Observed(Observation::Speed { machine, factor }));
                }
            }
            Message::ToNode(..) | Message::BatchDone(..) => {}
            Message::Ask(key, at) => self.ask(key, at),
            Message::Lose(machine) => {
                let lost = &mut self.machines[machine];
                (lost.node, lost.life) = (None, lost.life + 1);
                self.books.lost(machine);
                let event = Event::MachineLost { machine: MachineId(u32::try_from(machine).expect("few")) };
                self.send((machine + 1, 0), false, Message::ToCoordinator(event));
            }
            Message::Join(machine) => {
                let id = MachineId(u32::try_from(machine).expect("few"));
                let joined = &mut self.machines[machine];
                if joined.node.is_none() {
                    joined.node = Some(Node::new(joined.config).expect("a good configuration"));
                }
                joined.joined.push_back(joined.life);
                let event = Event::MachineJoined { machine: id };
                self.send((machine + 1, 0), false, Message::ToCoordinator(event));
            }
            Message::Drain(machine) => {
                self.tell(Event::MachineDraining {
                    machine: MachineId(u32::try_from(machine).expect("few")),
                });
            }
            Message::Place(epoch, topology) => {
                let policy: Box<dyn RoutePolicy> = Box::new(MaxFlow::new(&topology, 0.0));
                let mut actions = Vec::new();
                self.coordinator.place(self.now, epoch, (topology, policy), &mut actions);
                self.do_actions(actions);
            }
            Message::Tick => {
                self.next_tick = None;
                self.tell(Event::Tick);
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.log.push((self.now, event.clone()));
        let mut actions = Vec::new();
        self.coordinator.handle(self.now, event, &mut actions);
        self.do_actions(actions);
    }

    fn do_actions(&mut self, actions: Vec<Action>) {
        self.actions.extend(&actions);
        for action in actions {
            self.books.action(action);
            match action {
                Action::Hop { request, attempt, hop } => {
                    let life = hop.machine.map_or(0, |machine| self.machines[machine.index()].known_life);
                    self.routes.entry((request, attempt)).or_default().push((hop, life));
                }
                Action::Dispatch { request, attempt, phase, tokens, context } => {
                    let layers = self.machines[0].config.layers;
                    let work = Work { request, attempt, phase, tokens, context, layers, last: true };
                    self.go_on(work, None);
                }
                Action::Free { machine, request, attempt, in_flight } => {
                    let event = NodeEvent::Free { request, attempt, in_flight };
                    let life = self.machines[machine.index()].known_life;
                    self.send((0, machine.index() + 1), false, Message::ToNode(machine.index(), life, event));
                }
                Action::Ended { .. }
                | Action::Waits { .. }
                | Action::Restarts { .. }
                | Action::Drained { .. } => {}
            }
        }
    }

    /// Work has left a machine (or the coordinator): to the next hop, or it is a token.
    fn go_on(&mut self, mut work: Work, from: Option<MachineId>) {
        if let Some(held) = self.held.get_mut(&((work.request, work.attempt), from)) {
            held.push(work);
            return;
        }
        let hops = self.routes.get(&(work.request, work.attempt)).map_or(&[][..], Vec::as_slice);
        let index = match from {
            None => 0,
            Some(_) => hops.iter().position(|(hop, _)| hop.machine == from).expect("it came this way") + 1,
        };
        let begin = from.map_or(0, |machine| machine.index() + 1);
        let Some(&(hop, life)) = hops.get(index) else {
            assert_eq!(self.coordinator.config().routing, Routing::HopByHop, "a pipeline is whole");
            self.held.insert(((work.request, work.attempt), from), vec![work]);
            self.ask((work.request, work.attempt), from);
            return;
        };
        if let Some((machine, layers)) = hop.machine.zip(hop.layers) {
            work.layers = layers;
            let message = Message::ToNode(machine.index(), life, NodeEvent::Work(work));
            self.send((begin, machine.index() + 1), true, message);
        } else if work.last {
            self.token(work, begin);
        }
    }

    fn token(&mut self, work: Work, from: usize) {
        let last = self.books.generated(&work);
        let (request, attempt) = (work.request, work.attempt);
        self.send((from, 0), true, Message::ToCoordinator(Event::Token { request, attempt, last }));
        if !last && self.coordinator.config().decodes == DecodeDispatch::LastStage {
            let context = u32::try_from(work.cached_after()).expect("short");
            let (first, life) = self.routes[&(request, attempt)][0];
            let (machine, layers) = first.machine.zip(first.layers).expect("a pipeline has machines");
            let next = Work { phase: Phase::Decode, tokens: 1, context, layers, ..work };
            let message = Message::ToNode(machine.index(), life, NodeEvent::Work(next));
            self.send((from, machine.index() + 1), true, message);
        }
    }

    /// Asks where a prompt goes next, for it and the parts behind it; again later if it cannot go now.
    fn ask(&mut self, key: (RequestId, u32), from: Option<MachineId>) {
        let begin = from.map_or(helix_spec::Endpoint::Coordinator, helix_spec::Endpoint::Machine);
        let links = self.coordinator.topology().outgoing(begin).to_vec();
        let mut candidates = Vec::new();
        for link in links {
            let machine = self.coordinator.topology().machine_at_end(link);
            let node = machine.and_then(|machine| self.machines[machine.index()].node.as_ref());
            let waiting = node.map_or(0, |node| node.queued() as u64);
            candidates.push(Candidate { link, open: true, free: self.random.below(4) > 0, waiting });
        }
        let mut actions = Vec::new();
        let event = Event::AskHop { request: key.0, attempt: key.1, candidates: candidates.clone() };
        self.log.push((self.now, event));
        let link: Option<LinkId> = self.coordinator.ask_hop(self.now, key, &candidates, &mut actions);
        self.do_actions(actions);
        if link.is_some() {
            for work in self.held.remove(&(key, from)).unwrap_or_default() {
                self.go_on(work, from);
            }
        } else if self.coordinator.route(key.0).is_some() && self.books.is_current(key) {
            let later = SimTime(self.now.0 + 1 + u64::from(self.random.below(500)));
            self.at(later, Message::Ask(key, from));
        } else {
            self.held.remove(&(key, from));
        }
    }

    /// A fused batch ends where work enters that it has still to come to.
    fn cut(&mut self, machine: usize, event: NodeEvent) {
        let NodeEvent::Work(work) = event else { return };
        let this = &mut self.machines[machine];
        let Some(layers) = this.node.as_ref().and_then(Node::running_layers) else { return };
        let done = u32::try_from((self.now.0 - this.started.0) / this.layer_time).expect("few layers");
        let enters = work.layers.start();
        if layers.len() > 1 && enters > layers.start() + done && enters < layers.end() {
            let ends = this.started.0 + u64::from(enters - layers.start()) * this.layer_time;
            this.batch += 1;
            let message = Message::BatchDone(machine, this.life, this.batch);
            self.node(machine, NodeEvent::Cut { end: enters });
            self.at(SimTime(ends), message);
        }
    }

    fn node(&mut self, machine: usize, event: NodeEvent) {
        let mut actions = Vec::new();
        let this = &mut self.machines[machine];
        let Some(node) = &mut this.node else { return };
        node.handle(self.now, event, &mut actions);
        this.log.push((self.now, event));
        this.actions.extend(&actions);
        let looks = actions.is_empty() || self.random.below(4) == 0;
        let checked = if looks { node.check() } else { Ok(()) };
        checked.unwrap_or_else(|error| panic!("machine {machine} after {event:?}: {error}"));
        let id = MachineId(u32::try_from(machine).expect("few"));
        for action in actions {
            match action {
                NodeAction::Run(batch) => {
                    let this = &mut self.machines[machine];
                    self.books.batch(&batch, this.node.as_ref().expect("it runs"));
                    (this.started, this.batch) = (self.now, this.batch + 1);
                    this.layer_time = 1 + u64::from(self.random.below(30));
                    let ends = SimTime(self.now.0 + this.layer_time * u64::from(batch.layers.len()));
                    let message = Message::BatchDone(machine, this.life, this.batch);
                    self.at(ends, message);
                }
                NodeAction::Forward(work) => {
                    self.books.forwarded(machine, &work);
                    self.go_on(work, Some(id));
                }
                NodeAction::OutOfBlocks(shortage) => {
                    self.books.shortages += 1;
                    let event = Event::OutOfBlocks { machine: id, shortage };
                    self.send((machine + 1, 0), false, Message::ToCoordinator(event));
                }
                NodeAction::Refuse { work, why } => {
                    let Work { request, attempt, .. } = work;
                    let event = Event::Refused { machine: id, request, attempt, why };
                    self.send((machine + 1, 0), false, Message::ToCoordinator(event));
                }
                NodeAction::Discard(_) => self.books.discarded += 1,
                NodeAction::CopyBlock { .. } => {
                    let paged = matches!(self.machines[machine].config.kv, KvConfig::Paged { .. });
                    assert!(paged, "only blocks are copied");
                }
            }
        }
    }

    /// How often each outcome was met.
    pub fn outcomes(&self) -> BTreeMap<Outcome, u32> {
        self.books.outcomes()
    }
}
