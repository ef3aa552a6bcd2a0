//! The choice among finalists, and what is told about it: figures from seeds that chose nothing, throughput against latency.

use super::arms::Arm;
use super::climb::Climb;
use super::{Effort, Figures, Mean, Tuner};
use crate::plan::Plan;

/// Arms that are compared in long runs, and the seeds of those.
const FINALISTS: usize = 4;
const LONG_SEEDS: [u64; 2] = [500, 501];
/// Seeds of the report.
const REPORT_SEEDS: [u64; 3] = [900_001, 900_002, 900_003];
/// Points of the front that get a run of the report, besides the chosen one.
const MOST_POINTS: usize = 4;
/// Short runs of a point of the front, at least.
const POINT_RUNS: usize = 2;
/// Share of the budget that is kept for the end, at most.
const MOST_RESERVED: f64 = 0.45;

/// Where figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Runs whose seeds had no part in any choice.
    Unseen,
    /// The runs by which it was chosen: the best of many, so a little too good.
    Choosing,
}

/// A simulated plan.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyPoint {
    /// The plan.
    pub plan: Plan,
    /// Decode tokens a second.
    pub decode_rate: Mean,
    /// Mean latency of prompts \[s\].
    pub prompt_latency: Option<Mean>,
    /// Mean time from one token to the next \[s\].
    pub decode_latency: Option<Mean>,
    /// Which runs these are.
    pub origin: Origin,
    /// How long each of them was.
    pub effort: Effort,
}

/// What a search with a simulator did.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSearch {
    /// The chosen plan.
    pub chosen: LatencyPoint,
    /// Decode throughput against decode latency: plans that no other simulated plan beat in both in the short runs; the
    /// chosen plan is always among them. The fastest first.
    pub front: Vec<LatencyPoint>,
    /// Plans that had at least one run.
    pub plans: usize,
    /// Runs.
    pub runs: usize,
    /// Generations of local search.
    pub generations: usize,
    /// Whether the search ended because nothing better was found any more.
    pub settled: bool,
}

impl Tuner<'_, '_, '_> {
    /// The share of the budget up to which plans may be looked for.
    pub(in crate::search) fn search_share(&mut self) -> f64 {
        let runs = FINALISTS * LONG_SEEDS.len() * Effort::Long.weight() as usize
            + (REPORT_SEEDS.len() + MOST_POINTS) * Effort::Report.weight() as usize;
        1.0 - (runs as f64 * self.cost()).min(MOST_RESERVED)
    }

    /// Compares the best arms in long runs, and one that must be among them; all that can be chosen, the best first.
    pub(in crate::search) fn finalists(&mut self, kept: Option<usize>) -> Vec<(Plan, f64)> {
        let mut finalists: Vec<usize> = self.leaders().into_iter().take(FINALISTS).collect();
        finalists.extend(kept.filter(|arm| !finalists.contains(arm) && !self.arms[*arm].impossible));
        // The report comes first where there is time for little else.
        let report = REPORT_SEEDS.len() * Effort::Report.weight() as usize;
        let each = finalists.len() * Effort::Long.weight() as usize;
        for seed in LONG_SEEDS {
            if self.runs_until(1.0) < report + each {
                break;
            }
            let jobs: Vec<(usize, u64)> = finalists.iter().map(|&arm| (arm, seed)).collect();
            self.run(&jobs, Effort::Long);
        }
        let runs = |arm: usize| self.arms[arm].runs[Effort::Long as usize].len();
        let all_ran = finalists.iter().all(|&arm| runs(arm) == runs(finalists[0]) && runs(arm) > 0);
        let effort = if all_ran { Effort::Long } else { Effort::Short };
        let worths = self.fitted(effort, |run| Some(run.worth()));
        let mut ranked: Vec<(Plan, f64)> =
            finalists.iter().map(|&arm| (self.arms[arm].plan.clone(), worths[arm])).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    }

    /// Runs the chosen plan with seeds that chose nothing, then points of the front as far as there is time.
    pub(in crate::search) fn report(&mut self, chosen: &Plan, climb: Climb) -> Option<SimulatedSearch> {
        let chosen = self.arms.iter().position(|arm| arm.plan.placement == chosen.placement)?;
        let affordable = self.runs_until(1.0) / Effort::Report.weight() as usize;
        let seeds = REPORT_SEEDS.iter().take(affordable.max(1));
        let jobs: Vec<(usize, u64)> = seeds.map(|&seed| (chosen, seed)).collect();
        self.run(&jobs, Effort::Report);
        let mut front = self.front(chosen);
        let others = front.iter().filter(|&&arm| arm != chosen).take(MOST_POINTS);
        let jobs: Vec<(usize, u64)> = others.map(|&arm| (arm, REPORT_SEEDS[0])).collect();
        if self.runs_until(1.0) >= jobs.len() * Effort::Report.weight() as usize {
            self.run(&jobs, Effort::Report);
        }
        front.sort_by(|&a, &b| self.shown_rate(b).total_cmp(&self.shown_rate(a)).then(a.cmp(&b)));
        let plans = self.arms.iter().filter(|arm| arm.longest().is_some()).count();
        Some(SimulatedSearch {
            chosen: point(&self.arms[chosen])?,
            front: front.into_iter().filter_map(|arm| point(&self.arms[arm])).collect(),
            plans,
            runs: self.trials,
            generations: climb.generations,
            settled: climb.settled,
        })
    }

    fn shown_rate(&self, arm: usize) -> f64 {
        let arm = &self.arms[arm];
        let rate = arm.longest().and_then(|effort| arm.mean(effort, |run| Some(run.decode_rate)));
        rate.map_or(f64::NEG_INFINITY, |rate| rate.mean)
    }

    /// Arms that no other beats in both rate and latency, by the means of short runs.
    fn front(&self, chosen: usize) -> Vec<usize> {
        let rates = self.fitted(Effort::Short, |run| Some(run.decode_rate));
        let latencies = self.fitted(Effort::Short, |run| run.decode_latency);
        let latency =
            |arm: usize| Some(latencies[arm]).filter(|latency| *latency > 0.0).unwrap_or(f64::INFINITY);
        let had = |arm: &usize| self.arms[*arm].runs[Effort::Short as usize].len() >= POINT_RUNS;
        let mut least = f64::INFINITY;
        let mut front = Vec::new();
        let mut ranked: Vec<usize> = self.ranked(Effort::Short).into_iter().filter(had).collect();
        ranked.sort_by(|&a, &b| rates[b].total_cmp(&rates[a]));
        for arm in ranked {
            let better = latency(arm) < least;
            least = least.min(latency(arm));
            if better || arm == chosen {
                front.push(arm);
            }
        }
        if !front.contains(&chosen) {
            front.push(chosen);
        }
        front
    }
}

/// An arm as it is shown: by its longest runs.
fn point(arm: &Arm) -> Option<LatencyPoint> {
    let effort = arm.longest()?;
    let decode_rate = arm.mean(effort, |run: &Figures| Some(run.decode_rate))?;
    Some(LatencyPoint {
        plan: arm.plan.clone(),
        decode_rate,
        prompt_latency: arm.mean(effort, |run| run.prompt_latency),
        decode_latency: arm.mean(effort, |run| run.decode_latency),
        origin: if effort == Effort::Report { Origin::Unseen } else { Origin::Choosing },
        effort,
    })
}
