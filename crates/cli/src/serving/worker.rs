//! `helix worker`: one machine's worker, joins a coordinator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use helix_runtime::{WorkerError, WorkerSettings, run_worker};
use helix_spec::Bytes;

use super::{TOKEN_VARIABLE, block_on, log_to_stderr, model, security, stop};
use crate::exit_codes::{Failure, Kind};

const EXAMPLES: &str = "Examples:
  HELIX_JOIN_TOKEN=… helix worker --join 10.0.0.1:7070 --name desk --model ./my-model --memory '12 GB' --threads 8
  helix worker --join coordinator:7070 --token … --name a100-1 --model ./my-model --memory '70 GB' --listen 0.0.0.0:7071 --advertise a100-1";

/// Arguments of `helix worker`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// host:port at which the coordinator takes workers
    #[arg(long, value_name = "ADDRESS")]
    join: String,
    /// The coordinator's join token; better in the environment, as `HELIX_JOIN_TOKEN`
    #[arg(long)]
    token: Option<String>,
    /// Name of this machine in the cluster
    #[arg(long)]
    name: String,
    /// Folder of the model, the same as the coordinator's; the built-in one if left out
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Memory for weights and cache
    #[arg(long, default_value = "4 GB")]
    memory: Bytes,
    /// Threads that compute; all workers of a machine together at most as many as it has cores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Where other workers and the coordinator bring activations
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Host under which others reach this machine; needed when --listen is 0.0.0.0
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// How long to wait for a coordinator that is not there yet \[s\]
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    /// Emulation: compute so many times slower than this machine does, to see how a cluster of unequal machines behaves
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, hide_default_value = true)]
    emulate_slowdown: f64,
    /// End when standard input does
    #[arg(long, hide = true)]
    leashed: bool,
    #[command(flatten)]
    tls: security::Arguments,
}

/// Runs until the coordinator ends it, or Ctrl-C or a signal: the first lets it finish what it has, the second ends it.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    log_to_stderr(if arguments.leashed { tracing::Level::ERROR } else { tracing::Level::INFO });
    let token = arguments.token.clone().or_else(|| std::env::var(TOKEN_VARIABLE).ok());
    let Some(join_token) = token else {
        return Err(Failure::usage(format!("no join token: set {TOKEN_VARIABLE}, or give --token")));
    };
    let settings = WorkerSettings {
        coordinator: arguments.join.clone(),
        join_token,
        machine: arguments.name.clone(),
        model: model::folder(arguments.model.as_deref())?,
        memory: arguments.memory,
        threads: arguments.threads.into(),
        listen: arguments.listen,
        advertise: arguments.advertise.clone(),
        patience: Duration::from_secs(arguments.wait),
        security: arguments.tls.security()?,
        slowdown: arguments.emulate_slowdown,
    };
    let leashed = arguments.leashed;
    block_on(async move {
        if leashed {
            // A terminal sends Ctrl-C to all: the parent decides, so that answers can still be finished. When it is gone,
            // so is the coordinator, and there is nobody to complain to.
            let ended = run_worker(settings, std::future::pending(), stop::parent_gone()).await;
            return match ended {
                Err(WorkerError::CoordinatorGone(_)) => Ok(()),
                ended => ended.map_err(failure),
            };
        }
        let at_once = async {
            stop::asked_to().await;
            stop::asked_to().await;
        };
        run_worker(settings, stop::asked_to(), at_once).await.map_err(failure)
    })
}

fn failure(error: WorkerError) -> Failure {
    let kind = match &error {
        WorkerError::Model(_) | WorkerError::Load { .. } => Kind::BadInput,
        WorkerError::Advertise(_) | WorkerError::Slowdown(_) => Kind::Usage,
        _ => Kind::Other,
    };
    Failure::new(kind, error)
}
