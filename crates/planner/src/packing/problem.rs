//! The abstract problem: machines by index, throughput tables, link capacities. Names stay outside.
//!
//! ```text
//! coordinator ──source──> machine i ──between(i, j)──> machine j ──sink──> coordinator
//!                         [start, end)  end_i = start_j  [start, end)
//! ```
//! All capacities and throughputs are tokens/s; an infinite link capacity means that the link never binds.

use std::collections::BTreeMap;

/// Layers, at most: far above any model, low enough that tables by layer stay small.
pub const MAX_LAYERS: usize = 4096;
/// Machines, at most.
pub const MAX_MACHINES: usize = 20_000;

/// Why numbers do not describe a problem.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProblemError {
    /// No layers, or more than can be planned.
    #[error("the model has {layers} layers; a plan needs 1 to {MAX_LAYERS}")]
    Layers {
        /// The number found.
        layers: usize,
    },
    /// More machines than can be planned.
    #[error("the cluster has {machines} machines; at most {MAX_MACHINES} can be planned at once")]
    TooManyMachines {
        /// The number found.
        machines: usize,
    },
    /// A throughput that is not a positive finite number.
    #[error(
        "table {table} declares {value} tokens/s for {layers} layers; it must be positive and finite, or absent"
    )]
    Throughput {
        /// Index of the table.
        table: usize,
        /// Layers held.
        layers: usize,
        /// The number found.
        value: f64,
    },
    /// A machine that refers to a table or a region which does not exist.
    #[error("machine {machine} refers to table {table} of {tables} and region {region} of {regions}")]
    Reference {
        /// Index of the machine.
        machine: usize,
        /// Its table.
        table: usize,
        /// Tables that there are.
        tables: usize,
        /// Its region.
        region: usize,
        /// Regions that there are.
        regions: usize,
    },
    /// A capacity that is negative or not a number.
    #[error("the capacity of {what} is {value} tokens/s; it must be zero or more")]
    Capacity {
        /// Which link.
        what: String,
        /// The number found.
        value: f64,
    },
    /// A list whose length does not follow from the number of machines or regions.
    #[error("{what} has {found} entries; {expected} are needed")]
    Size {
        /// Which list.
        what: &'static str,
        /// Entries found.
        found: usize,
        /// Entries needed.
        expected: usize,
    },
}

/// Throughput of one type of machine by the number of layers that it holds; may have holes and need not be monotone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Entry `k - 1` is the throughput with `k` layers \[tokens/s\]; `None` if the machine cannot hold exactly `k`.
    pub throughput: Vec<Option<f64>>,
}

impl Table {
    /// Throughput with exactly `layers` layers \[tokens/s\].
    #[must_use]
    pub fn at(&self, layers: usize) -> Option<f64> {
        layers.checked_sub(1).and_then(|index| self.throughput.get(index).copied().flatten())
    }

    /// Every declared (layers, throughput).
    pub fn entries(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.throughput.iter().enumerate().filter_map(|(index, value)| value.map(|value| (index + 1, value)))
    }
}

/// One machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Index into the tables.
    pub table: usize,
    /// Index of its region.
    pub region: usize,
}

/// Directed link capacities \[tokens/s\].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Network {
    /// Number of regions.
    pub regions: usize,
    /// Between two different machines of a pair of regions, row by row (`from * regions + to`); zero where there is none.
    pub between: Vec<f64>,
    /// Single links that differ from their regions' capacity, by (from, to).
    pub special: BTreeMap<(usize, usize), f64>,
    /// From the coordinator, by machine.
    pub source: Vec<f64>,
    /// To the coordinator, by machine.
    pub sink: Vec<f64>,
}

impl Network {
    /// One region in which no link ever binds.
    #[must_use]
    pub fn unbounded(machines: usize) -> Self {
        Self {
            regions: 1,
            between: vec![f64::INFINITY],
            special: BTreeMap::new(),
            source: vec![f64::INFINITY; machines],
            sink: vec![f64::INFINITY; machines],
        }
    }
}

/// Where the layers may go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Problem {
    /// Layers of the model.
    pub layers: usize,
    /// Throughput tables, one a type of machine.
    pub tables: Vec<Table>,
    /// The machines.
    pub machines: Vec<Slot>,
    /// The links.
    pub network: Network,
    /// Whether a request may enter a machine in the middle of its layers.
    pub partial: bool,
}

impl Problem {
    /// Checks every number and index once, so that the solvers need not.
    pub fn validate(&self) -> Result<(), ProblemError> {
        if self.layers == 0 || self.layers > MAX_LAYERS {
            return Err(ProblemError::Layers { layers: self.layers });
        }
        if self.machines.len() > MAX_MACHINES {
            return Err(ProblemError::TooManyMachines { machines: self.machines.len() });
        }
        for (table, entries) in self.tables.iter().enumerate() {
            for (layers, value) in entries.entries() {
                if !value.is_finite() || value <= 0.0 {
                    return Err(ProblemError::Throughput { table, layers, value });
                }
            }
        }
        let (tables, regions) = (self.tables.len(), self.network.regions);
        for (machine, &Slot { table, region }) in self.machines.iter().enumerate() {
            if table >= tables || region >= regions {
                return Err(ProblemError::Reference { machine, table, tables, region, regions });
            }
        }
        self.validate_network()
    }

    fn validate_network(&self) -> Result<(), ProblemError> {
        let network = &self.network;
        let pairs = network.regions.saturating_mul(network.regions);
        let machines = self.machines.len();
        for (what, list, expected) in [
            ("the list of capacities between regions", &network.between, pairs),
            ("the list of capacities from the coordinator", &network.source, machines),
            ("the list of capacities to the coordinator", &network.sink, machines),
        ] {
            if list.len() != expected {
                return Err(ProblemError::Size { what, found: list.len(), expected });
            }
            if let Some(&value) = list.iter().find(|value| value.is_nan() || **value < 0.0) {
                return Err(ProblemError::Capacity { what: format!("an entry of {what}"), value });
            }
        }
        for (&(from, to), &value) in &network.special {
            if value.is_nan() || value < 0.0 || from >= machines || to >= machines {
                return Err(ProblemError::Capacity { what: format!("the link {from} to {to}"), value });
            }
        }
        Ok(())
    }

    /// Throughput of a machine with exactly `layers` layers \[tokens/s\].
    #[must_use]
    pub fn throughput(&self, machine: usize, layers: usize) -> Option<f64> {
        self.tables[self.machines[machine].table].at(layers)
    }

    /// Capacity of a link between two different machines \[tokens/s\].
    #[must_use]
    pub fn link(&self, from: usize, to: usize) -> f64 {
        if from == to {
            return 0.0;
        }
        self.network.special.get(&(from, to)).copied().unwrap_or_else(|| {
            let (from, to) = (self.machines[from].region, self.machines[to].region);
            self.network.between[from * self.network.regions + to]
        })
    }

    /// Machines of each table.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.tables.len()];
        for slot in &self.machines {
            counts[slot.table] += 1;
        }
        counts
    }
}
