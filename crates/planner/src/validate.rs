//! Whether a placement can run at all: ranges, memory, coverage.

use std::ops::Range;

use helix_cost::DoesNotFit;
use helix_spec::{LayerRange, Placement};

use crate::Instance;

/// One reason why a placement cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Made for another model, or for another number of layers.
    #[error(
        "the placement is for {placement} with {placement_layers} layers, the model is {model} with {layers}"
    )]
    OtherModel {
        /// What the placement says.
        placement: String,
        /// Layers that the placement says.
        placement_layers: u32,
        /// What is planned.
        model: String,
        /// Its layers.
        layers: u32,
    },
    /// A machine that the cluster does not have.
    #[error("the placement names machine number {index}, the cluster has {machines} machines")]
    UnknownMachine {
        /// The number that it names.
        index: u32,
        /// How many there are.
        machines: usize,
    },
    /// A range that ends behind the last layer.
    #[error("{machine} holds layers {range}, the model ends at {layers}")]
    OutsideModel {
        /// The machine.
        machine: String,
        /// Its range.
        range: LayerRange,
        /// Layers of the model.
        layers: u32,
    },
    /// Weights and the least useful cache exceed the memory.
    #[error("{machine} cannot hold layers {range}: {source}")]
    TooLarge {
        /// The machine.
        machine: String,
        /// Its range.
        range: LayerRange,
        /// How much is needed and how much there is.
        source: DoesNotFit,
    },
    /// The ranks of the layout are not the devices of the machine.
    #[error("{machine} has {devices} devices, its layout uses {ranks}")]
    WrongLayout {
        /// The machine.
        machine: String,
        /// Its devices.
        devices: u32,
        /// Ranks of the layout, 0 if attention and feed-forward disagree.
        ranks: u32,
    },
    /// Layers that no machine holds.
    #[error("no machine holds {}", list(.missing))]
    Gap {
        /// The missing ranges, ascending.
        missing: Vec<LayerRange>,
    },
}

fn list(ranges: &[LayerRange]) -> String {
    let all: Vec<String> = ranges.iter().map(|range| format!("layers {range}")).collect();
    all.join(", ")
}

/// Everything that keeps a placement from running; empty when it can run.
///
/// Overlapping ranges are legal: a layer may be held by several machines, and a request may use any of them.
#[must_use]
pub fn violations(instance: &Instance<'_>, placement: &Placement) -> Vec<Violation> {
    let (cluster, model) = (instance.cluster, instance.model);
    let mut found = Vec::new();
    if placement.model_layers != model.layers || placement.model != model.name {
        found.push(Violation::OtherModel {
            placement: placement.model.clone(),
            placement_layers: placement.model_layers,
            model: model.name.clone(),
            layers: model.layers,
        });
    }
    let mut held = vec![false; model.layers as usize];
    for (&id, assignment) in &placement.machines {
        let Some(machine) = cluster.machines.get(id.index()) else {
            found.push(Violation::UnknownMachine { index: id.0, machines: cluster.machines.len() });
            continue;
        };
        let (name, range) = (machine.name.clone(), assignment.layers);
        if assignment.layout.ranks() != Some(machine.count) {
            let ranks = assignment.layout.ranks().unwrap_or(0);
            found.push(Violation::WrongLayout { machine: name.clone(), devices: machine.count, ranks });
        }
        if range.end() > model.layers {
            found.push(Violation::OutsideModel { machine: name, range, layers: model.layers });
            continue;
        }
        held[indices(range)].fill(true);
        if let Err(source) = instance.capability(id, range.len()) {
            found.push(Violation::TooLarge { machine: name, range, source });
        }
    }
    let missing = gaps(&held);
    if !missing.is_empty() {
        found.push(Violation::Gap { missing });
    }
    found
}

/// The range as indices.
fn indices(range: LayerRange) -> Range<usize> {
    range.start() as usize..range.end() as usize
}

fn gaps(held: &[bool]) -> Vec<LayerRange> {
    let mut missing = Vec::new();
    let mut start = None;
    for (layer, held) in (0u32..).zip(held.iter().copied().chain([true])) {
        match (held, start) {
            (false, None) => start = Some(layer),
            (true, Some(first)) => {
                missing.extend(LayerRange::new(first, layer));
                start = None;
            }
            _ => {}
        }
    }
    missing
}
