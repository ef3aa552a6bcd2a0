//! Latency-weighted choice (SWARM parallelism; section 2.8 of the paper's simulator).
//!
//! Every link has a priority and a moving average of how long it took. The link with the least priority is taken, and its
//! average is added to its priority: in the long run a link is taken in inverse proportion to what it takes.

use super::{Observation, Question, RoutePolicy};
use crate::prefetch::prefetch_entry;
use crate::{LinkId, Phase, Topology};

/// The policy.
#[derive(Debug, Clone)]
pub struct Swarm {
    /// By link: priority and moving average \[s\].
    links: Vec<(f64, f64)>,
}

impl Swarm {
    const START: f64 = 0.05;
    /// Weight of the newest time.
    const NEWEST: f64 = 0.8;

    /// All links alike.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        Self { links: vec![(Self::START, Self::START); topology.links().len()] }
    }
}

impl RoutePolicy for Swarm {
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId> {
        let mut best: Option<(f64, LinkId)> = None;
        for candidate in question.candidates.iter().filter(|candidate| candidate.open) {
            let (priority, _) = self.links[candidate.link.index()];
            if best.is_none_or(|(least, link)| (priority, candidate.link.0) < (least, link.0)) {
                best = Some((priority, candidate.link));
            }
        }
        best.map(|(_, link)| link)
    }

    /// Only prompts choose, so only they are charged.
    fn charge(&mut self, link: LinkId, phase: Phase, _tokens: u32) {
        if phase == Phase::Prefill {
            let (priority, average) = &mut self.links[link.index()];
            *priority += *average;
        }
    }

    fn prefetch(&self, link: LinkId) {
        prefetch_entry(&self.links, link.index());
    }

    fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::LinkTime { link, took, .. } => {
                if let Some((_, average)) = self.links.get_mut(link.index()) {
                    *average = Self::NEWEST * took.seconds() + (1.0 - Self::NEWEST) * *average;
                }
            }
            Observation::Speed { .. } | Observation::Returned { .. } => {}
        }
    }
}
