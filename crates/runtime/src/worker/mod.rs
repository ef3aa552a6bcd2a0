//! A worker: joins a coordinator, loads its layers, computes what comes, sends it on.

mod emulation;
mod executor;
mod join;
mod load;
mod network;
mod resident;
mod run;
mod stage_loop;
mod tombs;

pub use executor::{StageExecutor, StageInput, StageItem};
pub use run::{MAX_SLOWDOWN, WorkerError, WorkerSettings, run_worker};
pub use stage_loop::{Outlet, StageEvent, StageLimits, StageLoop, To};
