//! Coordinator and worker processes: one model, served by several machines.
//!
//! ```text
//!   server ── Service ──> coordinator ══ gRPC: join, placement, health, drain ══> workers
//!                              │                                                   │ │
//!                              └── framed TCP: requests to the first stage ──> A ──┘ └─> B ─┐
//!                                  tokens back to the coordinator <── last stage samples <──┘
//!                                                                     └── and straight to the first stage
//! ```
//!
//! The decisions come from `helix-scheduler`, which knows neither clock nor network; this crate has both.

pub mod control;
pub mod coordinator;
mod fingerprint;
pub mod net;
pub mod service;
pub mod wire;
pub mod worker;

pub use coordinator::{
    ClusterPlan, Coordinator, CoordinatorSettings, PlannedMachine, PlannedTimes, Recorder, Routes,
    StartError, random_token,
};
pub use fingerprint::fingerprint;
pub use service::{
    GenerateRequest, GenerationEvent, GenerationStream, ModelInfo, Readiness, Report, Sampling, Service,
    SubmitError,
};
pub use worker::{WorkerError, WorkerSettings, run_worker};

pub use helix_engine::{ModelConfig, WeightFormat, check_weights};
pub use helix_scheduler::TopologyLink;
