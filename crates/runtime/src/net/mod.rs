//! Connections: plain TCP or TLS, dialled and accepted, and what runs on them.

mod link;
mod listen;
mod tls;

pub use link::{DialError, Peer, dial, run_link};
pub use listen::{Limited, Limiter};
pub use tls::{Security, TlsError, TlsFiles};

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Any connection.
pub type BoxStream = Box<dyn Stream>;
