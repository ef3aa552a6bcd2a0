//! Where the layers go: flow graph, evaluation, planners.

pub mod flow;
