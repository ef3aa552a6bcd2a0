//! How the cluster is doing, for `/ready`, metrics and the terminal.

use serde::Serialize;

/// Whether a request can be served now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Readiness {
    /// At least one whole pipeline can serve.
    Ready,
    /// No pipeline can serve, and why.
    NotReady {
        /// In plain words, one a machine or matter.
        reasons: Vec<String>,
    },
}

impl Readiness {
    /// Whether a request can be served now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// In the placement, not joined yet.
    Awaited,
    /// Joined, loads its layers.
    Loading,
    /// Serves.
    Ready,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// Its connection broke or its heartbeat stopped.
    Lost,
    /// It finished what it had and left.
    Left,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineReport {
    /// Its name in the cluster.
    pub name: String,
    /// First layer that it holds.
    pub start: u32,
    /// One past its last layer.
    pub end: u32,
    /// What it is doing.
    pub state: MachineState,
    /// Where it takes activations; empty before it joins.
    pub address: String,
    /// What the plan expects of it, as far as there is a plan \[tokens/s\].
    pub planned_tokens_per_s: Option<f64>,
    /// How fast it computes against the plan and the other machines: 1 as planned, 0.5 half as fast. Its share of the
    /// requests follows.
    pub speed: Option<f64>,
    /// Emulation: its worker was told to compute so many times slower than its machine does.
    pub emulated_slowdown: Option<f64>,
    /// Measured over the time in which it computed \[tokens/s\].
    pub tokens_per_s: Option<f64>,
    /// Prompt tokens computed since the start.
    pub prompt_tokens: u64,
    /// Decoded tokens computed since the start.
    pub decode_tokens: u64,
    /// Requests that it knows.
    pub requests: u32,
    /// Cache blocks in use.
    pub kv_blocks_used: u32,
    /// Cache blocks that it has.
    pub kv_blocks_total: u32,
    /// Loaded part of its weights, 0 to 1.
    pub loaded: f64,
    /// Resident memory of its process \[bytes\], where the system tells.
    pub resident_bytes: Option<u64>,
}

/// One machine on a request's way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PipelineHop {
    /// The machine's name.
    pub machine: String,
    /// First layer that it runs for the request.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

/// A way that requests took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineReport {
    /// From the first layer to the last.
    pub hops: Vec<PipelineHop>,
    /// Requests that took it.
    pub requests: u64,
    /// Tokens that were generated on it.
    pub tokens: u64,
}

/// How the cluster is doing.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Counts placements.
    pub epoch: u64,
    /// Every machine of the placement.
    pub machines: Vec<MachineReport>,
    /// Every way that requests took.
    pub pipelines: Vec<PipelineReport>,
    /// Requests that hold a pipeline.
    pub running: u64,
    /// Requests that wait for one.
    pub waiting: u64,
    /// Requests answered whole.
    pub finished: u64,
    /// Requests that ended with an error.
    pub failed: u64,
    /// Requests that their client gave up.
    pub cancelled: u64,
    /// Requests that were moved off their caches and begun again.
    pub preempted: u64,
    /// Prompt tokens of all requests taken.
    pub prompt_tokens: u64,
    /// Tokens generated for all requests.
    pub generated_tokens: u64,
}
