//! The search as a whole: bounds, then pipelines over every way to group and order the regions, best first.

use crate::bounds::{configuration_bound, covered_layers, crossing_bound, least_throughput};
use crate::packing::chain::Chain;
use crate::packing::exact::{CoverSearch, Found, Placed, flow_search};
use crate::packing::region::{Region, RegionPack};
use crate::packing::{Columns, Kinds, Plan, Problem, Search, Worth, evaluate, lay_out, pack};

/// Regions up to which every grouping is tried.
const MAX_GROUPED: usize = 5;

/// Machines up to which a complete search is tried.
const MAX_EXACT: usize = 16;
/// Steps of one complete search.
const EFFORT: u64 = 4_000_000;

/// What the search is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Relative gap that counts as solved.
    pub precision: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: 1e-4 }
    }
}

/// A plan with what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Incumbent {
    /// The plan.
    pub plan: Plan,
    /// Its exact max-flow \[tokens/s\].
    pub flow: f64,
    /// Machines that a request passes at most.
    pub depth: usize,
}

/// What the search reports on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A better plan.
    Incumbent(&'a Incumbent),
    /// A lower bound on what any plan can reach, from above \[tokens/s\].
    Bound(f64),
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The plan with the largest flow; `None` if no plan carries any.
    pub best: Option<Incumbent>,
    /// No plan carries more \[tokens/s\].
    pub bound: f64,
}

/// Searches for the plan with the largest max-flow, until it is proven best within the precision, the ideas run out or
/// `should_stop` says so. Deterministic but for where it is stopped.
pub fn solve(
    problem: &Problem,
    options: Options,
    should_stop: &mut dyn FnMut() -> bool,
    report: &mut dyn FnMut(Event<'_>),
) -> Outcome {
    // A machine cannot hold more layers than there are; the bounds need not think of it again.
    let clipped = clipped(problem);
    let problem = &clipped;
    let mut run =
        Run { problem, options, regions: Region::all(problem), outcome: Outcome::default(), report };
    run.outcome.bound = configuration_bound(
        problem.layers,
        &problem.tables,
        &problem.counts(),
        options.precision / 4.0,
        should_stop,
    );
    (run.report)(Event::Bound(run.outcome.bound));
    run.blind(should_stop);
    if run.regions.len() > 1 {
        run.groups(should_stop);
        if !run.is_solved() {
            let (low, high) = (run.flow(), run.outcome.bound);
            let bound = crossing_bound(problem, low, high, options.precision / 4.0, should_stop);
            run.outcome.bound = bound;
            (run.report)(Event::Bound(bound));
        }
    }
    if problem.machines.len() <= MAX_EXACT {
        run.exact(should_stop);
    }
    run.outcome
}

fn clipped(problem: &Problem) -> Problem {
    let mut clipped = problem.clone();
    for table in &mut clipped.tables {
        table.throughput.truncate(problem.layers);
    }
    clipped
}

struct Run<'a> {
    problem: &'a Problem,
    options: Options,
    regions: Vec<Region>,
    outcome: Outcome,
    report: &'a mut dyn FnMut(Event<'_>),
}

