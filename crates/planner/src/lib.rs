//! Where the layers go: flow graph, evaluation, planners.

pub mod bounds;
pub mod flow;
mod linear;
pub mod packing;
