//! From the plans found so far to the plan that serves best, with the simulator as the judge.

use helix_spec::Placement;

use super::bridge::to_plan;
use super::choose::choose;
use super::honour::Honour;
use super::pool::Pool;
use super::simulated::{Climb, Judges, STEADY_SEARCH, Tuner, for_cache, interleaved};
use super::{Control, Found, RUNNING, SearchOptions};
use crate::Instance;
use crate::evaluation::evaluate;
use crate::packing::Problem;
use crate::plan::{Plan, PlanError};

/// Share of the budget at which packing for cache ends.
const CACHE_SHARE: f64 = 0.28;
/// The name in reports of packings for cache.
const CACHE_PACKING: &str = "cache packing";

/// What the search is about.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub options: SearchOptions<'a>,
    pub judges: Judges<'a>,
    /// The cluster as the packing solver sees it, if it can.
    pub problem: Option<&'a Problem>,
    /// No plan has a larger maximum flow \[tokens/s\].
    pub bound: f64,
}

/// Simulates what was found, improves the best of it, and chooses.
pub(super) fn tune(
    mut pool: Pool<'_>,
    around: Around<'_>,
    control: &mut Control<'_>,
) -> Result<Found, PlanError> {
    let Around { options, judges, problem, bound } = around;
    let instance = pool.instance;
    let honour = problem.map(|problem| Honour::new(problem, instance.demands(), options));
    let cached = honour.as_ref().map(|honour| cache_packings(&pool, honour, control)).unwrap_or_default();
    let mut tuner = Tuner::new(instance, options, judges, control);
    let mut kept = None;
    let any = pool.plans.iter().chain(&cached).any(|plan| is_known(instance, plan));
    for plan in pool.plans.iter().chain(&cached) {
        let runs_already = plan.planner == RUNNING;
        if any && !runs_already && !is_known(instance, plan) {
            continue;
        }
        let packed = plan.planner == super::PACKING || plan.planner == CACHE_PACKING;
        let spread = honour.as_ref().filter(|_| packed).and_then(|honour| honour.spread(instance, plan));
        let plan = spread.unwrap_or_else(|| plan.clone());
        if tuner.is_allowed(&plan) {
            let arm = tuner.add(plan);
            kept = kept.or(arm.filter(|_| runs_already));
        }
    }
    if !tuner.halve(kept) {
        return choose(pool, (options, judges.estimate), &[], bound);
    }
    let share = tuner.search_share();
    let mut climbed = Climb::default();
    if let Some(honour) = &honour
        && tuner.reorder(honour, share)
    {
        climbed = tuner.climb(honour, share);
    }
    let finalists = tuner.finalists(kept);
    for (plan, _) in &finalists {
        if !pool.plans.iter().any(|known| known.placement == plan.placement) {
            pool.plans.push(plan.clone());
        }
    }
    pool.add_row(STEADY_SEARCH, "the simulator found nothing better");
    let rates: Vec<(Placement, f64)> =
        finalists.into_iter().map(|(plan, rate)| (plan.placement, rate)).collect();
    let mut found = choose(pool, (options, judges.estimate), &rates, bound)?;
    found.simulated = tuner.report(&found.plan, climbed);
    Ok(found)
}

/// Whether no machine holds more layers than are known of it, or than it is pinned to: beyond, its cache is a guess.
fn is_known(instance: &Instance<'_>, plan: &Plan) -> bool {
    plan.placement.machines.iter().all(|(id, held)| {
        held.layers.len() <= instance.known_layers(*id) || instance.demands().pins.contains_key(id)
    })
}

impl Honour<'_> {
    /// A packing with its kinds of stages spread over the model, where it carries no less that way.
    fn spread(&self, instance: &Instance<'_>, plan: &Plan) -> Option<Plan> {
        let spans = interleaved(self.problem, &to_plan(self.problem, &plan.placement))?;
        let placement = self.place(instance, &self.amend(&spans), plan.placement.partial_inference);
        if instance.demands().unmet(&placement).is_some() {
            return None;
        }
        let evaluation = evaluate(instance, &placement).ok()?;
        let carries = evaluation.throughput >= plan.evaluation.throughput * (1.0 - 1e-6);
        carries.then(|| Plan { planner: plan.planner.clone(), placement, evaluation })
    }
}

/// Packings for cache at the depths of the plans that were packed for flow.
fn cache_packings(pool: &Pool<'_>, honour: &Honour<'_>, control: &mut Control<'_>) -> Vec<Plan> {
    let mut flows: Vec<(usize, f64)> = Vec::new();
    for plan in &pool.plans {
        let (depth, flow) = (plan.evaluation.depth(), plan.evaluation.throughput);
        match flows.iter_mut().find(|(known, _)| *known == depth) {
            Some((_, most)) => *most = most.max(flow),
            None => flows.push((depth, flow)),
        }
    }
    flows.sort_by_key(|(depth, _)| *depth);
    let mut stop = || (control.used)() >= CACHE_SHARE;
    let partial = honour.options.partial;
    let packed = for_cache(pool.instance, honour.problem, &flows, &mut stop);
    let plan = |packed: &crate::packing::Plan| {
        let placement = honour.place(pool.instance, &honour.amend(packed), partial);
        let unmet = pool.instance.demands().unmet(&placement);
        let evaluation = evaluate(pool.instance, &placement).ok().filter(|_| unmet.is_none())?;
        let carries = evaluation.throughput > 0.0;
        carries.then(|| Plan { planner: CACHE_PACKING.to_owned(), placement, evaluation })
    };
    packed.iter().filter_map(plan).collect()
}
