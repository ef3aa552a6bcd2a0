//! Which regions the coordinator can reach over any chain of links, and which can reach it.

use super::{Cluster, RegionId};
use crate::Endpoint;

/// A region with machines, none of which can take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutOff {
    /// No way leads from the coordinator to any of its machines.
    To(RegionId),
    /// No way leads from any of its machines to the coordinator.
    Back(RegionId),
}

/// The first region that is cut off, if any.
pub(super) fn cut_off(cluster: &Cluster) -> Option<CutOff> {
    let inhabited = regions_with_machines(cluster, |_| true);
    let to = reached(cluster, false);
    let to = regions_with_machines(cluster, |index| to[index]);
    let back = reached(cluster, true);
    let back = regions_with_machines(cluster, |index| back[index]);
    (0..).zip(inhabited.iter().zip(to.iter().zip(&back))).find_map(|(id, (inhabited, (to, back)))| {
        match (inhabited, to, back) {
            (true, false, _) => Some(CutOff::To(RegionId(id))),
            (true, true, false) => Some(CutOff::Back(RegionId(id))),
            _ => None,
        }
    })
}

fn regions_with_machines(cluster: &Cluster, counts: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut regions = vec![false; cluster.regions.len()];
    for (index, machine) in cluster.machines.iter().enumerate() {
        regions[machine.region.index()] |= counts(index);
    }
    regions
}

/// For each machine whether a way leads from the coordinator to it, or from it to the coordinator when `backwards`.
///
/// A region's default link joins all endpoints of two regions, so each pair of regions is followed once and not once a
/// pair of machines: linear in machines + region pairs + links.
fn reached(cluster: &Cluster, backwards: bool) -> Vec<bool> {
    let turn = |ends: (u32, u32)| if backwards { (ends.1, ends.0) } else { ends };
    let number = |endpoint: Endpoint| match endpoint {
        Endpoint::Coordinator => 0,
        Endpoint::Machine(id) => id.0 + 1,
    };
    let mut onwards = vec![Vec::new(); cluster.machines.len() + 1];
    for (from, to) in cluster.network.links.keys() {
        let (from, to) = turn((number(*from), number(*to)));
        onwards[from as usize].push(to);
    }
    let mut region_onwards = vec![Vec::new(); cluster.regions.len()];
    for (from, to) in cluster.network.regions.keys() {
        let (from, to) = turn((from.0, to.0));
        region_onwards[from as usize].push(to);
    }
    let mut members = vec![Vec::new(); cluster.regions.len()];
    members[cluster.coordinator.region.index()].push(0);
    for id in cluster.machine_ids() {
        members[cluster.machine(id).region.index()].push(id.0 + 1);
    }

    let mut seen = vec![false; cluster.machines.len() + 1];
    let mut left = vec![false; cluster.regions.len()];
    let mut waiting = vec![0u32];
    seen[0] = true;
    while let Some(node) = waiting.pop() {
        let mut next = std::mem::take(&mut onwards[node as usize]);
        let region = match node {
            0 => cluster.coordinator.region,
            machine => cluster.machines[machine as usize - 1].region,
        };
        if !std::mem::replace(&mut left[region.index()], true) {
            // A region that links only to itself leads nowhere new when it has one endpoint; `seen` covers that.
            for onward in &region_onwards[region.index()] {
                next.append(&mut members[*onward as usize]);
            }
        }
        for node in next {
            if !std::mem::replace(&mut seen[node as usize], true) {
                waiting.push(node);
            }
        }
    }
    seen.split_off(1)
}
