//! One pipeline that passes through several regions in a given order.
//!
//! ```text
//! region a: [stage][stage][last] ══links══> [first][stage][last] ══links══> [first][stage]  :region c
//! ```
//! Inside a region stages are joined freely; where the flow changes region, the last stage here and the first there must
//! carry it over the links between them. Pairs of border stages are tried in order of their waste.

use std::collections::BTreeMap;

use crate::packing::lengths::BITS;
use crate::packing::reach::{Reach, split};
use crate::packing::region::{Region, RegionPack};
use crate::packing::{Column, Plan, Problem, evaluate, lay_out};

/// Pairs of border stages tried for one crossing.
const PAIRS: usize = 40;
/// Complete chains evaluated for one order.
const CHAINS: usize = 12;

/// A chain search at one flow.
pub(super) struct Chain<'a> {
    problem: &'a Problem,
    regions: &'a [Region],
    /// By region; those of the order must be there.
    packs: &'a [Option<RegionPack>],
    prices: &'a [f64],
    flow: f64,
    /// Machines in a row over all regions, at most; the packs have the same limit.
    depth: Option<usize>,
    /// Border pairs by (from, to).
    crossings: BTreeMap<(usize, usize), Vec<(usize, usize)>>,
}

/// One region's part of a chain under construction.
#[derive(Clone)]
struct Part {
    first: Option<usize>,
    last: Option<usize>,
    /// The machines beside the border stages, by depth.
    states: Vec<usize>,
    reach: Reach,
}

struct Walk<'a, 's> {
    packs: Vec<&'a RegionPack>,
    pairs: Vec<Vec<(usize, usize)>>,
    longest: Vec<usize>,
    parts: Vec<Part>,
    tried: usize,
    best: Option<(f64, Plan)>,
    should_stop: &'s mut dyn FnMut() -> bool,
}

