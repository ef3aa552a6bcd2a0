//! What a node is told and what it asks for.

use helix_spec::LayerRange;
use serde::{Deserialize, Serialize};

use super::kv_pool::BlockId;
use crate::{Phase, RequestId, Work};

/// What happened at a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeEvent {
    /// Tokens arrived that are to go through layers of this machine. They are queued; nothing starts before
    /// [`Start`](Self::Start). Works of one request must come in the order of their tokens.
    Work(Work),
    /// The machine may begin: forms a batch if nothing runs and something can. To be sent after work arrived, after a
    /// batch finished, after blocks were freed, and once the weights are loaded; whenever it is not needed it does
    /// nothing.
    Start,
    /// The running batch ends at this layer already: sent when work is to enter at a layer that a fused batch (several
    /// layers) has still to come to. The driver knows how far the batch is, so it decides. The layer must lie
    /// inside the batch, else nothing happens.
    Cut {
        /// One past the last layer that this batch still runs.
        end: u32,
    },
    /// The running batch is done, at its last layer.
    BatchFinished,
    /// The request leaves this machine: its queued work is forgotten, its cache freed (when it is in the running
    /// batch: at the end of that).
    Free {
        /// Which request.
        request: RequestId,
        /// This attempt and older ones.
        attempt: u32,
        /// Whether work of it may still be on its way (cancelled, preempted, a machine lost): such work is discarded
        /// for [`NodeConfig::stale_for`](super::NodeConfig).
        in_flight: bool,
    },
    /// `child` starts with the first `tokens` tokens of `parent`'s cache, which both share until one writes into a block
    /// of the other. Without effect where the parent is unknown, has fewer tokens, or the pool counts only.
    Fork {
        /// Whose cache.
        parent: RequestId,
        /// Who shares it: a request without a cache here.
        child: RequestId,
        /// The child's attempt.
        attempt: u32,
        /// How many tokens of it.
        tokens: u32,
    },
}

/// A batch, as much of it as is needed to say how long it takes. Its items: [`Node::running`](super::Node::running).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The layers that it runs, one or several. Layer-wise, every item goes through all of them; with whole-range
    /// batching an item may enter later (its own `layers`).
    pub layers: LayerRange,
    /// How many prompts or parts of prompts.
    pub prefills: u32,
    /// Their tokens.
    pub prefill_tokens: u64,
    /// How many decodes.
    pub decodes: u32,
    /// Tokens in the cache before this batch, over all decodes.
    pub decode_context: u64,
    /// Tokens that arrived at this machine since the last batch that ran its first layer; 0 unless this one does.
    /// The paper's simulator charges their copy here (section 2.4).
    pub received_tokens: u64,
}

/// Why a node will never run some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Layers that this machine does not hold.
    LayersNotHeld,
    /// No tokens, a decode of several, or more than a `u32` counts with their context.
    Malformed,
    /// More tokens in one piece, or a longer context, than a batch may have.
    BeyondBatchLimits,
    /// More cache than the machine has.
    BeyondCache,
}

/// Who waits for blocks, and who could give some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The oldest request that waits for blocks.
    pub request: RequestId,
    /// Its attempt.
    pub attempt: u32,
    /// A decode had its share of the machine already and stands still; a prefill may as well wait a while.
    pub phase: Phase,
    /// The youngest request that holds blocks here, and its attempt.
    pub youngest: (RequestId, u32),
}

/// What a node asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeAction {
    /// Copy a block before the next batch runs: it was shared and is about to be written.
    CopyBlock {
        /// What to copy.
        from: BlockId,
        /// Where to.
        to: BlockId,
    },
    /// Run this batch and say [`NodeEvent::BatchFinished`].
    Run(Batch),
    /// This work is through its layers here: on to the next hop, or a token if it was the last.
    Forward(Work),
    /// This work will never be run: tell the coordinator.
    Refuse {
        /// What was to be done.
        work: Work,
        /// Why not.
        why: Refusal,
    },
    /// Stale work was dropped: whatever the driver holds for it can go.
    Discard(Work),
    /// A request waits for blocks that perhaps only a preemption can give: tell the coordinator. Said once until a
    /// request is freed here.
    OutOfBlocks(Shortfall),
}
