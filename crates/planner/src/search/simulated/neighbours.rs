//! Small changes of a plan that are worth a run: stages in another order, other machines or lengths for a stage.

use super::Tuner;
use crate::evaluation::evaluate;
use crate::packing::{Plan as Spans, evaluate as flow_of};
use crate::plan::Plan;
use crate::search::bridge::to_plan;
use crate::search::honour::Honour;

/// Changes that are looked at before a plan counts as having no further neighbour.
const TRIES: usize = 200;
/// A neighbour may lose this share of the flow, and of what the cheap judge says. The judge sees neither batches nor the
/// order of stages, so it only keeps away what is clearly bad.
const KEPT_FLOW: f64 = 0.8;
const KEPT_ESTIMATE: f64 = 0.85;

/// The name in reports of plans that were changed by the search.
pub(in crate::search) const STEADY_SEARCH: &str = "steady search";

impl Tuner<'_, '_, '_> {
    /// A plan that a change makes of an arm and that was not looked at before.
    pub(super) fn neighbour(
        &mut self,
        arm: usize,
        honour: &Honour<'_>,
        mut change: impl FnMut(&Spans) -> Option<Spans>,
    ) -> Option<usize> {
        let parent = &self.arms[arm];
        let spans = to_plan(honour.problem, &parent.plan.placement);
        let (flow, estimate) = (parent.plan.evaluation.throughput, parent.estimate);
        let partial = parent.plan.placement.partial_inference;
        for _ in 0..TRIES {
            // With many machines a try takes long.
            if self.used() >= 1.0 {
                return None;
            }
            let Some(next) = change(&spans) else { continue };
            let placement = honour.place(self.instance, &next, partial);
            if self.seen.contains(&self.classes.key(&placement)) {
                continue;
            }
            let enough = flow_of(honour.problem, &next).is_ok_and(|carried| carried >= flow * KEPT_FLOW);
            if !enough || self.instance.demands().unmet(&placement).is_some() {
                self.seen.insert(self.classes.key(&placement));
                continue;
            }
            let Ok(evaluation) = evaluate(self.instance, &placement) else { continue };
            let plan = Plan { planner: STEADY_SEARCH.to_owned(), placement, evaluation };
            if !self.is_allowed(&plan) {
                continue;
            }
            let Some(child) = self.add(plan) else { continue };
            let promising = self.arms[child].estimate >= estimate * KEPT_ESTIMATE;
            if promising || !estimate.is_finite() {
                return Some(child);
            }
            self.arms.pop();
        }
        None
    }
}
