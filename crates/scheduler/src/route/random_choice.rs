//! A random free link (the paper's baseline "Naive"; section 2.8 of its simulator): isolates what the placement does.

use super::{Observation, Question, RoutePolicy};
use crate::random::{RandomSource, shuffle};
use crate::{LinkId, Phase};

/// The policy: shuffles the links that are open and free, and takes the first.
#[derive(Debug, Clone)]
pub struct RandomChoice<R> {
    random: R,
    links: Vec<LinkId>,
}

impl<R: RandomSource> RandomChoice<R> {
    /// Draws from `random`, for a question with `n` free candidates the `n - 1` numbers of a shuffle.
    pub fn new(random: R) -> Self {
        Self { random, links: Vec::new() }
    }
}

impl<R: RandomSource> RoutePolicy for RandomChoice<R> {
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId> {
        self.links.clear();
        let free = question.candidates.iter().filter(|candidate| candidate.open && candidate.free);
        self.links.extend(free.map(|candidate| candidate.link));
        shuffle(&mut self.links, &mut self.random);
        self.links.first().copied()
    }

    /// Chance has no memory.
    fn charge(&mut self, _link: LinkId, _phase: Phase, _tokens: u32) {}

    /// Nor does it learn.
    fn observe(&mut self, _observation: Observation) {}

    /// Nor is there anything to look at.
    fn prefetch(&self, _link: LinkId) {}
}
