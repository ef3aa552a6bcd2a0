//! `helix up`: a whole cluster on this machine, with one command.
//!
//! ```text
//!   helix up ── plan ──> coordinator + API (this process)
//!      └── starts ──> helix worker × N (processes of their own, which end with this one)
//! ```

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use helix_runtime::worker::MAX_SLOWDOWN;
use helix_runtime::{Coordinator, CoordinatorSettings, Service};
use helix_spec::{ModelShape, NumberFormat};
use tokio::net::TcpListener;

use super::children::{Worker, Workers};
use super::local::{Local, LocalWorker};
use super::stop::{self, Signals};
use super::{block_on, listen, local, log_to_stderr, model, only_text, record, show};
use crate::exit_codes::{Failure, Kind};
use crate::output::Output;

const EXAMPLES: &str = "Examples:
  helix up                                  the built-in model; an OpenAI-compatible API
  helix up --port 9000 --model ./my-model --workers 6
  curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{\"model\": \"helix-tiny\", \"messages\": [{\"role\": \"user\", \"content\": \"What is 17 plus 25?\"}]}'";

/// Arguments of `helix up`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Port of the API; 0 takes any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Folder of the model; the built-in one if left out
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Worker processes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Threads of each worker; workers times threads should not exceed the machine's cores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// How workers keep weights
    #[arg(long, value_enum, default_value_t = model::Weights::Q8_0)]
    weights: model::Weights,
    /// Emulation: let a worker compute so many times slower than this machine does (may be given several times)
    #[arg(long, value_name = "WORKER=TIMES", value_parser = slowdown)]
    emulate_slowdown: Vec<(String, f64)>,
    /// The whole of a request must be done within so many seconds, waiting included
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    request_timeout: u32,
    /// The most requests at a time, waiting ones included; more are told to come again (429)
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "REQUESTS")]
    max_requests: u32,
    /// How requests are shared out among the pipelines
    #[arg(long, value_enum, default_value_t = record::Scheduler::MixedFlow)]
    scheduler: record::Scheduler,
    /// Record here, as JSONL, what is served: for `helix simulate --replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Serves until Ctrl-C or a signal, then says what was done.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    only_text(output)?;
    let started = Instant::now();
    log_to_stderr(tracing::Level::WARN);
    let folder = model::folder(arguments.model.as_deref())?;
    let (info, text) = model::read(&folder, arguments.model.is_none())?;
    let mut shape = ModelShape::named_or_folder(&folder.display().to_string())?;
    if matches!(arguments.weights, model::Weights::Full) {
        shape.weights = NumberFormat::F32;
    }
    let Local { cluster, planned, workers: local } = local::cluster(arguments.workers, &shape)?;
    check_slowdowns(&arguments.emulate_slowdown, &local)?;
    let token = helix_runtime::random_token().map_err(|error| Failure::new(Kind::Other, error))?;
    let settings = CoordinatorSettings {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        join_token: token.clone(),
        plan: planned.cluster_plan(&cluster, arguments.scheduler),
        model: info,
        text,
        weights: arguments.weights.into(),
        max_requests: arguments.max_requests as usize,
        heartbeat: Duration::from_millis(500),
        patience: Duration::from_secs(30),
        security: helix_runtime::net::Security::none(),
    };
    let recorder = record::recorder(
        arguments.record.as_deref(),
        (&cluster, &planned.placement),
        &folder,
        arguments.scheduler,
    )?;
    block_on(async {
        let signals = Signals::listen();
        let api = listen("127.0.0.1", arguments.port).await?;
        let coordinator = Coordinator::start_with(settings, arguments.scheduler.into(), recorder)
            .await
            .map_err(|error| Failure::new(Kind::Other, error))?;
        let service = coordinator.service();
        let mut workers = Workers(Vec::new());
        for worker in &local {
            let memory = local::memory_megabytes(worker.layers, &shape);
            let worker = worker_arguments(arguments, (worker, memory), (coordinator.address(), &folder));
            workers.0.push(Worker::start(&worker, &token)?);
        }
        let mut serving = Serving { service: service.clone(), workers, signals, served: false };
        let announce = |address, workers: &Workers, output: &mut Output| {
            let words = format!("{} is served at http://{address}/v1", service.model().name);
            announce(output, (&words, started), (&local, &arguments.emulate_slowdown), workers)
        };
        let ended = serving.run(api, arguments, |address, workers| announce(address, workers, output)).await;
        // In this order nobody is taken for lost who is only told to end.
        coordinator.stop().await;
        drop(serving.workers);
        if serving.served {
            show::ended(output, &planned, &local, &service.report())?;
            output.flush()?;
        }
        ended
    })
}

