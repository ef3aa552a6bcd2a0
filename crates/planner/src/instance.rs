//! What is to be planned: a cluster, a model, and what every machine does with how many layers.

use helix_cost::{Capability, CostModel, DoesNotFit, Wire};
use helix_spec::{Bytes, Cluster, Machine, MachineId, ModelShape};

use crate::demands::{DemandError, Demands};

/// A planning problem. Holds what every machine does with every number of layers that a planner may give it, so that
/// planners look up instead of asking the cost model.
pub struct Instance<'a> {
    /// The machines and the network.
    pub cluster: &'a Cluster,
    /// The model.
    pub model: &'a ModelShape,
    /// Costs of layers on machines.
    pub costs: &'a dyn CostModel,
    tables: Vec<Vec<Option<Capability>>>,
    planned: Vec<u32>,
    demands: Demands,
}

impl<'a> Instance<'a> {
    /// Asks the cost model for every machine once.
    #[must_use]
    pub fn new(cluster: &'a Cluster, model: &'a ModelShape, costs: &'a dyn CostModel) -> Self {
        let mut instance =
            Self { cluster, model, costs, tables: Vec::new(), planned: Vec::new(), demands: Demands::NONE };
        instance.ask();
        instance
    }

    /// The same problem under demands; forbidden machines hold nothing from here on. Fails where the demands contradict each
    /// other, the machines or the model.
    pub fn with_demands(mut self, demands: Demands) -> Result<Self, DemandError> {
        demands.check(&self)?;
        let asks_anew = !(demands.forbidden.is_empty() && demands.pins.is_empty());
        self.demands = demands;
        if asks_anew {
            self.ask();
        }
        Ok(self)
    }

    /// Asks the cost model for every machine that is not forbidden.
    fn ask(&mut self) {
        let layers = self.model.layers;
        let up_to = |most: &dyn Fn(&Machine) -> u32| -> Vec<u32> {
            let allowed = |id: &MachineId| !self.demands.forbidden.contains(id);
            let most = |id| if allowed(&id) { most(self.cluster.machine(id)).min(layers) } else { 0 };
            self.cluster.machine_ids().map(most).collect()
        };
        let planned = up_to(&|machine| self.costs.planned_layers(machine));
        let mut most = up_to(&|machine| self.costs.known_layers(machine));
        // Where what is known of the machines does not add up to the layers that nobody is pinned to, what is continued from there has
        // to do.
        let pins = &self.demands.pins;
        let open = (0..layers).filter(|&layer| !pins.values().any(|range| range.contains(layer))).count();
        let free = self.cluster.machine_ids().filter(|id| !pins.contains_key(id));
        if free.map(|id| most[id.index()] as usize).sum::<usize>() < open {
            for (id, most) in self.cluster.machine_ids().zip(&mut most).filter(|(_, most)| **most > 0) {
                *most = most_layers(self.costs, self.cluster.machine(id), *most, layers);
            }
        }
        let rows = |(machine, &most): (&Machine, &u32)| {
            (1..=most).map(|layers| self.costs.capability(machine, layers).ok()).collect()
        };
        self.tables = self.cluster.machines.iter().zip(&most).map(rows).collect();
        self.planned = planned;
    }

    /// What is demanded of a plan.
    #[must_use]
    pub fn demands(&self) -> &Demands {
        &self.demands
    }

    /// The most layers that a rule of thumb gives to a machine, as it leaves room for the cache; 0 if it can hold none.
    #[must_use]
    pub fn planned_layers(&self, machine: MachineId) -> u32 {
        self.planned[machine.index()]
    }

    /// The most layers that a search may give to a machine: as many as its costs are known for, or, where these do not add up to
    /// the model, as it can hold at all; 0 if it can hold none.
    #[must_use]
    pub fn known_layers(&self, machine: MachineId) -> u32 {
        u32::try_from(self.tables[machine.index()].len()).expect("at most as many as the model has layers")
    }

    /// What a machine does with `layers` layers; beyond [`Self::known_layers`] the cost model is asked again.
    pub fn capability(&self, machine: MachineId, layers: u32) -> Result<Capability, DoesNotFit> {
        let table = &self.tables[machine.index()];
        let row = (layers as usize).checked_sub(1).and_then(|index| table.get(index)).copied().flatten();
        match row {
            Some(capability) => Ok(capability),
            None => self.costs.capability(self.cluster.machine(machine), layers),
        }
    }

