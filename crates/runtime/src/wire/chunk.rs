//! Chunks: a fixed header, then a part of a message.
//!
//! ```text
//!   bytes  0..4   4        5      6..8   8..12     12..16   16..20    20..24
//!          HLXA   version  kind   0      message   chunk    message   offset of
//!                                        number    bytes    bytes     the chunk        (little endian)
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};

/// Size of a header \[bytes\].
pub const HEADER_BYTES: usize = 24;
/// The longest part of a message that one chunk carries \[bytes\].
pub const MAX_CHUNK: u32 = 64 << 10;
/// The longest message \[bytes\].
pub const MAX_MESSAGE: u32 = 256 << 20;

const MAGIC: [u8; 4] = *b"HLXA";
/// Version of the chunks; that of the messages is agreed on when a worker joins.
const VERSION: u8 = 1;
/// Messages of which a part has come: one urgent, one bulk.
const MAX_PARTIAL: usize = 2;

/// What stands before a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// What the message is.
    pub kind: u8,
    /// Number of the message on its connection; its chunks have the same.
    pub message: u32,
    /// Bytes of this chunk.
    pub chunk: u32,
    /// Bytes of the whole message.
    pub total: u32,
    /// Where the chunk begins in the message.
    pub offset: u32,
}

/// What is wrong with a chunk. The connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not ours.
    #[error("a chunk begins with {found:02x?} instead of `HLXA`: the peer does not speak this protocol")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Another version of it.
    #[error(
        "a chunk has version {found}, this program speaks version 1: both ends must run the same version of helix"
    )]
    Version {
        /// The peer's version.
        found: u8,
    },
    /// Lengths beyond the limits, or that contradict each other.
    #[error(
        "a chunk of {chunk} bytes at {offset} of a message of {total} bytes is not possible (chunks have 1 to {MAX_CHUNK} \
         bytes, messages up to {MAX_MESSAGE}, only an empty message has an empty chunk)"
    )]
    Lengths {
        /// Bytes of the chunk.
        chunk: u32,
        /// Its place.
        offset: u32,
        /// Bytes of the message.
        total: u32,
    },
    /// A chunk that does not continue what came.
    #[error("chunk at {offset} of message {message} does not continue what came before")]
    Order {
        /// The message.
        message: u32,
        /// Where the chunk says it begins.
        offset: u32,
    },
    /// More messages at once than a sender of ours ever begins.
    #[error("more than {MAX_PARTIAL} messages at once on one connection")]
    TooManyPartial,
}

impl ChunkHeader {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = &mut bytes[..];
        rest.put_slice(&MAGIC);
        rest.put_u8(VERSION);
        rest.put_u8(self.kind);
        rest.put_u16_le(0);
        for number in [self.message, self.chunk, self.total, self.offset] {
            rest.put_u32_le(number);
        }
        bytes
    }

    /// From bytes, lengths checked.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, d, version, kind, ..] = *bytes;
        if [a, b, c, d] != MAGIC {
            return Err(FrameError::Magic { found: [a, b, c, d] });
        }
        if version != VERSION {
            return Err(FrameError::Version { found: version });
        }
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let header =
            Self { kind, message: number(8), chunk: number(12), total: number(16), offset: number(20) };
        let Self { chunk, total, offset, .. } = header;
        let inside = offset.checked_add(chunk).is_some_and(|end| end <= total);
        if !inside || chunk > MAX_CHUNK || total > MAX_MESSAGE || (chunk == 0 && total > 0) {
            return Err(FrameError::Lengths { chunk, offset, total });
        }
        Ok(header)
    }
}

/// Puts messages together again. Holds no more than what has come.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: Vec<(ChunkHeader, BytesMut)>,
}

impl Assembler {
    /// Takes a chunk; the kind and the whole message when it is the last one.
    pub fn push(&mut self, header: ChunkHeader, chunk: &[u8]) -> Result<Option<(u8, Bytes)>, FrameError> {
        debug_assert_eq!(chunk.len(), header.chunk as usize, "the reader reads as much as the header says");
        let ChunkHeader { message, offset, total, kind, .. } = header;
        let known = self.partial.iter().position(|(first, _)| first.message == message);
        let Some(known) = known else {
            if offset != 0 {
                return Err(FrameError::Order { message, offset });
            }
            if chunk.len() == total as usize {
                return Ok(Some((kind, Bytes::copy_from_slice(chunk))));
            }
            if self.partial.len() == MAX_PARTIAL {
                return Err(FrameError::TooManyPartial);
            }
            self.partial.push((header, BytesMut::from(chunk)));
            return Ok(None);
        };
        let (first, bytes) = &mut self.partial[known];
        if bytes.len() != offset as usize || first.total != total || first.kind != kind {
            return Err(FrameError::Order { message, offset });
        }
        bytes.extend_from_slice(chunk);
        if bytes.len() < total as usize {
            return Ok(None);
        }
        let (_, bytes) = self.partial.swap_remove(known);
        Ok(Some((kind, bytes.freeze())))
    }
}
