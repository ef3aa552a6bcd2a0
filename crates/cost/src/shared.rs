//! How the devices of the machines of a cluster share their layers, wherever their times are computed.
//!
//! ```text
//! machine, k layers ──> requests that the cache could hold once ──> layout::machine_layout ──> RankLayout, kept
//! ```

use std::num::NonZeroU32;
use std::sync::OnceLock;

use helix_spec::{Cluster, LayerRange, Machine, ModelShape, RankLayout};

use crate::layout::{Load, machine_layout};
use crate::{Constants, MemoryModel};

/// Requests that are at a machine at once at most: the largest batch that an operating point assumes.
const MOST_REQUESTS: u64 = 256;

/// Layouts by machine and number of layers, each found when it is first asked for.
#[derive(Debug, Clone)]
pub(crate) struct SharedLayouts {
    /// Tokens of a request that is half way through its answer.
    context: u64,
    constants: Constants,
    known: Vec<(Machine, Vec<OnceLock<RankLayout>>)>,
}

impl SharedLayouts {
    /// Layouts for the machines of a cluster under requests of `context` tokens.
    pub fn new(cluster: &Cluster, shape: &ModelShape, context: u64, constants: &Constants) -> Self {
        let mut known: Vec<(Machine, Vec<OnceLock<RankLayout>>)> = Vec::new();
        for machine in cluster.machines.iter().filter(|machine| machine.count > 1) {
            if !known.iter().any(|(other, _)| alike(other, machine)) {
                known.push((machine.clone(), vec![OnceLock::new(); shape.layers as usize]));
            }
        }
        Self { context: context.max(1), constants: constants.clone(), known }
    }

    /// The layout of a machine with `layers` layers, the last ones of the model, under as many requests as its cache
    /// would hold without copies. Plain tensor parallelism where no layout fits.
    pub fn of(&self, memory: &MemoryModel, machine: &Machine, layers: u32) -> RankLayout {
        if machine.count <= 1 {
            return RankLayout::tensor(machine.count);
        }
        let slot = self
            .known
            .iter()
            .find(|(other, _)| alike(other, machine))
            .and_then(|(_, slots)| slots.get((layers as usize).checked_sub(1)?));
        match slot {
            Some(slot) => *slot.get_or_init(|| self.find(memory, machine, layers)),
            None => self.find(memory, machine, layers),
        }
    }

    fn find(&self, memory: &MemoryModel, machine: &Machine, layers: u32) -> RankLayout {
        let tensor = RankLayout::tensor(machine.count);
        let shape = memory.shape();
        let range = LayerRange::new(shape.layers.saturating_sub(layers), shape.layers);
        let (Ok(free), Some(range)) = (memory.free(machine, layers), range) else { return tensor };
        let request =
            memory.kv_bytes().0.max(1).saturating_mul(u64::from(layers)).saturating_mul(self.context);
        let users =
            u32::try_from((free.0 / request.max(1)).min(MOST_REQUESTS)).ok().and_then(NonZeroU32::new);
        let load = Load { context: self.context, users: users.unwrap_or(NonZeroU32::MIN) };
        let found = machine_layout(machine, shape, range, load, &self.constants);
        // A layout that leaves no useful cache by the rule of plans is none.
        found.ok().filter(|&layout| memory.kv_capacity(machine, layers, layout).is_ok()).unwrap_or(tensor)
    }
}

/// Whether two machines are the same hardware.
pub(crate) fn alike(a: &Machine, b: &Machine) -> bool {
    (a.count, a.memory) == (b.count, b.memory) && a.device == b.device
}
