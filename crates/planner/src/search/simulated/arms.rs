//! Plans with the runs that they had, and what runs cost.

use std::collections::BTreeSet;

use super::alike::{Classes, Key};
use super::fit::fitted;
use super::{Effort, Figures, Judges, Limit, Mean, Outcome, Trial};
use crate::Instance;
use crate::plan::Plan;
use crate::search::{Control, SearchEvent, SearchOptions};

/// Trials that are handed to the simulator at once. It does not depend on the number of threads, so that results do not.
pub(super) const BATCH: usize = 8;

/// A plan and its runs.
#[derive(Debug, Clone)]
pub(super) struct Arm {
    pub plan: Plan,
    /// What the cheap judge says \[tokens/s\].
    pub estimate: f64,
    /// Seeds and figures of short, long and report runs.
    pub runs: [Vec<(u64, Figures)>; 3],
    /// It cannot be simulated.
    pub impossible: bool,
}

impl Arm {
    /// The mean of one figure over the runs of one effort that have it.
    pub fn mean(&self, effort: Effort, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Mean> {
        let figures = self.runs[effort as usize].iter().map(|(_, figures)| figures);
        Mean::of(&figures.filter_map(figure).collect::<Vec<f64>>())
    }

    /// Whether it had a run of this effort and seed.
    pub fn had(&self, effort: Effort, seed: u64) -> bool {
        self.runs[effort as usize].iter().any(|(had, _)| *had == seed)
    }

    /// The longest effort of which it had runs.
    pub fn longest(&self) -> Option<Effort> {
        let efforts = [Effort::Report, Effort::Long, Effort::Short];
        efforts.into_iter().find(|effort| !self.runs[*effort as usize].is_empty())
    }
}

/// A search among arms.
pub(in crate::search) struct Tuner<'a, 'b, 'c> {
    pub(super) instance: &'a Instance<'a>,
    pub(super) options: SearchOptions<'a>,
    pub(super) judges: Judges<'a>,
    pub(super) control: &'b mut Control<'c>,
    pub(super) arms: Vec<Arm>,
    /// Which machines are alike.
    pub(super) classes: Classes,
    /// Placements that were looked at.
    pub(super) seen: BTreeSet<Key>,
    /// Cost of the runs so far, in short runs.
    pub(super) spent: u32,
    pub(super) trials: usize,
    /// Share of the budget that was used before the first run.
    begun: f64,
    /// Time was up, or somebody interrupted.
    pub(super) stopped: bool,
}

/// The share of so many runs that one is.
fn share_of_one(most: u32) -> f64 {
    1.0 / f64::from(most.max(1))
}

impl<'a, 'b, 'c> Tuner<'a, 'b, 'c> {
    pub fn new(
        instance: &'a Instance<'a>,
        options: SearchOptions<'a>,
        judges: Judges<'a>,
        control: &'b mut Control<'c>,
    ) -> Self {
        let begun = (control.used)();
        Self {
            instance,
            options,
            judges,
            control,
            arms: Vec::new(),
            classes: Classes::new(instance, options.running.is_some()),
            seen: BTreeSet::new(),
            spent: 0,
            trials: 0,
            begun,
            stopped: false,
        }
    }

    /// Share of the budget that is used: of runs where they are limited, else of time; of both the one that ends first.
    pub(super) fn used(&mut self) -> f64 {
        let runs = f64::from(self.spent);
        match self.judges.limit {
            Limit::Budget => (self.control.used)(),
            Limit::Runs(most) => runs * share_of_one(most),
            Limit::Either(most) => (runs * share_of_one(most)).max((self.control.used)()),
        }
    }

    /// The share that costs of one short run take, as far as is known.
    pub(super) fn cost(&mut self) -> f64 {
        match self.judges.limit {
            Limit::Budget => self.cost_in_time(),
            Limit::Runs(most) => share_of_one(most),
            Limit::Either(most) => share_of_one(most).max(self.cost_in_time()),
        }
    }

    fn cost_in_time(&mut self) -> f64 {
        let used = (self.control.used)() - self.begun;
        if self.spent == 0 { 0.0 } else { used / f64::from(self.spent) }
    }

