//! Local search with the simulator as its judge.
//!
//! Each generation makes neighbours of the best arm of each of a few depths, and gives every neighbour one short run of a seed
//! of which the best arm had a run, or has one now. Neighbours that look better than the best arm, or clearly better than the arm
//! that they come from, get a second run of another such seed; only with the mean of both they compete. The best arm gets runs of
//! more seeds as generations go by, so a lucky run does not keep its place for long.

use super::arms::{Arm, BATCH};
use super::{Effort, Tuner, seed};
use crate::packing::Mover;
use crate::search::honour::Honour;

/// Arms whose neighbours are tried, one of each depth: one in two neighbours is the best arm's, one in four that of the best of
/// another depth, and so on.
const PARENTS: usize = 3;
/// Rounds of other orders at most, each with one order of each of [`BATCH`] arms.
const ROUNDS: usize = 4;
/// After so many rounds there is another one only if the last had a better order: in the first rounds all may be worse by chance.
const FEWEST_ROUNDS: usize = 2;
/// Share of the search that is for other orders, at most.
const REORDERING: f64 = 0.5;
/// Orders that differ by no more than this share, each by one run, differ by chance.
const DIFFERENT: f64 = 0.04;
/// What is better than the arm that it comes from by more than this share is clearly better, by one run.
const CLEARLY: f64 = 0.01;
/// Generations without a better arm before the search ends.
const PATIENCE: usize = 24;
/// A first run below the best arm's mean by more than this share is not followed by a second one, unless it is clearly better than
/// the arm that it comes from.
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
            let depth = |&arm: &usize| (arm, self.arms[arm].plan.evaluation.depth());
            let parents = best_of_each_depth(leaders.iter().map(depth));
            let seeds = [seed(generations), seed(generations + 1)];
            let known = self.arms[leader].had(Effort::Short, seeds[0]);
            let children: Vec<(usize, usize)> = (usize::from(!known)..BATCH)
                .filter_map(|slot| {
                    let parent = parents[((slot + 1).trailing_zeros() as usize).min(parents.len() - 1)];
                    let child = self.neighbour(parent, honour, |plan| mover.rearrange(plan))?;
                    Some((parent, child))
                })
                .collect();
            if children.is_empty() {
                // There may be none, or no time to make one.
                return Climb { generations, settled: self.used() < 1.0 };
            }
            let all: Vec<usize> = children.iter().map(|(_, child)| *child).collect();
            if !self.run_beside(leader, &all, seeds[0]) {
                return Climb { generations, settled: false };
            }
            let worths = self.fitted(Effort::Short, |run| Some(run.worth()));
            let good = |(parent, child): &&(usize, usize)| {
                worths[*child] >= (worths[leader] * NEARLY).min(worths[*parent] * (1.0 + CLEARLY))
            };
            let again: Vec<usize> = children.iter().filter(good).map(|(_, child)| *child).collect();
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

    /// The best arms in other orders, as long as some of them are better: where routers deal requests out in strict turns the
    /// order of stages is worth as much as what they are made of, else nothing. Half of what is left until a share of the budget
    /// is used is for that. False once there is no time left.
    pub(in crate::search) fn reorder(&mut self, honour: &Honour<'_>, share: f64) -> bool {
        let used = self.used();
        let share = used + (share - used) * REORDERING;
        let mut mover = Mover::new(honour.problem, &honour.freedom, 1);
        let parents: Vec<usize> = self.ranked(Effort::Short).into_iter().take(BATCH).collect();
        for round in 0..ROUNDS {
            // The last batch is for second runs.
            if self.runs_until(share) < 2 * BATCH || mover.is_stuck() {
                break;
            }
            let mut other =
                |&parent: &usize| Some((parent, self.neighbour(parent, honour, |plan| mover.shuffle(plan))?));
            let pairs: Vec<(usize, usize)> = parents.iter().filter_map(&mut other).collect();
            let jobs: Vec<(usize, u64)> = pairs.iter().map(|(_, child)| (*child, seed(0))).collect();
            if !self.run(&jobs, Effort::Short) {
                return false;
            }
            let worths = self.fitted(Effort::Short, |run| Some(run.worth()));
            let gain = |&(parent, child): &(usize, usize)| worths[child] / worths[parent] - 1.0;
            let gains = pairs.iter().map(gain).filter(|gain| gain.is_finite());
            let (matters, better) = gains.fold((false, false), |(matters, better), gain| {
                (matters || gain.abs() > DIFFERENT, better || gain > CLEARLY)
            });
            if !matters || (round + 1 >= FEWEST_ROUNDS && !better) {
                break;
            }
        }
        let left = self.runs_until(share);
        let best = self.ranked(Effort::Short).into_iter().take(BATCH);
        let again = best.filter(|&arm| !self.arms[arm].had(Effort::Short, seed(1)));
        let jobs: Vec<(usize, u64)> = again.take(left).map(|arm| (arm, seed(1))).collect();
        self.run(&jobs, Effort::Short)
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

/// The best arm of each depth, the best first, at most [`PARENTS`], of arms with their depths, the best first.
fn best_of_each_depth(ranked: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut best: Vec<(usize, usize)> = Vec::new();
    for (arm, depth) in ranked {
        if best.len() < PARENTS && best.iter().all(|(_, other)| *other != depth) {
            best.push((arm, depth));
        }
    }
    best.into_iter().map(|(arm, _)| arm).collect()
}

#[cfg(test)]
mod tests {
    use super::best_of_each_depth;

    #[test]
    fn neighbours_are_made_of_plans_of_different_depths() {
        let ranked = [(7, 13), (2, 13), (5, 12), (3, 13), (1, 12), (0, 20), (4, 9)];
        assert_eq!(best_of_each_depth(ranked.into_iter()), [7, 5, 0]);
        assert_eq!(best_of_each_depth([(7, 13), (2, 13)].into_iter()), [7]);
    }
}
