//! `simulator_cluster.ini`: what a run uses of a cluster: its nodes with their cache capacity, its links in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Fields;
use super::ini::{Ini, shorten};
use super::solution::{NODE_PREFIX, node_index};
use crate::{Bytes, BytesPerSecond, Endpoint, FileError, Link, MachineId, Nic, Source};

/// One node of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedNode {
    /// Its machine type.
    pub machine_type: String,
    /// Its network interface.
    pub nic: Nic,
    /// Speed at which weights are loaded.
    pub disk: BytesPerSecond,
    /// Memory of all its devices together.
    pub memory: Bytes,
    /// Cache capacity \[tokens × layers\].
    pub kv_capacity: u64,
    /// Line of its section.
    pub line: usize,
}

/// One directed link of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedLink {
    /// Where it begins; the coordinator stands for source.
    pub from: Endpoint,
    /// Where it ends; the coordinator stands for sink.
    pub to: Endpoint,
    /// What it is.
    pub link: Link,
    /// Line of its section.
    pub line: usize,
}

/// A parsed `simulator_cluster.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorCluster {
    /// The file, for messages.
    pub origin: String,
    /// The coordinator's network interface.
    pub coordinator: Nic,
    /// By index in the cluster file.
    pub nodes: BTreeMap<u32, SimulatedNode>,
    /// In the order of the file, in which routing looks at them.
    pub links: Vec<SimulatedLink>,
    /// Nodes that reserve memory for a backup of activations, which Helix does not have.
    pub backups: usize,
}

/// Parses a `simulator_cluster.ini` whose nodes are numbered from `offset` on, as its `*_sol.ini` says (2 everywhere).
///
/// # Errors
/// Missing or unused sections, nodes or links given twice, links to nodes that the file does not name, values that are
/// no speed, size, latency or count.
pub fn parse_simulator_cluster(text: &str, origin: &str, offset: u32) -> Result<SimulatorCluster, FileError> {
    let ini = Ini::parse(&Source { origin, text })?;
    let coordinator = nic(Fields::of(&ini, "Coordinator")?)?;
    let types: BTreeSet<String> = Fields::of(&ini, "MachineTypes")?.texts("types")?.into_iter().collect();
    let mut used: BTreeSet<&str> =
        ["Coordinator", "MachineTypes", "ComputeNodes", "Links"].into_iter().collect();
    let (mut nodes, mut backups) = (BTreeMap::new(), 0);
    let heads = Fields::of(&ini, "ComputeNodes")?;
    for name in heads.texts("names")? {
        let index = node_index(&name, offset).ok_or_else(|| {
            heads
                .refuse_key("names", &format!("holds `{}`, which is not a node's name", shorten(&name)))
                .help(format!("names are `{NODE_PREFIX}N`, N from {offset}, the offset, on"))
        })?;
        let fields = Fields::of(&ini, &name)?;
        if !used.insert(&fields.section.name) {
            return Err(heads.refuse_key("names", &format!("holds `{name}` twice")));
        }
        let node = node(fields, &types)?;
        backups += usize::from(fields.integer("activation_backup_capacity")? > 0);
        nodes.insert(index, node);
    }
    let heads = Fields::of(&ini, "Links")?;
    let (mut links, mut pairs) = (Vec::new(), BTreeSet::new());
    for name in heads.texts("names")? {
        let fields = Fields::of(&ini, &name)?;
        if !used.insert(&fields.section.name) {
            return Err(heads.refuse_key("names", &format!("holds `{}` twice", shorten(&name))));
        }
        let link = link(fields, &nodes, offset)?;
        if !pairs.insert((link.from, link.to)) {
            return Err(fields.refuse("is a second link between the same two nodes"));
        }
        links.push(link);
    }
    if let Some(section) = ini.sections.iter().find(|section| !used.contains(section.name.as_str())) {
        return Err(Fields { ini: &ini, section }.refuse("is neither in the names of nodes nor of links"));
    }
    Ok(SimulatorCluster { origin: origin.to_owned(), coordinator, nodes, links, backups })
}

fn nic(fields: Fields<'_>) -> Result<Nic, FileError> {
    Ok(Nic {
        inbound: fields.bandwidth("inbound_nic_speed")?,
        outbound: fields.bandwidth("outbound_nic_speed")?,
    })
}

fn node(fields: Fields<'_>, types: &BTreeSet<String>) -> Result<SimulatedNode, FileError> {
    let machine_type = fields.text("machine_type")?.to_owned();
    if !types.contains(&machine_type) {
        let all: Vec<&str> = types.iter().map(String::as_str).collect();
        return Err(fields
            .refuse_key("machine_type", &format!("is `{}`", shorten(&machine_type)))
            .help(format!("`[MachineTypes]` has: {}", shorten(&all.join(", ")))));
    }
    Ok(SimulatedNode {
        machine_type,
        nic: nic(fields)?,
        disk: fields.speed("disk_speed")?,
        memory: fields.bytes("vram_size")?,
        kv_capacity: fields.integer("kv_cache_capacity")?,
        line: fields.section.line,
    })
}

fn link(
    fields: Fields<'_>,
    nodes: &BTreeMap<u32, SimulatedNode>,
    offset: u32,
) -> Result<SimulatedLink, FileError> {
    let end = |key: &str, coordinator: &str| {
        let name = fields.text(key)?;
        match node_index(name, offset) {
            _ if name == coordinator => Ok(Endpoint::Coordinator),
            Some(index) if nodes.contains_key(&index) => Ok(Endpoint::Machine(MachineId(index))),
            _ => {
                let problem = format!("is `{}`, which `[ComputeNodes]` does not name", shorten(name));
                Err(fields.refuse_key(key, &problem))
            }
        }
    };
    let (from, to) = (end("in", "source")?, end("out", "sink")?);
    if from == to {
        return Err(fields.refuse("must link two nodes, or a node and source or sink"));
    }
    let link = Link { bandwidth: fields.bandwidth("bandwidth")?, latency: fields.latency("latency")? };
    Ok(SimulatedLink { from, to, link, line: fields.section.line })
}
