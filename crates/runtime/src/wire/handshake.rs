//! The first words on a connection: who calls, whom, and that both belong to the same cluster.
//!
//! The caller sends `Hello`, the other end answers `Welcome` or `Refused` with its reason. The key was handed to both by the
//! coordinator when they joined; whoever does not have it never joined.

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::chunk::{Assembler, ChunkHeader, HEADER_BYTES};
use super::codec::{DecodeError, Fields, put_text};
use super::reader::{ReadError, read_message};

/// Length of the key that the members of a cluster share \[bytes\].
pub const KEY_BYTES: usize = 32;

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const REFUSED: u8 = 3;
/// A first message is never longer: what strangers send is not kept.
const MAX_HELLO: u32 = 4096;

/// Shows that a peer belongs to the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey(pub [u8; KEY_BYTES]);

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(hidden)")
    }
}

impl SessionKey {
    /// Compares in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

/// The first message on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The cluster's key.
    pub key: SessionKey,
    /// Index of the machine that calls; `None` for the coordinator.
    pub from: Option<u32>,
    /// Index of the machine that is called.
    pub to: u32,
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke, or the peer speaks something else.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The peer's first message is not one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The peer closed the connection without an answer.
    #[error("the peer closed the connection without a word")]
    Closed,
    /// The peer said no.
    #[error("the peer refused: {0}")]
    Refused(String),
}

impl From<std::io::Error> for HandshakeError {
    fn from(error: std::io::Error) -> Self {
        Self::Read(ReadError::Broken(error))
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), kind: u8, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).expect("first messages are short");
    let header = ChunkHeader { kind, message: 0, chunk: length, total: length, offset: 0 };
    writer.write_all(&[&header.encode(), bytes].concat()).await?;
    writer.flush().await
}

/// The caller's side: says hello and waits for the welcome.
pub async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    hello: &Hello,
) -> Result<(), HandshakeError> {
    let mut out = BytesMut::new();
    out.put_slice(&hello.key.0);
    out.put_u32_le(hello.from.unwrap_or(u32::MAX));
    out.put_u32_le(hello.to);
    send(stream, HELLO, &out).await?;
    let (kind, bytes) = read_first(stream).await?;
    match kind {
        WELCOME => Ok(()),
        REFUSED => Err(HandshakeError::Refused(Fields::new(bytes).text("reason")?)),
        other => Err(DecodeError::Kind(other).into()),
    }
}

/// The called side: what the caller says of itself. Not yet believed.
pub async fn receive_hello(stream: &mut (impl AsyncRead + Unpin)) -> Result<Hello, HandshakeError> {
    let (kind, bytes) = read_first(stream).await?;
    if kind != HELLO {
        return Err(DecodeError::Kind(kind).into());
    }
    let mut fields = Fields::new(bytes);
    let mut key = [0; KEY_BYTES];
    for byte in &mut key {
        *byte = fields.u8("key")?;
    }
    let (from, to) = (fields.u32("from")?, fields.u32("to")?);
    fields.end()?;
    Ok(Hello { key: SessionKey(key), from: (from != u32::MAX).then_some(from), to })
}

/// Lets the caller in.
pub async fn welcome(stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    send(stream, WELCOME, &[]).await
}

/// Sends the caller away, in plain words.
pub async fn refuse(stream: &mut (impl AsyncWrite + Unpin), reason: &str) -> std::io::Result<()> {
    let mut out = BytesMut::new();
    put_text(&mut out, reason);
    send(stream, REFUSED, &out).await?;
    stream.shutdown().await
}

/// The first message, which must come in one short chunk.
async fn read_first(stream: &mut (impl AsyncRead + Unpin)) -> Result<(u8, Bytes), HandshakeError> {
    let mut limited = tokio::io::AsyncReadExt::take(stream, u64::from(MAX_HELLO) + HEADER_BYTES as u64);
    let message = read_message(&mut limited, &mut Assembler::default()).await?;
    message.ok_or(HandshakeError::Closed)
}
