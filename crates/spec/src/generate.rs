//! Clusters made from a seed, as the generators of the Helix paper's artifact make them.
//!
//! ```text
//! single   one region, every link the same                       (the paper's single24 and cluster42)
//! regions  fast links inside regions, slow ones between, the coordinator far from all   (the paper's 3cluster24)
//! random   one region, kinds of machines and links drawn at random, a part of the links slow
//! ```
//!
//! One seed gives one cluster, on every machine and in every later version.
//!
//! ```
//! use helix_spec::generate::{Regions, regions};
//! let cluster = regions(&Regions { machines: vec!["A100=4,L4=8,T4=12".parse()?], ..Regions::new(3) }, 0)?;
//! assert_eq!((cluster.machines.len(), cluster.regions.len()), (24, 4));
//! # Ok::<(), helix_spec::generate::GenerateError>(())
//! ```

mod links;
mod mix;
mod rng;

use std::collections::BTreeMap;

pub use links::{LinkSpread, Spread};
pub use mix::{MachineKind, MachineMix};

use crate::{
    Bandwidth, Bytes, Cluster, Coordinator, Link, MAX_MACHINES, Machine, Network, Nic, RegionId, SimTime,
    UnknownDevice,
};
use rng::Rng;

/// Above this many machines (or regions) a link for each pair makes a file that is too large to read.
pub const MAX_LINKED_ONE_BY_ONE: usize = 1000;

/// Why a cluster cannot be generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GenerateError {
    /// The device does not exist.
    #[error(transparent)]
    Device(UnknownDevice),
    /// The machines are not given as they should be.
    #[error("the machines `{text}` cannot be made: {problem}")]
    Mix {
        /// What was given.
        text: String,
        /// What is wrong with it, and what is right.
        problem: String,
    },
    /// No machines, or more than a cluster may have.
    #[error("{0} machines cannot be made; a cluster has 1 to {MAX_MACHINES}")]
    Number(u64),
    /// The number of regions does not go with the machines.
    #[error(
        "{regions} regions cannot be made of {groups} groups of machines and {machines} machines; {help}"
    )]
    Regions {
        /// Regions asked for.
        regions: u32,
        /// Groups of machines.
        groups: usize,
        /// Machines in all.
        machines: u64,
        /// What would be right.
        help: &'static str,
    },
    /// A link for each pair would be too many.
    #[error(
        "{0} machines have too many pairs for a link each ({MAX_LINKED_ONE_BY_ONE} machines at most); draw \
         links once for each pair of regions instead (`--links per-region`)"
    )]
    TooManyPairs(usize),
    /// A spread that reaches zero, or is too large.
    #[error("a {what} of {mean} give or take {spread} reaches {limit}; choose a smaller spread")]
    Spread {
        /// Bandwidth or latency.
        what: &'static str,
        /// Its mean.
        mean: String,
        /// Its half-width.
        spread: String,
        /// Zero, or the largest value.
        limit: &'static str,
    },
}

/// How finely links vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// A draw for each pair of machines, as the authors do.
    #[default]
    Machines,
    /// A draw for each pair of regions: small files for large clusters.
    Regions,
}

/// The network interface of generated machines and coordinators: 80 Gbit/s, as in the paper.
pub const PAPER_NIC: Nic = Nic { inbound: Bandwidth(80_000_000_000), outbound: Bandwidth(80_000_000_000) };

/// One region in which every link is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Single {
    /// Its machines.
    pub machines: MachineMix,
    /// Every link.
    pub link: Link,
    /// Every network interface.
    pub nic: Nic,
}

impl Single {
    /// The paper's network: 8 Gbit/s and 1 ms.
    #[must_use]
    pub fn new(machines: MachineMix) -> Self {
        let link = Link { bandwidth: Bandwidth(8_000_000_000), latency: SimTime(1_000_000_000) };
        Self { machines, link, nic: PAPER_NIC }
    }
}

/// Regions with fast links inside and slow ones between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// The machines of each region, or one group that is dealt to the regions at random.
    pub machines: Vec<MachineMix>,
    /// How many regions, the coordinator's own not counted.
    pub regions: u32,
    /// Links inside a region.
    pub inside: LinkSpread,
    /// Links between regions, and between the coordinator and every machine.
    pub between: LinkSpread,
    /// How finely links vary.
    pub detail: Detail,
    /// Every network interface.
    pub nic: Nic,
}

impl Regions {
    /// The paper's network, without machines: inside 10 ± 1 Gbit/s and 1 ms, between 100 ± 20 Mbit/s and 50 ± 10 ms.
    #[must_use]
    pub fn new(regions: u32) -> Self {
        let inside = LinkSpread {
            bandwidth: Spread { mean: 10_000_000_000, spread: 1_000_000_000 },
            latency: Spread { mean: 1_000_000_000, spread: 0 },
        };
        let between = LinkSpread {
            bandwidth: Spread { mean: 100_000_000, spread: 20_000_000 },
            latency: Spread { mean: 50_000_000_000, spread: 10_000_000_000 },
        };
        Self { machines: Vec::new(), regions, inside, between, detail: Detail::Machines, nic: PAPER_NIC }
    }
}

/// One region of machines whose kinds and links are drawn at random.
#[derive(Debug, Clone, PartialEq)]
pub struct Random {
    /// Kinds to draw from, each equally likely.
    pub kinds: Vec<MachineKind>,
    /// How many machines.
    pub count: u32,
    /// Links that are fast.
    pub fast: LinkSpread,
    /// Links that are slow.
    pub slow: LinkSpread,
    /// Of a hundred pairs of machines, how many have a slow link.
    pub slow_percent: u8,
    /// Every network interface.
    pub nic: Nic,
}

