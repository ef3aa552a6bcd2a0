//! From the text of a cluster file to a [`Cluster`] that is consistent in itself.
//!
//! ```text
//! text ─> RawCluster ─> devices ─> regions ─> machine types ─> machines ─> links ─> is every region joined? ─> tables
//! ```

use toml::Spanned;

use super::checks::{Names, check_name};
use super::links::{machine_links, region_links, region_names};
use super::machines::{Types, coordinator_nic, parse_machines};
use super::raw::{RawCluster, RawCostTables};
use super::reach::{CutOff, cut_off};
use super::{Cluster, Coordinator, RegionId};
use crate::cost_tables::CostTables;
use crate::file::{FileError, Source, excerpt, parse_toml};
use crate::{DeviceCatalogue, Network};

/// Finds the file that a cluster file names: its origin for messages, and its text.
pub type ReadBeside<'a> = dyn Fn(&str) -> Result<(String, String), FileError> + 'a;

/// The text that says where a device's figures come from is kept with every machine.
const MAX_DEVICE_SOURCE: usize = 1000;

impl Cluster {
    /// Reads a cluster file. `read_beside` finds the cost tables that it names.
    ///
    /// ```
    /// use helix_spec::{Cluster, FileError, Source};
    /// let text = r#"
    ///     version = 1
    ///     name = "two"
    ///     regions = [{ name = "here", bandwidth = "10 Gbit/s", latency = "1 ms" }]
    ///     machines = [{ name = "l4", device = "L4", replicas = 2 }]
    /// "#;
    /// let none = |name: &str| Err(FileError::new(name, "not needed"));
    /// let cluster = Cluster::parse(&Source { origin: "two.toml", text }, &none).unwrap();
    /// assert_eq!(cluster.machines[1].name, "l4-2");
    /// assert_eq!(cluster.machines[1].memory.to_string(), "24 GB");
    /// ```
    pub fn parse(source: &Source<'_>, read_beside: &ReadBeside<'_>) -> Result<Self, FileError> {
        let raw: RawCluster = parse_toml(source)?;
        check_name(source, "a cluster", &raw.name)?;
        let catalogue = catalogue(source, &raw)?;
        let regions = region_names(source, &raw.regions)?;
        let only_region = (raw.regions.len() == 1).then_some(RegionId(0));
        let region_of = |name: Option<&Spanned<String>>| match name {
            Some(name) => regions.find(source, name).map(Some),
            None => Ok(only_region),
        };
        let coordinator = Coordinator {
            nic: coordinator_nic(source, &raw.coordinator)?,
            region: region_of(raw.coordinator.region.as_ref())?.ok_or_else(|| {
                FileError::new(source.origin, "the coordinator has no region and there are several")
                    .help("add `region` to `coordinator`")
            })?,
        };
        let mut types = Types::parse(source, &catalogue, &raw.machine_types)?;
        let (machines, names) = parse_machines(source, &raw.machines, &mut types, &|machine| {
            region_of(machine.region.as_ref())?.ok_or_else(|| {
                let problem =
                    format!("machine `{}` has no region and there are several", machine.name.get_ref());
                source.error_at(&machine.name.span(), problem).help("add `region` to it")
            })
        })?;
        let network = Network {
            regions: region_links(source, &raw.regions, &raw.region_links, &regions)?,
            links: machine_links(source, &raw.links, &names)?,
        };
        let cluster = Self {
            name: raw.name.get_ref().clone(),
            regions: raw.regions.iter().map(|region| region.name.get_ref().clone()).collect(),
            coordinator,
            machines,
            network,
            cost_tables: cost_tables(source, &raw.cost_tables, read_beside)?,
        };
        match cut_off(&cluster) {
            None => Ok(cluster),
            Some(lost) => Err(explain_cut_off(source, &cluster, &raw, lost)),
        }
    }
}

/// Devices of its own that a cluster file may describe.
const MAX_DEVICES: usize = 1000;

/// The built-in devices and those that the file describes; one of the same name goes before a built-in one.
fn catalogue(source: &Source<'_>, raw: &RawCluster) -> Result<DeviceCatalogue, FileError> {
    if raw.devices.len() > MAX_DEVICES {
        let problem = format!("describes {} devices, at most {MAX_DEVICES} are read", raw.devices.len());
        return Err(FileError::new(source.origin, problem).help("leave out those that no machine has"));
    }
    let mut catalogue = DeviceCatalogue::builtin();
    for (name, raw) in &raw.devices {
        let refuse = |problem: String| source.error_at(&name.span(), problem);
        let aliases = raw.aliases.clone();
        let device = raw.clone().validate(name.get_ref()).map_err(refuse)?;
        if device.source.len() > MAX_DEVICE_SOURCE {
            let problem = format!("the `source` of device `{}` is too long", device.name);
            return Err(refuse(problem).help(format!("{MAX_DEVICE_SOURCE} bytes are allowed")));
        }
        let taken = |name: &str| catalogue.get(name).filter(|other| other.name != device.name);
        for name in aliases.iter().chain([&device.name]) {
            if let Some(other) = taken(name) {
                let problem = format!("`{name}` already stands for device `{}`", other.name);
                return Err(refuse(problem).help("choose another name"));
            }
        }
        for alias in &aliases {
            catalogue.insert_alias(alias, &device.name);
        }
        catalogue.insert(device);
    }
    Ok(catalogue)
}

fn cost_tables(
    source: &Source<'_>,
    raw: &[RawCostTables],
    read_beside: &ReadBeside<'_>,
) -> Result<Vec<CostTables>, FileError> {
    let mut models = Names::new("model with cost tables");
    let mut all = Vec::new();
    for entry in raw {
        let (model, file) = (entry.model.get_ref(), entry.file.get_ref());
        check_name(source, "a model", &entry.model)?;
        models.declare(source, model, &entry.model.span(), ())?;
        let (origin, text) = read_beside(file).map_err(|error| {
            let problem = format!("the cost tables `{}` cannot be had: {error}", excerpt(file));
            source.error_at(&entry.file.span(), problem).help("the path is relative to the cluster file")
        })?;
        let tables = CostTables::parse(&Source { origin: &origin, text: &text })?;
        if tables.model != *model {
            let problem = format!(
                "the cost tables `{}` are for model `{}`, not for `{model}`",
                excerpt(file),
                tables.model
            );
            return Err(source
                .error_at(&entry.model.span(), problem)
                .help("name the model that the file is for, or another file"));
        }
        all.push(tables);
    }
    Ok(all)
}

fn explain_cut_off(source: &Source<'_>, cluster: &Cluster, raw: &RawCluster, lost: CutOff) -> FileError {
    let home = cluster.coordinator.region;
    let (CutOff::To(region) | CutOff::Back(region)) = lost;
    let name = &cluster.regions[region.index()];
    let home_name = &cluster.regions[home.index()];
    let (problem, from, to) = match lost {
        CutOff::To(_) => (format!("no way leads from the coordinator to region `{name}`"), home_name, name),
        CutOff::Back(_) => {
            (format!("no way leads from region `{name}` back to the coordinator"), name, home_name)
        }
    };
    let help = if region == home {
        "add `bandwidth` and `latency` to this region, or the single links under `links`".to_owned()
    } else {
        format!(
            "add to `region_links` {{ from = \"{from}\", to = \"{to}\", bandwidth = …, latency = … }}, \
             or the single links under `links`"
        )
    };
    source.error_at(&raw.regions[region.index()].name.span(), problem).help(help)
}
