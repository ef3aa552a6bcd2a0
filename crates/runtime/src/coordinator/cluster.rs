//! The coordinator's loop: membership, readiness and report around the [`Dispatcher`].

use std::time::{Duration, Instant};

use helix_engine::KvCache;
use helix_scheduler::coordinator::{
    Coordinator as Scheduler, CoordinatorConfig, DecodeDispatch, Event, OnLoss,
};
use helix_spec::{MachineId, SimTime};
use tokio::sync::{mpsc, oneshot};

use super::dispatcher::Dispatcher;
use super::event::{ClusterEvent, Joined, WorkerEvent};
use super::machine::Machine;
use super::plan::ClusterPlan;
use super::recorder::Recorder;
use super::routes::Routes;
use super::start::StartError;
use crate::control::proto;
use crate::net::{Security, dial, run_link};
use crate::service::{
    Backend, MachineState, ModelInfo, PipelineHop, PipelineReport, Readiness, Report, Submission,
};
use crate::wire::{Hello, Outbox, SessionKey};

/// The report is renewed at most so often.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// What stays the same while the coordinator runs.
pub(super) struct Fixed {
    pub(super) plan: ClusterPlan,
    pub(super) routes: Routes,
    pub(super) model: ModelInfo,
    pub(super) weights: String,
    pub(super) key: SessionKey,
    pub(super) security: Security,
    pub(super) heartbeat: Duration,
    /// Where the loop hears of everything.
    pub(super) events: mpsc::Sender<ClusterEvent>,
}

/// The loop's state.
pub(super) struct Cluster {
    fixed: Fixed,
    dispatcher: Dispatcher,
    started: Instant,
    epoch: u64,
    changed: bool,
}

impl Cluster {
    pub(super) fn new(fixed: Fixed, recorder: Option<Recorder>) -> Result<Self, StartError> {
        let topology = {
            let empty = vec![0; fixed.plan.machines.len()];
            fixed.plan.topology(&empty, fixed.model.max_context, |_| true)?
        };
        let policy = fixed.routes.policy(&fixed.plan, &topology);
        let config = CoordinatorConfig {
            decodes: DecodeDispatch::LastStage,
            on_loss: OnLoss::Fail,
            ..CoordinatorConfig::default()
        };
        let scheduler = Scheduler::new(config, topology, policy).map_err(StartError::Settings)?;
        let machines: Vec<Machine> = fixed.plan.machines.iter().cloned().map(Machine::new).collect();
        let mut dispatcher = Dispatcher::new(scheduler, machines, fixed.model.end_tokens.clone());
        dispatcher.recorder = recorder;
        let mut cluster = Self { fixed, dispatcher, started: Instant::now(), epoch: 0, changed: true };
        for index in (0..).take(cluster.dispatcher.machines.len()) {
            let machine = MachineId(index);
            cluster.dispatcher.schedule(SimTime::ZERO, Event::MachineLost { machine });
        }
        Ok(cluster)
    }

