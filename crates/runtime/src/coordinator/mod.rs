//! The coordinator: lets workers in, hands each its layers, routes requests, and tells how things are.

mod cluster;
mod dispatcher;
mod event;
mod machine;
mod plan;
mod recorder;
mod request;
mod routes;
mod speed;
mod start;

pub(crate) use event::{ClusterEvent, Joined, WorkerEvent};
pub use plan::{ClusterPlan, PlannedMachine, PlannedTimes};
pub use recorder::Recorder;
pub use routes::Routes;
pub(crate) use start::format_from_name;
pub use start::{Coordinator, CoordinatorSettings, StartError, random_token};
