//! Local search with the simulator as its judge.
//!
//! Each generation makes neighbours of the few best arms, and gives every neighbour and the best arm itself one short run
//! of one seed. Neighbours that look better than the best arm's mean get a second run of another seed; only with the mean of
//! both they compete. The best arm's mean settles with every generation, so a lucky run does not keep its place for long.

use super::arms::{Arm, BATCH};
use super::{Effort, Tuner};
use crate::packing::Mover;
use crate::search::honour::Honour;

/// Arms whose neighbours are tried: one in two neighbours is the best arm's, one in four the second's, and so on.
const PARENTS: usize = 3;
/// Generations without a better arm before the search ends.
const PATIENCE: usize = 24;
/// A first run below the best arm's mean by more than this share is not followed by a second one.
const NEARLY: f64 = 0.99;
/// First seed of the generations.
const SEEDS: u64 = 1000;

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
            let seed = SEEDS + 2 * generations as u64;
            let leaders = self.leaders();
            let Some(&leader) = leaders.first() else { break };
            let children: Vec<usize> = (1..BATCH)
                .filter_map(|slot| {
                    let parent = (slot.trailing_zeros() as usize).min(PARENTS - 1).min(leaders.len() - 1);
                    self.neighbour(leaders[parent], &mut mover, honour)
                })
                .collect();
            if children.is_empty() {
                break;
            }
            let mut jobs = vec![(leader, seed)];
            jobs.extend(children.iter().map(|&child| (child, seed)));
            if !self.run(&jobs, Effort::Short) {
                return Climb { generations, settled: false };
            }
            let bar = self.arms[leader].worth(Effort::Short) * NEARLY;
            let good = |&&child: &&usize| self.arms[child].worth(Effort::Short) >= bar;
            let again: Vec<(usize, u64)> =
                children.iter().filter(good).map(|&child| (child, seed + 1)).collect();
            if !self.run(&again, Effort::Short) {
                return Climb { generations, settled: false };
            }
            let now = self.leaders().first().copied();
            stale = if now == best { stale + 1 } else { 0 };
            best = now;
            generations += 1;
        }
        Climb { generations, settled: true }
    }

    /// The best arms that had two short runs at least, the best first; where none had two, those that had one.
    pub(super) fn leaders(&self) -> Vec<usize> {
        let ranked = self.ranked(Effort::Short);
        let settled = |arm: &Arm| arm.runs[Effort::Short as usize].len() > 1;
        let twice: Vec<usize> = ranked.iter().copied().filter(|&arm| settled(&self.arms[arm])).collect();
        if twice.is_empty() { ranked } else { twice }
    }
}
