//! How activations and tokens travel: messages in chunks over TCP (or TLS over it), one connection a directed pair.
//!
//! ```text
//!   Message ── encode ──> Outbox: urgent ▷▷▷ ─┐  whole, before        ┌─> Reader: chunks to messages ──> decode
//!                                 bulk   ▷▷▷ ─┴─ the next chunk ─ TCP ┘
//! ```
//!
//! Decodes, tokens and all that is short is urgent; prompts and their activations are bulk. Before each chunk of bulk all
//! that is urgent goes out, so a decode waits for one chunk, never for a whole prompt. Both orders are kept in
//! themselves: that is all that the receiver relies on.

mod chunk;
mod codec;
mod fields;
mod handshake;
mod message;
mod outbox;
mod reader;

pub use chunk::{Assembler, ChunkHeader, FrameError, HEADER_BYTES, MAX_CHUNK, MAX_MESSAGE};
pub use codec::DecodeError;
pub use handshake::{HandshakeError, Hello, KEY_BYTES, SessionKey, greet, receive_hello, refuse, welcome};
pub use message::{
    Activations, Decision, Ending, Message, Open, RouteHop, Sampled, ShortOfBlocks, Status, WIRE_VERSION,
};
pub use outbox::{Class, LinkClosed, Outbox, Outgoing, write_loop};
pub use reader::{ReadError, read_message};
