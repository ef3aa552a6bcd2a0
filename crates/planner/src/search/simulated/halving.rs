//! Successive halving: one short run for every candidate, another one for the better half, and so on.

use super::{Effort, Tuner, seed};

/// Candidates at most; the estimate leaves out the others.
const MOST_CANDIDATES: usize = 32;
/// Share of the budget for halving.
const SHARE: f64 = 0.3;
/// Candidates that are worth simulating at all.
const FEWEST: usize = 2;
/// Arms that are left at the end.
const LEFT: usize = 4;
/// Candidates that are run first, to learn what a run costs.
const PROBES: usize = 2;

impl Tuner<'_, '_, '_> {
    /// Sorts out candidates, `kept` of them never; false if there is none, or no time to run even the first few.
    pub(in crate::search) fn halve(&mut self, kept: Option<usize>) -> bool {
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        // What is kept comes first, then the estimate decides; of equal ones what was found first.
        order.sort_by(|&a, &b| {
            (Some(b) == kept)
                .cmp(&(Some(a) == kept))
                .then(self.arms[b].estimate.total_cmp(&self.arms[a].estimate))
                .then(a.cmp(&b))
        });
        let probes: Vec<(usize, u64)> = order.iter().take(PROBES).map(|&arm| (arm, seed(0))).collect();
        if probes.is_empty() || !self.run(&probes, Effort::Short) {
            return false;
        }
        // A round with one run each, and half as many in all rounds after it.
        let affordable = self.runs_until(SHARE).saturating_mul(2) / 3;
        let count = affordable.clamp(FEWEST, MOST_CANDIDATES).min(order.len());
        let rest: Vec<(usize, u64)> =
            order.iter().take(count).skip(PROBES).map(|&arm| (arm, seed(0))).collect();
        let mut going = self.run(&rest, Effort::Short);
        let (mut left, mut round) = (count.div_ceil(2), 1);
        while going && left >= LEFT && self.runs_until(SHARE) >= left {
            let mut next: Vec<usize> = self.ranked(Effort::Short).into_iter().take(left).collect();
            next.extend(kept.filter(|arm| !next.contains(arm)));
            let jobs: Vec<(usize, u64)> = next.iter().map(|&arm| (arm, seed(round))).collect();
            going = self.run(&jobs, Effort::Short);
            (left, round) = (left.div_ceil(2), round + 1);
        }
        !self.ranked(Effort::Short).is_empty()
    }
}
