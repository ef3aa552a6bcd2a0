//! Reads whole messages from a connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::chunk::{Assembler, ChunkHeader, FrameError, HEADER_BYTES};

/// Why no more can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The peer does not keep to the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// The kind and the bytes of the next message; `None` when the peer closed the connection between two chunks.
pub async fn read_message(
    reader: &mut (impl AsyncRead + Unpin),
    assembler: &mut Assembler,
) -> Result<Option<(u8, Bytes)>, ReadError> {
    loop {
        let mut header = [0; HEADER_BYTES];
        if reader.read(&mut header[..1]).await? == 0 {
            return Ok(None);
        }
        reader.read_exact(&mut header[1..]).await?;
        let header = ChunkHeader::decode(&header)?;
        let mut chunk = BytesMut::zeroed(header.chunk as usize);
        reader.read_exact(&mut chunk).await?;
        if let Some(message) = assembler.push(header, &chunk)? {
            return Ok(Some(message));
        }
    }
}
