//! Declared tables: the rows as they stand, and what follows from the last one beyond it.
//!
//! Beyond the last row (stand-alone pipelines put more layers on a machine than a planner would):
//! - the cache shrinks in proportion to the memory that the weights leave:
//!   `KV(k) = KV(K) · free(k) / free(K)`, so that it continues the last row, falls with every layer, and ends where the
//!   memory ends;
//! - decode is bound by reading weights, whose time does not depend on the batch, and the batch is in proportion to the
//!   cache: `k·T(k) = K·T(K) · min(1, KV(k) / KV(K))`.
//!
//! Between declared rows there is nothing to follow from: a missing row is an error.

use helix_spec::{CostTables, DeclaredRow, Machine, ModelShape, RankLayout, TokensPerSecond};

use crate::costs::wire;
use crate::{Capability, CapabilitySource, Constants, CostModel, DoesNotFit, MemoryModel, Wire};

/// Costs as a cluster's owner declares them.
#[derive(Debug, Clone)]
pub struct DeclaredCosts {
    tables: CostTables,
    memory: MemoryModel,
    wire: Wire,
}

impl DeclaredCosts {
    /// The tables of one model. A machine whose type has no rows can hold nothing.
    #[must_use]
    pub fn new(shape: &ModelShape, tables: &CostTables, constants: &Constants) -> Self {
        Self {
            memory: MemoryModel::new(shape, tables.layer_bytes, constants),
            wire: wire(shape, Some(tables)),
            tables: tables.clone(),
        }
    }

    /// Whether the type of a machine has any rows.
    #[must_use]
    pub fn declares(&self, machine: &Machine) -> bool {
        self.last(machine).is_some()
    }

    /// Memory of weights and cache, with the declared size of a layer.
    #[must_use]
    pub fn memory(&self) -> &MemoryModel {
        &self.memory
    }

    fn last(&self, machine: &Machine) -> Option<(u32, &DeclaredRow)> {
        let rows = &self.tables.types.get(&machine.machine_type)?.declared;
        rows.last_key_value().map(|(&layers, row)| (layers, row))
    }

    fn not_declared(&self, machine: &Machine, layers: u32) -> DoesNotFit {
        let rows = self.tables.types.get(&machine.machine_type);
        let declared: Vec<u32> = rows.map(|rows| rows.declared.keys().copied().collect()).unwrap_or_default();
        DoesNotFit::NotDeclared {
            layers,
            machine_type: machine.machine_type.clone(),
            declared: if declared.is_empty() { "none".to_owned() } else { ranges(&declared) },
        }
    }

    fn beyond(
        &self,
        machine: &Machine,
        layers: u32,
        last: (u32, &DeclaredRow),
    ) -> Result<Capability, DoesNotFit> {
        let (known, row) = last;
        let free = self.memory.free(machine, layers)?.0 as f64;
        // Where even the declared row would not fit by our reckoning, there is no more to be had than it says.
        let share = self.memory.free(machine, known).map_or(1.0, |known| (free / known.0 as f64).min(1.0));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u64")]
        let kv_capacity = (row.kv_capacity as f64 * share) as u64;
        let throughput = row.throughput.get() * f64::from(known) / f64::from(layers) * share;
        Ok(Capability {
            throughput: TokensPerSecond::new(throughput).expect("a share of a throughput is finite"),
            kv_capacity,
            source: CapabilitySource::Extrapolated,
            layout: RankLayout::tensor(machine.count),
        })
    }
}

impl CostModel for DeclaredCosts {
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit> {
        if layers == 0 {
            return Ok(Capability::nothing(machine, CapabilitySource::Declared));
        }
        let Some(last) = self.last(machine) else { return Err(self.not_declared(machine, layers)) };
        if layers > last.0 {
            return self.beyond(machine, layers, last);
        }
        let row = self.tables.types.get(&machine.machine_type).and_then(|rows| rows.declared.get(&layers));
        match row {
            Some(row) => Ok(Capability {
                throughput: row.throughput,
                kv_capacity: row.kv_capacity,
                source: CapabilitySource::Declared,
                layout: RankLayout::tensor(machine.count),
            }),
            None => Err(self.not_declared(machine, layers)),
        }
    }

    fn planned_layers(&self, machine: &Machine) -> u32 {
        self.last(machine).map_or(0, |(layers, _)| layers.min(self.memory.shape().layers))
    }

    fn known_layers(&self, machine: &Machine) -> u32 {
        self.planned_layers(machine)
    }

    fn wire(&self) -> Wire {
        self.wire
    }
}

/// `1..=3, 5` of ascending numbers.
fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let text: Vec<String> = runs
        .map(|run| match run {
            [one] => one.to_string(),
            run => format!("{}..={}", run[0], run[run.len() - 1]),
        })
        .collect();
    text.join(", ")
}