    /// The same as [`Self::capability`] for planners: nothing outside the table, throughput only \[tokens/s\].
    #[must_use]
    pub fn known_throughput(&self, machine: MachineId, layers: u32) -> Option<f64> {
        let table = &self.tables[machine.index()];
        table.get((layers as usize).checked_sub(1)?).copied().flatten().map(|row| row.throughput.get())
    }

    /// Sizes of what travels between machines.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.costs.wire()
    }

    /// Throughput that the machines cannot exceed together with as many layers as a search may give them, whatever the
    /// placement \[tokens/s\]: every machine at its best number of layers, shared by all layers
    /// (`1/L · Σ max_k k · min(T(k), NIC)`; the "max compute throughput" of the paper's artifact).
    ///
    /// The interface counts with its wider direction, and not for a machine that holds the whole model: one side of a
    /// machine may carry bare token ids.
    #[must_use]
    pub fn compute_bound(&self) -> f64 {
        let wire = self.wire();
        let activation = (wire.activation.0 + wire.token.0) as f64;
        let work: f64 = self
            .cluster
            .machine_ids()
            .map(|id| {
                let nic = self.cluster.machine(id).nic;
                let nic = nic.inbound.max(nic.outbound).bytes_per_second() / activation;
                let capped = |k: u32, t: f64| if k < self.model.layers { t.min(nic) } else { t };
                (1..=self.known_layers(id))
                    .filter_map(|k| self.known_throughput(id, k).map(|t| f64::from(k) * capped(k, t)))
                    .fold(0.0, f64::max)
            })
            .sum();
        work / f64::from(self.model.layers)
    }

    /// Fails if all machines together, each with as many layers as it can hold at all, do not hold the model.
    pub fn check_capacity(&self) -> Result<(), ModelTooLarge> {
        let holds: u64 = self.cluster.machine_ids().map(|id| u64::from(self.most_layers(id))).sum();
        if holds >= u64::from(self.model.layers) {
            return Ok(());
        }
        let missing_layers = u64::from(self.model.layers) - holds;
        let layer = self.model.heaviest_layer_bytes();
        let allowed = self.cluster.machine_ids().filter(|id| !self.demands.forbidden.contains(id));
        let memory = allowed.map(|id| self.cluster.machine(id).memory.0);
        Err(ModelTooLarge {
            model: self.model.name.clone(),
            layers: self.model.layers,
            holds,
            missing: Bytes(layer.0.saturating_mul(missing_layers)),
            weights: self.model.weight_bytes(0..self.model.layers),
            memory: Bytes(memory.fold(0u64, u64::saturating_add)),
            forbidden: self.demands.forbidden.len(),
        })
    }

    /// The most layers that a machine can hold at all, with the least useful cache.
    #[must_use]
    pub fn most_layers(&self, machine: MachineId) -> u32 {
        if self.demands.forbidden.contains(&machine) {
            return 0;
        }
        most_layers(self.costs, self.cluster.machine(machine), self.known_layers(machine), self.model.layers)
    }
}

/// The most layers that `machine` can hold at all, at least `known`, at most `all`.
fn most_layers(costs: &dyn CostModel, machine: &Machine, known: u32, all: u32) -> u32 {
    let (mut low, mut high) = (known, all);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if costs.capability(machine, middle).is_ok() {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// The model does not fit on the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{model} has {layers} layers ({:.1} GB of weights), the machines{} hold {holds} of them ({:.1} GB of memory, part \
     of which the cache needs): at least {:.1} GB more are needed for weights; add machines, or take a smaller or \
     quantised model",
    .weights.gigabytes(),
    if *.forbidden > 0 { format!(" that are not forbidden ({} are)", .forbidden) } else { String::new() },
    .memory.gigabytes(),
    .missing.gigabytes()
)]
pub struct ModelTooLarge {
    /// The model.
    pub model: String,
    /// Its layers.
    pub layers: u32,
    /// Layers that the machines can hold together.
    pub holds: u64,
    /// Memory that is missing for the weights of the layers that fit nowhere.
    pub missing: Bytes,
    /// Weights of all layers.
    pub weights: Bytes,
    /// Memory of all machines together, but for forbidden ones.
    pub memory: Bytes,
    /// Machines that are forbidden.
    pub forbidden: usize,
}
