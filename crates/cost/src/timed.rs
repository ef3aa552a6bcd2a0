//! Costs from layer times: measured where a machine type has tables, else the roofline.

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
            pace: Pace { model_layers: shape.layers, layer_seconds: 0.0, layers_per_machine: 1.0 },
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

    /// Mean layer time and layers a machine, each machine at its planned layers: found by iterating the operating
    /// points ten times, as the paper's recipe iterates its throughputs.
    fn settle_pace(&mut self, cluster: &Cluster) {
        let mut planned: Vec<(&Machine, u32, f64)> = Vec::new();
        for machine in &cluster.machines {
            let same = |other: &Machine| other.machine_type == machine.machine_type && alike(other, machine);
            match planned.iter_mut().find(|(other, ..)| same(other)) {
                Some((_, _, count)) => *count += 1.0,
                None => match self.memory.planned_layers(machine) {
                    0 => {}
                    layers => planned.push((machine, layers, 1.0)),
                },
            }
        }
        let machines: f64 = planned.iter().map(|(_, _, count)| count).sum();
        let layers: f64 = planned.iter().map(|(_, layers, count)| f64::from(*layers) * count).sum();
        if planned.is_empty() {
            return;
        }
        self.pace.layers_per_machine = layers / machines;
        for _ in 0..10 {
            let time: f64 = planned
                .iter()
                .filter_map(|&(machine, layers, count)| {
                    let point = self.operating_point(machine, layers).ok()?;
                    Some(point.layer_seconds * f64::from(layers) * count)
                })
                .sum();
            self.pace.layer_seconds = time / layers;
        }
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

    fn wire(&self) -> Wire {
        self.wire
    }
}

impl BatchTime for TimedCosts {
    fn batch_time(&self, machine: &Machine, layers: u32, batch: &Batch) -> Result<BatchCost, BatchError> {
        self.clock(machine, layers)?.batch_time(layers, batch)
    }
}
