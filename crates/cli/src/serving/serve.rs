//! `helix serve`: the coordinator and the HTTP API, for workers on other machines.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use helix_planner::Objective;
use helix_runtime::{Coordinator, CoordinatorSettings};
use helix_spec::{ModelShape, Placement, load_cluster_named};

use super::stop::{self, Signals};
use super::{TOKEN_VARIABLE, block_on, listen, log_to_stderr, model, only_text, plan, record, security};
use crate::exit_codes::{Failure, Kind};
use crate::output::Output;

const EXAMPLES: &str = "Examples:
  export HELIX_JOIN_TOKEN=$(openssl rand -hex 16)     the same for coordinator and workers
  helix serve --cluster my-cluster.toml --model ./my-model --listen 0.0.0.0:7070
  helix serve --cluster my-cluster.toml --placement placement.toml --host 0.0.0.0";

/// Arguments of `helix serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Cluster file: its machines are the workers that may join
    #[arg(long)]
    cluster: String,
    /// Folder of the model; the built-in one if left out
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Who holds what, as `helix plan -o` writes it; planned at the start if left out
    #[arg(long, value_name = "FILE")]
    placement: Option<PathBuf>,
    /// Seconds that planning may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    budget: u32,
    /// Where workers join; 0.0.0.0:7070 lets those of other machines in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// What workers must show, at least 8 characters; better in the environment, as `HELIX_JOIN_TOKEN`
    #[arg(long)]
    token: Option<String>,
    /// Port of the API
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address of the API; 0.0.0.0 lets clients of other machines in
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Key that clients must show (may be given several times); none: everybody may ask
    #[arg(long, value_name = "KEY")]
    api_key: Vec<String>,
    /// How workers keep weights
    #[arg(long, value_enum, default_value_t = model::Weights::Q8_0)]
    weights: model::Weights,
    /// The whole of a request must be done within so many seconds, waiting included
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    request_timeout: u32,
    /// The most requests at a time, waiting ones included; more are told to come again (429)
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "REQUESTS")]
    max_requests: u32,
    /// How requests are shared out among the pipelines
    #[arg(long, value_enum, default_value_t = record::Scheduler::MixedFlow)]
    scheduler: record::Scheduler,
    /// Record here, as JSONL, what is served: for `helix simulate --replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    tls: security::Arguments,
}

/// Serves until Ctrl-C or a signal.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    only_text(output)?;
    log_to_stderr(tracing::Level::INFO);
    let token = arguments.token.clone().or_else(|| std::env::var(TOKEN_VARIABLE).ok());
    let Some(join_token) = token else {
        let words =
            format!("no join token: set {TOKEN_VARIABLE} for coordinator and workers, or give --token");
        return Err(Failure::usage(words));
    };
    if !arguments.listen.ip().is_loopback() && !arguments.tls.is_on() {
        tracing::warn!(
            "workers join over plain TCP: prompts and tokens can be read on the way (see --tls-cert)"
        );
    }
    let folder = model::folder(arguments.model.as_deref())?;
    let (info, text) = model::read(&folder, arguments.model.is_none())?;
    let cluster = load_cluster_named(&arguments.cluster)?;
    let shape = ModelShape::named_or_folder(&folder.display().to_string())?;
    let given = arguments.placement.as_ref().map(|path| Placement::load(path, &cluster)).transpose()?;
    let wanted = plan::Wanted { objective: Objective::Steady, seconds: arguments.budget.into() };
    let planned = match given {
        Some(placement) => plan::judged(&cluster, &shape, placement)?,
        None => plan::searched(&cluster, &shape, wanted)?,
    };
    let settings = CoordinatorSettings {
        listen: arguments.listen,
        join_token,
        plan: planned.cluster_plan(&cluster, arguments.scheduler),
        model: info,
        text,
        weights: arguments.weights.into(),
        max_requests: arguments.max_requests as usize,
        heartbeat: Duration::from_secs(1),
        patience: Duration::from_secs(10),
        security: arguments.tls.security()?,
    };
    let recorder = record::recorder(
        arguments.record.as_deref(),
        (&cluster, &planned.placement),
        &folder,
        arguments.scheduler,
    )?;
    block_on(async {
        let api = listen(&arguments.host, arguments.port).await?;
        let address = api.local_addr()?;
        let coordinator = Coordinator::start_with(settings, arguments.scheduler.into(), recorder)
            .await
            .map_err(|error| Failure::new(Kind::Other, error))?;
        writeln!(output, "workers join {}, the API is http://{address}/v1", coordinator.address())?;
        for (machine, layers) in planned.placement.machines.iter().map(|(id, held)| (*id, held.layers)) {
            writeln!(output, "  {} holds layers {layers}", cluster.machine(machine).name)?;
        }
        output.flush()?;
        let options = helix_server::Options {
            api_keys: arguments.api_key.clone(),
            request_timeout: Duration::from_secs(arguments.request_timeout.into()),
            ..Default::default()
        };
        let mut signals = Signals::listen();
        let (end, asked_to) = tokio::sync::oneshot::channel::<()>();
        let served = helix_server::serve(api, coordinator.service(), options, async { drop(asked_to.await) });
        tokio::pin!(served);
        let ended = tokio::select! {
            ended = &mut served => stop::api_ended(ended),
            () = signals.next() => {
                drop(end);
                stop::finish(served, signals.next()).await
            }
        };
        coordinator.stop().await;
        ended
    })
}
