//! Costs from layer times: measured where a machine type has tables, else the roofline.

use std::collections::BTreeSet;

use helix_spec::{Cluster, CostTables, Machine, ModelShape, RankLayout, TokensPerSecond};

use crate::clock::MachineClock;
use crate::costs::wire;
use crate::measured::{MeasuredTimes, SmallBatches, not_measured};
use crate::operating::operating_point;
use crate::roofline::Padding;
use crate::shared::{SharedLayouts, alike};
use crate::{
    Batch, BatchCost, BatchError, BatchTime, Capability, CapabilitySource, Constants, CostModel, DoesNotFit,
    MemoryModel, OperatingAssumptions, OperatingPoint, Pace, Roofline, Wire,
};

/// Halvings of the interval in which the pace lies.
const PACE_HALVINGS: usize = 40;
/// How much slower a layer beyond the planned ones is taken to be when the pace is looked for: nobody would put it there while there
/// is a machine with room that is less than twice as slow. Declared, not measured.
const CROWDED: f64 = 2.0;

/// Which layer times are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Measured tables where a type has them, the roofline elsewhere.
    MeasuredOrRoofline(SmallBatches),
    /// Measured tables only: a batch on a type without them is an error.
    Measured(SmallBatches),
    /// The roofline only.
    Roofline,
}

/// Costs that follow from the time of a batch on a layer.
#[derive(Debug, Clone)]
pub struct TimedCosts {
    memory: MemoryModel,
    roofline: Roofline,
    measured: Option<MeasuredTimes>,
    tables: Option<CostTables>,
    times: Times,
    assumed: OperatingAssumptions,
    pace: Pace,
    layouts: SharedLayouts,
    wire: Wire,
}

impl TimedCosts {
    /// Costs of a model on the machines of a cluster. The cluster sets the pace: how long a request is away while other
    /// machines have it.
    #[must_use]
    pub fn new(cluster: &Cluster, shape: &ModelShape, times: Times, constants: &Constants) -> Self {
        Self::for_requests(cluster, shape, times, constants, OperatingAssumptions::default())
    }

    /// The same for requests of one's own lengths.
    #[must_use]
    pub fn for_requests(
        cluster: &Cluster,
        shape: &ModelShape,
        times: Times,
        constants: &Constants,
        assumed: OperatingAssumptions,
    ) -> Self {
        let tables = cluster.cost_tables_for(&shape.name);
        let measured = match times {
            Times::MeasuredOrRoofline(small) | Times::Measured(small) => {
                tables.map(|tables| MeasuredTimes::new(tables, small))
            }
            Times::Roofline => None,
        };
        let declared_layer = tables.and_then(|tables| tables.layer_bytes);
        let mut costs = Self {
            layouts: SharedLayouts::new(cluster, shape, assumed.context(), constants),
            memory: MemoryModel::new(shape, declared_layer, constants),
            roofline: Roofline::new(shape, constants),
            measured,
            tables: tables.cloned(),
            times,
            assumed,
            pace: Pace { model_layers: shape.layers, layer_seconds: 0.0 },
            wire: wire(shape, tables),
        };
        costs.settle_pace(cluster);
        costs
    }

    /// The operating point of a machine with `layers` layers, at least one.
    pub fn operating_point(&self, machine: &Machine, layers: u32) -> Result<OperatingPoint, DoesNotFit> {
        let layout = self.layout(machine, layers);
        let kv_capacity = self.memory.kv_capacity(machine, layers, layout)?;
        Ok(self.point(machine, layers, layout, kv_capacity))
    }

    /// How the devices of `machine` share `layers` layers: the layout of the shortest decode step under as many typical
    /// requests as its cache holds; plain tensor parallelism where times were measured, since they hold for that.
    #[must_use]
    pub fn layout(&self, machine: &Machine, layers: u32) -> RankLayout {
        if layers == 0 || self.knows(machine) || matches!(self.times, Times::Measured(_)) {
            return RankLayout::tensor(machine.count);
        }
        self.layouts.of(&self.memory, machine, layers)
    }

    /// Memory of weights and cache.
    #[must_use]
    pub fn memory(&self) -> &MemoryModel {
        &self.memory
    }

