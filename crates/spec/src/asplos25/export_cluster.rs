//! `cluster.ini` and `machine_profiles.ini`.

use std::collections::BTreeMap;

use super::export::{EXPORT_MARK, ExportError, Exporter};
use super::export_run::put;
use super::write;
use crate::{Endpoint, Link, Machine, MachineId};

/// The cluster file: complete if every pair of endpoints has a link, else what they call pruned.
pub(super) fn cluster(exporter: &Exporter<'_>) -> Result<String, ExportError> {
    let cluster = exporter.cluster;
    let count = cluster.machines.len();
    let ids: Vec<MachineId> = cluster.machine_ids().collect();
    let mut links = String::new();
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    for id in &ids {
        if let Some(link) = cluster.link(Endpoint::Coordinator, Endpoint::Machine(*id)) {
            sources.push(id.0);
            put_link(&mut links, ("source", &id.0), link)?;
        }
    }
    for id in &ids {
        if let Some(link) = cluster.link(Endpoint::Machine(*id), Endpoint::Coordinator) {
            sinks.push(id.0);
            put_link(&mut links, (&id.0, "sink"), link)?;
        }
    }
    let mut neighbours: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (i, a) in ids.iter().enumerate() {
        for b in &ids[i + 1..] {
            if let Some(link) = common_link(exporter, *a, *b)? {
                neighbours[a.index()].push(b.0);
                neighbours[b.index()].push(a.0);
                put_link(&mut links, (&a.0, &b.0), link)?;
            }
        }
    }
    let mut text = format!("{EXPORT_MARK} mbps are millions of bytes a second.\n\n[NodeNames]\n");
    put(&mut text, format_args!("total_compute_nodes={count}\n"));
    put(&mut text, format_args!("\n[SourceNode]\nconnected_nodes={sources:?}\n"));
    put(&mut text, format_args!("\n[SinkNode]\nconnected_nodes={sinks:?}\n"));
    for (machine, id) in cluster.machines.iter().zip(&ids) {
        let mut connected: Vec<String> = Vec::new();
        connected.extend(sources.binary_search(&id.0).is_ok().then(|| "'source'".to_owned()));
        let mut others = std::mem::take(&mut neighbours[id.index()]);
        others.sort_unstable();
        connected.extend(others.iter().map(u32::to_string));
        connected.extend(sinks.binary_search(&id.0).is_ok().then(|| "'sink'".to_owned()));
        let connected = connected.join(", ");
        put(&mut text, format_args!("\n[ComputeNode-{}]\ntype={}\n", id.0, machine.machine_type));
        put(&mut text, format_args!("connected_nodes=[{connected}]\n"));
    }
    Ok(text + &links)
}

fn put_link(
    text: &mut String,
    (from, to): (impl std::fmt::Display, impl std::fmt::Display),
    link: Link,
) -> Result<(), ExportError> {
    let (bandwidth, latency) = (write::bandwidth(link.bandwidth, "mbps")?, write::latency(link.latency)?);
    put(text, format_args!("\n[Link-{from}-{to}]\nbandwidth={bandwidth}\nlatency={latency}\n"));
    Ok(())
}

/// The one link that stands for both directions. Where they differ, the run's file may carry one of them: it wins over
/// the cluster file when both are read.
fn common_link(exporter: &Exporter<'_>, a: MachineId, b: MachineId) -> Result<Option<Link>, ExportError> {
    let (a, b) = (Endpoint::Machine(a), Endpoint::Machine(b));
    let cluster = exporter.cluster;
    match (cluster.link(a, b), cluster.link(b, a)) {
        (forward, back) if forward == back => Ok(forward),
        (Some(_), Some(back)) if exporter.run.links_set.contains(&(a, b)) => Ok(Some(back)),
        (Some(forward), Some(_)) if exporter.run.links_set.contains(&(b, a)) => Ok(Some(forward)),
        _ => Err(ExportError::Asymmetric {
            from: cluster.endpoint_name(a).to_owned(),
            to: cluster.endpoint_name(b).to_owned(),
        }),
    }
}

/// The machine profiles, by type: of a machine that the run's file does not describe, where there is one.
pub(super) fn machine_profiles(exporter: &Exporter<'_>) -> Result<String, ExportError> {
    let cluster = exporter.cluster;
    let mut types: BTreeMap<&str, (MachineId, bool)> = BTreeMap::new();
    for id in cluster.machine_ids() {
        let machine = cluster.machine(id);
        let in_run = exporter.run.machines.contains_key(&id);
        match types.get(machine.machine_type.as_str()) {
            Some((other, false)) if !in_run && described(machine) != described(cluster.machine(*other)) => {
                return Err(ExportError::UnequalMachines {
                    one: cluster.machine(*other).name.clone(),
                    other: machine.name.clone(),
                    machine_type: machine.machine_type.clone(),
                });
            }
            Some((_, false)) => {}
            Some((_, true)) if in_run => {}
            _ => {
                types.insert(&machine.machine_type, (id, in_run));
            }
        }
    }
    let nic = cluster.coordinator.nic;
    let mut text = format!("{EXPORT_MARK} gbps are billions of bytes a second, -1 is unused.\n");
    let outbound = write::bandwidth(nic.outbound, "gbps")?;
    put_profile(&mut text, "SourceNode", ["-1", &outbound, "-1", "-1"]);
    let inbound = write::bandwidth(nic.inbound, "gbps")?;
    put_profile(&mut text, "SinkNode", [&inbound, "-1", "-1", "-1"]);
    for (name, (id, _)) in types {
        let machine = cluster.machine(id);
        let values = [
            write::bandwidth(machine.nic.inbound, "gbps")?,
            write::bandwidth(machine.nic.outbound, "gbps")?,
            write::speed(machine.disk)?,
            write::memory(machine.memory)?,
        ];
        put_profile(&mut text, name, values.each_ref().map(String::as_str));
    }
    Ok(text)
}

/// What a machine profile says of a machine.
fn described(machine: &Machine) -> (crate::Nic, crate::BytesPerSecond, crate::Bytes) {
    (machine.nic, machine.disk, machine.memory)
}

fn put_profile(text: &mut String, name: &str, [inbound, outbound, disk, memory]: [&str; 4]) {
    put(text, format_args!("\n[{name}]\ninbound_nic_speed = {inbound}\noutbound_nic_speed = {outbound}\n"));
    put(text, format_args!("disk_speed = {disk}\nvram_size = {memory}\n"));
}
