//! Local search with the simulator as its judge.
//!
//! Each generation makes neighbours of the few best arms, and gives every neighbour one short run of a seed of which the best
//! arm had a run, or has one now. Neighbours that look better than the best arm get a second run of another such seed;
//! only with the mean of both they compete. The best arm gets runs of more seeds as generations go by, so a lucky run does not
//! keep its place for long.

use super::arms::{Arm, BATCH};
use super::{Effort, Tuner, seed};
use crate::packing::Mover;
use crate::search::honour::Honour;

/// Arms whose neighbours are tried: one in two neighbours is the best arm's, one in four the second's, and so on.
const PARENTS: usize = 3;
/// Generations without a better arm before the search ends.
const PATIENCE: usize = 24;
/// A first run below the best arm's mean by more than this share is not followed by a second one.
const NEARLY: f64 = 0.99;

/// How far local search came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::search) struct Climb {
    /// Generations.
    pub generations: usize,
    /// Nothing better was found any more.
    pub settled: bool,
}

impl Tuner<'_, '_, '_> {
    /// Improves the arms until a share of the budget is used, or nothing better is found any more.
    pub(in crate::search) fn climb(&mut self, honour: &Honour<'_>, share: f64) -> Climb {
        let mut mover = Mover::new(honour.problem, &honour.freedom, 0);
        let (mut stale, mut generations) = (0, 0);
        let mut best = self.leaders().first().copied();
        while stale < PATIENCE && !mover.is_stuck() {
            if self.runs_until(share) < BATCH {
                return Climb { generations, settled: false };
            }
            let leaders = self.leaders();
            let Some(&leader) = leaders.first() else { break };
            let seeds = [seed(generations), seed(generations + 1)];
            let known = self.arms[leader].had(Effort::Short, seeds[0]);
            let children: Vec<usize> = (usize::from(!known)..BATCH)
                .filter_map(|slot| {
                    let parent =
                        ((slot + 1).trailing_zeros() as usize).min(PARENTS - 1).min(leaders.len() - 1);
                    self.neighbour(leaders[parent], &mut mover, honour)
                })
                .collect();
            if children.is_empty() {
                break;
            }
            if !self.run_beside(leader, &children, seeds[0]) {
                return Climb { generations, settled: false };
            }
            let worths = self.fitted(Effort::Short, |run| Some(run.worth()));
            let good = |child: &usize| worths[*child] >= worths[leader] * NEARLY;
            let again: Vec<usize> = children.iter().copied().filter(good).collect();
            if !again.is_empty() && !self.run_beside(leader, &again, seeds[1]) {
                return Climb { generations, settled: false };
            }
            let now = self.leaders().first().copied();
            stale = if now == best { stale + 1 } else { 0 };
            best = now;
            generations += 1;
        }
        Climb { generations, settled: true }
    }

    /// Short runs of one seed for these arms, and for the best one unless it had it.
    fn run_beside(&mut self, leader: usize, arms: &[usize], seed: u64) -> bool {
        let leader = Some(leader).filter(|&arm| !self.arms[arm].had(Effort::Short, seed));
        let jobs: Vec<(usize, u64)> =
            leader.into_iter().chain(arms.iter().copied()).map(|arm| (arm, seed)).collect();
        self.run(&jobs, Effort::Short)
    }

    /// The best arms that had two short runs at least, the best first; where none had two, those that had one.
    pub(super) fn leaders(&self) -> Vec<usize> {
        let ranked = self.ranked(Effort::Short);
        let settled = |arm: &Arm| arm.runs[Effort::Short as usize].len() > 1;
        let twice: Vec<usize> = ranked.iter().copied().filter(|&arm| settled(&self.arms[arm])).collect();
        if twice.is_empty() { ranked } else { twice }
    }
}
