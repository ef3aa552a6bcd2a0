//! Successive halving: one short run for every candidate, another one for the better half, and so on.

use std::collections::BTreeMap;

use super::{Effort, Tuner, seed};

/// Candidates at most; the estimate leaves out the others, depth by depth.
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
        let order = self.order(kept);
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

    /// Arms in the order in which they are tried: what is kept, then the best by the estimate of each depth, then the second of each
    /// depth, and so on, from the middle depth to both ends. The estimate ranks plans of one depth; it thinks too well of deep ones.
    fn order(&self, kept: Option<usize>) -> Vec<usize> {
        let mut depths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, arm) in self.arms.iter().enumerate().filter(|(index, _)| Some(*index) != kept) {
            depths.entry(arm.plan.evaluation.depth()).or_default().push(index);
        }
        let middle = depths.len() / 2;
        let mut order = Vec::new();
        for (place, arms) in depths.values_mut().enumerate() {
            // Of equal ones the one that was found first.
            arms.sort_by(|&a, &b| self.arms[b].estimate.total_cmp(&self.arms[a].estimate));
            order.extend(arms.iter().enumerate().map(|(rank, &arm)| (rank, place.abs_diff(middle), arm)));
        }
        order.sort_unstable();
        kept.into_iter().chain(order.into_iter().map(|(_, _, arm)| arm)).collect()
    }
}
