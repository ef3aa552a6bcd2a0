//! The coordinator's control port: who may join, and what the members say.

use std::pin::Pin;
use std::time::Duration;

use ring::hmac;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::VERSION;
use super::proto::control_server::{Control, ControlServer};
use super::proto::{DrainReply, DrainRequest, FromWorker, Register, ToWorker, from_worker, to_worker};
use crate::coordinator::{ClusterEvent, Joined, WorkerEvent};
use crate::net::{Limiter, Security};
use crate::wire::WIRE_VERSION;

/// Connections at a time on the control port.
const MAX_CONNECTIONS: usize = 1024;
/// The longest message \[bytes\].
const MAX_MESSAGE: usize = 64 << 10;
/// A caller must say who it is within this.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// What the control port must know.
#[derive(Clone)]
pub(crate) struct ControlSettings {
    /// What a worker must show.
    pub(crate) join_token: String,
    /// The model's name and digest.
    pub(crate) model: (String, String),
    /// A worker that is silent for longer is lost.
    pub(crate) patience: Duration,
    /// Plain or TLS.
    pub(crate) security: Security,
}

/// Serves until `stop` is done.
pub(crate) async fn serve_control(
    listener: TcpListener,
    settings: ControlSettings,
    events: mpsc::Sender<ClusterEvent>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    let (accepted, incoming) = mpsc::channel(16);
    let accepting = tokio::spawn(async move {
        let limiter = Limiter::new(MAX_CONNECTIONS);
        loop {
            let next = limiter.accept(&listener).await;
            let failed = next.is_err();
            if accepted.send(next).await.is_err() || failed {
                return;
            }
        }
    });
    let mut builder = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(2)))
        .http2_keepalive_timeout(Some(settings.patience))
        .max_concurrent_streams(Some(16))
        .concurrency_limit_per_connection(16);
    if let Some(tls) = settings.security.control_server() {
        builder = builder.tls_config(tls)?;
    }
    let service =
        ControlServer::new(ControlService { settings, events }).max_decoding_message_size(MAX_MESSAGE);
    let served =
        builder.add_service(service).serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop).await;
    accepting.abort();
    served
}

struct ControlService {
    settings: ControlSettings,
    events: mpsc::Sender<ClusterEvent>,
}

impl ControlService {
    /// Takes the same time whatever the token is.
    fn check_token(&self, shown: &str) -> Result<(), Status> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.settings.join_token.as_bytes());
        let expected = hmac::sign(&key, self.settings.join_token.as_bytes());
        hmac::verify(&key, shown.as_bytes(), expected.as_ref()).map_err(|_| {
            Status::unauthenticated(
                "the join token is wrong: give the one that the coordinator was started with",
            )
        })
    }

    fn check_member(&self, register: &Register) -> Result<(), Status> {
        self.check_token(&register.join_token)?;
        if register.version != VERSION || register.wire_version != WIRE_VERSION {
            return Err(Status::failed_precondition(format!(
                "the worker runs helix {} (protocol {}), the coordinator {VERSION} (protocol {WIRE_VERSION}): \
                 install the same version on both",
                short(&register.version),
                register.wire_version
            )));
        }
        let (name, fingerprint) = &self.settings.model;
        if register.model_fingerprint != *fingerprint {
            return Err(Status::failed_precondition(format!(
                "the worker has another model (digest {}) than the coordinator, which serves {name} (digest \
                 {fingerprint}): give both the same model folder",
                short(&register.model_fingerprint)
            )));
        }
        Ok(())
    }
}

/// As much of a peer's text as belongs into a message.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

type Orders = Pin<Box<dyn Stream<Item = Result<ToWorker, Status>> + Send>>;

#[tonic::async_trait]
impl Control for ControlService {
    type JoinStream = Orders;