    /// Runs until `stop`.
    pub(super) async fn run(
        mut self,
        mut backend: Backend,
        mut events: mpsc::Receiver<ClusterEvent>,
        mut stop: oneshot::Receiver<()>,
    ) {
        self.publish_readiness(&backend);
        let mut refresh = tokio::time::interval(REPORT_EVERY);
        refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let deadline = self.dispatcher.scheduler.next_deadline().map(|time| self.instant(time));
            let late = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = &mut stop => break,
                // Before the events: under load there is always one.
                _ = refresh.tick(), if self.changed => {
                    self.changed = false;
                    backend.report.send_replace(self.report());
                    continue;
                }
                event = events.recv() => {
                    let Some(event) = event else { break };
                    self.handle(event);
                    self.publish_readiness(&backend);
                }
                submission = backend.submissions.recv() => {
                    let Some(submission) = submission else { break };
                    self.submit(submission);
                }
                () = late => self.dispatcher.schedule(self.now(), Event::Tick),
            }
            self.changed = true;
        }
        let reasons = vec!["the coordinator is shutting down".to_owned()];
        backend.readiness.send_replace(Readiness::NotReady { reasons });
        self.dispatcher.shut_down();
        // Whoever asks at the end hears of everything.
        backend.report.send_replace(Report { running: 0, waiting: 0, ..self.report() });
    }

    fn now(&self) -> SimTime {
        let nanoseconds = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        SimTime(nanoseconds.saturating_mul(1000))
    }

    fn instant(&self, time: SimTime) -> Instant {
        // Rounded up, so that the time has come when it is said to have.
        self.started + Duration::from_nanos(time.0.div_ceil(1000))
    }

    fn submit(&mut self, submission: Submission) {
        let (gone, events) = (submission.events.clone(), self.fixed.events.clone());
        let (request, ended) = self.dispatcher.submit(self.now(), submission);
        tokio::spawn(async move {
            tokio::select! {
                () = gone.closed() => drop(events.send(ClusterEvent::ClientGone(request)).await),
                _ = ended => {}
            }
        });
    }

    fn handle(&mut self, event: ClusterEvent) {
        let now = self.now();
        match event {
            ClusterEvent::Join(register, reply) => {
                // A worker that hung up meanwhile is noticed when its stream ends.
                let _ = reply.send(self.join(&register));
            }
            ClusterEvent::Worker { machine, session, event } => {
                let known = self.dispatcher.machines.get(machine as usize);
                if known.is_some_and(|known| known.session == session && known.is_present()) {
                    self.worker(now, machine, event);
                }
            }
            ClusterEvent::Drain(name, reply) => {
                let _ = reply.send(self.drain(now, &name));
            }
            ClusterEvent::ClientGone(request) => {
                let request = helix_scheduler::RequestId(request);
                self.dispatcher.schedule(now, Event::Cancel { request });
            }
        }
    }

    /// Lets a worker in, or says why not.
    fn join(&mut self, register: &proto::Register) -> Result<Joined, String> {
        let machines = &mut self.dispatcher.machines;
        let found = machines.iter().position(|machine| machine.planned.name == register.machine);
        let index = found.ok_or_else(|| {
            let names: Vec<&str> = self.fixed.plan.machines.iter().map(|m| m.name.as_str()).collect();
            let shown: String = register.machine.chars().take(64).collect();
            format!(
                "the placement has no machine {shown}, it has {}: name the worker after one",
                names.join(", ")
            )
        })?;
        let machine = &mut machines[index];
        let layers = machine.planned.layers.ok_or_else(|| {
            format!("the placement gives {} no layers: it is not needed", machine.planned.name)
        })?;
        if machine.is_present() {
            return Err(format!("a worker has joined as {} already", machine.planned.name));
        }
        let address = register.activations.clone();
        if !address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        {
            return Err("the address for activations is not host:port".to_owned());
        }
        let orders = machine.join(address);
        machine.slowdown = Some(register.emulated_slowdown).filter(|slowdown| *slowdown > 1.0);
        let id = u32::try_from(index).map_err(|_| "too many machines".to_owned())?;
        let welcome = proto::Welcome {
            epoch: self.epoch,
            machine: id,
            first_layer: layers.start(),
            end_layer: layers.end(),
            kv_blocks: machine.planned.kv_blocks.unwrap_or(0),
            block_tokens: u32::try_from(KvCache::<f32>::BLOCK_TOKENS).unwrap_or(0),
            session_key: self.fixed.key.0.to_vec(),
            heartbeat_ms: u32::try_from(self.fixed.heartbeat.as_millis()).unwrap_or(u32::MAX),
            model_layers: self.fixed.plan.model_layers,
            number_format: self.fixed.weights.clone(),
        };
        let session = machine.session;
        tracing::info!(machine = register.machine, %layers, "a worker joined");
        self.tell_addresses();
        Ok(Joined { machine: id, session, welcome, orders })
    }

    fn tell_addresses(&self) {
        let machines = self.dispatcher.machines.iter().zip(0..);
        let present = machines.filter(|(machine, _)| machine.is_present());
        let peers = present.map(|(machine, index)| proto::Peer {
            machine: index,
            name: machine.planned.name.clone(),
            activations: machine.address.clone(),
        });
        let peers = proto::Peers { peers: peers.collect() };
        for machine in self.dispatcher.machines.iter().filter(|machine| machine.is_present()) {
            machine.order(proto::to_worker::Message::Peers(peers.clone()));
        }
    }

    fn worker(&mut self, now: SimTime, index: u32, event: WorkerEvent) {
        let Some(machine) = self.dispatcher.machines.get_mut(index as usize) else { return };
        match event {
            WorkerEvent::Loading(part) => machine.loaded = part,
            WorkerEvent::Heartbeat(resident_bytes) => machine.resident_bytes = resident_bytes,
            WorkerEvent::Loaded(blocks) => {
                (machine.blocks, machine.loaded) = (blocks, 1.0);
                let (session, address) = (machine.session, machine.address.clone());
                self.connect(index, session, address);
            }
            WorkerEvent::Connected(outbox) => {
                machine.outbox = Some(outbox);
                machine.state = MachineState::Ready;
                tracing::info!(machine = machine.planned.name, blocks = machine.blocks, "a worker is ready");
                self.renew_ways(now);
                self.dispatcher.schedule(now, Event::MachineJoined { machine: MachineId(index) });
            }
            WorkerEvent::Message(message) => self.dispatcher.message(now, index, message),
            WorkerEvent::LoadFailed(reason) => {
                self.lose(now, index, format!("it could not load its layers: {reason}"));
            }
            WorkerEvent::Leaving => self.let_go(now, index),
            WorkerEvent::Gone(reason) => self.lose(now, index, reason),
        }
    }

    /// Calls a worker that has its layers; what it says on that connection comes back as events.
    fn connect(&self, machine: u32, session: u64, address: String) {
        let hello = Hello { key: self.fixed.key.clone(), from: None, to: machine };
        let (events, security) = (self.fixed.events.clone(), self.fixed.security.clone());
        tokio::spawn(async move {
            let wrap = |event| ClusterEvent::Worker { machine, session, event };
            let reason = match dial(&address, &hello, &security).await {
                Err(error) => error.to_string(),
                Ok(stream) => {
                    let outbox = Outbox::new(Outbox::LIMIT);
                    let connected = wrap(WorkerEvent::Connected(outbox.clone()));
                    if events.send(connected).await.is_err() {
                        return;
                    }
                    run_link(stream, outbox, events.clone(), |m| wrap(WorkerEvent::Message(m))).await
                }
            };
            let gone = WorkerEvent::Gone(format!("the connection for its tokens ended: {reason}"));
            // When the loop has ended, nobody needs to know.
            let _ = events.send(wrap(gone)).await;
        });
    }

    /// Other machines serve than before: the scheduler learns of their caches and of the ways that are left.
    fn renew_ways(&mut self, now: SimTime) {
        let machines = &self.dispatcher.machines;
        let blocks = machines.iter().map(|machine| u64::from(machine.blocks));
        let kv_tokens: Vec<u64> = blocks.map(|blocks| blocks * KvCache::<f32>::BLOCK_TOKENS as u64).collect();
        match self.fixed.plan.topology(&kv_tokens, self.fixed.model.max_context, |index| self.serves(index)) {
            Ok(topology) => {
                self.epoch += 1;
                let policy = self.fixed.routes.policy(&self.fixed.plan, &topology);
                let mut actions = Vec::new();
                self.dispatcher.scheduler.place(now, self.epoch, (topology, policy), &mut actions);
                self.dispatcher.act(actions);
            }
            // It was checked at the start and differs by caches and flows only.
            Err(error) => tracing::error!(%error, "the placement does not hold together"),
        }
    }

    fn serves(&self, index: usize) -> bool {
        self.dispatcher.machines.get(index).is_some_and(|machine| machine.state == MachineState::Ready)
    }

    /// A worker wants to leave: as soon as it has nothing left, or at once if it has not begun to serve.
    fn let_go(&mut self, now: SimTime, index: u32) {
        let Some(machine) = self.dispatcher.machines.get_mut(index as usize) else { return };
        let name = machine.planned.name.clone();
        tracing::info!(machine = name, "a worker wants to leave");
        if self.drain(now, &name).is_err()
            && self.dispatcher.machines[index as usize].state == MachineState::Loading
        {
            self.dispatcher.release(index);
        }
    }

    /// A worker is gone: its requests end, the others find other ways.
    fn lose(&mut self, now: SimTime, index: u32, reason: String) {
        if let Some(machine) = self.dispatcher.machines.get(index as usize) {
            let machine_name = &machine.planned.name;
            if machine.released {
                tracing::info!(machine = machine_name, "a worker has left");
            } else {
                tracing::warn!(machine = machine_name, reason, "a worker is lost");
                // One that lives all the same hears why it is out.
                machine
                    .order(proto::to_worker::Message::Dismissed(proto::Dismissed { reason: reason.clone() }));
            }
        }
        self.dispatcher.lost(now, index, reason);
        self.renew_ways(now);
        self.tell_addresses();
    }

    fn drain(&mut self, now: SimTime, name: &str) -> Result<(), String> {
        let machines = &mut self.dispatcher.machines;
        let found = (0..).zip(machines).find(|(_, machine)| machine.planned.name == name);
        let Some((index, machine)) = found.filter(|(_, machine)| machine.state == MachineState::Ready) else {
            return Err(format!("no worker {name} serves"));
        };
        machine.state = MachineState::Draining;
        self.renew_ways(now);
        self.dispatcher.schedule(now, Event::MachineDraining { machine: MachineId(index) });
        Ok(())
    }

    fn publish_readiness(&self, backend: &Backend) {
        let machines = &self.dispatcher.machines;
        let readiness = if self.fixed.plan.has_pipeline(|index| self.serves(index)) {
            Readiness::Ready
        } else {
            let absent =
                machines.iter().filter(|m| m.planned.layers.is_some() && m.state != MachineState::Ready);
            Readiness::NotReady { reasons: absent.map(Machine::words).collect() }
        };
        backend.readiness.send_if_modified(|current| {
            let changed = *current != readiness;
            *current = readiness;
            changed
        });
    }

    fn report(&self) -> Report {
        let Dispatcher { machines, pipelines, counts, scheduler, .. } = &self.dispatcher;
        let waiting = scheduler.waiting() as u64;
        let hop = |hop: &crate::wire::RouteHop| PipelineHop {
            machine: machines.get(hop.machine as usize).map_or_else(String::new, |m| m.planned.name.clone()),
            start: hop.start,
            end: hop.end,
        };
        let pipelines = pipelines.iter().map(|(route, traffic)| PipelineReport {
            hops: route.iter().map(hop).collect(),
            requests: traffic.requests,
            tokens: traffic.tokens,
        });
        let held = machines.iter().zip(0..).filter(|(machine, _)| machine.planned.layers.is_some());
        Report {
            epoch: self.epoch,
            machines: held.map(|(machine, id)| machine.report(scheduler.speed(MachineId(id)))).collect(),
            pipelines: pipelines.collect(),
            running: scheduler.requests() as u64 - waiting,
            waiting,
            finished: counts.finished,
            failed: counts.failed,
            cancelled: counts.cancelled,
            preempted: counts.preempted,
            prompt_tokens: counts.prompt_tokens,
            generated_tokens: counts.generated_tokens,
        }
    }
}
