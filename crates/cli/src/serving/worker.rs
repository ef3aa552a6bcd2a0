//! `helix worker`: one machine's worker, joins a coordinator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use helix_runtime::{WorkerError, WorkerSettings, run_worker};
use helix_spec::Bytes;

use super::stop::{self, Signals};
use super::{TOKEN_VARIABLE, block_on, log_to_stderr, model, security};
use crate::exit_codes::{Failure, Kind};

const EXAMPLES: &str = "Examples:
  export HELIX_JOIN_TOKEN=…                           the coordinator's
  helix worker --join 10.0.0.1:7070 --name desk --model ./my-model --memory '12 GB' --threads 8 \\
    --listen 0.0.0.0:7071 --advertise 10.0.0.2";

/// Arguments of `helix worker`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// host:port at which the coordinator takes workers: what it was given as --listen
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    join: String,
    /// The coordinator's join token; better in the environment, as `HELIX_JOIN_TOKEN`
    #[arg(long)]
    token: Option<String>,
    /// Name of this machine in the coordinator's cluster file
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
    /// Where the coordinator and other workers reach this one (port 0: any free one); by default only those of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Host name or address under which others reach this machine; needed when --listen is 0.0.0.0
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Seconds to wait for a coordinator that is not there yet
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
        let (leave, at_once) = (Signals::listen().come(1), Signals::listen().come(2));
        if !leashed {
            return run_worker(settings, leave, at_once).await.map_err(failure);
        }
        let at_once = async {
            tokio::select! {
                () = at_once => {}
                () = stop::parent_gone() => {}
            }
        };
        // When the parent is gone, so is the coordinator, and there is nobody to complain to.
        match run_worker(settings, leave, at_once).await {
            Err(WorkerError::CoordinatorGone(_)) => Ok(()),
            ended => ended.map_err(failure),
        }
    })
}

/// Where a coordinator may be.
fn host_and_port(text: &str) -> Result<String, String> {
    let host = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    match host {
        Some((host, _)) if !host.is_empty() && !host.contains('/') => Ok(text.to_owned()),
        _ => Err("write it as HOST:PORT, like 10.0.0.1:7070".to_owned()),
    }
}

fn failure(error: WorkerError) -> Failure {
    let kind = match &error {
        WorkerError::Model(_) | WorkerError::Load { .. } => Kind::BadInput,
        WorkerError::Advertise(_) | WorkerError::Slowdown(_) => Kind::Usage,
        _ => Kind::Other,
    };
    Failure::new(kind, error)
}
