//! Plans under demands, and near to what runs.
//!
//! The packing program knows no names: it packs kinds of machines. Here its plans get what a person demands, and from there
//! a local search goes on that never leaves the demands.

use std::collections::BTreeSet;

use helix_spec::{PartialInference, Placement};

use super::bridge::{to_placement, to_plan};
use super::pool::Pool;
use super::{Control, SearchOptions};
use crate::Instance;
use crate::demands::Demands;
use crate::packing::{Freedom, LocalSearch, Nearness, Plan, Problem, Span, Table, evaluate};
use crate::plan::Baseline;

/// Stages that a required machine is tried in.
const MAX_TRIED: usize = 64;
/// Above this many machines a local search looks at too few plans to be of use.
const MAX_SEARCHED: usize = 2000;
/// Plans that one local search looks at, times machines and layers.
const WORK: usize = 1_500_000;
/// Plans that one local search looks at for each machine, at most.
const EVALUATIONS_PER_MACHINE: usize = 400;

/// Machines up to which local search starts from several plans.
const FEW: usize = 16;
/// Plans that it starts from, at most.
const MOST_STARTS: usize = 4;
/// Rounds of local search in a row that may find nothing, before it ends.
const PATIENCE: usize = 4;
/// A gap that is as good as none.
const SOLVED: f64 = 1e-4;

/// A baseline's placement with what is demanded.
const AMENDED: &str = "amended";

/// The demands in the words of the packing solver.
pub(super) struct Honour<'a> {
    pub problem: &'a Problem,
    pub options: SearchOptions<'a>,
    pub freedom: Vec<Freedom>,
    pub pins: Vec<(usize, Span)>,
    forbidden: Vec<usize>,
    running: Option<Plan>,
}

impl<'a> Honour<'a> {
    pub fn new(problem: &'a Problem, demands: &Demands, options: SearchOptions<'a>) -> Self {
        let mut freedom = vec![Freedom::Free; problem.machines.len()];
        for machine in &demands.required {
            freedom[machine.index()] = Freedom::Kept;
        }
        let span =
            |range: helix_spec::LayerRange| Span { start: range.start() as usize, end: range.end() as usize };
        let pins: Vec<(usize, Span)> =
            demands.pins.iter().map(|(machine, range)| (machine.index(), span(*range))).collect();
        for &(machine, _) in &pins {
            freedom[machine] = Freedom::Frozen;
        }
        let running = options.running.map(|running| to_plan(problem, &running.placement));
        let forbidden = demands.forbidden.iter().map(|machine| machine.index()).collect();
        Self { problem, options, freedom, pins, forbidden, running }
    }

    /// The problem without the pinned machines.
    pub fn without_pinned(&self) -> Problem {
        let mut problem = self.problem.clone();
        problem.tables.push(Table::default());
        for &(machine, _) in &self.pins {
            problem.machines[machine].table = problem.tables.len() - 1;
        }
        problem
    }

    /// Offers a plan that meets the demands, and where something runs the same with machines and stages arranged so that less
    /// is loaded.
    pub fn offer(&self, pool: &mut Pool<'_>, planner: &str, plan: &Plan, control: &mut Control<'_>) {
        let plan = self.amend(plan);
        let partial = self.options.partial;
        if let Some(running) = &self.running {
            let nearness = Nearness::new(self.problem, running, &self.freedom);
            let mut stop = || (control.used)() >= 1.0;
            let reordered = nearness.reorder(&plan, self.problem.layers, &mut stop);
            for near in [reordered, nearness.relabel(&plan)] {
                pool.offer(planner, self.place(pool.instance, &near, partial), control.report);
            }
        }
        pool.offer(planner, self.place(pool.instance, &plan, partial), control.report);
    }

    /// The plan as a placement; machines that hold what they hold already keep their layout.
    pub fn place(&self, instance: &Instance<'_>, plan: &Plan, partial: PartialInference) -> Placement {
        let mut placement = to_placement(instance, plan, partial);
        if let Some(running) = self.options.running {
            for (machine, assignment) in &mut placement.machines {
                let before = running.placement.machines.get(machine);
                if let Some(before) = before.filter(|before| before.layers == assignment.layers) {
                    *assignment = *before;
                }
            }
        }
        placement
    }

    /// The plan without forbidden machines, with the pins in place and every required machine somewhere.
    pub fn amend(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        for &machine in &self.forbidden {
            plan.spans[machine] = None;
        }
        for &(machine, span) in &self.pins {
            plan.spans[machine] = Some(span);
        }
        for machine in 0..plan.spans.len() {
            if self.freedom[machine] == Freedom::Kept && plan.spans[machine].is_none() {
                self.bring_in(&mut plan, machine);
            }
        }
        plan
    }

