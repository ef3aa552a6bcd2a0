//! What waits to be sent on one connection, and the task that sends it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::chunk::{ChunkHeader, MAX_CHUNK, MAX_MESSAGE};

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Before everything else.
    Urgent,
    /// When nothing urgent waits, a chunk at a time.
    Bulk,
}

/// A message as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What it is.
    pub kind: u8,
    /// Who goes first.
    pub class: Class,
    /// Its beginning.
    pub head: Bytes,
    /// Its end.
    pub body: Bytes,
}

impl Outgoing {
    fn bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// The connection is closed, or so much waits on it that the peer must be stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkClosed {
    /// Closed.
    #[error("the connection is closed")]
    Closed,
    /// More waits than the limit.
    #[error("{limit} bytes wait for a peer that does not take them")]
    Stuck {
        /// The most that may wait.
        limit: usize,
    },
    /// A message that no chunks can carry.
    #[error("a message of {bytes} bytes is longer than {MAX_MESSAGE}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

#[derive(Debug, Default)]
struct Waiting {
    urgent: VecDeque<Outgoing>,
    bulk: VecDeque<Outgoing>,
    bytes: usize,
    closed: bool,
}

/// The sending end of a connection. Clones share it. Never waits: how much may be on its way is agreed on by credits,
/// and what comes on top of a generous limit closes the connection.
#[derive(Debug, Clone)]
pub struct Outbox {
    waiting: Arc<Mutex<Waiting>>,
    wake: Arc<Notify>,
    limit: usize,
}

impl Outbox {
    /// The most that waits on one connection unless said otherwise \[bytes\].
    pub const LIMIT: usize = 1 << 30;

    /// An empty one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { waiting: Arc::default(), wake: Arc::default(), limit }
    }

    /// Puts a message in line.
    pub fn send(&self, message: Outgoing) -> Result<(), LinkClosed> {
        let bytes = message.bytes();
        if bytes > MAX_MESSAGE as usize {
            return Err(LinkClosed::TooLong { bytes });
        }
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(LinkClosed::Closed);
        }
        if waiting.bytes + bytes > self.limit {
            drop(waiting);
            self.close();
            return Err(LinkClosed::Stuck { limit: self.limit });
        }
        waiting.bytes += bytes;
        match message.class {
            Class::Urgent => waiting.urgent.push_back(message),
            Class::Bulk => waiting.bulk.push_back(message),
        }
        drop(waiting);
        self.wake.notify_one();
        Ok(())
    }

    /// Whether both are the same connection's.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.waiting, &other.waiting)
    }

    /// Bytes in line.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Takes no more; what waits is still sent if the peer takes it.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // A holder that panicked left a queue that is whole: every change to it is one push or one pop.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The urgent messages in line, and the next bulk one if `bulk_too`; `None` when closed and empty.
    async fn next(&self, bulk_too: bool, wait: bool) -> Option<(VecDeque<Outgoing>, Option<Outgoing>)> {
        loop {
            {
                let mut waiting = self.lock();
                let urgent = std::mem::take(&mut waiting.urgent);
                let bulk = if bulk_too { waiting.bulk.pop_front() } else { None };
                let taken = urgent.iter().chain(&bulk).map(Outgoing::bytes).sum::<usize>();
                waiting.bytes -= taken;
                if !urgent.is_empty() || bulk.is_some() || !wait {
                    return Some((urgent, bulk));
                }
                if waiting.closed {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }
}

/// A message of which a part is sent.
struct Sending {
    message: Outgoing,
    number: u32,
    sent: usize,
}

impl Sending {
    /// Its next chunk as slices of the message; whether it was the last.
    fn chunk(&mut self, out: &mut Segments) -> bool {
        let total = self.message.bytes();
        let bytes = (total - self.sent).min(MAX_CHUNK as usize);
        let number = |bytes: usize| u32::try_from(bytes).expect("messages are no longer than MAX_MESSAGE");
        let header = ChunkHeader {
            kind: self.message.kind,
            message: self.number,
            chunk: number(bytes),
            total: number(total),
            offset: number(self.sent),
        };
        out.push(Bytes::copy_from_slice(&header.encode()));
        let head = self.message.head.len();
        let (from, to) = (self.sent, self.sent + bytes);
        out.push(self.message.head.slice(from.min(head)..to.min(head)));
        out.push(self.message.body.slice(from.saturating_sub(head)..to.saturating_sub(head)));
        self.sent = to;
        to == total
    }
}

/// Pieces of memory to be written one after the other.
#[derive(Default)]
struct Segments(VecDeque<Bytes>);

impl Segments {
    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.0.push_back(bytes);
        }
    }

    async fn write(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !self.0.is_empty() {
            let slices: Vec<IoSlice<'_>> = self.0.iter().take(64).map(|bytes| IoSlice::new(bytes)).collect();
            let mut written = writer.write_vectored(&slices).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            while let Some(first) = self.0.front_mut().filter(|_| written > 0) {
                let part = first.len().min(written);
                first.advance(part);
                written -= part;
                if first.is_empty() {
                    self.0.pop_front();
                }
            }
        }
        Ok(())
    }
}

/// Sends what is put into the outbox until it is closed and empty, or the connection breaks.
pub async fn write_loop(outbox: Outbox, mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
    let (mut number, mut bulk) = (0u32, None::<Sending>);
    let mut segments = Segments::default();
    loop {
        let Some((urgent, next)) = outbox.next(bulk.is_none(), bulk.is_none()).await else { break };
        let mut begin = |message| {
            number = number.wrapping_add(1);
            Sending { message, number, sent: 0 }
        };
        for message in urgent {
            let mut sending = begin(message);
            while !sending.chunk(&mut segments) {}
        }
        bulk = bulk.or_else(|| next.map(&mut begin));
        if let Some(sending) = &mut bulk
            && sending.chunk(&mut segments)
        {
            bulk = None;
        }
        segments.write(&mut writer).await?;
        writer.flush().await?;
    }
    writer.shutdown().await
}
