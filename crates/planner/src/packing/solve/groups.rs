//! Regions in groups: each group one pipeline, through its regions in the best order; groups side by side.

use super::{Known, Level, Run};
use crate::bounds::{configuration_bound, covered_layers};
use crate::packing::chain::Chain;
use crate::packing::generate::Wanted;
use crate::packing::region::{RegionPack, Request};
use crate::packing::{Columns, Plan, Worth};

/// Regions up to which every grouping is tried.
const MAX_GROUPED: usize = 5;

/// With a depth limit, the share of a group's bound below which no chain is looked for.
const LEAST_OF_INTEREST: f64 = 1e-3;

/// What is known of every group of regions, by bit mask.
pub(super) struct Groups {
    /// Masks in the order in which they are tried.
    masks: Vec<usize>,
    known: Vec<Known>,
}

impl Groups {
    /// No pipelines yet; every group with its own bound.
    pub fn new(run: &Run<'_>, should_stop: &mut dyn FnMut() -> bool) -> Self {
        let regions = run.regions.len();
        if regions <= 1 || regions >= usize::BITS as usize {
            return Self { masks: Vec::new(), known: Vec::new() };
        }
        let full = (1usize << regions) - 1;
        let mut masks: Vec<usize> = if regions <= MAX_GROUPED {
            (1..=full).collect()
        } else {
            (0..regions).map(|region| 1 << region).collect()
        };
        // Single regions first, then all of them in one chain, then what is between.
        masks.sort_by_key(|&mask| (mask.count_ones() != 1, mask != full, mask.count_ones(), mask));
        // A region without machines, as the coordinator's may be, adds nothing to a group.
        let is_empty = |region: usize| run.regions[region].counts.iter().all(|&count| count == 0);
        masks.retain(|&mask| !members(mask).into_iter().any(is_empty));
        let problem = run.problem;
        let precision = run.options.precision / 4.0;
        let known = masks.iter().map(|&mask| {
            let counts = run.counts_of(&members(mask));
            let limit = configuration_bound(problem.layers, &problem.tables, &counts, precision, should_stop);
            Known { best: None, limit }
        });
        Self { known: known.collect(), masks }
    }

    /// Improves every group that could improve the whole, and offers the best combination after each.
    pub fn improve(&mut self, run: &mut Run<'_>, level: Level, should_stop: &mut dyn FnMut() -> bool) {
        for index in 0..self.masks.len() {
            if should_stop() || run.is_solved() {
                return;
            }
            if self.could_reach(index) <= run.flow() * (1.0 + run.options.precision) {
                continue;
            }
            let mask = self.masks[index];
            let before = self.known[index].flow();
            if let [only] = members(mask)[..] {
                run.pipeline(&run.regions[only], level, &mut self.known[index], should_stop);
            } else {
                run.chains(&members(mask), level, &mut self.known[index], should_stop);
            }
            if self.known[index].flow() > before {
                let plan = self.combined(run);
                run.offer(plan);
            }
        }
    }

    /// Forgets the pipelines; none of less depth carries more than they did.
    pub fn restart(&mut self) {
        for known in &mut self.known {
            if let Some((flow, _)) = known.best.take() {
                known.limit = flow;
            }
        }
    }

    /// What the whole could reach with this group at its limit, the others at theirs.
    fn could_reach(&self, index: usize) -> f64 {
        let mut free: Vec<usize> = Vec::new();
        let mut best = 0.0f64;
        for (&mask, known) in self.masks.iter().zip(&self.known) {
            if mask & self.masks[index] == 0 {
                free.push(mask);
                best += if mask.is_power_of_two() { known.limit } else { 0.0 };
            }
        }
        // Together the rest can do no more than its own largest group's bound, and no less than its regions alone.
        let rest = self
            .masks
            .iter()
            .zip(&self.known)
            .filter(|(mask, _)| free.contains(mask))
            .map(|(_, known)| known.limit);
        self.known[index].limit + rest.fold(best, f64::max)
    }

