//! Connections: how many at a time, for how long, and how they end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use helix_runtime::Service;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::error::ApiError;
use crate::stalls::Stalls;
use crate::{Options, router};

/// Connections that are told that there are too many, at a time; those beyond are closed without a word.
const MAX_REFUSALS: usize = 64;
/// A refused connection has so long to take its refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(2);
/// Between two attempts to accept when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The model's chat template cannot be used.
    #[error(transparent)]
    Template(#[from] helix_spec::FileError),
    /// An option makes no sense.
    #[error("{name} is {found}, allowed: {allowed}")]
    Option {
        /// Its name.
        name: &'static str,
        /// What was given.
        found: usize,
        /// What may be given.
        allowed: &'static str,
    },
}

/// Serves the API on `listener` until `shutdown` is there, then lets running answers finish within
/// [`Options::shutdown_grace`] and ends. Whoever wants a port of the system's choice asks the listener for it.
///
/// # Errors
/// [`ServeError`] at once, when the options or the model's chat template are not usable.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let limit = options.max_connections;
    if limit == 0 || limit > Semaphore::MAX_PERMITS {
        let allowed = "1 or more";
        return Err(ServeError::Option { name: "max_connections", found: limit, allowed });
    }
    let options = Arc::new(options);
    let router = router::router(service, options.clone())?;
    let (slots, refusals) = (Arc::new(Semaphore::new(limit)), Arc::new(Semaphore::new(MAX_REFUSALS)));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let socket = tokio::select! {
            biased;
            () = &mut shutdown => break,
            socket = accept(&listener) => socket,
            Some(_) = tasks.join_next() => continue,
        };
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            let service = TowerToHyperService::new(router.clone());
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(options.header_timeout)
                .serve_connection(TokioIo::new(Stalls::new(socket, options.stall_timeout)), service);
            tasks.spawn(run(graceful.watch(connection), slot));
        } else if let Ok(slot) = refusals.clone().try_acquire_owned() {
            tasks.spawn(refuse(socket, limit, slot));
        }
    }
    drop(listener);
    let grace = tokio::time::timeout(options.shutdown_grace, graceful.shutdown()).await;
    if grace.is_err() {
        warn!(seconds = options.shutdown_grace.as_secs_f64(), "answers did not finish in time, cut off");
    }
    tasks.shutdown().await;
    Ok(())
}

/// The next connection. What goes wrong concerns one connection, or passes: out of sockets, for instance.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // A token is a small packet, and each is waited for.
                if let Err(error) = socket.set_nodelay(true) {
                    debug!(%error, "connection without TCP_NODELAY");
                }
                return socket;
            }
            Err(error) if is_the_peers(&error) => debug!(%error, "connection lost before it was accepted"),
            Err(error) => {
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn run(connection: impl Future<Output = Result<(), hyper::Error>>, _slot: OwnedSemaphorePermit) {
    if let Err(error) = connection.await {
        debug!(%error, "connection ended early");
    }
}

/// Tells a client that there are too many, whatever it asks.
async fn refuse(mut socket: TcpStream, limit: usize, _slot: OwnedSemaphorePermit) {
    let message = format!("{limit} connections are open already, no more are taken; try again later");
    let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
    let body = ApiError::new(status, Some("too_many_connections"), message).json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let tell = async {
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(&body).await?;
        socket.shutdown().await?;
        // Closing with unread bytes would reset the connection, and the refusal with it.
        let mut unread = [0; 4096];
        while socket.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    match tokio::time::timeout(REFUSAL_TIME, tell).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "refused connection ended early"),
        Err(_) => debug!("refused connection does not end"),
    }
}
