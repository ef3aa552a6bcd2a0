//! What a run's own file says of nodes and links wins over the cluster's: it is what the run used.

use super::import::machine_id;
use super::ini::shorten;
use super::regions::Links;
use super::simulator_cluster::{SimulatedLink, SimulatorCluster};
use super::solution::NODE_PREFIX;
use crate::{Endpoint, FileError, Machine, Nic};

/// Puts the run's values into the cluster, and notes how many differ.
pub(super) fn apply(
    run: &SimulatorCluster,
    (machines, links, coordinator): (&mut [Machine], &mut Links, &mut Nic),
    notes: &mut Vec<String>,
) -> Result<(), FileError> {
    let mut differing_machines = 0;
    for (index, node) in &run.nodes {
        let fail = |problem: String| Err(FileError::new(&run.origin, problem).at_line(node.line));
        let count = machines.len();
        let Some(machine) = machine_id(*index, count).map(|id| &mut machines[id.index()]) else {
            return fail(format!("has node {index}, the cluster has nodes 0 to {}", count - 1));
        };
        if machine.machine_type != node.machine_type {
            return fail(format!(
                "says that {} is {}, in the cluster it is {}",
                machine.name,
                shorten(&node.machine_type),
                machine.machine_type
            ));
        }
        let before = (machine.nic, machine.disk, machine.memory);
        (machine.nic, machine.disk, machine.memory) = (node.nic, node.disk, node.memory);
        differing_machines += usize::from(before != (machine.nic, machine.disk, machine.memory));
    }
    let mut different = 0;
    for SimulatedLink { from, to, link, line } in &run.links {
        let Some(known) = links.get_mut(&(*from, *to)) else {
            let name = |end: &Endpoint, coordinator: &str| match end {
                Endpoint::Coordinator => coordinator.to_owned(),
                Endpoint::Machine(id) => {
                    format!("{NODE_PREFIX}{}", id.index() + super::import::OFFSET)
                }
            };
            let (from, to) = (name(from, "source"), name(to, "sink"));
            return Err(FileError::new(
                &run.origin,
                format!("has a link from {from} to {to}, the cluster has none"),
            )
            .at_line(*line)
            .help("is it the run of another cluster?"));
        };
        different += usize::from(*known != *link);
        *known = *link;
    }
    let origin = &run.origin;
    if different > 0 {
        notes.push(format!("{different} links have another speed or latency in {origin} than in the cluster file; the former is taken"));
    }
    if differing_machines > 0 {
        notes.push(format!("{differing_machines} machines have another interface, disk or memory in {origin} than in the machine profiles; the former is taken"));
    }
    if *coordinator != run.coordinator {
        *coordinator = run.coordinator;
        notes.push(format!(
            "the coordinator's interface is taken from {origin}, it differs from the machine profiles"
        ));
    }
    if run.backups > 0 {
        notes.push(format!(
            "{} machines reserve memory for a backup of activations, which Helix does not keep",
            run.backups
        ));
    }
    Ok(())
}
