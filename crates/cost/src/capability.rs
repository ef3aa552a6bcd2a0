//! What a planner asks of a machine: how many tokens a second through how many layers.

use helix_spec::{Bytes, Machine, RankLayout, TokensPerSecond};

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
    /// How its devices share the layers: the figures hold for this layout.
    pub layout: RankLayout,
}

impl Capability {
    /// A machine without layers.
    pub(crate) fn nothing(machine: &Machine, source: CapabilitySource) -> Self {
        let layout = RankLayout::tensor(machine.count);
        Self { throughput: TokensPerSecond::ZERO, kv_capacity: 0, source, layout }
    }
}

/// A machine cannot be given so many layers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoesNotFit {
    /// The weights and the least cache that is of use exceed its memory.
    #[error(
        "{layers} layers need {needed} (weights and the least useful cache), the machine has {available}"
    )]
    Memory {
        /// Layers asked for.
        layers: u32,
        /// Memory that they need.
        needed: Bytes,
        /// Memory that the machine gives to them.
        available: Bytes,
    },
    /// The declared table has rows for more layers, but none for this many.
    #[error(
        "the cost table of {machine_type} declares no row for {layers} layers (declared: {declared}); declare it, or \
         take costs from the roofline"
    )]
    NotDeclared {
        /// Layers asked for.
        layers: u32,
        /// The machine's label in the cost tables.
        machine_type: String,
        /// The declared numbers of layers, as ranges.
        declared: String,
    },
}

/// Sizes of what travels between machines for every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// A token id: between the coordinator and the first or last stage.
    pub token: Bytes,
    /// A token's activation: between two stages, in addition to its id.
    pub activation: Bytes,
}

/// What planners and the simulator ask about a model on machines.
pub trait CostModel {
    /// Throughput and cache of `machine` with `layers` layers; nothing at all with none.
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit>;

    /// The most layers that a rule of thumb gives to `machine`: as many as are declared, else as leave half of the
    /// memory to the cache (but one, if it can hold one); 0 if it can hold none.
    fn planned_layers(&self, machine: &Machine) -> u32;

    /// The most layers of which throughput and cache are known and not continued from fewer: as many as are declared,
    /// else as fit at all. At least [`Self::planned_layers`].
    fn known_layers(&self, machine: &Machine) -> u32;

    /// Sizes of what travels.
    fn wire(&self) -> Wire;
}
