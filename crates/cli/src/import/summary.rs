//! What an import found, for people and for scripts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use helix_spec::asplos25::{Imported, PaperModel};
use helix_spec::{Bandwidth, Endpoint};
use serde::Serialize;

use super::Asplos25;
use crate::exit_codes::Failure;
use crate::output::{Format, Output};

/// The result of an import.
#[derive(Debug, Serialize)]
pub struct Summary {
    cluster: String,
    model: String,
    /// Machines by type.
    machines: BTreeMap<String, usize>,
    /// Machines by region; the coordinator's own region has none.
    regions: Vec<Region>,
    coordinator_region: String,
    links: Links,
    declared_rows: usize,
    measured_types: Vec<String>,
    placement: Option<Placed>,
    files: Vec<String>,
    notes: Vec<String>,
    #[serde(skip)]
    next: String,
}

#[derive(Debug, Serialize)]
struct Region {
    name: String,
    machines: usize,
}

/// The directed links of the cluster.
#[derive(Debug, Serialize)]
struct Links {
    count: usize,
    slowest_bits_per_s: Option<u64>,
    fastest_bits_per_s: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Placed {
    machines: usize,
    model_layers: u32,
    links: Option<usize>,
    kv_capacities: usize,
}

impl Summary {
    pub fn new(imported: &Imported, arguments: &Asplos25, written: &[PathBuf]) -> Self {
        let Imported { model, cluster, placement, notes } = imported;
        let mut machines = BTreeMap::new();
        for machine in &cluster.machines {
            *machines.entry(machine.machine_type.clone()).or_default() += 1;
        }
        let mut in_region = vec![0; cluster.regions.len()];
        for machine in &cluster.machines {
            in_region[machine.region.index()] += 1;
        }
        let regions = cluster.regions.iter().zip(in_region);
        let tables = cluster.cost_tables.first().map(|tables| &tables.types);
        let measured = |t: &helix_spec::TypeTables| t.prompt.is_some() || t.decode.is_some();
        let mut notes = notes.clone();
        let earlier = arguments.output.join("placement.toml");
        if placement.is_none() && earlier.exists() {
            notes.push(format!("{} is not of this import, it was there before", earlier.display()));
        }
        let named = if PaperModel::named(model).is_some() { model } else { &arguments.model };
        let plan = format!("helix plan --cluster {} --model {named}", written[0].display());
        let next = match placement {
            Some(_) => format!("{plan} --evaluate {}", arguments.output.join("placement.toml").display()),
            None => plan,
        };
        Self {
            cluster: cluster.name.clone(),
            model: model.clone(),
            machines,
            regions: regions.map(|(name, machines)| Region { name: name.clone(), machines }).collect(),
            coordinator_region: cluster.regions[cluster.coordinator.region.index()].clone(),
            links: links(imported),
            declared_rows: tables.into_iter().flatten().map(|(_, table)| table.declared.len()).sum(),
            measured_types: tables
                .into_iter()
                .flatten()
                .filter(|(_, table)| measured(table))
                .map(|(name, _)| name.clone())
                .collect(),
            placement: placement.as_ref().map(|placement| Placed {
                machines: placement.machines.len(),
                model_layers: placement.model_layers,
                links: placement.links.as_ref().map(Vec::len),
                kv_capacities: placement.machines.values().filter(|a| a.kv_capacity.is_some()).count(),
            }),
            files: written.iter().map(|path| path.display().to_string()).collect(),
            notes,
            next,
        }
    }

    pub fn print(&self, output: &mut Output) -> Result<(), Failure> {
        match output.format {
            Format::Json => output.json(self)?,
            Format::Text => self.print_text(output)?,
        }
        Ok(())
    }

    fn print_text(&self, output: &mut Output) -> std::io::Result<()> {
        let count: usize = self.machines.values().sum();
        let kinds: Vec<String> =
            self.machines.iter().map(|(name, count)| format!("{count} × {name}")).collect();
        writeln!(output, "{}: {count} machines ({})", self.cluster, kinds.join(", "))?;
        let regions = self.regions.iter().filter(|region| region.machines > 0);
        let regions: Vec<String> =
            regions.map(|region| format!("{} ({})", region.name, region.machines)).collect();
        writeln!(
            output,
            "  regions    {}; the coordinator stands in {}",
            regions.join(", "),
            self.coordinator_region
        )?;
        write!(output, "  links      {}", self.links.count)?;
        if let (Some(slowest), Some(fastest)) = (self.links.slowest_bits_per_s, self.links.fastest_bits_per_s)
        {
            write!(output, ", {}", Bandwidth(slowest))?;
            if fastest != slowest {
                write!(output, " to {}", Bandwidth(fastest))?;
            }
        }
        writeln!(output)?;
        let measured = if self.measured_types.is_empty() {
            "no measured times".to_owned()
        } else {
            format!("measured times of {}", self.measured_types.join(", "))
        };
        writeln!(output, "  tables     {}: {} declared rows, {measured}", self.model, self.declared_rows)?;
        if let Some(placed) = &self.placement {
            let Placed { machines, model_layers, kv_capacities, .. } = placed;
            write!(
                output,
                "  placement  {machines} machines hold the {model_layers} layers of {}",
                self.model
            )?;
            match placed.links {
                Some(links) => {
                    writeln!(output, ", {links} links in order, {kv_capacities} cache capacities")?;
                }
                None => writeln!(output)?,
            }
        }
        for note in &self.notes {
            writeln!(output, "note: {note}")?;
        }
        writeln!(output, "written: {}", self.files.join(", "))?;
        writeln!(output, "next: {}", self.next)
    }
}

fn links(imported: &Imported) -> Links {
    let cluster = &imported.cluster;
    let mut ends = vec![0_usize; cluster.regions.len()];
    for region in cluster.machines.iter().map(|machine| machine.region).chain([cluster.coordinator.region]) {
        ends[region.index()] += 1;
    }
    // A default stands for all pairs of two regions but those that have a link of their own.
    let mut count = cluster.network.links.len();
    for (from, to) in cluster.network.regions.keys() {
        let others = if from == to { ends[to.index()] - 1 } else { ends[to.index()] };
        count += ends[from.index()] * others;
    }
    let of_default = |(from, to): &(Endpoint, Endpoint)| {
        cluster.network.regions.contains_key(&(cluster.region_of(*from), cluster.region_of(*to)))
    };
    count -= cluster.network.links.keys().filter(|ends| of_default(ends)).count();
    let speeds = cluster.network.regions.values().chain(cluster.network.links.values());
    let speeds = || speeds.clone().map(|link| link.bandwidth.0);
    Links { count, slowest_bits_per_s: speeds().min(), fastest_bits_per_s: speeds().max() }
}
