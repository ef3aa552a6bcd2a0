//! Local search: a plan is changed bit by bit towards a target flow. Anytime; knows links, odd tables and machines that may
//! not be moved, which the packing program knows not or in part.
//!
//! The max-flow of a plan says little about how near it is to more. So a plan is judged by what it lacks at a target `F`: the
//! least cost of sending `F` through when flow may leave the machines and go on along virtual layers ([`penalty`]). Moves
//! are accepted by simulated annealing; whenever a plan carries more than any before it is a find, and the target rises.

mod moves;
mod penalty;
mod rearrange;

use crate::packing::{Plan, Problem, depth, evaluate};
pub(crate) use moves::Mover;
pub use penalty::penalty;

/// Targets above the best flow, as shares of it: small steps first, then larger ones.
const STEPS: [f64; 3] = [0.004, 0.015, 0.05];
/// The temperature at the beginning of a round and at its end \[layers without a machine\].
const HOT: f64 = 0.6;
const COLD: f64 = 0.01;

/// How much a machine may be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freedom {
    /// Anywhere, and out of the plan.
    #[default]
    Free,
    /// Anywhere, but never out of the plan.
    Kept,
    /// Not at all.
    Frozen,
}

/// What the search may do.
#[derive(Debug, Clone, Copy)]
pub struct LocalSearch<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// How much each machine may be moved; those that are not named are free.
    pub freedom: &'a [Freedom],
    /// Machines that a request may pass, at most.
    pub depth: Option<usize>,
    /// No plan carries more \[tokens/s\].
    pub bound: f64,
    /// Plans that are looked at, at most.
    pub evaluations: usize,
    /// Which random changes are tried: another number, another search.
    pub seed: u64,
}

impl LocalSearch<'_> {
    /// Improves a plan; tells every better one with its max-flow. Deterministic but for where it is stopped.
    pub fn run(
        &self,
        start: &Plan,
        should_stop: &mut dyn FnMut() -> bool,
        report: &mut dyn FnMut(&Plan, f64),
    ) -> (f64, Plan) {
        let mut best = (evaluate(self.problem, start).map_or(0.0, |flow| flow), start.clone());
        let mut mover = Mover::new(self.problem, self.freedom, self.seed);
        if mover.is_stuck() {
            return best;
        }
        let round = (self.evaluations / (4 * STEPS.len())).max(50);
        let mut left = self.evaluations;
        let mut step = 0;
        while left > 0 && !should_stop() && best.0 < self.bound * (1.0 - 1e-6) {
            let length = round.min(left);
            left -= length;
            let target = self.target(best.0, STEPS[step % STEPS.len()]);
            let before = best.0;
            self.anneal((&mut best, &mut mover), (target, length), should_stop, report);
            // What worked is tried again, what did not gives way to a larger step.
            step = if best.0 > before { 0 } else { step + 1 };
        }
        best
    }

    fn target(&self, best: f64, step: f64) -> f64 {
        if best > 0.0 { (best * (1.0 + step)).min(self.bound) } else { self.bound / 8.0 }
    }

    /// One round from the best plan.
    fn anneal(
        &self,
        (best, mover): (&mut (f64, Plan), &mut Mover<'_>),
        (target, length): (f64, usize),
        should_stop: &mut dyn FnMut() -> bool,
        report: &mut dyn FnMut(&Plan, f64),
    ) {
        let mut plan = best.1.clone();
        let mut energy = penalty(self.problem, &plan, target);
        for index in 0..length {
            if should_stop() {
                return;
            }
            let part = index as f64 / length as f64;
            let heat = HOT * (COLD / HOT).powf(part);
            let Some(next) = mover.step(&plan) else { continue };
            let next_energy = penalty(self.problem, &next, target);
            if next_energy > energy && mover.chance() >= ((energy - next_energy) / heat).exp() {
                continue;
            }
            let lower = next_energy < energy;
            (plan, energy) = (next, next_energy);
            if lower && self.is_better(&plan, best) {
                report(&best.1, best.0);
                if energy < 1e-3 {
                    return;
                }
            }
        }
    }

    /// Whether the plan carries more than the best; then it becomes the best.
    fn is_better(&self, plan: &Plan, best: &mut (f64, Plan)) -> bool {
        let Ok(flow) = evaluate(self.problem, plan) else { return false };
        let allowed = self.depth.is_none_or(|most| depth(self.problem, plan) <= most);
        if flow <= best.0 * (1.0 + 1e-9) || !allowed {
            return false;
        }
        *best = (flow, plan.clone());
        true
    }
}
