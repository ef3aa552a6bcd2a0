//! `helix up`, `helix serve` and `helix worker`: a cluster on this machine, a coordinator with the API, one worker.

mod children;
mod local;
mod model;
mod plan;
mod record;
mod security;
mod serve;
mod show;
mod stop;
mod up;
mod worker;

pub use serve::Arguments as ServeArguments;
pub use serve::run as serve;
pub use up::Arguments as UpArguments;
pub use up::run as up;
pub use worker::Arguments as WorkerArguments;
pub use worker::run as worker;

use crate::exit_codes::{Failure, Kind};
use crate::output::{Format, Output};

/// Where worker processes find the join token if it is not on their command line, where every user of the machine
/// could read it.
const TOKEN_VARIABLE: &str = "HELIX_JOIN_TOKEN";

/// Runs an asynchronous command on few threads: the engine has its own.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    result
}

/// What a server writes is for people; scripts ask its API.
fn only_text(output: &Output) -> Result<(), Failure> {
    match output.format {
        Format::Text => Ok(()),
        Format::Json => Err(Failure::usage(
            "--format json: a server writes no JSON document; ask its API: GET /ready, GET /cluster",
        )),
    }
}

/// Warnings and what the cluster does go to standard error.
fn log_to_stderr(level: tracing::Level) {
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // A second call in one process changes nothing.
    let _ = subscriber.with_target(false).without_time().try_init();
}

/// Opens the port of the API.
async fn listen(host: &str, port: u16) -> Result<tokio::net::TcpListener, Failure> {
    tokio::net::TcpListener::bind((host, port)).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program has it".to_owned(),
            _ => error.to_string(),
        };
        Failure::new(
            Kind::Other,
            format!("port {port} of {host} cannot be opened: {why}; choose another with --port"),
        )
    })
}