/// The API in front of a coordinator, and what may end it.
struct Serving {
    service: Service,
    workers: Workers,
    signals: Signals,
    /// It was ready once.
    served: bool,
}

impl Serving {
    /// Until a signal has come and running answers have been finished, or something else has ended it.
    async fn run(
        &mut self,
        api: TcpListener,
        arguments: &Arguments,
        mut announce: impl FnMut(SocketAddr, &Workers) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let address = api.local_addr()?;
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let request_timeout = Duration::from_secs(arguments.request_timeout.into());
        let options = helix_server::Options { request_timeout, ..Default::default() };
        // Dropping the sender is the signal.
        let shutdown = async { drop(ended.await) };
        let api = helix_server::serve(api, self.service.clone(), options, shutdown);
        tokio::pin!(api);
        tokio::select! {
            ready = self.service.ready() => {
                ready.map_err(|error| Failure::new(Kind::Other, error))?;
                self.served = true;
            }
            () = self.signals.next() => {
                return Err(Failure::new(Kind::Interrupted, "interrupted before the model was served"));
            }
            kind = self.workers.one_ended() => {
                let why = "a worker process ended before it served; it says why above";
                return Err(Failure::new(kind, why));
            }
            ended = &mut api => return stop::api_ended(ended),
        }
        announce(address, &self.workers)?;
        tokio::select! {
            () = self.signals.next() => {}
            ended = &mut api => return stop::api_ended(ended),
        }
        drop(end);
        stop::finish(api, self.signals.next()).await
    }
}

/// Says where the API is and who holds what.
fn announce(
    output: &mut Output,
    (words, started): (&str, Instant),
    (local, slowdowns): (&[LocalWorker], &[(String, f64)]),
    workers: &Workers,
) -> Result<(), Failure> {
    let seconds = started.elapsed().as_secs_f64();
    writeln!(output, "{words} (ready after {seconds:.2} s; Ctrl-C ends it)")?;
    for (worker, process) in local.iter().zip(&workers.0) {
        let slowed = slowdowns.iter().rfind(|(name, _)| *name == worker.name);
        let slowed = slowed.map(|(_, times)| format!(", emulated {times} times slower")).unwrap_or_default();
        writeln!(
            output,
            "  {} holds layers {}{slowed} (process {})",
            worker.name,
            worker.layers,
            process.id()
        )?;
    }
    output.flush()?;
    Ok(())
}

/// The command line of a worker process.
fn worker_arguments(
    arguments: &Arguments,
    (worker, memory): (&LocalWorker, u64),
    (coordinator, model): (std::net::SocketAddr, &std::path::Path),
) -> Vec<String> {
    let slowed = arguments.emulate_slowdown.iter().rfind(|(name, _)| *name == worker.name);
    vec![
        "--leashed".to_owned(),
        format!("--join={coordinator}"),
        format!("--name={}", worker.name),
        format!("--model={}", model.display()),
        format!("--memory={memory} MB"),
        format!("--threads={}", arguments.threads),
        format!("--emulate-slowdown={}", slowed.map_or(1.0, |(_, times)| *times)),
    ]
}

/// Who is to be slowed down must be there.
fn check_slowdowns(slowdowns: &[(String, f64)], local: &[LocalWorker]) -> Result<(), Failure> {
    let stranger = slowdowns.iter().find(|(name, _)| local.iter().all(|worker| worker.name != *name));
    let Some((name, _)) = stranger else { return Ok(()) };
    let names: Vec<&str> = local.iter().map(|worker| worker.name.as_str()).collect();
    Err(Failure::usage(format!("--emulate-slowdown names {name}, the workers are {}", names.join(", "))))
}

/// A worker's name and how many times slower it is to compute.
fn slowdown(text: &str) -> Result<(String, f64), String> {
    let (name, times) = text.split_once('=').ok_or("write it as WORKER=TIMES, like worker-1=4")?;
    let times: f64 = times.parse().map_err(|_| format!("{times} is no number"))?;
    if !(1.0..=MAX_SLOWDOWN).contains(&times) {
        return Err(format!("{times} times slower, allowed: 1 to {MAX_SLOWDOWN}"));
    }
    Ok((name.to_owned(), times))
}
