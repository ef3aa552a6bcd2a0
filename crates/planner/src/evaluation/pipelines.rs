//! The flow as pipelines: which machines, one after the other, for how many tokens a second.

use helix_spec::{LayerRange, MachineId, Placement, SimTime};

use super::from_units;
use super::graph::{Part, PlacementGraph};
use crate::flow::{Flow, FlowFault, decompose};

/// One way from the first layer to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The machines in the order in which a request passes them.
    pub stages: Vec<MachineId>,
    /// Tokens on this way \[tokens/s\].
    pub flow: f64,
    /// Propagation time of all its links, the coordinator's two included.
    pub latency: SimTime,
}

impl Pipeline {
    /// The layers that each stage runs for a request on this way: from where the stage before ended.
    #[must_use]
    pub fn ranges(&self, placement: &Placement) -> Vec<LayerRange> {
        let mut reached = 0;
        let mut ranges = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            let Some(layers) = placement.layers_of(*stage) else { continue };
            ranges.extend(LayerRange::new(reached, layers.end()));
            reached = layers.end();
        }
        ranges
    }
}

/// Largest first; among equals, the one with the earlier machines.
pub(super) fn of(graph: &PlacementGraph, flow: &Flow) -> Result<Vec<Pipeline>, FlowFault> {
    let mut pipelines: Vec<Pipeline> = decompose(&graph.network, flow)?
        .into_iter()
        .map(|path| {
            let parts = path.edges.iter().map(|edge| graph.parts[edge.index()]);
            let stages = parts.filter_map(|part| match part {
                Part::Compute(machine) => Some(machine),
                _ => None,
            });
            let latency =
                path.edges.iter().fold(0u64, |sum, edge| sum.saturating_add(graph.latencies[edge.index()].0));
            Pipeline { stages: stages.collect(), flow: from_units(path.amount), latency: SimTime(latency) }
        })
        .collect();
    pipelines.sort_by(|a, b| b.flow.total_cmp(&a.flow).then_with(|| a.stages.cmp(&b.stages)));
    Ok(pipelines)
}
