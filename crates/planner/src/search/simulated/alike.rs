//! Plans that differ in the names of their machines only are one plan: it is simulated once.

use std::collections::BTreeMap;

use helix_spec::{Endpoint, PartialInference, Placement};

use crate::Instance;

/// What tells placements apart: whether requests enter machines in the middle, and how many machines of which class hold
/// which layers.
pub(super) type Key = (bool, Vec<(usize, u32, u32)>);

/// Classes of machines that may change places without a difference.
#[derive(Debug, Clone)]
pub(super) struct Classes(Vec<usize>);

impl Classes {
    /// Machines are alike that have the same kind, devices, memory, interface, disk and region, no link of their own, and of
    /// which nothing is demanded. Where names matter (something runs already), every machine is a class.
    pub fn new(instance: &Instance<'_>, names_matter: bool) -> Self {
        let (cluster, demands) = (instance.cluster, instance.demands());
        let mut own: Vec<bool> = vec![names_matter; cluster.machines.len()];
        let linked = cluster.network.links.keys().flat_map(|(from, to)| [*from, *to]);
        let linked = linked.filter_map(|end| match end {
            Endpoint::Machine(id) => Some(id),
            Endpoint::Coordinator => None,
        });
        let demanded = demands.pins.keys().chain(&demands.forbidden).chain(&demands.required).copied();
        linked.chain(demanded).for_each(|id| own[id.index()] = true);
        let mut known = BTreeMap::new();
        let mut classes = Vec::new();
        for (index, machine) in cluster.machines.iter().enumerate() {
            let nic = (machine.nic.inbound, machine.nic.outbound);
            let kind =
                (&machine.machine_type, &machine.device.name, machine.count, machine.memory, machine.disk);
            let alike = (!own[index]).then_some((kind, nic, machine.region));
            // A machine of its own is told apart by its index.
            classes.push(*known.entry((alike, if own[index] { index } else { 0 })).or_insert(index));
        }
        Self(classes)
    }

    /// What tells a placement apart.
    pub fn key(&self, placement: &Placement) -> Key {
        let mut spans: Vec<(usize, u32, u32)> = placement
            .machines
            .iter()
            .map(|(id, held)| (self.0[id.index()], held.layers.start(), held.layers.end()))
            .collect();
        spans.sort_unstable();
        (placement.partial_inference == PartialInference::On, spans)
    }
}
