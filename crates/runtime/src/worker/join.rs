//! Finding the coordinator and being let in.

use std::error::Error as _;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};

use super::run::{WorkerError, WorkerSettings};
use crate::control::VERSION;
use crate::control::proto::control_client::ControlClient;
use crate::control::proto::{FromWorker, Register, ToWorker, Welcome, from_worker, to_worker};
use crate::fingerprint::fingerprint;
use crate::wire::WIRE_VERSION;

/// Between two tries to reach a coordinator that is not there yet.
const RETRY: Duration = Duration::from_millis(100);

/// What a worker says of itself.
pub(super) fn register(settings: &WorkerSettings, activations: String) -> Result<Register, WorkerError> {
    Ok(Register {
        join_token: settings.join_token.clone(),
        version: VERSION.to_owned(),
        wire_version: WIRE_VERSION,
        machine: settings.machine.clone(),
        activations,
        memory_bytes: settings.memory.0,
        threads: u32::try_from(settings.threads).unwrap_or(u32::MAX),
        model_fingerprint: fingerprint(&settings.model)?,
        emulated_slowdown: settings.slowdown,
    })
}

/// Registers; what the coordinator says first, and what it will say.
pub(super) async fn join(
    settings: &WorkerSettings,
    register: Register,
    outbound: mpsc::Receiver<FromWorker>,
    words: &mpsc::Sender<FromWorker>,
) -> Result<(Welcome, Streaming<ToWorker>), WorkerError> {
    let channel = connect(settings).await?;
    let first = FromWorker { message: Some(from_worker::Message::Register(register)) };
    // The channel is empty and has room.
    let _ = words.send(first).await;
    let mut client = ControlClient::new(channel);
    // What the coordinator says itself has no source; what broke on the way has one.
    let refused = |status: tonic::Status| {
        let broken = status.source().is_some() || matches!(status.code(), Code::Unavailable | Code::Unknown);
        if broken {
            unreachable(settings, &status)
        } else {
            WorkerError::Refused(status.message().to_owned())
        }
    };
    let mut orders = client.join(ReceiverStream::new(outbound)).await.map_err(refused)?.into_inner();
    match orders.message().await.map_err(refused)? {
        Some(ToWorker { message: Some(to_worker::Message::Welcome(welcome)) }) => Ok((welcome, orders)),
        _ => Err(WorkerError::Refused("it did not say what to load".to_owned())),
    }
}

fn unreachable(settings: &WorkerSettings, status: &tonic::Status) -> WorkerError {
    let reason = match status.source() {
        // Something answers there, and not in the words of a coordinator.
        Some(source) => format!(
            "it does not answer as a coordinator does ({}): is it the port of --listen?",
            words(source)
        ),
        None => status.message().to_owned(),
    };
    WorkerError::Unreachable { address: settings.coordinator.clone(), reason }
}

async fn connect(settings: &WorkerSettings) -> Result<Channel, WorkerError> {
    let address = settings.coordinator.clone();
    let failed = |reason: String| WorkerError::Unreachable { address: address.clone(), reason };
    let scheme = if settings.security.is_on() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .map_err(|_| failed("it is not host:port".to_owned()))?
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(10))
        .tcp_nodelay(true);
    if let Some(tls) = settings.security.control_client() {
        endpoint = endpoint.tls_config(tls).map_err(|error| failed(words(&error)))?;
    }
    let until = tokio::time::Instant::now() + settings.patience;
    loop {
        match endpoint.connect().await {
            Ok(channel) => return Ok(channel),
            Err(error) if tokio::time::Instant::now() >= until => return Err(failed(words(&error))),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// What an error comes from in the end: what lies between are the names of layers.
fn words(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}
