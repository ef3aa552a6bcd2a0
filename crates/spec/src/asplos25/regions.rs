//! Regions, which the authors' files do not name: machines that fast links join stand together.
//!
//! ```text
//! links ──faster than a quarter of the fastest──> components ──> regions ──> defaults + links that differ
//! ```

use std::collections::BTreeMap;

use crate::{Endpoint, Link, MachineId, Network, RegionId};

/// Directed links of a whole cluster.
pub(super) type Links = BTreeMap<(Endpoint, Endpoint), Link>;

/// Where the machines and the coordinator stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Regions {
    /// Names; `RegionId` is the index.
    pub(super) names: Vec<String>,
    /// By machine.
    pub(super) machines: Vec<RegionId>,
    pub(super) coordinator: RegionId,
}

impl Regions {
    /// Connected components over the links between machines that are faster than a quarter of the fastest of them,
    /// in the order of their first machines. The coordinator joins the first region to which all its links are so
    /// fast, else it has its own.
    pub(super) fn infer(machines: usize, links: &Links) -> Self {
        let between_machines = |(from, to): (Endpoint, Endpoint)| match (from, to) {
            (Endpoint::Machine(a), Endpoint::Machine(b)) => Some((a.index(), b.index())),
            _ => None,
        };
        let inner = links.iter().filter(|(pair, _)| between_machines(**pair).is_some());
        let fastest = inner.map(|(_, link)| link.bandwidth).max();
        // A cluster of one machine has no other links than the coordinator's.
        let fastest = fastest.or_else(|| links.values().map(|link| link.bandwidth).max());
        let fast = |link: &Link| fastest.is_some_and(|fastest| link.bandwidth.0 > fastest.0 / 4);
        let mut sets = DisjointSets((0..machines).collect());
        for (pair, link) in links {
            if let Some((a, b)) = between_machines(*pair).filter(|_| fast(link)) {
                sets.join(a, b);
            }
        }
        let mut numbers = BTreeMap::new();
        let mut regions = Vec::with_capacity(machines);
        for machine in 0..machines {
            let next = region_id(numbers.len());
            regions.push(*numbers.entry(sets.root(machine)).or_insert(next));
        }
        let mut names: Vec<String> = (1..=numbers.len()).map(|number| format!("region-{number}")).collect();
        let coordinator = coordinators_region(&regions, names.len(), links, fast).unwrap_or_else(|| {
            names.push("coordinator".to_owned());
            region_id(names.len() - 1)
        });
        Self { names, machines: regions, coordinator }
    }

    fn of(&self, endpoint: Endpoint) -> RegionId {
        match endpoint {
            Endpoint::Coordinator => self.coordinator,
            Endpoint::Machine(id) => self.machines[id.index()],
        }
    }

    /// The links as defaults between regions and links that differ from them.
    ///
    /// Two regions get a default only where every pair of their endpoints has a link, because a default cannot be
    /// taken back for one pair, and where more than half of these links are equal.
    pub(super) fn network(&self, links: &Links) -> Network {
        let mut groups: BTreeMap<(RegionId, RegionId), Group> = BTreeMap::new();
        for ((from, to), link) in links {
            let group = groups.entry((self.of(*from), self.of(*to))).or_default();
            group.size += 1;
            *group.counts.entry((link.bandwidth, link.latency)).or_default() += 1;
        }
        let mut sizes = vec![0_usize; self.names.len()];
        for region in self.machines.iter().chain([&self.coordinator]) {
            sizes[region.index()] += 1;
        }
        let mut network = Network::default();
        for ((from, to), group) in groups {
            let pairs = if from == to {
                sizes[from.index()] * (sizes[from.index()] - 1)
            } else {
                sizes[from.index()] * sizes[to.index()]
            };
            let common = group.counts.into_iter().find(|(_, count)| count * 2 > group.size);
            if let (true, Some(((bandwidth, latency), _))) = (group.size == pairs, common) {
                network.regions.insert((from, to), Link { bandwidth, latency });
            }
        }
        for ((from, to), link) in links {
            if network.regions.get(&(self.of(*from), self.of(*to))) != Some(link) {
                network.links.insert((*from, *to), *link);
            }
        }
        network
    }
}

