//! One connection for activations and tokens: dialled or accepted, then messages both ways until it ends.

use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{BoxStream, Security};
use crate::wire::{
    Assembler, HandshakeError, Hello, Message, Outbox, greet, read_message, receive_hello, write_loop,
};

/// How long connecting and the first words may take together.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that the system takes before it has sent what it took earlier: what is here can no longer be overtaken.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
const UNSENT: u32 = 128 << 10;

/// Why a peer could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No connection.
    #[error("{address} cannot be reached: {reason}")]
    Connect {
        /// Where to.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// A connection, but no welcome.
    #[error("{address}: {reason}")]
    Handshake {
        /// Where to.
        address: String,
        /// Why not.
        reason: HandshakeError,
    },
}

/// Who called.
#[derive(Debug)]
pub struct Peer {
    /// What it says of itself; not yet believed.
    pub hello: Hello,
    /// The address that it called from.
    pub address: String,
}

/// Calls a peer at host:port and says hello.
pub async fn dial(address: &str, hello: &Hello, security: &Security) -> Result<BoxStream, DialError> {
    let failed = |reason: String| DialError::Connect { address: address.to_owned(), reason };
    let whole = async {
        let stream = TcpStream::connect(address).await.map_err(|error| failed(error.to_string()))?;
        tune(&stream);
        let mut stream: BoxStream = match security.connector() {
            None => Box::new(stream),
            Some(connector) => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(host).map_err(|error| failed(error.to_string()))?;
                let stream = connector.connect(name, stream).await;
                Box::new(stream.map_err(|error| failed(format!("TLS: {error}")))?)
            }
        };
        let greeted = greet(&mut stream, hello).await;
        greeted.map_err(|reason| DialError::Handshake { address: address.to_owned(), reason })?;
        Ok(stream)
    };
    let late = || failed(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err(late()))
}

impl Peer {
    /// Takes a call and hears who it is. Whether to welcome or refuse it is the caller's to decide.
    pub async fn accept(stream: TcpStream, security: &Security) -> Result<(BoxStream, Self), HandshakeError> {
        tune(&stream);
        let address = stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
        let whole = async {
            let mut stream: BoxStream = match security.acceptor() {
                None => Box::new(stream),
                Some(acceptor) => Box::new(acceptor.accept(stream).await?),
            };
            let hello = receive_hello(&mut stream).await?;
            Ok((stream, Self { hello, address }))
        };
        let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no hello within 5 s").into();
        tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Small messages at once, and little of a long one in the system's hands.
fn tune(stream: &TcpStream) {
    // Both only make it faster; a system that cannot do them serves as well.
    let _ = stream.set_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
}

/// Sends what is put into the outbox and hands on what comes, until the connection ends; then why it did.
pub async fn run_link<T: Send>(
    stream: BoxStream,
    outbox: Outbox,
    inbound: mpsc::Sender<T>,
    wrap: impl Fn(Message) -> T + Send,
) -> String {
    let (reader, writer) = tokio::io::split(stream);
    let reading = async {
        let (mut reader, mut assembler) = (BufReader::with_capacity(64 << 10, reader), Assembler::default());
        loop {
            let message = match read_message(&mut reader, &mut assembler).await {
                Ok(Some((kind, bytes))) => Message::decode(kind, bytes),
                Ok(None) => return "the peer closed the connection".to_owned(),
                Err(error) => return error.to_string(),
            };
            match message {
                // A full queue makes the peer wait: the reader stops, TCP's window closes.
                Ok(message) => {
                    if inbound.send(wrap(message)).await.is_err() {
                        return "this process is ending".to_owned();
                    }
                }
                Err(error) => return error.to_string(),
            }
        }
    };
    let reason = tokio::select! {
        reason = reading => reason,
        written = write_loop(outbox.clone(), writer) => match written {
            Ok(()) => "closed".to_owned(),
            Err(error) => format!("the connection broke: {error}"),
        },
    };
    outbox.close();
    reason
}
