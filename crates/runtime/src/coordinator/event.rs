//! What the coordinator's loop is told.

use tokio::sync::{mpsc, oneshot};

use crate::control::proto;
use crate::wire::{Message, Outbox};

/// A worker that was let in.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Its machine.
    pub(crate) machine: u32,
    /// Which of its memberships this is: words about an older one are late.
    pub(crate) session: u64,
    /// What it is told first.
    pub(crate) welcome: proto::Welcome,
    /// What it is told later; when this ends, so does its membership.
    pub(crate) orders: mpsc::Receiver<proto::ToWorker>,
}

/// What happens to a worker.
#[derive(Debug)]
pub(crate) enum WorkerEvent {
    /// It loads; how much it has of its weights, 0 to 1.
    Loading(f64),
    /// It has its layers, and so many cache blocks.
    Loaded(u32),
    /// It could not load.
    LoadFailed(String),
    /// It lives; its resident memory \[bytes\].
    Heartbeat(u64),
    /// The connection for requests and tokens is there.
    Connected(Outbox),
    /// Something came on it.
    Message(Message),
    /// It wants to leave when its requests are done.
    Leaving,
    /// It is gone, and why.
    Gone(String),
}

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum ClusterEvent {
    /// A worker that showed the token wants to join. The answer may be a refusal in plain words.
    Join(proto::Register, oneshot::Sender<Result<Joined, String>>),
    /// Something about a worker.
    Worker {
        /// Its machine.
        machine: u32,
        /// In which membership.
        session: u64,
        /// What.
        event: WorkerEvent,
    },
    /// An operator wants a machine to take no more requests.
    Drain(String, oneshot::Sender<Result<(), String>>),
    /// Nobody reads the answer any more.
    ClientGone(u64),
}
