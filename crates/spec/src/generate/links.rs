//! Links drawn at random around a mean.

use std::collections::BTreeMap;

use super::rng::Rng;
use super::{GenerateError, MAX_LINKED_ONE_BY_ONE, Regions};
use crate::{Bandwidth, Endpoint, Link, MachineId, Network, RegionId, SimTime};

/// Values from `mean - spread` to `mean + spread`, each equally likely, to three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The middle \[bit/s or picoseconds\].
    pub mean: u64,
    /// Half the width.
    pub spread: u64,
}

/// Bandwidth and latency of links of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSpread {
    /// In bit/s.
    pub bandwidth: Spread,
    /// In picoseconds.
    pub latency: Spread,
}

impl Spread {
    fn draw(self, rng: &mut Rng) -> u64 {
        // A thousandth to a hundredth of the mean, a power of ten: figures that a person can read.
        let step = 10u64.pow(self.mean.max(1).ilog10().saturating_sub(2));
        let steps = self.spread / step;
        self.mean - steps * step + rng.below(2 * steps + 1) * step
    }
}

impl LinkSpread {
    /// Links that are all alike.
    #[must_use]
    pub fn exactly(link: Link) -> Self {
        Self {
            bandwidth: Spread { mean: link.bandwidth.0, spread: 0 },
            latency: Spread { mean: link.latency.0, spread: 0 },
        }
    }

    fn check(self) -> Result<(), GenerateError> {
        const LARGEST: u64 = 4_000_000_000_000_000_000;
        let Self { bandwidth, latency } = self;
        let refuse = |what, mean, spread, limit| Err(GenerateError::Spread { what, mean, spread, limit });
        let texts = (Bandwidth(bandwidth.mean).to_string(), Bandwidth(bandwidth.spread).to_string());
        if bandwidth.spread >= bandwidth.mean {
            return refuse("bandwidth", texts.0, texts.1, "zero");
        }
        if bandwidth.mean > LARGEST {
            return refuse("bandwidth", texts.0, texts.1, "more than can be counted");
        }
        let texts = (SimTime(latency.mean).to_string(), SimTime(latency.spread).to_string());
        if latency.spread > latency.mean {
            return refuse("latency", texts.0, texts.1, "less than zero");
        }
        if latency.mean > LARGEST {
            return refuse("latency", texts.0, texts.1, "more than can be counted");
        }
        Ok(())
    }

    fn draw(self, rng: &mut Rng) -> Link {
        Link { bandwidth: Bandwidth(self.bandwidth.draw(rng)), latency: SimTime(self.latency.draw(rng)) }
    }
}

/// A link for each pair of machines, the same both ways, and for each machine one from the coordinator and one to it.
pub(super) fn one_by_one(
    machines: usize,
    coordinator: LinkSpread,
    rng: &mut Rng,
    choose: impl Fn(&mut Rng, usize, usize) -> LinkSpread,
) -> Result<Network, GenerateError> {
    if machines > MAX_LINKED_ONE_BY_ONE {
        return Err(GenerateError::TooManyPairs(machines));
    }
    coordinator.check()?;
    let endpoints: Vec<Endpoint> =
        (0..).take(machines).map(|index| Endpoint::Machine(MachineId(index))).collect();
    let mut links = BTreeMap::new();
    for &machine in &endpoints {
        links.insert((Endpoint::Coordinator, machine), coordinator.draw(rng));
        links.insert((machine, Endpoint::Coordinator), coordinator.draw(rng));
    }
    for (from, &sender) in endpoints.iter().enumerate() {
        for (to, &receiver) in endpoints.iter().enumerate().skip(from + 1) {
            let spread = choose(rng, from, to);
            spread.check()?;
            let link = spread.draw(rng);
            links.insert((sender, receiver), link);
            links.insert((receiver, sender), link);
        }
    }
    Ok(Network { regions: BTreeMap::new(), links })
}

/// A link for each region and each pair of regions, the same both ways. The coordinator's region 0 needs none inside.
pub(super) fn by_region(options: &Regions, rng: &mut Rng) -> Result<Network, GenerateError> {
    options.inside.check()?;
    options.between.check()?;
    let mut regions = BTreeMap::new();
    for from in 0..=options.regions {
        for to in from.max(1)..=options.regions {
            let spread = if from == to { options.inside } else { options.between };
            let link = spread.draw(rng);
            regions.insert((RegionId(from), RegionId(to)), link);
            regions.insert((RegionId(to), RegionId(from)), link);
        }
    }
    Ok(Network { regions, links: BTreeMap::new() })
}
