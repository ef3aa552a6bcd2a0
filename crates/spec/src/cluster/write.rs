//! From a [`Cluster`] to the text of its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{Cluster, Machine, Nic, RegionId};
use crate::toml_text::{InlineTable, key, push_list, quoted, write};
use crate::{Bandwidth, Device, DeviceCatalogue, FORMAT_VERSION, Link};

/// A cluster as files: what stands in the cluster file, and the files that go beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFiles {
    /// The cluster file.
    pub cluster: String,
    /// Name and text of each file with cost tables.
    pub cost_tables: Vec<(String, String)>,
}

impl Cluster {
    /// Writes the cluster: reading the files again gives the same cluster.
    ///
    /// That holds for every cluster that a file can describe: machines of one `machine_type` have the same device and
    /// count, devices of one name are the same, and names are such as [`Cluster::parse`] accepts.
    #[must_use]
    pub fn to_files(&self) -> ClusterFiles {
        let mut out = format!("version = {FORMAT_VERSION}\nname = {}\n", quoted(&self.name));
        let coordinator = put_nic(InlineTable::default(), self.coordinator.nic, Nic::DEFAULT);
        write(
            &mut out,
            format_args!("coordinator = {}\n\n", self.put_region(coordinator, self.coordinator.region)),
        );
        self.push_regions(&mut out);
        self.push_machines(&mut out);
        let links = &self.network.links;
        let entries = links.iter().filter_map(|(ends, link)| {
            link_entry(links, *ends, *link, |endpoint| self.endpoint_name(endpoint))
        });
        push_section(&mut out, "links", entries);
        let files = self.cost_table_files();
        let entries = self.cost_tables.iter().zip(&files).map(|(tables, (file, _))| {
            InlineTable::default().text("model", &tables.model).text("file", file)
        });
        push_section(&mut out, "cost_tables", entries);
        self.push_devices(&mut out);
        ClusterFiles { cluster: out, cost_tables: files }
    }

    fn put_region(&self, table: InlineTable, region: RegionId) -> InlineTable {
        if self.regions.len() == 1 { table } else { table.text("region", &self.regions[region.index()]) }
    }

    fn push_regions(&self, out: &mut String) {
        let defaults = &self.network.regions;
        let regions = self.regions.iter().zip(0..).map(|(name, id)| {
            let table = InlineTable::default().text("name", name);
            match defaults.get(&(RegionId(id), RegionId(id))) {
                Some(link) => put_link(table, *link),
                None => table,
            }
        });
        push_list(out, "regions", regions);
        let between = defaults.iter().filter(|((from, to), _)| from != to).filter_map(|(ends, link)| {
            link_entry(defaults, *ends, *link, |region| self.regions[region.index()].as_str())
        });
        push_section(out, "region_links", between);
    }

    fn push_machines(&self, out: &mut String) {
        let mut types: BTreeMap<&str, &Machine> = BTreeMap::new();
        for machine in &self.machines {
            types.entry(&machine.machine_type).or_insert(machine);
        }
        out.push('\n');
        for (name, first) in &types {
            let mut table = InlineTable::default().text("device", &first.device.name);
            if first.count != 1 {
                table = table.value("count", first.count);
            }
            let memory = first.device.memory.checked_mul(u64::from(first.count));
            table = if memory == Some(first.memory) { table } else { table.text("memory", first.memory) };
            table = put_nic(table, first.nic, Nic::DEFAULT);
            table = table.text_unless("disk", first.disk, &Machine::DEFAULT_DISK);
            write(out, format_args!("machine_types.{} = {table}\n", key(name)));
        }
        out.push('\n');
        let machines = replicas(&self.machines).into_iter().map(|(name, replicas, machine)| {
            let first = types[machine.machine_type.as_str()];
            let mut table = InlineTable::default().text("name", name);
            if let Some(replicas) = replicas {
                table = table.value("replicas", replicas);
            }
            table = self.put_region(table.text("type", &machine.machine_type), machine.region);
            table = table.text_unless("memory", machine.memory, &first.memory);
            table = put_nic(table, machine.nic, first.nic);
            table.text_unless("disk", machine.disk, &first.disk)
        });
        push_list(out, "machines", machines);
    }