impl<'a> Chain<'a> {
    /// A search over these regions; the prices tell what a machine is worth.
    pub fn new(
        problem: &'a Problem,
        regions: &'a [Region],
        packs: &'a [Option<RegionPack>],
        (prices, flow, depth): (&'a [f64], f64, Option<usize>),
    ) -> Self {
        Self { problem, regions, packs, prices, flow, depth, crossings: BTreeMap::new() }
    }

    /// The best plan found that sends all flow through the regions in this order, with its max-flow.
    pub fn search(&mut self, order: &[usize], should_stop: &mut dyn FnMut() -> bool) -> Option<(f64, Plan)> {
        let packs: Vec<&RegionPack> =
            order.iter().map(|&region| self.packs[region].as_ref()).collect::<Option<_>>()?;
        let longest: Vec<usize> = packs.iter().map(|pack| pack.longest()).collect();
        if longest.iter().sum::<usize>() < self.problem.layers {
            return None;
        }
        let mut pairs = Vec::new();
        for pair in order.windows(2) {
            let ends = (pair[0], pair[1]);
            if !self.crossings.contains_key(&ends) {
                let found = self.crossings(ends.0, ends.1);
                self.crossings.insert(ends, found);
            }
            pairs.push(self.crossings[&ends].clone());
        }
        let mut walk = Walk { packs, pairs, longest, parts: Vec::new(), tried: 0, best: None, should_stop };
        self.extend(&mut walk, order, None, &Reach::start(self.depth.map_or(1, |depth| depth + 1)));
        walk.best
    }

    /// Border pairs that carry the flow, least waste first.
    fn crossings(&self, from: usize, to: usize) -> Vec<(usize, usize)> {
        let (Some(left), Some(right)) = (&self.packs[from], &self.packs[to]) else { return Vec::new() };
        let link = self.mean_link(from, to);
        let ends = |pack: &RegionPack| -> Vec<End> {
            pack.border.iter().map(|&column| self.end(column, &pack.columns[column])).collect()
        };
        let (left, right) = (ends(left), ends(right));
        let mut pairs: Vec<(f64, &End, &End)> = Vec::new();
        for a in &left {
            pairs.extend(right.iter().map(|b| (a.waste + b.waste, a, b)));
        }
        pairs.sort_by(|a, b| {
            a.0.total_cmp(&b.0).then((a.1.column, a.2.column).cmp(&(b.1.column, b.2.column)))
        });
        let able = pairs.into_iter().filter(|(_, a, b)| carried(a, b, link) >= self.flow);
        able.take(PAIRS).map(|(_, a, b)| (a.column, b.column)).collect()
    }

    fn end(&self, index: usize, column: &Column) -> End {
        let rate = |member: &crate::packing::Member| self.problem.tables[member.kind].at(member.layers);
        let mut rates: Vec<f64> = column.members.iter().filter_map(rate).collect();
        rates.sort_by(f64::total_cmp);
        let mut slowest = vec![0.0];
        for rate in rates {
            slowest.push(slowest[slowest.len() - 1] + rate);
        }
        End { column: index, waste: column.cost(self.prices) - column.length as f64, slowest }
    }

    fn mean_link(&self, from: usize, to: usize) -> f64 {
        let (mut sum, mut links) = (0.0, 0usize);
        for &a in self.regions[from].pools.iter().flatten() {
            for &b in self.regions[to].pools.iter().flatten() {
                sum += self.problem.link(a, b);
                links += 1;
            }
        }
        sum / links.max(1) as f64
    }

    /// Chooses how the chain leaves its next region; `reached` are the lengths of the regions before.
    fn extend(&self, walk: &mut Walk<'_, '_>, order: &[usize], first: Option<usize>, reached: &Reach) {
        let position = walk.parts.len();
        let layers = self.problem.layers;
        if walk.tried >= CHAINS || (walk.should_stop)() {
            return;
        }
        if position + 1 == order.len() {
            let part = self.part(walk, position, first, None);
            if reached.meets(&part.reach, layers) {
                walk.parts.push(part);
                walk.tried += 1;
                if let Some((value, plan)) = self.build(walk, order)
                    && walk.best.as_ref().is_none_or(|(best, _)| value > *best)
                {
                    walk.best = Some((value, plan));
                }
                walk.parts.pop();
            }
            return;
        }
        let ahead: usize = walk.longest[position + 1..].iter().sum();
        for index in 0..walk.pairs[position].len() {
            let (last, next) = walk.pairs[position][index];
            // The flow may leave the region by the stage that it entered by.
            let single = (first == Some(last)).then(|| {
                let Part { states, reach, .. } = self.part(walk, position, first, None);
                let reach = reach.only(walk.packs[position].columns[last].length);
                Part { first, last: None, states, reach }
            });
            for part in [self.part(walk, position, first, Some(last))].into_iter().chain(single) {
                let total = reached.plus(&part.reach, layers);
                let lengths = total.all();
                let most = (BITS - 1).saturating_sub(lengths.leading_zeros() as usize);
                if lengths == 0 || most + ahead < layers {
                    continue;
                }
                walk.parts.push(part);
                self.extend(walk, order, Some(next), &total);
                walk.parts.pop();
                if walk.best.as_ref().is_some_and(|(value, _)| *value >= self.flow) {
                    return;
                }
            }
        }
    }

    fn part(&self, walk: &Walk<'_, '_>, position: usize, first: Option<usize>, last: Option<usize>) -> Part {
        let fixed: Vec<usize> = first.into_iter().chain(last).collect();
        let (states, reach) = walk.packs[position].beside(&fixed, self.problem.layers);
        Part { first, last, states, reach }
    }

    /// Splits the layers over the regions, fills each, and gives machines to the columns.
    fn build(&self, walk: &Walk<'_, '_>, order: &[usize]) -> Option<(f64, Plan)> {
        let reaches: Vec<&Reach> = walk.parts.iter().map(|part| &part.reach).collect();
        let chosen = split(&reaches, self.problem.layers)?;
        let mut plan = Plan::empty(self.problem.machines.len());
        let mut start = 0;
        for (position, (part, (length, depth))) in walk.parts.iter().zip(chosen).enumerate() {
            let pack = walk.packs[position];
            let fixed = part
                .first
                .into_iter()
                .chain(part.last)
                .map(|column| pack.columns[column].length)
                .sum::<usize>();
            let middle = pack.fill(part.states[depth], length - fixed)?;
            let border = |column: Option<usize>| column.map(|column| &pack.columns[column]);
            let mut pools = self.regions[order[position]].pools.clone();
            // The border stages choose first: the machines with the best links.
            let (mut from, mut to) = (start, start + length);
            if let Some(last) = border(part.last) {
                to -= last.length;
                self.sort_by_links(
                    &mut pools,
                    |machine, other| self.problem.link(machine, other),
                    order[position + 1],
                );
                lay_out(std::slice::from_ref(last), to, &mut pools, &mut plan);
            }
            if let Some(first) = border(part.first) {
                self.sort_by_links(
                    &mut pools,
                    |machine, other| self.problem.link(other, machine),
                    order[position - 1],
                );
                lay_out(std::slice::from_ref(first), from, &mut pools, &mut plan);
                from += first.length;
            }
            for pool in &mut pools {
                pool.sort_unstable();
            }
            let middle: Vec<Column> = middle.into_iter().map(|column| pack.columns[column].clone()).collect();
            lay_out(&middle, from, &mut pools, &mut plan);
            debug_assert_eq!(from + middle.iter().map(|column| column.length).sum::<usize>(), to);
            start += length;
        }
        let value = evaluate(self.problem, &plan).ok()?;
        Some((value, plan))
    }

    fn sort_by_links(&self, pools: &mut [Vec<usize>], link: impl Fn(usize, usize) -> f64, other: usize) {
        for pool in pools {
            let total = |machine: usize| -> f64 {
                self.regions[other].pools.iter().flatten().map(|&other| link(machine, other)).sum()
            };
            pool.sort_by(|&a, &b| total(b).total_cmp(&total(a)).then(a.cmp(&b)));
        }
    }
}

/// A stage where the flow leaves or enters a region.
struct End {
    column: usize,
    waste: f64,
    /// Entry `n` is what its `n` slowest machines carry \[tokens/s\].
    slowest: Vec<f64>,
}

/// What two stages carry over links of one capacity: the least cut. Of the machines on either side the fastest are joined
/// by links, the others cut off by themselves.
fn carried(left: &End, right: &End, link: f64) -> f64 {
    let mut least = f64::INFINITY;
    for (cut, rate) in left.slowest.iter().enumerate() {
        let joined = left.slowest.len() - 1 - cut;
        for (missed, other) in right.slowest.iter().enumerate() {
            let links = joined * (right.slowest.len() - 1 - missed);
            let through = if links == 0 { 0.0 } else { links as f64 * link };
            least = least.min(rate + other + through);
        }
    }
    least
}
