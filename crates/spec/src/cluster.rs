//! A cluster: machines in regions, a coordinator, and the network between them.
//!
//! Its file is TOML. Every list may also be written as `[[machines]]` and so on; `docs/cluster-files.md` has every key.
//!
//! ```toml
//! version = 1
//! name = "two-sites"
//! coordinator = { region = "office", nic = "1 Gbit/s" }   # nic: 10 Gbit/s unless said; or nic_in and nic_out
//!
//! regions = [
//!   { name = "office", bandwidth = "1 Gbit/s", latency = "0.2 ms" },   # links inside it
//!   { name = "cloud", bandwidth = "10 Gbit/s", latency = "0.1 ms" },
//! ]
//! region_links = [                                                     # both ways unless one_way = true
//!   { from = "office", to = "cloud", bandwidth = "100 Mbit/s", latency = "20 ms" },
//! ]
//! machine_types.big = { device = "A100", count = 2, disk = "3 GB/s" }  # memory: the devices' together unless said
//! machines = [
//!   { name = "desk", device = "RTX-4090", region = "office" },         # region: may be left out if there is one only
//!   { name = "big", replicas = 3, type = "big", region = "cloud" },    # big-1, big-2, big-3
//! ]
//! links = [                                                            # where a pair differs from its regions
//!   { from = "coordinator", to = "big-1", bandwidth = "500 Mbit/s", latency = "15 ms" },
//! ]
//! cost_tables = [{ model = "llama-2-70b", file = "costs.toml" }]       # relative to this file
//! ```
//!
//! `[devices.NAME]` describes a device that the catalogue lacks, in the words of the catalogue itself.

mod checks;
mod links;
mod load;
mod machines;
mod parse;
mod raw;
mod reach;
mod write;

pub use load::{cluster_presets, load_cluster, load_cluster_named};
pub use machines::{MAX_MACHINES, machine_type_label};
pub use parse::ReadBeside;
pub use write::ClusterFiles;

use crate::cost_tables::CostTables;
use crate::{Bandwidth, Bytes, BytesPerSecond, Device, Endpoint, Link, Network};

/// Index of a machine in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct MachineId(pub u32);

impl MachineId {
    /// As an index into `Cluster::machines`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a region in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u32);

impl RegionId {
    /// As an index into `Cluster::regions`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A network interface: its speed in each direction, shared by all links of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nic {
    /// Towards the machine.
    pub inbound: Bandwidth,
    /// Away from the machine.
    pub outbound: Bandwidth,
}

impl Nic {
    /// What a file means that says nothing of a network interface: 10 Gbit/s each way.
    pub const DEFAULT: Self =
        Self { inbound: Bandwidth(10_000_000_000), outbound: Bandwidth(10_000_000_000) };
}

/// One machine: several devices of one kind that serve one layer range together.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Unique name.
    pub name: String,
    /// Label under which cost tables know it: the device's name, with `x2`, `x4` … for several of them.
    pub machine_type: String,
    /// What its devices are.
    pub device: Device,
    /// How many of them.
    pub count: u32,
    /// Memory of all its devices together.
    pub memory: Bytes,
    /// Its network interface.
    pub nic: Nic,
    /// Speed at which weights are loaded.
    pub disk: BytesPerSecond,
    /// Where it stands.
    pub region: RegionId,
}

impl Machine {
    /// What a file means that says nothing of a disk: 1 GB/s.
    pub const DEFAULT_DISK: BytesPerSecond = BytesPerSecond(1_000_000_000);
}

/// The process that hands requests to the machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    /// Its network interface.
    pub nic: Nic,
    /// Where it stands.
    pub region: RegionId,
}

/// Machines, regions, network, and what was measured or declared of the machines.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// What it is called in reports.
    pub name: String,
    /// Names of the regions; `RegionId` is the index.
    pub regions: Vec<String>,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// The machines; `MachineId` is the index.
    pub machines: Vec<Machine>,
    /// The links.
    pub network: Network,
    /// Tables of measured and declared costs, one a model.
    pub cost_tables: Vec<CostTables>,
}

impl Cluster {
    /// The machine of this name.
    #[must_use]
    pub fn machine_named(&self, name: &str) -> Option<MachineId> {
        self.machines.iter().position(|machine| machine.name == name).map(Self::machine_id)
    }

    /// All machine ids, in order.
    pub fn machine_ids(&self) -> impl ExactSizeIterator<Item = MachineId> + use<> {
        (0..self.machines.len()).map(Self::machine_id)
    }

    /// A machine by its id.
    ///
    /// # Panics
    /// If the id belongs to another cluster.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> &Machine {
        &self.machines[id.index()]
    }

    fn machine_id(index: usize) -> MachineId {
        MachineId(u32::try_from(index).expect("a cluster holds fewer than 2^32 machines"))
    }

    /// The region of an endpoint.
    #[must_use]
    pub fn region_of(&self, endpoint: Endpoint) -> RegionId {
        match endpoint {
            Endpoint::Coordinator => self.coordinator.region,
            Endpoint::Machine(id) => self.machine(id).region,
        }
    }

    /// The network interface of an endpoint.
    #[must_use]
    pub fn nic_of(&self, endpoint: Endpoint) -> Nic {
        match endpoint {
            Endpoint::Coordinator => self.coordinator.nic,
            Endpoint::Machine(id) => self.machine(id).nic,
        }
    }

    /// The directed link between two endpoints: a link of their own, else their regions', else none.
    #[must_use]
    pub fn link(&self, from: Endpoint, to: Endpoint) -> Option<Link> {
        if from == to {
            return None;
        }
        let regions = (self.region_of(from), self.region_of(to));
        self.network.links.get(&(from, to)).or_else(|| self.network.regions.get(&regions)).copied()
    }

    /// The name of an endpoint in files and reports.
    #[must_use]
    pub fn endpoint_name(&self, endpoint: Endpoint) -> &str {
        match endpoint {
            Endpoint::Coordinator => COORDINATOR,
            Endpoint::Machine(id) => &self.machine(id).name,
        }
    }

    /// The tables for a model, if the cluster has them.
    #[must_use]
    pub fn cost_tables_for(&self, model: &str) -> Option<&CostTables> {
        self.cost_tables.iter().find(|tables| tables.model == model)
    }
}

/// The name under which files and reports speak of the coordinator; no machine may be called so.
pub const COORDINATOR: &str = "coordinator";