    fn cost_table_files(&self) -> Vec<(String, String)> {
        let mut taken = BTreeSet::new();
        let file_of = |model: &str| {
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let stem: String =
                model.chars().map(|c| if letter(c) { c.to_ascii_lowercase() } else { '-' }).collect();
            let numbered = (2..).map(|n: u32| format!("costs-{stem}-{n}.toml"));
            let mut names = std::iter::once(format!("costs-{stem}.toml")).chain(numbered);
            names.find(|name| taken.insert(name.clone())).expect("there is always another number")
        };
        let names: Vec<String> =
            self.cost_tables.iter().map(|tables| tables.model.as_str()).map(file_of).collect();
        names.into_iter().zip(self.cost_tables.iter().map(crate::CostTables::to_toml)).collect()
    }

    fn push_devices(&self, out: &mut String) {
        let catalogue = DeviceCatalogue::builtin();
        let mut devices: BTreeMap<&str, &Device> = BTreeMap::new();
        for machine in &self.machines {
            devices.entry(&machine.device.name).or_insert(&machine.device);
        }
        for (name, device) in devices.into_iter().filter(|(name, device)| catalogue.get(name) != Some(device))
        {
            write(out, format_args!("\n[devices.{}]\n{}", key(name), device.to_toml()));
        }
    }
}

/// A list with an empty line before it; nothing at all when there are no entries.
fn push_section(out: &mut String, key: &str, entries: impl IntoIterator<Item = impl Display>) {
    let before = out.len();
    push_list(out, key, entries);
    if out.len() > before {
        out.insert(before, '\n');
    }
}

fn put_link(table: InlineTable, link: Link) -> InlineTable {
    table.text("bandwidth", link.bandwidth).text("latency", link.latency)
}

fn put_nic(table: InlineTable, nic: Nic, default: Nic) -> InlineTable {
    let put = |table: InlineTable, key, speed: Bandwidth, default| table.text_unless(key, speed, &default);
    if nic == default {
        table
    } else if nic.inbound == nic.outbound {
        table.text("nic", nic.inbound)
    } else {
        let table = put(table, "nic_in", nic.inbound, default.inbound);
        put(table, "nic_out", nic.outbound, default.outbound)
    }
}

/// The entry for a directed link; `None` for the second half of one that goes both ways.
fn link_entry<'a, End: Copy + Ord>(
    all: &BTreeMap<(End, End), Link>,
    (from, to): (End, End),
    link: Link,
    name: impl Fn(End) -> &'a str,
) -> Option<InlineTable> {
    let both_ways = all.get(&(to, from)) == Some(&link);
    if both_ways && to < from {
        return None;
    }
    let table = put_link(InlineTable::default().text("from", name(from)).text("to", name(to)), link);
    Some(if both_ways { table } else { table.value("one_way", true) })
}

/// Machines in their order. Where all machines called `stem-…` are `stem-1`, `stem-2`, … in a row and differ in nothing
/// else, they become one entry with the number of replicas.
fn replicas(machines: &[Machine]) -> Vec<(&str, Option<usize>, &Machine)> {
    let mut of_stem: BTreeMap<&str, usize> = BTreeMap::new();
    for machine in machines {
        *of_stem.entry(stem_and_number(&machine.name).0).or_default() += 1;
    }
    let mut entries = Vec::new();
    let mut rest = machines;
    while let Some(first) = rest.first() {
        let stem = stem_and_number(&first.name).0;
        let like_first = |(machine, number): &(&Machine, usize)| {
            stem_and_number(&machine.name) == (stem, Some(*number))
                && Machine { name: first.name.clone(), ..(*machine).clone() } == *first
        };
        let run = rest.iter().zip(1..).take_while(like_first).count();
        if run > 1 && run == of_stem[stem] {
            entries.push((stem, Some(run), first));
            rest = &rest[run..];
        } else {
            entries.push((first.name.as_str(), None, first));
            rest = &rest[1..];
        }
    }
    entries
}

/// `("t4", Some(12))` of `t4-12`; the number is `None` where replicas would not be numbered so.
fn stem_and_number(name: &str) -> (&str, Option<usize>) {
    let Some((stem, digits)) = name.rsplit_once('-') else { return (name, None) };
    let number = digits.parse().ok().filter(|number: &usize| number.to_string() == digits);
    let is_name = !stem.is_empty() && stem.trim() == stem;
    (stem, number.filter(|_| is_name))
}
