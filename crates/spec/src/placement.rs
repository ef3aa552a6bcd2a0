//! A placement: which machine holds which layers, and how its devices share them.
//!
//! Its file is TOML; it names the machines of one cluster.
//!
//! ```toml
//! version = 1
//! model = "llama-2-70b"
//! model_layers = 80
//! partial_inference = false               # whether requests may enter a machine in the middle of its range
//! machines = [
//!   { machine = "a100-1", start = 0, end = 40 },
//!   { machine = "h100x8-1", start = 40, end = 80, kv_capacity = 3004416,
//!     layout = { attention_tensor = 2, kv = 4, ffn_tensor = 8 } },   # sizes not named are 1; else plain tensor parallel
//! ]
//! links = [                               # may be left out: then requests take every link that fits
//!   ["coordinator", "a100-1"],
//!   ["a100-1", "h100x8-1"],
//!   ["h100x8-1", "coordinator"],
//! ]
//! ```

mod parse;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use crate::{Endpoint, MachineId};

/// Layers `start..end` of a model; never empty. In logs it is the pair `[start, end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct LayerRange {
    start: u32,
    end: u32,
}

impl LayerRange {
    /// `None` if the range is empty.
    #[must_use]
    pub fn new(start: u32, end: u32) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// First layer.
    #[must_use]
    pub fn start(self) -> u32 {
        self.start
    }

    /// One past the last layer.
    #[must_use]
    pub fn end(self) -> u32 {
        self.end
    }

    /// How many layers.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a layer range is never empty")]
    pub fn len(self) -> u32 {
        self.end - self.start
    }

    /// Whether the layer is one of them.
    #[must_use]
    pub fn contains(self, layer: u32) -> bool {
        self.start <= layer && layer < self.end
    }
}

impl From<LayerRange> for (u32, u32) {
    fn from(layers: LayerRange) -> Self {
        (layers.start, layers.end)
    }
}

impl TryFrom<(u32, u32)> for LayerRange {
    type Error = String;

    fn try_from((start, end): (u32, u32)) -> Result<Self, String> {
        Self::new(start, end).ok_or_else(|| format!("the layer range {start}..{end} is empty"))
    }
}

impl fmt::Display for LayerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// How the devices of one machine share its layers. All sizes are 1 in a machine with one device.
///
/// Attention runs on `pipeline × attention_tensor × kv` ranks, the feed-forward on the same ranks as
/// `pipeline × ffn_tensor × expert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankLayout {
    /// Pipeline stages inside the machine.
    pub pipeline: u32,
    /// Tensor-parallel width of attention (TPA).
    pub attention_tensor: u32,
    /// Ranks that share the cache along the sequence (KVP).
    pub kv: u32,
    /// Tensor-parallel width of the feed-forward (TPF).
    pub ffn_tensor: u32,
    /// Expert-parallel width (EP).
    pub expert: u32,
}

impl RankLayout {
    /// One rank that does everything.
    pub const SINGLE: Self = Self { pipeline: 1, attention_tensor: 1, kv: 1, ffn_tensor: 1, expert: 1 };

    /// Plain tensor parallelism over `ranks` devices.
    #[must_use]
    pub fn tensor(ranks: u32) -> Self {
        Self { attention_tensor: ranks, ffn_tensor: ranks, ..Self::SINGLE }
    }

    /// Devices that the layout uses, or `None` if attention and feed-forward do not use the same number.
    #[must_use]
    pub fn ranks(self) -> Option<u32> {
        let attention = self.attention_tensor.checked_mul(self.kv)?;
        let ffn = self.ffn_tensor.checked_mul(self.expert)?;
        if attention == ffn { self.pipeline.checked_mul(attention) } else { None }
    }
}

/// What one machine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// Its layers.
    pub layers: LayerRange,
    /// How its devices share them.
    pub layout: RankLayout,
    /// Cache capacity \[tokens × layers\], where the placement fixes it instead of the cost model.
    pub kv_capacity: Option<u64>,
}

/// Whether a request may enter a machine in the middle of its layer range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartialInference {
    /// A machine always runs its whole range: the next one begins where the last one ended.
    #[default]
    Off,
    /// A machine may run only the end of its range: the next one holds the layer at which the last one ended.
    On,
}

/// Which machine holds which layers of a model. Machines without an entry hold none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// The model's name.
    pub model: String,
    /// Layers of the whole model.
    pub model_layers: u32,
    /// By machine.
    pub machines: BTreeMap<MachineId, Assignment>,
    /// The only links that requests may take, in the order in which routing looks at them; all that fit when `None`.
    pub links: Option<Vec<(Endpoint, Endpoint)>>,
    /// Which ways from machine to machine are open to requests.
    pub partial_inference: PartialInference,
}

impl Placement {
    /// An empty placement of a model.
    #[must_use]
    pub fn new(model: &str, model_layers: u32) -> Self {
        Self { model: model.to_owned(), model_layers, ..Self::default() }
    }

    /// The layers of a machine, if it holds any.
    #[must_use]
    pub fn layers_of(&self, machine: MachineId) -> Option<LayerRange> {
        self.machines.get(&machine).map(|assignment| assignment.layers)
    }

    /// Gives a machine its layers; its devices share them by tensor parallelism.
    pub fn assign(&mut self, machine: MachineId, layers: LayerRange, devices: u32) {
        let layout = RankLayout::tensor(devices);
        self.machines.insert(machine, Assignment { layers, layout, kv_capacity: None });
    }
}
