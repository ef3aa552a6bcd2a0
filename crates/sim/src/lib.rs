//! Discrete-event simulation of a cluster that serves one model: the scheduler that serves, in virtual time.
//!
//! ```text
//! cluster, placement, costs, planned flow ──> Inputs ─┐
//! Settings (Settings::asplos25: the paper's) ─────────┼─> Simulation ──run──> Report
//! Feed (offline, or arrivals), faults ────────────────┘        └──> Observer: events, batches, transfers, requests
//! ```
//!
//! Time is integer picoseconds, equal times run in the order of insertion. Pure and deterministic: one input and one seed
//! give one report.

mod driver;
mod load;
pub mod network;
mod queue;
mod random;
mod scene;
mod settings;
mod statistics;

pub use driver::{
    EventKind, Fault, FaultKind, Feed, LinkLoad, MachineLoad, Observer, Progress, Record, Report,
    RequestRecord, Simulation, SimulationError, Spent, Subject, Whereabouts,
};
pub use load::{ARRIVAL_INTERVAL, ArrivalProcess, LengthSource, PaperTrace};
pub use queue::EventQueue;
pub use random::{MersenneTwister, exponential, gamma};
pub use scene::{Inputs, PlannedLink, SceneError};
pub use settings::{KvMode, LayerEvents, Limits, LinkMode, OfflineFeed, Policy, Refill, Settings, Window};
pub use statistics::{Distribution, Series, Summary};
