//! From the authors' parsed files to a cluster and a placement.

use std::collections::BTreeMap;

use super::cluster_file::ClusterFile;
use super::ini::{alike, shorten};
use super::limits::Limits;
use super::machine_profiles::{MachineProfile, MachineProfiles};
use super::names::{Known, PaperModel, device, device_and_count};
use super::overrides;
use super::placing;
use super::regions::Regions;
use super::simulator_cluster::SimulatorCluster;
use super::solution::{NODE_PREFIX, SolutionFile};
use super::tables;
use crate::{
    Cluster, Coordinator, Device, DeviceCatalogue, FileError, Machine, MachineId, Nic, Placement, RegionId,
    TypeTables,
};

/// The number of node 0 in the names of the authors' solution files.
pub(super) const OFFSET: usize = 2;

/// Machine types of one cluster, at most; the authors' have seven.
const MAX_TYPES: usize = 1000;

/// All that there is to import.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// What to call the cluster.
    pub name: &'a str,
    /// The cluster file.
    pub cluster: ClusterFile,
    /// Interfaces, disk and memory of its machine types.
    pub machine_profiles: MachineProfiles,
    /// Measured times by the folder that they were in, which is the machine type in whatever letter case.
    pub times: BTreeMap<String, TypeTables>,
    /// Declared throughputs and limits.
    pub limits: Option<Limits>,
    /// The model.
    pub model: ImportedModel<'a>,
    /// A placement.
    pub layout: Option<Layout>,
    /// Devices that need no description.
    pub catalogue: &'a DeviceCatalogue,
}

/// The model that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedModel<'a> {
    /// A preset, a name of the authors' files, or any other.
    pub name: &'a str,
    /// Its layers, where its shape is known.
    pub layers: Option<u32>,
}

/// A placement, and the run that uses it.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Layers by node.
    pub solution: SolutionFile,
    /// Cache capacities and the links in their order.
    pub simulator: Option<SimulatorCluster>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The model's name: the preset's, if it is one of the paper's.
    pub model: String,
    /// The cluster with its cost tables.
    pub cluster: Cluster,
    /// The placement, if there was a layout.
    pub placement: Option<Placement>,
    /// What a reader should know: what was left out, what differed.
    pub notes: Vec<String>,
}

/// The model as Helix knows it from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) layers: Option<u32>,
    /// The authors' constants, if it is one of theirs.
    pub(super) paper: Option<&'static PaperModel>,
}

/// Puts the authors' files together.
///
/// # Errors
/// Files that do not belong together: machine types without a profile, layouts with nodes, links or layers that the
/// cluster or the model does not have, limits tables without rows for the model on a cluster of this size.
pub fn import(inputs: &Inputs<'_>) -> Result<Imported, FileError> {
    let mut notes = Vec::new();
    let model = resolve_model(inputs)?;
    let mut machines = machines(inputs, &mut notes)?;
    let cost_tables = tables::cost_tables(inputs, &model, &mut notes)?;
    let mut links = inputs.cluster.links.clone();
    let mut coordinator = inputs.machine_profiles.coordinator;
    let mut placement = None;
    if let Some(layout) = &inputs.layout {
        if let Some(run) = &layout.simulator {
            overrides::apply(run, (&mut machines, &mut links, &mut coordinator), &mut notes)?;
        }
        placement = Some(placing::place(layout, &model, &machines, &mut notes)?);
    }
    let regions = Regions::infer(machines.len(), &links);
    for (machine, region) in machines.iter_mut().zip(&regions.machines) {
        machine.region = *region;
    }
    let cluster = Cluster {
        name: inputs.name.to_owned(),
        network: regions.network(&links),
        coordinator: Coordinator { nic: coordinator, region: regions.coordinator },
        regions: regions.names,
        machines,
        cost_tables: cost_tables.into_iter().collect(),
    };
    Ok(Imported { model: model.name, cluster, placement, notes })
}

/// A model is known by its shape, as one of the paper's, or because a table has rows of it.
fn resolve_model(inputs: &Inputs<'_>) -> Result<Model, FileError> {
    let ImportedModel { name, layers } = inputs.model;
    let paper = PaperModel::named(name).filter(|paper| layers.is_none_or(|layers| layers == paper.layers));
    let in_tables = inputs.limits.is_some() || !inputs.times.is_empty();
    if paper.is_none() && layers.is_none() && !in_tables {
        let presets: Vec<&str> = super::names::PAPER_MODELS.iter().map(|paper| paper.preset).collect();
        let error = FileError::new("model", format!("`{}` is not known", shorten(name)));
        let like = alike(name, presets.iter().copied());
        let like = like.map(|like| format!("did you mean `{like}`? ")).unwrap_or_default();
        let presets = presets.join(", ");
        return Err(error.help(format!("{like}give a preset ({presets}, …) or a model's folder")));
    }
    Ok(Model {
        name: paper.map_or(name, |paper| paper.preset).to_owned(),
        layers: layers.or(paper.map(|paper| paper.layers)),
        paper,
    })
}