impl Run<'_> {
    fn flow(&self) -> f64 {
        self.outcome.best.as_ref().map_or(0.0, |best| best.flow)
    }

    fn is_solved(&self) -> bool {
        self.outcome.bound - self.flow() <= self.options.precision * self.outcome.bound
    }

    fn offer(&mut self, plan: Plan) {
        let Ok(flow) = evaluate(self.problem, &plan) else { return };
        if flow > self.flow() {
            let depth = depth(self.problem, &plan);
            let incumbent = Incumbent { plan, flow, depth };
            (self.report)(Event::Incumbent(&incumbent));
            self.outcome.best = Some(incumbent);
        }
    }

    /// One pipeline over all machines as if every link were wide enough.
    fn blind(&mut self, should_stop: &mut dyn FnMut() -> bool) {
        let tables = self.problem.tables.len();
        let mut all = Region { pools: vec![Vec::new(); tables], counts: vec![0; tables] };
        for (machine, slot) in self.problem.machines.iter().enumerate() {
            all.pools[slot.table].push(machine);
            all.counts[slot.table] += 1;
        }
        if let Some((_, plan)) = self.pipeline(&all, self.outcome.bound, should_stop) {
            self.offer(plan);
        }
    }

    /// Complete search between the best plan and the bound.
    fn exact(&mut self, should_stop: &mut dyn FnMut() -> bool) {
        let problem = self.problem;
        let counts = self.counts_of(&(0..self.regions.len()).collect::<Vec<_>>());
        let available: Vec<u32> =
            counts.iter().map(|&count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let kinds = Kinds { tables: &problem.tables, counts: &available };
        let (mut low, mut high) = (self.flow(), self.outcome.bound);
        let least = least_throughput(&problem.tables, &counts);
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
                    if high < self.outcome.bound {
                        self.outcome.bound = high;
                        (self.report)(Event::Bound(high));
                    }
                }
                // Not decided here: look closer to what is known to work.
                Found::Unknown => high = target,
            }
            if high < 1e-9 * self.outcome.bound {
                break;
            }
        }
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

    /// The best single pipeline of some machines; its flow counts no links.
    fn pipeline(
        &self,
        region: &Region,
        above: f64,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<(f64, Plan)> {
        let kinds = Kinds { tables: &self.problem.tables, counts: &region.counts };
        let precision = self.options.precision / 4.0;
        let mut best = None;
        let mut below = 0.0;
        for columns in [Columns::Stages, Columns::Blocks, Columns::Nested] {
            let search =
                Search { layers: self.problem.layers, depth: None, above, below, precision, columns };
            if let (Some(packing), _) = pack(kinds, search, should_stop) {
                below = packing.flow;
                best = Some(packing);
            }
            if above - below <= self.options.precision * above {
                break;
            }
        }
        let packing = best?;
        let mut plan = Plan::empty(self.problem.machines.len());
        lay_out(&packing.columns, 0, &mut region.pools.clone(), &mut plan);
        Some((packing.flow, plan))
    }

    /// Every partition of the regions into groups, each a pipeline of its own; groups by bit mask.
    fn groups(&mut self, should_stop: &mut dyn FnMut() -> bool) {
        let regions = self.regions.len();
        if regions > MAX_GROUPED {
            let parts: Vec<_> =
                (0..regions).filter_map(|region| self.group(1 << region, should_stop)).collect();
            let mut plan = Plan::empty(self.problem.machines.len());
            for (_, part) in &parts {
                merge(&mut plan, part);
            }
            return self.offer(plan);
        }
        let full = (1usize << regions) - 1;
        let mut best: Vec<Option<(f64, Plan)>> = vec![None; full + 1];
        let mut masks: Vec<usize> = (1..=full).collect();
        // Single regions first, then all of them in one chain, then what is between.
        masks.sort_by_key(|&mask| (mask.count_ones() != 1, mask != full, mask.count_ones(), mask));
        for mask in masks {
            if should_stop() || self.is_solved() {
                break;
            }
            best[mask] = self.group(mask, should_stop);
            self.combine(&best, full);
        }
    }

    /// Offers the best partition of all regions among the groups known.
    fn combine(&mut self, groups: &[Option<(f64, Plan)>], full: usize) {
        let mut value = vec![0.0; full + 1];
        let mut choice = vec![0; full + 1];
        for mask in 1..=full {
            let mut part = mask;
            while part > 0 {
                let with = groups[part].as_ref().map_or(0.0, |(flow, _)| *flow) + value[mask & !part];
                if with > value[mask] {
                    (value[mask], choice[mask]) = (with, part);
                }
                part = (part - 1) & mask;
            }
        }
        let mut plan = Plan::empty(self.problem.machines.len());
        let mut mask = full;
        while choice[mask] != 0 {
            if let Some((_, part)) = &groups[choice[mask]] {
                merge(&mut plan, part);
            }
            mask &= !choice[mask];
        }
        self.offer(plan);
    }

    /// The best pipeline through exactly these regions.
    fn group(&self, mask: usize, should_stop: &mut dyn FnMut() -> bool) -> Option<(f64, Plan)> {
        let members: Vec<usize> = (0..self.regions.len()).filter(|region| mask >> region & 1 == 1).collect();
        let counts = self.counts_of(&members);
        let precision = self.options.precision;
        let bound = configuration_bound(
            self.problem.layers,
            &self.problem.tables,
            &counts,
            precision / 4.0,
            should_stop,
        );
        if let [only] = members[..] {
            return self.pipeline(&self.regions[only], bound, should_stop);
        }
        let orders = permutations(&members);
        let mut best: Option<(f64, Plan)> = None;
        let (mut low, mut high) = (0.0, bound);
        let mut target = high;
        while high - low > precision / 4.0 * high && !should_stop() {
            match self.chains(&members, &orders, target, should_stop) {
                Some((flow, plan)) => {
                    low = flow.max(target);
                    best = Some((flow, plan));
                }
                None => high = target,
            }
            target = f64::midpoint(low, high);
        }
        best
    }

    /// A chain over the regions in any of the orders that carries `flow`.
    fn chains(
        &self,
        members: &[usize],
        orders: &[Vec<usize>],
        flow: f64,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<(f64, Plan)> {
        let flow = flow * (1.0 - 1e-12);
        let layers = self.problem.layers;
        let verdict = covered_layers(&self.problem.tables, &self.counts_of(members), flow, None);
        if verdict.layers < layers as f64 {
            return None;
        }
        let worth = Worth { prices: &verdict.prices, slack: verdict.layers - layers as f64 + 1e-6 };
        let mut packs: Vec<Option<RegionPack>> = Vec::new();
        for (region, part) in self.regions.iter().enumerate() {
            packs.push(if members.contains(&region) {
                RegionPack::new(&self.problem.tables, part, (layers, flow), worth, should_stop)
            } else {
                None
            });
        }
        let chain = Chain {
            problem: self.problem,
            regions: &self.regions,
            packs: &packs,
            prices: &verdict.prices,
            flow,
        };
        orders
            .iter()
            .filter_map(|order| chain.search(order, should_stop))
            .find(|(value, _)| *value >= flow * (1.0 - 1e-9))
    }

    fn counts_of(&self, members: &[usize]) -> Vec<usize> {
        let table =
            |table: usize| members.iter().map(|&region| self.regions[region].counts[table] as usize).sum();
        (0..self.problem.tables.len()).map(table).collect()
    }
}

fn merge(plan: &mut Plan, part: &Plan) {
    for (machine, span) in part.used() {
        plan.spans[machine] = Some(span);
    }
}

fn permutations(members: &[usize]) -> Vec<Vec<usize>> {
    if members.len() <= 1 {
        return vec![members.to_vec()];
    }
    let mut all = Vec::new();
    for (position, &first) in members.iter().enumerate() {
        let mut rest = members.to_vec();
        rest.remove(position);
        for mut order in permutations(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

/// Machines that a request passes at most on its way through a plan; zero if none leads through.
#[must_use]
pub fn depth(problem: &Problem, plan: &Plan) -> usize {
    let mut spans: Vec<_> = plan.used().map(|(_, span)| span).collect();
    spans.sort_unstable_by_key(|span| (span.end, span.start));
    // The longest way that ends at each layer; with partial inference a machine is entered anywhere within its layers.
    let mut longest = vec![None; problem.layers + 1];
    longest[0] = Some(0usize);
    for span in spans {
        let entries = if problem.partial { span.start..span.end } else { span.start..span.start + 1 };
        let entered = longest[entries].iter().flatten().max().copied();
        longest[span.end] = longest[span.end].max(entered.map(|hops| hops + 1));
    }
    longest[problem.layers].unwrap_or(0)
}