impl Random {
    /// The fast links of [`Regions`] with one pair in five linked as between regions.
    #[must_use]
    pub fn new(kinds: Vec<MachineKind>, count: u32) -> Self {
        let Regions { inside, between, nic, .. } = Regions::new(1);
        Self { kinds, count, fast: inside, slow: between, slow_percent: 20, nic }
    }
}

/// One region in which every link is the same; the machines stand in random order, as in the authors' files.
pub fn single(options: &Single, seed: u64) -> Result<Cluster, GenerateError> {
    check_number(options.machines.machines())?;
    let mut kinds = options.machines.each();
    Rng::new(seed).shuffle(&mut kinds);
    let placed: Vec<(&MachineKind, RegionId)> = kinds.into_iter().map(|kind| (kind, RegionId(0))).collect();
    let mut cluster = unlinked("single", &placed, options.nic)?;
    cluster.regions = vec!["region-1".to_owned()];
    cluster.network.regions.insert((RegionId(0), RegionId(0)), options.link);
    Ok(cluster)
}

/// Regions with fast links inside and slow ones between; the coordinator stands in a region of its own, `home`.
pub fn regions(options: &Regions, seed: u64) -> Result<Cluster, GenerateError> {
    let mut rng = Rng::new(seed);
    let placed = deal(options, &mut rng)?;
    let mut cluster = unlinked("regions", &placed, options.nic)?;
    cluster.regions = std::iter::once("home".to_owned())
        .chain((1..=options.regions).map(|number| format!("region-{number}")))
        .collect();
    cluster.network = match options.detail {
        Detail::Machines => {
            let region = |index: usize| cluster.machines[index].region;
            let between = |from, to| {
                if region(from) == region(to) { options.inside } else { options.between }
            };
            links::one_by_one(cluster.machines.len(), options.between, &mut rng, |_, from, to| {
                between(from, to)
            })?
        }
        Detail::Regions => links::by_region(options, &mut rng)?,
    };
    Ok(cluster)
}

/// One region of machines whose kinds and links are drawn at random.
pub fn random(options: &Random, seed: u64) -> Result<Cluster, GenerateError> {
    check_number(u64::from(options.count))?;
    let mut rng = Rng::new(seed);
    let kinds: Vec<&MachineKind> = (0..options.count)
        .filter_map(|_| {
            let index = usize::try_from(rng.below(options.kinds.len() as u64)).unwrap_or(0);
            options.kinds.get(index)
        })
        .collect();
    let placed: Vec<(&MachineKind, RegionId)> = kinds.into_iter().map(|kind| (kind, RegionId(0))).collect();
    let mut cluster = unlinked("random", &placed, options.nic)?;
    cluster.regions = vec!["region-1".to_owned()];
    let choose = |rng: &mut Rng, _, _| {
        if rng.below(100) < u64::from(options.slow_percent) { options.slow } else { options.fast }
    };
    cluster.network = links::one_by_one(cluster.machines.len(), options.fast, &mut rng, choose)?;
    Ok(cluster)
}

/// Which machine stands in which region; region 0 is the coordinator's.
fn deal<'a>(options: &'a Regions, rng: &mut Rng) -> Result<Vec<(&'a MachineKind, RegionId)>, GenerateError> {
    let (groups, machines) =
        (options.machines.len(), options.machines.iter().map(MachineMix::machines).sum());
    let refuse = |help| Err(GenerateError::Regions { regions: options.regions, groups, machines, help });
    check_number(machines)?;
    if options.regions as usize > MAX_LINKED_ONE_BY_ONE {
        return refuse("1000 regions are the most that are linked pair by pair");
    }
    if options.regions == 0 || u64::from(options.regions) > machines {
        return refuse("every region needs a machine");
    }
    if groups == options.regions as usize {
        let placed = options
            .machines
            .iter()
            .zip(1..)
            .flat_map(|(mix, region)| mix.each().into_iter().map(move |kind| (kind, RegionId(region))));
        return Ok(placed.collect());
    }
    let [mix] = options.machines.as_slice() else {
        return refuse("give one group, which is dealt to the regions, or as many as there are regions");
    };
    let mut kinds = mix.each();
    rng.shuffle(&mut kinds);
    let mut placed: Vec<_> = kinds
        .into_iter()
        .zip((1..=options.regions).cycle())
        .map(|(kind, region)| (kind, RegionId(region)))
        .collect();
    placed.sort_by(|a, b| (a.1, &a.0.label).cmp(&(b.1, &b.0.label)));
    Ok(placed)
}

fn check_number(machines: u64) -> Result<(), GenerateError> {
    if (1..=u64::from(MAX_MACHINES)).contains(&machines) {
        Ok(())
    } else {
        Err(GenerateError::Number(machines))
    }
}

/// A cluster without regions and links. Machines are numbered by kind: `a100-1`, `l4-1`, `l4-2`, …
fn unlinked(name: &str, placed: &[(&MachineKind, RegionId)], nic: Nic) -> Result<Cluster, GenerateError> {
    check_number(placed.len() as u64)?;
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let machines = placed.iter().map(|(kind, region)| {
        let stem = kind.label.to_ascii_lowercase();
        let number = numbers.entry(stem.clone()).or_default();
        *number += 1;
        Machine {
            name: format!("{stem}-{number}"),
            machine_type: kind.label.clone(),
            device: kind.device.clone(),
            count: kind.count,
            memory: Bytes(kind.device.memory.0.saturating_mul(u64::from(kind.count))),
            nic,
            disk: Machine::DEFAULT_DISK,
            region: *region,
        }
    });
    Ok(Cluster {
        name: name.to_owned(),
        regions: Vec::new(),
        coordinator: Coordinator { nic, region: RegionId(0) },
        machines: machines.collect(),
        network: Network::default(),
        cost_tables: Vec::new(),
    })
}