fn machines(inputs: &Inputs<'_>, notes: &mut Vec<String>) -> Result<Vec<Machine>, FileError> {
    // One machine of each type is enough to build; the others are its copies. Types with devices of one name share the
    // description of the first.
    let mut of_type: BTreeMap<&str, Machine> = BTreeMap::new();
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    let mut machines = Vec::with_capacity(inputs.cluster.types.len());
    for (index, machine_type) in inputs.cluster.types.iter().enumerate() {
        if !of_type.contains_key(machine_type.as_str()) {
            if of_type.len() == MAX_TYPES {
                let problem =
                    format!("has more than {MAX_TYPES} machine types, node {index} has yet another");
                return Err(FileError::new(&inputs.cluster.origin, problem));
            }
            let mut new = machine(inputs, machine_type, index, notes)?;
            new.device = devices.entry(new.device.name.clone()).or_insert(new.device).clone();
            of_type.insert(machine_type, new);
        }
        let name = format!("{NODE_PREFIX}{}", index + OFFSET);
        machines.extend(of_type.get(machine_type.as_str()).map(|like| Machine { name, ..like.clone() }));
    }
    Ok(machines)
}

fn machine(
    inputs: &Inputs<'_>,
    machine_type: &str,
    index: usize,
    notes: &mut Vec<String>,
) -> Result<Machine, FileError> {
    let profiles = &inputs.machine_profiles;
    check_type_name(machine_type, &inputs.cluster.origin)?;
    let Some(profile) = profiles.types.get(machine_type) else {
        let origin = &inputs.cluster.origin;
        let problem = format!("has no section `[{machine_type}]`, the type of node {index} in {origin}");
        let types: Vec<&str> = profiles.types.keys().map(String::as_str).collect();
        let like = alike(machine_type, types.iter().copied());
        let like = like.map(|like| format!("did you mean `{}`? ", shorten(like))).unwrap_or_default();
        let help = format!("{like}it has: {}", shorten(&types.join(", ")));
        return Err(FileError::new(&profiles.origin, problem).help(help));
    };
    let missing = |key: &str| {
        let problem = format!("has `{key}` -1 (unused) for `[{machine_type}]`, the type of node {index}");
        FileError::new(&profiles.origin, problem).help("a machine that serves a model needs it")
    };
    let MachineProfile { inbound, outbound, disk, memory } = *profile;
    let memory = memory.ok_or_else(|| missing("vram_size"))?;
    let (device_name, count) = device_and_count(machine_type);
    let (device, known) = device(device_name, crate::Bytes(memory.0 / u64::from(count)), inputs.catalogue);
    match known {
        Known::Catalogue => {}
        Known::OtherMemory => notes.push(format!(
            "{machine_type}: {memory} in the machine profiles, {} of {} in the catalogue; the profiles' is taken",
            device.memory, device.name
        )),
        Known::OnlyMemory { like } => {
            let like = like.map(|like| format!("; the catalogue has {like}")).unwrap_or_default();
            notes.push(format!(
                "{machine_type}: {device_name} is not in the catalogue, only its memory is known{like}; \
                 describe it in cluster.toml before you plan without tables"
            ));
        }
    }
    Ok(Machine {
        name: String::new(),
        machine_type: machine_type.to_owned(),
        device,
        count,
        memory,
        nic: Nic {
            inbound: inbound.ok_or_else(|| missing("inbound_nic_speed"))?,
            outbound: outbound.ok_or_else(|| missing("outbound_nic_speed"))?,
        },
        disk: disk.ok_or_else(|| missing("disk_speed"))?,
        region: RegionId(0),
    })
}

/// Types become device names, keys and folders.
fn check_type_name(name: &str, origin: &str) -> Result<(), FileError> {
    if super::names::is_plain(name) {
        return Ok(());
    }
    let problem = format!("has the machine type `{}`", shorten(name));
    Err(FileError::new(origin, problem).help(super::names::PLAIN))
}

/// The id of a node of the authors' files.
pub(super) fn machine_id(node: u32, machines: usize) -> Option<MachineId> {
    ((node as usize) < machines).then_some(MachineId(node))
}
