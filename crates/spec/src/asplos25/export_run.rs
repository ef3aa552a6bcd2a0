//! `*_sol.ini` and `simulator_cluster.ini`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::export::{EXPORT_MARK, ExportError, Exporter, Run};
use super::import::OFFSET;
use super::solution::NODE_PREFIX;
use super::write;
use crate::{Cluster, Endpoint, LayerRange, MachineId, Nic, Placement};

/// The layers of every machine of the cluster.
pub(super) fn solution(cluster: &Cluster, placement: &Placement) -> String {
    let mut text = format!("[Settings]\noffset={OFFSET}\n\n[Solution]\n");
    for id in cluster.machine_ids() {
        let layers = placement.layers_of(id).map(|range| range.start()..range.end());
        let list: Vec<u32> = layers.into_iter().flatten().collect();
        put(&mut text, format_args!("{}={list:?}\n", node_name(id)));
    }
    text
}

/// What the run's file will hold, or the name of a machine whose cache capacity nobody says.
pub(super) fn run(
    exporter: &Exporter<'_>,
    placement: &Placement,
) -> Result<Result<Run, String>, ExportError> {
    let cluster = exporter.cluster;
    let tables = cluster.cost_tables_for(exporter.model);
    let mut machines = BTreeMap::new();
    for (id, assignment) in &placement.machines {
        let machine = cluster.machine(*id);
        let declared = || {
            let rows = &tables?.types.get(&machine.machine_type)?.declared;
            rows.get(&assignment.layers.len()).map(|row| row.kv_capacity)
        };
        let Some(capacity) = assignment.kv_capacity.or_else(declared) else {
            return Ok(Err(machine.name.clone()));
        };
        if capacity > 1 << 53 {
            return Err(ExportError::NotWritable { value: format!("a cache capacity of {capacity}") });
        }
        machines.insert(*id, capacity);
    }
    let links = placement.links.clone().unwrap_or_else(|| fitting_links(cluster, placement));
    let links_set: BTreeSet<_> = links.iter().copied().collect();
    if links_set.len() < links.len() {
        return Err(ExportError::Placement { problem: "it has a link twice".to_owned() });
    }
    Ok(Ok(Run { machines, links, links_set }))
}

/// Every link that a request may take, those into the middle of a range included.
fn fitting_links(cluster: &Cluster, placement: &Placement) -> Vec<(Endpoint, Endpoint)> {
    let ranges: Vec<(MachineId, LayerRange)> =
        placement.machines.iter().map(|(id, assignment)| (*id, assignment.layers)).collect();
    let mut links = Vec::new();
    for (id, range) in &ranges {
        if range.start() == 0 {
            links.push((Endpoint::Coordinator, Endpoint::Machine(*id)));
        }
        if range.end() == placement.model_layers {
            links.push((Endpoint::Machine(*id), Endpoint::Coordinator));
        }
        let next = ranges.iter().filter(|(other, next)| other != id && next.contains(range.end()));
        links.extend(next.map(|(other, _)| (Endpoint::Machine(*id), Endpoint::Machine(*other))));
    }
    links.retain(|(from, to)| cluster.link(*from, *to).is_some());
    links
}

/// The run's file.
pub(super) fn simulator_cluster(exporter: &Exporter<'_>) -> Result<String, ExportError> {
    let Exporter { cluster, run, .. } = exporter;
    let types: BTreeSet<&str> =
        cluster.machines.iter().map(|machine| machine.machine_type.as_str()).collect();
    let mut text = format!("{EXPORT_MARK} mbps are millions of bytes a second.\n\n[Coordinator]\n");
    put_nic(&mut text, cluster.coordinator.nic)?;
    put(&mut text, format_args!("\n[MachineTypes]\ntypes={}\n", list(types)));
    let names = run.machines.keys().map(|id| node_name(*id));
    put(&mut text, format_args!("\n[ComputeNodes]\nnames={}\n", list(names)));
    for (id, capacity) in &run.machines {
        let machine = cluster.machine(*id);
        put(&mut text, format_args!("\n[{}]\n", node_name(*id)));
        put(&mut text, format_args!("vram_size={}\n", write::memory_of_run(machine.memory)?));
        put_nic(&mut text, machine.nic)?;
        put(&mut text, format_args!("disk_speed={}\n", write::speed_of_run(machine.disk)?));
        put(&mut text, format_args!("machine_type=\"{}\"\n", machine.machine_type));
        put(&mut text, format_args!("kv_cache_capacity={capacity}\nactivation_backup_capacity=0\n"));
    }
    let links: Vec<(String, String)> =
        run.links.iter().map(|(from, to)| (end_name(*from, "source"), end_name(*to, "sink"))).collect();
    let names = links.iter().map(|(from, to)| format!("link_{from}_{to}"));
    put(&mut text, format_args!("\n[Links]\nnames={}\n", list(names)));
    for ((from, to), (from_name, to_name)) in run.links.iter().zip(&links) {
        let Some(link) = cluster.link(*from, *to) else { continue };
        put(&mut text, format_args!("\n[link_{from_name}_{to_name}]\nin={from_name}\nout={to_name}\n"));
        put(&mut text, format_args!("latency={}\n", write::latency_of_run(link.latency)?));
        put(&mut text, format_args!("bandwidth={}\n", write::bandwidth_of_run(link.bandwidth)?));
    }
    Ok(text)
}

fn put_nic(text: &mut String, nic: Nic) -> Result<(), ExportError> {
    put(text, format_args!("inbound_nic_speed={}\n", write::bandwidth_of_run(nic.inbound)?));
    put(text, format_args!("outbound_nic_speed={}\n", write::bandwidth_of_run(nic.outbound)?));
    Ok(())
}

fn list(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(", "))
}

fn node_name(id: MachineId) -> String {
    format!("{NODE_PREFIX}{}", id.index() + OFFSET)
}

fn end_name(end: Endpoint, coordinator: &str) -> String {
    match end {
        Endpoint::Coordinator => coordinator.to_owned(),
        Endpoint::Machine(id) => node_name(id),
    }
}

/// Appends to a text, which cannot fail.
pub(super) fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a String does not fail");
}
