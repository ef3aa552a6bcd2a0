//! What a planner asks of a machine: how many tokens a second through how many layers.

use helix_spec::{Bytes, Machine, TokensPerSecond};

/// Where a capability comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilitySource {
    /// A row of the cluster's declared table.
    Declared,
    /// Beyond the last declared row.
    Extrapolated,
    /// Measured times of a layer.
    Measured,
    /// Datasheet and model shape.
    Roofline,
}

/// What a machine does when it holds a given number of layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capability {
    /// Prompt and decode tokens a second through all its layers.
    pub throughput: TokensPerSecond,
    /// Cache capacity \[tokens × layers\].
    pub kv_capacity: u64,
    /// Where the figures come from.
    pub source: CapabilitySource,
}

/// A machine cannot hold so many layers and the least cache that is of use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{layers} layers need {needed} (weights and the least useful cache), the machine has {available}")]
pub struct DoesNotFit {
    /// Layers asked for.
    pub layers: u32,
    /// Memory that they need.
    pub needed: Bytes,
    /// Memory that the machine gives to them.
    pub available: Bytes,
}

/// Sizes of what travels between machines for every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// A token id: between the coordinator and the first or last stage.
    pub token: Bytes,
    /// A token's activation: between two stages, together with its id.
    pub activation: Bytes,
}

/// What planners and the simulator ask about a model on machines.
pub trait CostModel {
    /// Throughput and cache of `machine` with `layers` layers.
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit>;

    /// The most layers that a planner should give to `machine`: as many as are declared, else as leave half of the
    /// memory to the cache; 0 if none fits.
    fn planned_layers(&self, machine: &Machine) -> u32;

    /// Sizes of what travels.
    fn wire(&self) -> Wire;
}