/// The links between two regions.
#[derive(Default)]
struct Group {
    size: usize,
    counts: BTreeMap<(crate::Bandwidth, crate::SimTime), usize>,
}

fn coordinators_region(
    machines: &[RegionId],
    regions: usize,
    links: &Links,
    fast: impl Fn(&Link) -> bool,
) -> Option<RegionId> {
    // By region: links from or to the coordinator, and how many of them are slow.
    let mut counts = vec![(0_usize, 0_usize); regions];
    for ((from, to), link) in links {
        let ((Endpoint::Coordinator, Endpoint::Machine(MachineId(machine)))
        | (Endpoint::Machine(MachineId(machine)), Endpoint::Coordinator)) = (*from, *to)
        else {
            continue;
        };
        let count = &mut counts[machines[machine as usize].index()];
        count.0 += 1;
        count.1 += usize::from(!fast(link));
    }
    counts.iter().position(|(links, slow)| *links > 0 && *slow == 0).map(region_id)
}

fn region_id(index: usize) -> RegionId {
    RegionId(u32::try_from(index).expect("a cluster has no more regions than machines and one, below 2^32"))
}

/// Union-find with path halving; the smaller root wins, so that a set's root is its first machine.
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn root(&mut self, mut item: usize) -> usize {
        while self.0[item] != item {
            self.0[item] = self.0[self.0[item]];
            item = self.0[item];
        }
        item
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bandwidth, SimTime};

    fn machine(index: u32) -> Endpoint {
        Endpoint::Machine(MachineId(index))
    }

    fn links(list: &[(Endpoint, Endpoint, u64)]) -> Links {
        let link = |bandwidth| Link { bandwidth: Bandwidth(bandwidth), latency: SimTime(1) };
        list.iter().flat_map(|&(a, b, speed)| [((a, b), link(speed)), ((b, a), link(speed))]).collect()
    }

    #[test]
    fn fast_links_join_and_a_quarter_is_not_fast() {
        let links = links(&[
            (machine(0), machine(2), 100),
            (machine(2), machine(4), 26),
            (machine(1), machine(3), 80),
            (machine(0), machine(1), 25),
            (Endpoint::Coordinator, machine(1), 100),
            (Endpoint::Coordinator, machine(0), 25),
        ]);
        let regions = Regions::infer(5, &links);
        assert_eq!(regions.names, ["region-1", "region-2"]);
        assert_eq!(regions.machines, [0, 1, 0, 1, 0].map(RegionId));
        assert_eq!(regions.coordinator, RegionId(1));
    }

    #[test]
    fn a_remote_coordinator_has_its_own_region() {
        let links = links(&[
            (machine(0), machine(1), 100),
            (Endpoint::Coordinator, machine(0), 100),
            (Endpoint::Coordinator, machine(1), 10),
        ]);
        let regions = Regions::infer(2, &links);
        assert_eq!(regions.names, ["region-1", "coordinator"]);
        assert_eq!(regions.coordinator, RegionId(1));
        // One machine, and no links at all.
        let single = Regions::infer(1, &Links::new());
        assert_eq!((single.names.len(), single.coordinator), (2, RegionId(1)));
    }

    #[test]
    fn defaults_stand_for_complete_groups_only() {
        let mut all = links(&[
            (machine(0), machine(1), 100),
            (machine(1), machine(2), 100),
            (machine(0), machine(2), 90),
        ]);
        let regions = Regions::infer(3, &all);
        let network = regions.network(&all);
        let inside = (RegionId(0), RegionId(0));
        assert_eq!(network.regions[&inside].bandwidth, Bandwidth(100));
        assert_eq!(
            network.links.keys().collect::<Vec<_>>(),
            [&(machine(0), machine(2)), &(machine(2), machine(0))]
        );
        // Half of the links is not most of them.
        let halves = links(&[(machine(0), machine(1), 100)]);
        let halves: Links = halves
            .into_iter()
            .map(|(ends, link)| (ends, Link { latency: SimTime(u64::from(ends.0 < ends.1)), ..link }))
            .collect();
        assert!(Regions::infer(2, &halves).network(&halves).regions.is_empty());
        all.remove(&(machine(2), machine(1)));
        let pruned = regions.network(&all);
        assert!(pruned.regions.is_empty());
        assert_eq!(pruned.links, all);
    }
}
