//! What a coordinator is told and what it asks for.

use helix_spec::{LayerRange, MachineId, SimTime};
use serde::{Deserialize, Serialize};

use crate::node::{Refusal, Shortfall};
use crate::route::{Candidate, Observation};
use crate::{LinkId, Phase, RequestId};

/// What happened. Events of unknown requests, and of older attempts of known ones, are ignored: they are late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A request came. Ignored if one of that id is there.
    Arrived {
        /// Its name, new.
        request: RequestId,
        /// Length of its prompt.
        prompt_tokens: u32,
        /// When it ends at the latest, finished or not.
        deadline: Option<SimTime>,
    },
    /// The prompt of a request is about to leave a place: where to? Only with
    /// [`Routing::HopByHop`](super::Routing::HopByHop). To be asked again when something has changed if no
    /// [`Action::Hop`] comes. The same without a log: [`Coordinator::ask_hop`](super::Coordinator::ask_hop).
    AskHop {
        /// Which request.
        request: RequestId,
        /// Its attempt.
        attempt: u32,
        /// The links that begin where it is, all or some.
        candidates: Vec<Candidate>,
    },
    /// The end of the pipeline has a token for a request: its prompt, or a decode, is through all layers.
    Token {
        /// Which request.
        request: RequestId,
        /// Its attempt.
        attempt: u32,
        /// Whether it needs no more.
        last: bool,
    },
    /// Nobody wants it any more.
    Cancel {
        /// Which request.
        request: RequestId,
    },
    /// A node said [`OutOfBlocks`](crate::node::NodeAction::OutOfBlocks).
    OutOfBlocks {
        /// Where.
        machine: MachineId,
        /// What the node knows.
        shortage: Shortfall,
    },
    /// A node said [`Refuse`](crate::node::NodeAction::Refuse).
    Refused {
        /// Where.
        machine: MachineId,
        /// Which request.
        request: RequestId,
        /// Its attempt.
        attempt: u32,
        /// Why.
        why: Refusal,
    },
    /// Something was seen that weights may follow.
    Observed(Observation),
    /// A machine is there no more, with all that it had.
    MachineLost {
        /// Which.
        machine: MachineId,
    },
    /// A machine is to take no new requests; what runs there goes on.
    MachineDraining {
        /// Which.
        machine: MachineId,
    },
    /// A machine is there, empty if it was lost: it takes requests again.
    MachineJoined {
        /// Which.
        machine: MachineId,
    },
    /// Time has passed ([`Coordinator::next_deadline`](super::Coordinator::next_deadline)).
    Tick,
}

/// A step of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The link that leads there.
    pub link: LinkId,
    /// Where; `None` is the way back to the coordinator.
    pub machine: Option<MachineId>,
    /// What is run there.
    pub layers: Option<LayerRange>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All its tokens are there.
    Finished,
    /// Cancelled.
    Cancelled,
    /// Its own deadline passed.
    DeadlinePassed,
    /// No pipeline could take it, and it was not to wait.
    NoRoute,
    /// The line was full.
    QueueFull,
    /// It waited as long as it may.
    WaitedTooLong,
    /// It needs more cache than a machine of every pipeline has, or is longer than any takes.
    TooLarge,
    /// A prompt without tokens.
    EmptyPrompt,
    /// A machine on its way was lost, once more than it may be.
    MachineLost,
    /// A machine could not run it.
    Refused,
}

/// What a coordinator asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The next hop of a request. With [`Routing::Pipeline`](super::Routing::Pipeline) all of them come in order before
    /// the [`Dispatch`](Self::Dispatch) of its prompt, the way back included.
    Hop {
        /// Which request.
        request: RequestId,
        /// Its attempt.
        attempt: u32,
        /// The hop.
        hop: Hop,
    },
    /// Send these tokens on their way through the request's pipeline.
    Dispatch {
        /// Which request.
        request: RequestId,
        /// Its attempt.
        attempt: u32,
        /// Its prompt (on a later attempt with what was generated), or the newest token.
        phase: Phase,
        /// How many tokens.
        tokens: u32,
        /// How many are in the caches before them.
        context: u32,
    },
    /// The request waits in line.
    Waits {
        /// Which request.
        request: RequestId,
    },
    /// The request starts anew, as soon as there is a way: its next attempt.
    Restarts {
        /// Which request.
        request: RequestId,
        /// The attempt that is to come.
        attempt: u32,
        /// Tokens of its prompt and generated ones, to be computed again.
        tokens: u32,
    },
    /// Free a request on a machine: [`NodeEvent::Free`](crate::node::NodeEvent::Free).
    Free {
        /// Where.
        machine: MachineId,
        /// Which request.
        request: RequestId,
        /// This attempt and older ones.
        attempt: u32,
        /// Whether work of it may be on its way.
        in_flight: bool,
    },
    /// A draining machine has nothing left.
    Drained {
        /// Which.
        machine: MachineId,
    },
    /// The request is over. Once for every request that arrived.
    Ended {
        /// Which request.
        request: RequestId,
        /// How.
        outcome: Outcome,
        /// Tokens that it generated.
        generated: u32,
    },
}
