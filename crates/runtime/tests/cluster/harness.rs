//! A whole cluster in this process: a coordinator and workers that speak through real sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use helix_engine::WeightFormat;
use helix_runtime::net::Security;
use helix_runtime::service::{
    GenerateRequest, GenerationEvent, GenerationStream, MachineReport, MachineState, Report, Service,
};
use helix_runtime::{
    ClusterPlan, Coordinator, CoordinatorSettings, PlannedMachine, WorkerError, WorkerSettings, run_worker,
};
use helix_scheduler::TopologyLink;
use helix_spec::{Bytes, Endpoint, LayerRange, MachineId};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::model::{LAYERS, info};

pub const TOKEN: &str = "a token for tests";

/// Machines with their layers, and every link on which a request can go on, all with the same flow.
pub fn plan(ranges: &[(u32, u32)]) -> ClusterPlan {
    let machine = |(index, &(start, end)): (usize, &(u32, u32))| PlannedMachine {
        name: format!("w{index}"),
        layers: LayerRange::new(start, end),
        tokens_per_s: None,
        times: None,
        kv_blocks: None,
    };
    let machines: Vec<PlannedMachine> = ranges.iter().enumerate().map(machine).collect();
    let at = |index: usize| Endpoint::Machine(MachineId(u32::try_from(index).unwrap()));
    let mut links = Vec::new();
    let mut link = |from, to| links.push(TopologyLink { from, to, flow: 1.0 });
    for (a, &(start, end)) in ranges.iter().enumerate() {
        if start == 0 {
            link(Endpoint::Coordinator, at(a));
        }
        if end == LAYERS {
            link(at(a), Endpoint::Coordinator);
        }
        for (b, &(from, to)) in ranges.iter().enumerate() {
            if a != b && from <= end && end < to {
                link(at(a), at(b));
            }
        }
    }
    ClusterPlan { model_layers: LAYERS, machines, links }
}

/// A worker that runs as a task.
pub struct Worker {
    leave: Option<oneshot::Sender<()>>,
    stop: Option<oneshot::Sender<()>>,
    pub task: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    /// Lets it take no more requests and end when it has none left.
    pub async fn leave(mut self) {
        drop(self.leave.take());
        self.task.await.unwrap().unwrap();
    }

    /// Ends it as if its process were gone.
    pub async fn kill(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap().unwrap();
    }
}

/// What the workers of a cluster have in common.
pub fn worker_settings(coordinator: SocketAddr, name: &str, model: &Path) -> WorkerSettings {
    WorkerSettings {
        coordinator: coordinator.to_string(),
        join_token: TOKEN.to_owned(),
        machine: name.to_owned(),
        model: model.to_owned(),
        memory: Bytes(8_000_000),
        threads: 1,
        listen: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        patience: Duration::from_secs(5),
        security: Security::none(),
        slowdown: 1.0,
    }
}

pub fn spawn(settings: WorkerSettings) -> Worker {
    let (stop, stopped) = oneshot::channel::<()>();
    let (leave, left) = oneshot::channel::<()>();
    let (leaving, until) = (async { drop(left.await) }, async { drop(stopped.await) });
    let task = tokio::spawn(run_worker(settings, leaving, until));
    Worker { leave: Some(leave), stop: Some(stop), task }
}

pub struct Cluster {
    pub coordinator: Coordinator,
    pub workers: Vec<Worker>,
    pub service: Service,
}

pub async fn coordinator(model: &Path, plan: ClusterPlan) -> Coordinator {
    coordinator_with(model, plan, Security::none()).await
}

pub async fn coordinator_with(model: &Path, plan: ClusterPlan, security: Security) -> Coordinator {
    let settings = CoordinatorSettings { security, ..coordinator_settings(model, plan) };
    Coordinator::start(settings).await.unwrap()
}

pub fn coordinator_settings(model: &Path, plan: ClusterPlan) -> CoordinatorSettings {
    let (model, text) = info(model);
    CoordinatorSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        join_token: TOKEN.to_owned(),
        plan,
        model,
        text,
        weights: WeightFormat::Full,
        max_requests: 256,
        heartbeat: Duration::from_millis(200),
        patience: Duration::from_secs(10),
        security: Security::none(),
    }
}

impl Cluster {
    pub async fn start(model: &Path, plan: ClusterPlan) -> Self {
        Self::start_slowed(model, plan, 1.0).await
    }

    /// The same with a last machine that computes so many times slower.
    pub async fn start_slowed(model: &Path, plan: ClusterPlan, slowdown: f64) -> Self {
        let names: Vec<String> = plan.machines.iter().map(|machine| machine.name.clone()).collect();
        let coordinator = coordinator(model, plan).await;
        let address = coordinator.address();
        let worker = |name: &String| {
            let slowdown = if Some(name) == names.last() { slowdown } else { 1.0 };
            spawn(WorkerSettings { slowdown, ..worker_settings(address, name, model) })
        };
        let workers = names.iter().map(worker).collect();
        let service = coordinator.service();
        let ready = service.report_when(|report| {
            let up = |machine: &MachineReport| machine.state == MachineState::Ready;
            !report.machines.is_empty() && report.machines.iter().all(up)
        });
        let ready = tokio::time::timeout(Duration::from_secs(30), ready);
        ready.await.expect("the workers join in time").unwrap();
        service.ready().await.unwrap();
        Self { coordinator, workers, service }
    }

    /// Waits until so many requests have ended and none holds a block or is known on any worker.
    pub async fn idle(&self, ended: u64) -> Report {
        let idle = self.service.report_when(|report| {
            let over = report.finished + report.failed + report.cancelled;
            let empty = |machine: &MachineReport| machine.kv_blocks_used == 0 && machine.requests == 0;
            over == ended && report.running == 0 && report.machines.iter().all(empty)
        });
        let report = tokio::time::timeout(Duration::from_secs(20), idle).await;
        report.unwrap_or_else(|_| panic!("something was left behind: {:?}", self.service.report())).unwrap()
    }

    pub async fn stop(self) {
        self.coordinator.stop().await;
        for worker in self.workers {
            // Told to end, or its stream ended first: both are the end that was wanted.
            let _ = worker.task.await.unwrap();
        }
    }
}

/// The tokens of an answer and how it ended.
pub async fn collect(mut stream: GenerationStream) -> (Vec<u32>, GenerationEvent) {
    let mut tokens = Vec::new();
    loop {
        match stream.next().await.expect("an end before the end") {
            GenerationEvent::Token(token) => tokens.push(token.id),
            end => return (tokens, end),
        }
    }
}

pub async fn generate(service: &Service, prompt: &[u32], tokens: u32) -> Vec<u32> {
    let stream = service.submit(GenerateRequest::greedy(prompt.to_vec(), tokens)).unwrap();
    let (found, end) = collect(stream).await;
    assert!(matches!(end, GenerationEvent::Finished(_)), "{end:?}");
    found
}