    /// Gives a required machine layers: those of another of its kind and region, else beside somebody where it does most.
    fn bring_in(&self, plan: &mut Plan, machine: usize) {
        let slot = self.problem.machines[machine];
        let alike = (0..plan.spans.len()).find(|&other| {
            self.problem.machines[other] == slot
                && self.freedom[other] == Freedom::Free
                && plan.spans[other].is_some()
        });
        if let Some(other) = alike {
            plan.spans.swap(machine, other);
            return;
        }
        let fits = |span: &Span| self.problem.throughput(machine, span.layers()).is_some();
        let spans: BTreeSet<Span> = plan.used().map(|(_, span)| span).filter(fits).collect();
        let with = |span: Span| {
            let mut next = plan.clone();
            next.spans[machine] = Some(span);
            let flow = evaluate(self.problem, &next).map_or(0.0, |flow| flow);
            (flow, next)
        };
        let best = spans.into_iter().take(MAX_TRIED).map(with).max_by(|a, b| a.0.total_cmp(&b.0));
        let table = &self.problem.tables[slot.table];
        let alone = || {
            let (layers, _) = table.entries().next()?;
            (layers <= self.problem.layers).then(|| with(Span { start: 0, end: layers }))
        };
        if let Some((_, next)) = best.or_else(alone) {
            *plan = next;
        }
    }

    /// Plans that others made, to start from where demands keep them from counting as they are.
    pub fn offer_repaired_baselines(&self, pool: &mut Pool<'_>, control: &mut Control<'_>) {
        for baseline in Baseline::ALL {
            if let Ok(placement) = baseline.place(pool.instance) {
                let plan = to_plan(self.problem, &placement);
                self.offer(pool, AMENDED, &plan, control);
            }
        }
    }

    /// Local search from what runs and from the best plans, until `share` of the budget is used up or nothing better is found
    /// any more. Of a few machines it starts from several plans, of many from the best alone.
    pub fn search(&self, pool: &mut Pool<'_>, (bound, share): (f64, f64), control: &mut Control<'_>) {
        let machines = self.problem.machines.len();
        if machines > MAX_SEARCHED {
            return;
        }
        let starts = if machines <= FEW { MOST_STARTS } else { 1 };
        let mut stale = 0;
        for seed in 0.. {
            let before = pool.largest();
            if self.running.is_none() && before >= bound * (1.0 - SOLVED) {
                return;
            }
            let running = self.running.as_ref().filter(|_| seed == 0).map(|running| self.amend(running));
            let best = pool.best(starts).map(|plan| to_plan(self.problem, &plan.placement));
            let starts: Vec<Plan> = running.into_iter().chain(best).collect();
            for start in &starts {
                self.improve(pool, (start, self.options.max_depth, seed), (bound, share), control);
            }
            stale = if pool.largest() > before { 0 } else { stale + 1 };
            if machines > FEW || stale == PATIENCE || (control.used)() >= share {
                return;
            }
        }
    }

    /// Local search for plans of every depth, each from the best plan that is known within it. Of a few machines only.
    pub fn search_depths(
        &self,
        pool: &mut Pool<'_>,
        depths: &[usize],
        (bound, share): (f64, f64),
        control: &mut Control<'_>,
    ) {
        if self.problem.machines.len() > FEW {
            return;
        }
        for &depth in depths {
            let within = pool.plans.iter().filter(|plan| plan.evaluation.depth() <= depth);
            let best = within.max_by(|a, b| a.evaluation.throughput.total_cmp(&b.evaluation.throughput));
            let Some(best) = best else { continue };
            if best.evaluation.throughput >= pool.largest() * (1.0 - SOLVED) || (control.used)() >= share {
                return;
            }
            let start = to_plan(self.problem, &best.placement);
            self.improve(pool, (&start, Some(depth), 0), (bound, share), control);
        }
    }

    /// One local search.
    fn improve(
        &self,
        pool: &mut Pool<'_>,
        (start, depth, seed): (&Plan, Option<usize>, u64),
        (bound, share): (f64, f64),
        control: &mut Control<'_>,
    ) {
        let machines = self.problem.machines.len();
        let evaluations =
            (WORK / (machines + self.problem.layers).max(1)).min(machines * EVALUATIONS_PER_MACHINE);
        let search =
            LocalSearch { problem: self.problem, freedom: &self.freedom, depth, bound, evaluations, seed };
        let Control { used, report } = &mut *control;
        let mut stop = || (used)() >= share;
        let mut found = Vec::new();
        let (_, last) = search.run(start, &mut stop, &mut |plan, _| found.push(plan.clone()));
        for plan in &found {
            pool.offer("local search", self.place(pool.instance, plan, self.options.partial), *report);
        }
        self.offer(pool, "local search", &last, control);
    }
}
