//! Where the layers go: flow graph, evaluation, planners.

mod baselines;
pub mod bounds;
mod change;
mod demands;
mod evaluation;
pub mod flow;
mod instance;
mod linear;
pub mod milp;
pub mod packing;
mod plan;
mod search;
mod validate;

pub use baselines::{BaselineError, homogeneous, petals, separate, separate_plus, swarm};
pub use change::{Change, MachineChange};
pub use demands::{DemandError, Demands, Unmet};
pub use evaluation::{
    Bottleneck, CutPart, EvaluateError, Evaluation, Idle, IdleReason, LinkFlow, MachineUse, Part, Pipeline,
    PlacementGraph, UNITS_PER_TOKEN, evaluate, paper_flow, placement_graph, spread, throughput,
};
pub use instance::{Instance, ModelTooLarge};
pub use plan::{Baseline, Candidate, Plan, PlanError, plan_baseline};
pub use search::{
    Control, Effort, Evaluate, Figures, Found, FrontPoint, Judges, LatencyPoint, Limit, LittleLaw, Mean,
    Measure, Objective, Origin, Outcome, RUNNING, Running, SearchEvent, SearchOptions, SimulatedSearch,
    Trade, TradePoint, Trial, plan_auto, plan_with,
};
pub use validate::{Violation, violations};
