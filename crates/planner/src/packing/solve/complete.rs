//! Few machines: complete search between the best plan and the bound.

use super::Run;
use crate::bounds::{covered_layers, least_throughput};
use crate::packing::exact::{BestPlans, CoverSearch, Found, Placed, flow_search};
use crate::packing::{Kinds, Plan};

/// Steps of one complete search.
const EFFORT: u64 = 3_000_000;

/// What the exact max-flow may lose by rounding one capacity \[tokens/s\].
const ROUNDING: f64 = 1e-6;

impl Run<'_> {
    /// Tries every plan, where there are few; the best of them is the bound.
    pub(super) fn every_plan(&mut self, should_stop: &mut dyn FnMut() -> bool) -> bool {
        let problem = self.problem;
        let machines = problem.machines.len();
        let every = if self.options.try_all { BestPlans::of(problem, should_stop) } else { None };
        let Some(every) = every else { return false };
        let best = every.within(machines);
        if let Some((_, plan)) = best {
            self.offer(plan.clone());
        }
        // No more capacities than this are in a cut: machines, and links between them or to the coordinator.
        let capacities = machines * (machines + 3);
        self.lower_bound_to(best.map_or(0.0, |(flow, _)| flow) + ROUNDING * capacities as f64);
        true
    }

    /// Complete search between the best plan and the bound; whether every question was decided, so that no other way to place
    /// machines can carry more where links do not bind.
    pub(super) fn complete(&mut self, should_stop: &mut dyn FnMut() -> bool) -> bool {
        let problem = self.problem;
        let counts = problem.counts();
        let available: Vec<u32> =
            counts.iter().map(|&count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let kinds = Kinds { tables: &problem.tables, counts: &available };
        let (mut low, mut high) = (self.flow(), self.outcome.bound);
        let least = least_throughput(&problem.tables, &counts);
        let mut decided = true;
        while high - low > 0.5 * self.options.precision * high && !should_stop() {
            let target = f64::midpoint(low, high);
            let verdict = covered_layers(&problem.tables, &counts, target, None);
            let mut cover = CoverSearch::new(kinds, problem.layers, target, &verdict.prices, EFFORT);
            let mut found = cover.solve();
            if matches!(found, Found::Yes(_)) && !problem.partial {
                found = flow_search(kinds, problem.layers, target, (&verdict.prices, EFFORT), should_stop);
            }
            match found {
                Found::Yes(placed) => {
                    self.offer(self.with_machines(&placed));
                    // Where links bind the plan may carry less; the bound cannot be pushed below the target then.
                    low = target.max(self.flow());
                }
                Found::No => {
                    // At so little flow every machine counts in full: nothing carries any.
                    high = if target <= least { 0.0 } else { target };
                    self.lower_bound_to(high);
                }
                // Not decided here: look closer to what is known to work.
                Found::Unknown => (high, decided) = (target, false),
            }
            if high < 1e-9 * self.outcome.bound {
                break;
            }
        }
        decided
    }

    fn with_machines(&self, placed: &[Placed]) -> Plan {
        let mut plan = Plan::empty(self.problem.machines.len());
        for placed in placed {
            let free = |machine: &usize| {
                plan.spans[*machine].is_none() && self.problem.machines[*machine].table == placed.kind
            };
            if let Some(machine) = (0..plan.spans.len()).find(free) {
                plan.spans[machine] = Some(placed.span);
            }
        }
        plan
    }
}
