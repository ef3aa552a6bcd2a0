//! The plans that a search has found so far.

use helix_spec::Placement;

use super::running::Running;
use super::{Control, SearchEvent};
use crate::Instance;
use crate::change::Change;
use crate::evaluation::evaluate;
use crate::plan::{Baseline, Candidate, Plan, PlanError, plan_baseline};

/// Machines up to which every baseline is tried, time or not: it takes milliseconds.
const FEW: usize = 1000;
/// The name in reports of the placement that runs already.
pub const RUNNING: &str = "running";

/// Plans known so far; all of them meet the demands.
pub(super) struct Pool<'a> {
    pub instance: &'a Instance<'a>,
    pub running: Option<&'a Running>,
    pub plans: Vec<Plan>,
    pub candidates: Vec<Candidate>,
}

impl<'a> Pool<'a> {
    pub fn new(instance: &'a Instance<'a>, running: Option<&'a Running>) -> Self {
        Self { instance, running, plans: Vec::new(), candidates: Vec::new() }
    }

    /// Takes a placement if it carries something and no known plan beats it in throughput, depth and what it loads.
    pub fn offer(&mut self, planner: &str, placement: Placement, report: &mut dyn FnMut(SearchEvent)) {
        if self.instance.demands().unmet(&placement).is_some() {
            return;
        }
        let Ok(evaluation) = evaluate(self.instance, &placement) else { return };
        let (throughput, depth) = (evaluation.throughput, evaluation.depth());
        let load = self.load(&placement);
        let dominated = |known: &Plan| {
            known.evaluation.throughput >= throughput
                && known.evaluation.depth() <= depth
                && self.load(&known.placement) <= load
        };
        if throughput <= 0.0 || self.plans.iter().any(dominated) {
            return;
        }
        report(SearchEvent::Found { planner: planner.to_owned(), throughput, depth });
        self.plans.push(Plan { planner: planner.to_owned(), placement, evaluation });
    }

    /// Layers that a placement loads beside the running one; 0 where none runs.
    fn load(&self, placement: &Placement) -> u64 {
        self.running
            .map_or(0, |running| Change::between(self.instance.model, &running.placement, placement).layers)
    }

    /// The running placement, as far as it still can run.
    pub fn offer_running(&mut self, report: &mut dyn FnMut(SearchEvent)) {
        let Some(running) = self.running else { return };
        let unmet = self.instance.demands().unmet(&running.placement);
        let result = match unmet {
            Some(unmet) => Err(format!("the running placement {}", unmet.words(self.instance))),
            None => evaluate(self.instance, &running.placement).map_err(|error| error.to_string()),
        };
        self.candidates.push(Candidate { planner: RUNNING.to_owned(), result });
        self.offer(RUNNING, running.placement.clone(), report);
    }

    /// Every baseline; of many machines only as long as there is time.
    pub fn baselines(&mut self, control: &mut Control<'_>) {
        for baseline in Baseline::ALL {
            let planner = baseline.name().to_owned();
            let many = self.instance.cluster.machines.len() > FEW;
            if many && !self.plans.is_empty() && (control.used)() >= 1.0 {
                let result = Err("not tried: the time was used up".to_owned());
                self.candidates.push(Candidate { planner, result });
                continue;
            }
            match plan_baseline(self.instance, baseline) {
                Ok(plan) => {
                    self.candidates.push(Candidate { planner, result: Ok(plan.evaluation.clone()) });
                    if plan.evaluation.throughput > 0.0 {
                        let (throughput, depth) = (plan.evaluation.throughput, plan.evaluation.depth());
                        let planner = baseline.name().to_owned();
                        (control.report)(SearchEvent::Found { planner, throughput, depth });
                        self.plans.push(plan);
                    }
                }
                Err(error) => {
                    let error = match error {
                        PlanError::Demand { unmet, .. } => unmet,
                        other => other.to_string(),
                    };
                    self.candidates.push(Candidate { planner, result: Err(error) });
                }
            }
        }
    }

    /// The largest flow of any plan \[tokens/s\].
    pub fn largest(&self) -> f64 {
        self.plans.iter().map(|plan| plan.evaluation.throughput).fold(0.0, f64::max)
    }

    /// The plans with the most flow, at most `count` of them, the best first.
    pub fn best(&self, count: usize) -> impl Iterator<Item = &Plan> {
        let mut plans: Vec<&Plan> = self.plans.iter().collect();
        plans.sort_by(|a, b| b.evaluation.throughput.total_cmp(&a.evaluation.throughput));
        plans.into_iter().take(count)
    }

    /// What a search of this name reached, as a row beside the baselines.
    pub fn add_row(&mut self, planner: &str, none: &str) {
        let made = self.plans.iter().filter(|plan| plan.planner == planner);
        let best = made.max_by(|a, b| a.evaluation.throughput.total_cmp(&b.evaluation.throughput));
        let result = best.map(|plan| plan.evaluation.clone()).ok_or_else(|| none.to_owned());
        self.candidates.push(Candidate { planner: planner.to_owned(), result });
    }
}