    async fn join(&self, request: Request<Streaming<FromWorker>>) -> Result<Response<Orders>, Status> {
        let from = request.remote_addr().map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        let mut inbound = request.into_inner();
        let first = tokio::time::timeout(FIRST_WORD, inbound.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no registration within 5 s"))??;
        let Some(from_worker::Message::Register(register)) = first.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("the first message must be a registration"));
        };
        if let Err(refusal) = self.check_member(&register) {
            tracing::warn!(from, reason = refusal.message(), "a worker was refused");
            return Err(refusal);
        }
        let (reply, answer) = oneshot::channel();
        let ending = || Status::unavailable("the coordinator is shutting down");
        self.events.send(ClusterEvent::Join(register, reply)).await.map_err(|_| ending())?;
        let joined = answer.await.map_err(|_| ending())?;
        let Joined { machine, session, welcome, orders } = joined.map_err(|reason| {
            tracing::warn!(from, reason, "a worker was refused");
            Status::failed_precondition(reason)
        })?;
        let (events, patience) = (self.events.clone(), self.settings.patience);
        tokio::spawn(async move {
            let reason = follow(inbound, (machine, session), &events, patience).await;
            let event = WorkerEvent::Gone(reason);
            // When the loop has ended, nobody needs to know.
            let _ = events.send(ClusterEvent::Worker { machine, session, event }).await;
        });
        let first = ToWorker { message: Some(to_worker::Message::Welcome(welcome)) };
        let orders = tokio_stream::once(first).chain(ReceiverStream::new(orders)).map(Ok);
        Ok(Response::new(Box::pin(orders)))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        let DrainRequest { join_token, machine } = request.into_inner();
        self.check_token(&join_token)?;
        let (reply, answer) = oneshot::channel();
        let ending = || Status::unavailable("the coordinator is shutting down");
        self.events.send(ClusterEvent::Drain(machine, reply)).await.map_err(|_| ending())?;
        let drained = answer.await.map_err(|_| ending())?;
        drained.map_err(Status::not_found)?;
        Ok(Response::new(DrainReply {}))
    }
}

/// Whether a stream broke because nothing came on its connection any more.
fn timed_out(status: &Status) -> bool {
    let mut error: Option<&dyn std::error::Error> = Some(status);
    while let Some(here) = error {
        let words = here.to_string();
        if words.contains("timed out") || words.contains("timeout") {
            return true;
        }
        error = here.source();
    }
    false
}

/// Hands on what a worker says until it is silent for too long or gone; then why.
async fn follow(
    mut inbound: Streaming<FromWorker>,
    (machine, session): (u32, u64),
    events: &mpsc::Sender<ClusterEvent>,
    patience: Duration,
) -> String {
    loop {
        let message = match tokio::time::timeout(patience, inbound.message()).await {
            Err(_) => return format!("no heartbeat for {} s", patience.as_secs_f64()),
            // What HTTP/2 says of it, a user need not read.
            Ok(Err(status)) => {
                tracing::debug!(%status, "the stream of a worker broke");
                return if timed_out(&status) {
                    format!("it answered nothing for {} s", patience.as_secs_f64())
                } else {
                    "its connection broke".to_owned()
                };
            }
            Ok(Ok(None)) => return "it left".to_owned(),
            Ok(Ok(Some(message))) => message.message,
        };
        let event = match message {
            Some(from_worker::Message::Loading(progress)) => {
                let all = progress.layers.max(1);
                WorkerEvent::Loading(f64::from(progress.loaded_layers.min(all)) / f64::from(all))
            }
            Some(from_worker::Message::Loaded(loaded)) => WorkerEvent::Loaded(loaded.kv_blocks),
            Some(from_worker::Message::Failed(failed)) => WorkerEvent::LoadFailed(failed.reason),
            Some(from_worker::Message::Heartbeat(beat)) => WorkerEvent::Heartbeat(beat.resident_bytes),
            Some(from_worker::Message::Leaving(_)) => WorkerEvent::Leaving,
            // A second registration means nothing.
            Some(from_worker::Message::Register(_)) | None => continue,
        };
        if events.send(ClusterEvent::Worker { machine, session, event }).await.is_err() {
            return "the coordinator is shutting down".to_owned();
        }
    }
}
