//! What is worth knowing of a cluster at a glance; its JSON form is what scripts read.

use std::collections::BTreeMap;

use helix_spec::{Cluster, CostTables, Endpoint, Link, Machine, RegionId, SimTime};
use serde::{Serialize, Serializer};

/// A cluster at a glance.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Regions in the order of the file.
    pub regions: Vec<Region>,
    /// Directed links by pair of regions; pairs without any endpoints between them are left out.
    pub links: Vec<Links>,
    /// Tables that come with the cluster.
    pub cost_tables: Vec<Tables>,
    /// Machines in all.
    pub machines: usize,
    /// Devices in all.
    pub devices: u64,
    /// Memory of all devices.
    pub memory_bytes: u64,
}

/// A region and what stands in it.
#[derive(Debug, Serialize)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// The coordinator's interface, where the coordinator stands here.
    pub coordinator: Option<Nic>,
    /// Machines that are alike.
    pub groups: Vec<Group>,
}

/// Speed of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Nic {
    /// Towards the machine.
    pub inbound_bit_per_s: u64,
    /// Away from it.
    pub outbound_bit_per_s: u64,
}

impl From<helix_spec::Nic> for Nic {
    fn from(nic: helix_spec::Nic) -> Self {
        Self { inbound_bit_per_s: nic.inbound.0, outbound_bit_per_s: nic.outbound.0 }
    }
}

/// Machines of one region that differ in their names only.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Their type.
    #[serde(rename = "type")]
    pub machine_type: String,
    /// What their devices are.
    pub device: String,
    /// Devices of each.
    pub devices_each: u32,
    /// Memory of each.
    pub memory_bytes_each: u64,
    /// Interface of each.
    pub nic: Nic,
    /// Speed of each one's disk.
    pub disk_bytes_per_s: u64,
    /// Their names in the order of the file.
    pub machines: Vec<String>,
}

/// The links from one region to another, or inside one.
#[derive(Debug, Serialize)]
pub struct Links {
    /// Region.
    pub from: String,
    /// Region.
    pub to: String,
    /// Pairs of a sender here and a receiver there.
    pub pairs: u64,
    /// Pairs that have a link.
    pub linked: u64,
    /// Slowest and fastest, where there is a link.
    pub bandwidth_bit_per_s: Option<Span>,
    /// Shortest and longest \[picoseconds; seconds in JSON\], where there is a link.
    #[serde(rename = "latency_s", serialize_with = "in_seconds")]
    pub latency: Option<Span>,
}

/// Smallest and largest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Smallest.
    pub min: u64,
    /// Largest.
    pub max: u64,
}

/// Simulated time is picoseconds inside and seconds in every JSON document.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn in_seconds<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    let ends =
        |span: &Span| [("min", span.min), ("max", span.max)].map(|(end, at)| (end, SimTime(at).seconds()));
    span.as_ref().map(|span| BTreeMap::from(ends(span))).serialize(serializer)
}

/// What one set of cost tables knows.
#[derive(Debug, Serialize)]
pub struct Tables {
    /// For which model.
    pub model: String,
    /// Machine types with declared rows.
    pub declared: Vec<String>,
    /// Machine types with measured times.
    pub measured: Vec<String>,
}

impl Summary {
    /// Looks at a cluster.
    pub fn of(cluster: &Cluster) -> Self {
        let sum = |of: fn(&Machine) -> u64| cluster.machines.iter().map(of).fold(0, u64::saturating_add);
        Self {
            name: cluster.name.clone(),
            regions: regions(cluster),
            links: links(cluster),
            cost_tables: cluster.cost_tables.iter().map(tables).collect(),
            machines: cluster.machines.len(),
            devices: sum(|machine| u64::from(machine.count)),
            memory_bytes: sum(|machine| machine.memory.0),
        }
    }
}

fn regions(cluster: &Cluster) -> Vec<Region> {
    let mut regions: Vec<Region> = cluster
        .regions
        .iter()
        .map(|name| Region { name: name.clone(), coordinator: None, groups: Vec::new() })
        .collect();
    if let Some(home) = regions.get_mut(cluster.coordinator.region.index()) {
        home.coordinator = Some(cluster.coordinator.nic.into());
    }
    let mut index = BTreeMap::new();
    for machine in &cluster.machines {
        let Some(region) = regions.get_mut(machine.region.index()) else { continue };
        let nic = Nic::from(machine.nic);
        let alike = (machine.region, &machine.machine_type, machine.memory, nic, machine.disk);
        let at = *index.entry(alike).or_insert_with(|| {
            region.groups.push(Group {
                machine_type: machine.machine_type.clone(),
                device: machine.device.name.clone(),
                devices_each: machine.count,
                memory_bytes_each: machine.memory.0,
                nic,
                disk_bytes_per_s: machine.disk.0,
                machines: Vec::new(),
            });
            region.groups.len() - 1
        });
        region.groups[at].machines.push(machine.name.clone());
    }
    regions
}

/// Counts from the tables of links instead of asking for every pair: a hundred thousand machines have too many pairs.
fn links(cluster: &Cluster) -> Vec<Links> {
    let mut endpoints = vec![0u64; cluster.regions.len()];
    endpoints[cluster.coordinator.region.index()] += 1;
    for machine in &cluster.machines {
        endpoints[machine.region.index()] += 1;
    }
    let mut single: BTreeMap<(RegionId, RegionId), Vec<Link>> = BTreeMap::new();
    for ((from, to), link) in &cluster.network.links {
        let ends: (Endpoint, Endpoint) = (*from, *to);
        single.entry((cluster.region_of(ends.0), cluster.region_of(ends.1))).or_default().push(*link);
    }
    let mut all = Vec::new();
    for (from, from_name) in (0..).map(RegionId).zip(&cluster.regions) {
        for (to, to_name) in (0..).map(RegionId).zip(&cluster.regions) {
            let (senders, receivers) = (endpoints[from.index()], endpoints[to.index()]);
            let pairs = if from == to { senders * senders.saturating_sub(1) } else { senders * receivers };
            if pairs == 0 {
                continue;
            }
            let mut links = single.remove(&(from, to)).unwrap_or_default();
            let mut linked = links.len() as u64;
            if let Some(default) = cluster.network.regions.get(&(from, to)).filter(|_| linked < pairs) {
                links.push(*default);
                linked = pairs;
            }
            all.push(Links {
                from: from_name.clone(),
                to: to_name.clone(),
                pairs,
                linked,
                bandwidth_bit_per_s: span(links.iter().map(|link| link.bandwidth.0)),
                latency: span(links.iter().map(|link| link.latency.0)),
            });
        }
    }
    all
}

fn span(values: impl Iterator<Item = u64> + Clone) -> Option<Span> {
    Some(Span { min: values.clone().min()?, max: values.max()? })
}

fn tables(tables: &CostTables) -> Tables {
    let types = |has: fn(&helix_spec::TypeTables) -> bool| {
        tables.types.iter().filter(|(_, known)| has(known)).map(|(name, _)| name.clone()).collect()
    };
    Tables {
        model: tables.model.clone(),
        declared: types(|known| !known.declared.is_empty()),
        measured: types(|known| known.prompt.is_some() || known.decode.is_some()),
    }
}
