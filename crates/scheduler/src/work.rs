//! What both sides speak of: requests, passes through machines, links.

use helix_spec::LayerRange;
use serde::{Deserialize, Serialize};

/// Name of a request, given by the driver and never used again for another one. The smaller is the older: where
/// memory is short, the younger gives way, so a driver gives them in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Index of a link in [`Topology::links`](crate::Topology).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u32);

impl LinkId {
    /// As an index into `Topology::links`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which of a request's two kinds of pass this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The prompt, or a part of it.
    Prefill,
    /// One generated token.
    Decode,
}

/// One request's tokens on their way through the layers: what links carry and machines batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Whose tokens.
    pub request: RequestId,
    /// How often the request was started anew before (preemption, a lost machine): work of an older attempt is stale.
    pub attempt: u32,
    /// Prompt or generated token.
    pub phase: Phase,
    /// How many tokens; 1 for a decode.
    pub tokens: u32,
    /// How many of the request's tokens are in the cache before these.
    pub context: u32,
    /// The layers that they go through on this machine.
    pub layers: LayerRange,
    /// Whether these are the last tokens of their pass: false for all parts of a chunked prompt but the last.
    pub last: bool,
}

impl Work {
    /// Tokens in the cache after these.
    #[must_use]
    pub fn cached_after(&self) -> u64 {
        u64::from(self.context) + u64::from(self.tokens)
    }

    /// Whether this is a part of a prompt that is cut into several.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.phase == Phase::Prefill && (self.context > 0 || !self.last)
    }
}
