//! The machine with the fewest requests waiting (a baseline of the paper; section 2.8 of its simulator).

use super::{Observation, Question, RoutePolicy};
use crate::{LinkId, Phase};

/// The policy: of the links to the machines with the fewest requests waiting the first that is free; none if all of those
/// are busy.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShortestQueue;

impl RoutePolicy for ShortestQueue {
    fn choose(&mut self, question: &Question<'_>) -> Option<LinkId> {
        let open = || question.candidates.iter().filter(|candidate| candidate.open);
        let fewest = open().map(|candidate| candidate.waiting).min()?;
        open().find(|candidate| candidate.waiting == fewest && candidate.free).map(|candidate| candidate.link)
    }

    /// The next question brings the queues.
    fn charge(&mut self, _link: LinkId, _phase: Phase, _tokens: u32) {}

    /// As above.
    fn observe(&mut self, _observation: Observation) {}

    /// As above.
    fn prefetch(&self, _link: LinkId) {}
}
