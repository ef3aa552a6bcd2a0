//! What a person demands of a plan: machines pinned to layers, machines left out, machines that must take part.
//!
//! Demands belong to the [`Instance`]: every planner plans under them, or says that it cannot.

use std::collections::{BTreeMap, BTreeSet};

use helix_cost::DoesNotFit;
use helix_spec::{Bytes, LayerRange, MachineId, Placement};

use crate::Instance;

/// Demands on a plan; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demands {
    /// Machines that hold exactly these layers.
    pub pins: BTreeMap<MachineId, LayerRange>,
    /// Machines that hold nothing.
    pub forbidden: BTreeSet<MachineId>,
    /// Machines that hold some layers.
    pub required: BTreeSet<MachineId>,
}

impl Demands {
    /// No demand at all.
    pub const NONE: Self =
        Self { pins: BTreeMap::new(), forbidden: BTreeSet::new(), required: BTreeSet::new() };

    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.forbidden.is_empty() && self.required.is_empty()
    }

    /// The first demand that a placement does not meet.
    #[must_use]
    pub fn unmet(&self, placement: &Placement) -> Option<Unmet> {
        let held = |machine: &MachineId| placement.layers_of(*machine);
        let pin = self.pins.iter().find(|(machine, range)| held(machine) != Some(**range));
        let pin = pin.map(|(&machine, &range)| Unmet::Pin { machine, range });
        let forbidden = || self.forbidden.iter().find(|machine| held(machine).is_some());
        let required = || self.required.iter().find(|machine| held(machine).is_none());
        pin.or_else(|| forbidden().map(|&machine| Unmet::Forbidden(machine)))
            .or_else(|| required().map(|&machine| Unmet::Required(machine)))
    }

    /// Fails where the demands contradict each other, the machines or the model.
    pub(crate) fn check(&self, instance: &Instance<'_>) -> Result<(), DemandError> {
        let name = |machine: MachineId| instance.cluster.machine(machine).name.clone();
        let layers = instance.model.layers;
        for (&machine, &range) in &self.pins {
            if self.forbidden.contains(&machine) {
                return Err(DemandError::PinnedAndForbidden { machine: name(machine), range });
            }
            if range.end() > layers {
                return Err(DemandError::PinOutside { machine: name(machine), range, layers });
            }
            if let Err(source) = instance.capability(machine, range.len()) {
                return Err(DemandError::PinTooLarge {
                    machine: name(machine),
                    range,
                    most: instance.most_layers(machine),
                    source,
                });
            }
        }
        for &machine in &self.required {
            if self.forbidden.contains(&machine) {
                return Err(DemandError::RequiredAndForbidden { machine: name(machine) });
            }
            if !self.pins.contains_key(&machine) && instance.most_layers(machine) == 0 {
                return Err(DemandError::RequiredTooSmall { machine: name(machine) });
            }
        }
        self.check_coverage(instance)
    }

    /// Layers outside all pins need machines that are neither pinned nor forbidden.
    fn check_coverage(&self, instance: &Instance<'_>) -> Result<(), DemandError> {
        if self.pins.is_empty() {
            return Ok(());
        }
        let layers = instance.model.layers;
        let pinned = |layer: u32| self.pins.values().any(|range| range.contains(layer));
        let open: Vec<u32> = (0..layers).filter(|&layer| !pinned(layer)).collect();
        let free = instance
            .cluster
            .machine_ids()
            .filter(|machine| !self.pins.contains_key(machine) && !self.forbidden.contains(machine));
        let holds: u64 = free.map(|machine| u64::from(instance.most_layers(machine))).sum();
        if holds >= open.len() as u64 {
            return Ok(());
        }
        let missing = open.len() as u64 - holds;
        Err(DemandError::TooFewLeft {
            pins: self.pins.len(),
            open: open.len(),
            holds,
            missing: Bytes(instance.model.heaviest_layer_bytes().0.saturating_mul(missing)),
        })
    }
}

/// A demand that a placement does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// The machine holds other layers, or none.
    Pin {
        /// The machine.
        machine: MachineId,
        /// What it should hold.
        range: LayerRange,
    },
    /// The machine holds layers.
    Forbidden(MachineId),
    /// The machine holds none.
    Required(MachineId),
}

impl Unmet {
    /// The demand in words.
    #[must_use]
    pub fn words(self, instance: &Instance<'_>) -> String {
        let name = |machine: MachineId| &instance.cluster.machine(machine).name;
        match self {
            Self::Pin { machine, range } => format!("does not leave {} at layers {range}", name(machine)),
            Self::Forbidden(machine) => format!("uses {}, which is forbidden", name(machine)),
            Self::Required(machine) => format!("leaves out {}, which is required", name(machine)),
        }
    }
}

/// Why demands cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DemandError {
    /// One machine, two ranges.
    #[error(
        "{machine} is pinned to layers {first} and to layers {second}; a machine holds one range, keep one of them"
    )]
    PinnedTwice {
        /// The machine.
        machine: String,
        /// One range.
        first: LayerRange,
        /// The other.
        second: LayerRange,
    },
    /// Layers and none.
    #[error("{machine} is pinned to layers {range} and forbidden; drop one of the two")]
    PinnedAndForbidden {
        /// The machine.
        machine: String,
        /// Its layers.
        range: LayerRange,
    },
    /// In and out.
    #[error("{machine} is required and forbidden; drop one of the two")]
    RequiredAndForbidden {
        /// The machine.
        machine: String,
    },
    /// Layers that the model does not have.
    #[error(
        "{machine} is pinned to layers {range}, the model ends at layer {layers}; pin it within 0..{layers}"
    )]
    PinOutside {
        /// The machine.
        machine: String,
        /// Its layers.
        range: LayerRange,
        /// Layers of the model.
        layers: u32,
    },
    /// More layers than the machine can hold, or a number that its table does not declare.
    #[error("{machine} cannot be pinned to layers {range}, it holds {most} layers at most: {source}")]
    PinTooLarge {
        /// The machine.
        machine: String,
        /// Its layers.
        range: LayerRange,
        /// The most layers that it can hold.
        most: u32,
        /// How much is needed and how much there is.
        source: DoesNotFit,
    },
    /// A machine that can hold no layer.
    #[error("{machine} is required but can hold no layer of the model; drop the demand")]
    RequiredTooSmall {
        /// The machine.
        machine: String,
    },
    /// Nobody is left for the other layers.
    #[error(
        "the {pins} pinned machines leave {open} layers to the others, which hold {holds} of them: at least {:.1} GB more \
         are needed for weights; pin fewer machines, or spread them over more layers",
        .missing.gigabytes()
    )]
    TooFewLeft {
        /// Pinned machines.
        pins: usize,
        /// Layers in no pin.
        open: usize,
        /// Layers that the machines without pin can hold.
        holds: u64,
        /// Memory that is missing.
        missing: Bytes,
    },
}