    /// The best choice of disjoint groups.
    fn combined(&self, run: &Run<'_>) -> Plan {
        let mut plan = Plan::empty(run.problem.machines.len());
        if run.regions.len() > MAX_GROUPED {
            self.known
                .iter()
                .filter_map(|known| known.best.as_ref())
                .for_each(|(_, part)| merge(&mut plan, part));
            return plan;
        }
        let full = (1usize << run.regions.len()) - 1;
        let mut value = vec![0.0; full + 1];
        let mut choice = vec![None; full + 1];
        for whole in 1..=full {
            for (index, &mask) in self.masks.iter().enumerate().filter(|(_, mask)| **mask & whole == **mask) {
                let with = self.known[index].flow() + value[whole & !mask];
                if with > value[whole] {
                    (value[whole], choice[whole]) = (with, Some(index));
                }
            }
        }
        let mut left = full;
        while let Some(index) = choice[left] {
            if let Some((_, part)) = &self.known[index].best {
                merge(&mut plan, part);
            }
            left &= !self.masks[index];
        }
        plan
    }
}

impl Run<'_> {
    /// Improves the best pipeline through exactly these regions.
    fn chains(
        &self,
        members: &[usize],
        level: Level,
        known: &mut Known,
        should_stop: &mut dyn FnMut() -> bool,
    ) {
        let precision = self.options.precision;
        let (mut low, mut high) = (known.flow(), known.limit.min(self.outcome.bound));
        let is_countable = |&region: &usize| RegionPack::is_countable(&self.regions[region], self.depth);
        if !members.iter().all(is_countable) {
            return;
        }
        // With a depth limit there may be no chain at all, however little it carries.
        let least = if self.depth.is_some() { LEAST_OF_INTEREST * high } else { 0.0 };
        let orders = permutations(members);
        let mut target = high;
        while high - low > precision * high && high > least && !should_stop() {
            match self.chain(members, &orders, (target, level), should_stop) {
                Some((flow, plan)) => {
                    low = flow.max(target);
                    known.best = Some((flow, plan));
                }
                None => high = target,
            }
            target = f64::midpoint(low, high);
        }
    }

    /// A chain over the regions in any of the orders that carries a flow.
    fn chain(
        &self,
        members: &[usize],
        orders: &[Vec<usize>],
        (flow, level): (f64, Level),
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<(f64, Plan)> {
        let flow = flow * (1.0 - 1e-12);
        let tables = &self.problem.tables;
        let layers = self.problem.layers;
        let verdict = covered_layers(tables, &self.counts_of(members), flow, None);
        if verdict.layers < layers as f64 {
            return None;
        }
        let worth = Worth { prices: &verdict.prices, slack: verdict.layers - layers as f64 + 1e-6 };
        let longest = tables.iter().map(|table| table.throughput.len()).max().unwrap_or(0);
        let nested = level.columns == Columns::Nested;
        let wanted = Wanted { flow, longest, layers, nested, effort: level.effort };
        let wanted = (level.columns != Columns::Stages).then_some(wanted);
        let request = Request { tables, layers, flow, worth, wanted, depth: self.depth };
        let mut packs: Vec<Option<RegionPack>> = self.regions.iter().map(|_| None).collect();
        for &region in members {
            packs[region] = Some(RegionPack::new(&self.regions[region], &request, should_stop)?);
        }
        let prices = &verdict.prices;
        let mut chain = Chain::new(self.problem, &self.regions, &packs, (prices, flow, self.depth));
        orders
            .iter()
            .filter_map(|order| chain.search(order, should_stop))
            .find(|(value, _)| *value >= flow * (1.0 - 1e-9))
    }

    /// Machines of each table in these regions.
    pub(super) fn counts_of(&self, members: &[usize]) -> Vec<usize> {
        let table =
            |table: usize| members.iter().map(|&region| self.regions[region].counts[table] as usize).sum();
        (0..self.problem.tables.len()).map(table).collect()
    }
}

/// The regions of a mask.
fn members(mask: usize) -> Vec<usize> {
    (0..usize::BITS as usize).filter(|region| mask >> region & 1 == 1).collect()
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