    /// The pace that the cluster sets.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    fn point(&self, machine: &Machine, layers: u32, layout: RankLayout, kv_capacity: u64) -> OperatingPoint {
        // Machines without the measurements that were demanded are refused before they get here, or planned by computed
        // times where nobody asks for their batches.
        let clock = self.clock(machine, layers).unwrap_or_else(|_| self.computed(machine, layout));
        // Stages inside the machine work at the same time, each on a batch of its own: the largest one counts.
        let stages = layout.pipeline.max(1);
        let capacity = kv_capacity / u64::from(stages);
        operating_point(layers.div_ceil(stages), capacity, &self.assumed, &self.pace, |load| {
            clock.layer_seconds(load, Padding::None).0
        })
    }

    /// The pace at which the fastest pipeline that holds the model lets a token through, each machine at its operating point.
    /// So a slower machine more never slows the others down, once they hold the model. The slower the pace, the smaller the batches and,
    /// where larger batches take longer, the layer times: one pace fits, found by halving.
    fn settle_pace(&mut self, cluster: &Cluster) {
        let mut kinds: Vec<(&Machine, u32, f64)> = Vec::new();
        for machine in &cluster.machines {
            let same = |other: &Machine| other.machine_type == machine.machine_type && alike(other, machine);
            match kinds.iter_mut().find(|(other, ..)| same(other)) {
                Some((_, _, count)) => *count += 1.0,
                None => match self.memory.planned_layers(machine) {
                    0 => {}
                    layers => kinds.push((machine, layers, 1.0)),
                },
            }
        }
        let (mut low, mut high) = (0.0, self.fastest(&kinds));
        for _ in 0..PACE_HALVINGS {
            self.pace.layer_seconds = f64::midpoint(low, high);
            if self.fastest(&kinds) > self.pace.layer_seconds {
                low = self.pace.layer_seconds;
            } else {
                high = self.pace.layer_seconds;
            }
        }
        self.pace.layer_seconds = high;
    }

    /// Time of a layer in the fastest pipeline of the machines at the pace as it is, with its share of a hop \[s\]. Up to its
    /// planned layers a machine costs its layer time, beyond, as far as layers fit, [`CROWDED`] times that.
    fn fastest(&self, kinds: &[(&Machine, u32, f64)]) -> f64 {
        let mut parts: Vec<(f64, f64)> = Vec::new();
        for &(machine, layers, count) in kinds {
            let Ok(point) = self.operating_point(machine, layers) else { continue };
            let seconds = point.layer_seconds + self.assumed.hop.seconds() / f64::from(layers);
            let more = self.memory.most_layers(machine).saturating_sub(layers);
            parts.push((seconds, f64::from(layers) * count));
            parts.push((seconds * CROWDED, f64::from(more) * count));
        }
        parts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut held, mut time) = (0.0, 0.0);
        for (seconds, layers) in parts {
            let more = layers.min(f64::from(self.pace.model_layers) - held);
            if more <= 0.0 {
                // Also so that what takes for ever is left alone where it is not needed.
                continue;
            }
            time += more * seconds;
            held += more;
        }
        if held > 0.0 { time / held } else { 0.0 }
    }

    /// How `machine` times its batches when it holds `layers` layers. Whoever times many batches on one machine asks for
    /// this once.
    pub fn clock(&self, machine: &Machine, layers: u32) -> Result<MachineClock, BatchError> {
        if let Some(tables) = self.measured.as_ref().and_then(|measured| measured.of(&machine.machine_type)) {
            return Ok(MachineClock::measured(machine, tables));
        }
        if matches!(self.times, Times::Measured(_)) {
            return Err(not_measured(machine, self.tables.as_ref()));
        }
        Ok(self.computed(machine, self.layout(machine, layers)))
    }

    fn computed(&self, machine: &Machine, layout: RankLayout) -> MachineClock {
        let ready = self.roofline.ready(machine, layout);
        MachineClock::roofline(machine, ready, self.roofline.is_calibrated(machine))
    }

    /// How far off the times of those devices may be that nobody measured, in words; `None` if there are none.
    pub(crate) fn datasheets_only(&self, cluster: &Cluster) -> Option<String> {
        let mut kinds: Vec<((f64, f64), BTreeSet<&str>)> = Vec::new();
        for machine in cluster.machines.iter().filter(|machine| !self.knows(machine)) {
            let Some(error) = self.roofline.expected_error(&machine.device) else { continue };
            let device = machine.device.name.as_str();
            match kinds.iter_mut().find(|(known, _)| *known == error) {
                Some((_, devices)) => {
                    devices.insert(device);
                }
                None => kinds.push((error, BTreeSet::from([device]))),
            }
        }
        let words = |((decode, prefill), devices): ((f64, f64), BTreeSet<&str>)| {
            format!(
                "times of {} follow from datasheets alone: expect them to be {:.0} % off for decodes, {:.0} % for prompts",
                devices.into_iter().collect::<Vec<_>>().join(", "),
                decode * 100.0,
                prefill * 100.0
            )
        };
        let words: Vec<String> = kinds.into_iter().map(words).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    fn knows(&self, machine: &Machine) -> bool {
        self.measured.as_ref().is_some_and(|tables| tables.knows(&machine.machine_type))
    }
}

impl CostModel for TimedCosts {
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit> {
        let source =
            if self.knows(machine) { CapabilitySource::Measured } else { CapabilitySource::Roofline };
        if layers == 0 {
            return Ok(Capability::nothing(machine, source));
        }
        let layout = self.layout(machine, layers);
        let kv_capacity = self.memory.kv_capacity(machine, layers, layout)?;
        let throughput = self.point(machine, layers, layout, kv_capacity).throughput;
        // A device whose datasheet has a speed of zero takes for ever: that is no throughput.
        let throughput = TokensPerSecond::new(throughput).unwrap_or(TokensPerSecond::ZERO);
        Ok(Capability { throughput, kv_capacity, source, layout })
    }

    fn planned_layers(&self, machine: &Machine) -> u32 {
        self.memory.planned_layers(machine)
    }

    fn known_layers(&self, machine: &Machine) -> u32 {
        self.memory.most_layers(machine)
    }

    fn wire(&self) -> Wire {
        self.wire
    }
}

impl BatchTime for TimedCosts {
    fn batch_time(&self, machine: &Machine, layers: u32, batch: &Batch) -> Result<BatchCost, BatchError> {
        self.clock(machine, layers)?.batch_time(layers, batch)
    }
}
