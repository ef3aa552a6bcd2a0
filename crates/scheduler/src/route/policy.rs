//! The trait of route policies, and what they are asked and told.

use helix_spec::{Endpoint, MachineId, SimTime};
use serde::{Deserialize, Serialize};

use crate::{LinkId, Phase};

/// A link that a request could take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which.
    pub link: LinkId,
    /// Whether the request may take it: the machine at its end is there, and has room. The coordinator decides this; what
    /// a driver says here is narrowed, never widened.
    pub open: bool,
    /// Whether it could be sent now: the link is idle. True where nobody looks at links.
    pub free: bool,
    /// Requests that wait at the machine at its end; 0 at the coordinator.
    pub waiting: u64,
}

/// Which way?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// When it is asked. Hops of one pipeline are asked for at one instant.
    pub now: SimTime,
    /// Where the request is.
    pub from: Endpoint,
    /// How many tokens it has \[tokens\].
    pub tokens: u32,
    /// All links that begin here, in insertion order.
    pub candidates: &'a [Candidate],
}

/// What a policy may learn from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// From leaving on this link to being ready to leave the machine at its end.
    LinkTime {
        /// Which link.
        link: LinkId,
        /// A prompt or a decode.
        phase: Phase,
        /// How many tokens it was \[tokens\].
        tokens: u32,
        /// How long.
        took: SimTime,
    },
    /// How fast a machine is against the plan: 1 as planned, 0.5 half as fast. Positive and finite.
    Speed {
        /// Which machine.
        machine: MachineId,
        /// The factor.
        factor: f64,
    },
    /// A machine takes requests again that took none for a while: what it missed must not come to it all at once.
    Returned {
        /// Which machine.
        machine: MachineId,
    },
}

/// Chooses ways. At most one charge follows a choice; none where the asker had to give the route up.
pub trait RoutePolicy {
    /// One of the open candidates, or `None`: not now.
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId>;

    /// So many tokens go along a link: a prompt that was just routed, or one more token of a request on its route.
    fn charge(&mut self, link: LinkId, phase: Phase, tokens: u32);

    /// Something was seen.
    fn observe(&mut self, observation: Observation);

    /// Asks memory for what a charge of a link, any number, will look at. Changes nothing but time.
    fn prefetch(&self, link: LinkId);
}

impl<T: RoutePolicy + ?Sized> RoutePolicy for Box<T> {
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId> {
        (**self).choose(question)
    }

    fn charge(&mut self, link: LinkId, phase: Phase, tokens: u32) {
        (**self).charge(link, phase, tokens);
    }

    fn observe(&mut self, observation: Observation) {
        (**self).observe(observation);
    }

    fn prefetch(&self, link: LinkId) {
        (**self).prefetch(link);
    }
}
