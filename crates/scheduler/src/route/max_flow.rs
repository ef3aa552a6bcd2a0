//! Interleaved weighted round-robin over the planned flow (the paper's scheduler; section 2.7 of its simulator).
//!
//! Every link has a load, from 0. A request of `w` tokens takes the open link that minimises `load + w / flow`, the
//! first of several, and that becomes the link's load: in the long run links carry tokens in proportion to their flows.
//!
//! The paper's turns are strict. Where a request's way splits at several places they see the same requests in the same
//! sequence, so that places with equal weights make the same choices for ever, and the same requests meet on every machine.
//! [`MaxFlow::mixing`] varies the turns a little: the `w / flow` of each candidate is compared as if it were up to a
//! quarter more or less. What is charged stays exact, so the proportions do too.

use helix_spec::{Endpoint, MachineId};

use super::{Observation, Question, RoutePolicy};
use crate::prefetch::prefetch_entry;
use crate::{LinkId, Phase, SplitMix64, Topology};

/// The policy. A link's load grows like the seconds that its flow needs for what it was given.
#[derive(Debug, Clone)]
pub struct MaxFlow {
    links: Vec<Weighted>,
    /// By machine: its inbound links.
    inbound: Vec<Vec<LinkId>>,
    /// By link: where it begins.
    from: Vec<Endpoint>,
    turns: Turns,
}

/// Who is next, where several links are about equally far.
#[derive(Debug, Clone)]
pub(super) enum Turns {
    /// Whoever is behind.
    Strict,
    /// Whoever is behind, with a little chance: the same stream in every run.
    Varied(SplitMix64),
}

impl Turns {
    /// How far a candidate's own load is varied: by up to half of this share up and down.
    const VARIATION: f64 = 0.5;

    pub(super) fn varied() -> Self {
        Self::Varied(SplitMix64::new(0))
    }

    /// Of the open links the one whose load would be least, the first of several. `load` says what a link's would be with so
    /// many more tokens; `None` for one that is never taken.
    pub(super) fn least(
        &mut self,
        question: &Question<'_>,
        load: impl Fn(LinkId, f64) -> Option<f64>,
    ) -> Option<LinkId> {
        let mut best: Option<(f64, LinkId)> = None;
        for candidate in question.candidates.iter().filter(|candidate| candidate.open) {
            let tokens = f64::from(question.tokens) * self.factor();
            if let Some(after) = load(candidate.link, tokens)
                && best.is_none_or(|(least, _)| after < least)
            {
                best = Some((after, candidate.link));
            }
        }
        best.map(|(_, link)| link)
    }

    /// What the tokens of the request itself are multiplied with for one comparison.
    fn factor(&mut self) -> f64 {
        match self {
            Self::Strict => 1.0,
            Self::Varied(random) => {
                let unit = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                1.0 + Self::VARIATION * (unit - 0.5)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Weighted {
    /// The plan's \[tokens/s\]; 0 for a link that is never taken.
    planned: f64,
    /// The same, by the machine's measured speed.
    flow: f64,
    load: f64,
}

impl MaxFlow {
    /// The share of a node's outflow below which the paper leaves a link out.
    pub const ASPLOS25_LEAST_SHARE: f64 = 0.05;

    /// Weights from the flows of a topology. Links with less than `least_share` of what leaves their node are never taken,
    /// nor are those without any flow. Where all of a node's links have less, as on a cluster of hundreds of machines, all
    /// that have flow stay.
    #[must_use]
    pub fn new(topology: &Topology, least_share: f64) -> Self {
        let mut links: Vec<_> = topology
            .links()
            .iter()
            .map(|link| Weighted { planned: link.flow, flow: link.flow, load: 0.0 })
            .collect();
        let places = topology.machines().len() + 1;
        let (mut outflow, mut widest) = (vec![0.0; places], vec![0.0f64; places]);
        let place = |from| match from {
            Endpoint::Coordinator => 0,
            Endpoint::Machine(machine) => machine.index() + 1,
        };
        for link in topology.links() {
            let place = place(link.from);
            outflow[place] += link.flow;
            widest[place] = widest[place].max(link.flow);
        }
        let mut inbound = vec![Vec::new(); topology.machines().len()];
        for ((index, link), weighted) in (0..).zip(topology.links()).zip(&mut links) {
            let least = least_share * outflow[place(link.from)];
            if link.flow < least && widest[place(link.from)] >= least {
                (weighted.planned, weighted.flow) = (0.0, 0.0);
            }
            if let Some(machine) = topology.machine_at_end(LinkId(index)) {
                inbound[machine.index()].push(LinkId(index));
            }
        }
        let from = topology.links().iter().map(|link| link.from).collect();
        Self { links, inbound, from, turns: Turns::Strict }
    }

    /// The same with varied turns, and without a least share: every link with flow is taken.
    #[must_use]
    pub fn mixing(topology: &Topology) -> Self {
        Self { turns: Turns::varied(), ..Self::new(topology, 0.0) }
    }

    /// The weight of a link now \[tokens/s\].
    #[must_use]
    pub fn weight(&self, link: LinkId) -> f64 {
        self.links[link.index()].flow
    }

    /// Lifts the loads of a machine's links to the least load among the other links of where each begins.
    fn catch_up(&mut self, machine: MachineId) {
        let Some(inbound) = self.inbound.get(machine.index()) else { return };
        for &link in inbound {
            let from = self.from[link.index()];
            let others = self.from.iter().zip(&self.links).enumerate();
            let others = others.filter(|(index, (begin, other))| {
                **begin == from && other.flow > 0.0 && *index != link.index()
            });
            let least = others.map(|(_, (_, other))| other.load).min_by(f64::total_cmp);
            let load = &mut self.links[link.index()].load;
            *load = load.max(least.unwrap_or(*load));
        }
    }

    fn set_speed(&mut self, machine: MachineId, factor: f64) {
        let Some(inbound) = self.inbound.get(machine.index()) else { return };
        for link in inbound {
            let weighted = &mut self.links[link.index()];
            weighted.flow = weighted.planned * factor;
        }
    }
}

impl RoutePolicy for MaxFlow {
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId> {
        let links = &self.links;
        self.turns.least(question, |link, tokens| {
            let Weighted { flow, load, .. } = links[link.index()];
            (flow > 0.0).then(|| load + tokens / flow)
        })
    }

    fn charge(&mut self, link: LinkId, _phase: Phase, tokens: u32) {
        let weighted = &mut self.links[link.index()];
        if weighted.flow > 0.0 {
            weighted.load += f64::from(tokens) / weighted.flow;
        }
    }

    fn prefetch(&self, link: LinkId) {
        prefetch_entry(&self.links, link.index());
    }

    fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Speed { machine, factor } if factor.is_finite() && factor > 0.0 => {
                self.set_speed(machine, factor);
            }
            Observation::Returned { machine } => self.catch_up(machine),
            Observation::Speed { .. } | Observation::LinkTime { .. } => {}
        }
    }
}
