//! Links between machines: region-to-region defaults, and single links that differ from them.

use std::collections::BTreeMap;

use crate::{Bandwidth, MachineId, RegionId, SimTime};

/// Where a link begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The coordinator: requests come from it and tokens return to it.
    Coordinator,
    /// A machine of the cluster.
    Machine(MachineId),
}

/// One directed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Speed.
    pub bandwidth: Bandwidth,
    /// Propagation time, one way.
    pub latency: SimTime,
}

/// All directed links of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Link between any two endpoints of a pair of regions (a pair of one region twice: inside it).
    pub regions: BTreeMap<(RegionId, RegionId), Link>,
    /// Links that differ from their regions' default, or that exist although the regions have none.
    pub links: BTreeMap<(Endpoint, Endpoint), Link>,
}