    /// Short runs that fit until a share of the budget is used, batches being whole.
    pub(super) fn runs_until(&mut self, share: f64) -> usize {
        let (left, cost) = (share - self.used(), self.cost());
        if left <= 0.0 || self.stopped {
            return 0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive; more than a machine could ever run becomes the largest number"
        )]
        let runs = (left / cost * (1.0 + 1e-9)) as usize;
        runs
    }

    /// Takes a plan that was not seen before; its index.
    pub(in crate::search) fn add(&mut self, plan: Plan) -> Option<usize> {
        if !self.seen.insert(self.classes.key(&plan.placement)) {
            return None;
        }
        let estimate = self.judges.estimate.decode_rate(self.instance, &plan.placement, &plan.evaluation);
        let estimate = estimate.unwrap_or(f64::NEG_INFINITY);
        self.arms.push(Arm { plan, estimate, runs: Default::default(), impossible: false });
        Some(self.arms.len() - 1)
    }

    /// Runs these arms with these seeds; false once there is no time left. A batch that was not finished counts as far as it
    /// got.
    pub(super) fn run(&mut self, jobs: &[(usize, u64)], effort: Effort) -> bool {
        let Some(simulator) = self.judges.simulator else { return false };
        for batch in jobs.chunks(BATCH) {
            if self.stopped || self.used() >= 1.0 {
                self.stopped = true;
                return false;
            }
            let trial = |&(arm, seed): &(usize, u64)| Trial { plan: &self.arms[arm].plan, seed, effort };
            let trials: Vec<Trial<'_>> = batch.iter().map(trial).collect();
            let outcomes = simulator.measure(&trials);
            for (&(arm, seed), outcome) in batch.iter().zip(outcomes) {
                match outcome {
                    Outcome::Ran(figures) => {
                        self.arms[arm].runs[effort as usize].push((seed, figures));
                        self.spent += effort.weight();
                        self.trials += 1;
                    }
                    Outcome::Impossible => {
                        self.arms[arm].impossible = true;
                        self.spent += effort.weight();
                    }
                    Outcome::Stopped => self.stopped = true,
                }
            }
            self.tell();
        }
        !self.stopped
    }

    fn tell(&mut self) {
        let best = self.ranked(Effort::Short).first().copied();
        let rate = |arm: usize| self.arms[arm].mean(Effort::Short, |run| Some(run.decode_rate));
        let best = best.and_then(rate).map(|rate| rate.mean);
        if let Some(decode_rate) = best {
            (self.control.report)(SearchEvent::Simulated { runs: self.trials, decode_rate });
        }
    }

    /// A figure of every arm in runs of one effort, as if all had had all seeds; below everything without runs.
    pub(super) fn fitted(&self, effort: Effort, figure: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        let runs = |arm: &Arm| {
            let runs = arm.runs[effort as usize].iter();
            runs.filter_map(|(seed, figures)| Some((*seed, figure(figures)?))).collect()
        };
        let runs: Vec<Vec<(u64, f64)>> = self.arms.iter().map(runs).collect();
        fitted(&runs).into_iter().map(|worth| worth.unwrap_or(f64::NEG_INFINITY)).collect()
    }

    /// Arms that had runs of this effort, the best first; of equal ones the one that was found first.
    pub(super) fn ranked(&self, effort: Effort) -> Vec<usize> {
        let worths = self.fitted(effort, |run| Some(run.worth()));
        let had =
            |&arm: &usize| !self.arms[arm].impossible && !self.arms[arm].runs[effort as usize].is_empty();
        let mut ranked: Vec<usize> = (0..self.arms.len()).filter(had).collect();
        ranked.sort_by(|&a, &b| worths[b].total_cmp(&worths[a]).then(a.cmp(&b)));
        ranked
    }

    /// Whether a plan obeys the limit on depth.
    pub(in crate::search) fn is_allowed(&self, plan: &Plan) -> bool {
        self.options.max_depth.is_none_or(|most| plan.evaluation.depth() <= most)
    }
}
