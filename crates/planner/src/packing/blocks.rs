//! Blocks: parallel chains of a few machines in series that span the same layers, priced for a linear program.
//!
//! ```text
//!        ┌─[0..2]──[2..5]─┐   chain of two machines, carries the slower one's throughput
//! flow ──┤                ├── flow        F <= Σ over the chains
//!        └─────[0..5]─────┘   chain of one
//! ```
//! A stage is the block whose chains are single machines. Where a flow needs few machines, blocks waste much less of them.

use crate::packing::{Column, Kinds, Member};

/// Machines in series in one chain, at most.
const MAX_SERIES: usize = 3;
/// Steps of the flow in the knapsack.
const GRID: usize = 2048;
/// Steps beyond the flow that are tried when rounding left a block short of it.
const SPARE: usize = 6;

/// Finds blocks that carry one flow.
pub(super) struct Pricer<'a> {
    kinds: Kinds<'a>,
    flow: f64,
    /// Every throughput that occurs, descending.
    levels: Vec<f64>,
    longest: usize,
}

/// A chain that spans a block.
#[derive(Debug, Clone)]
struct Chain {
    cost: f64,
    /// Least throughput of its machines \[tokens/s\].
    flow: f64,
    /// (kind, layers) in series.
    machines: Vec<(usize, usize)>,
}

impl<'a> Pricer<'a> {
    /// A pricer for blocks of up to `longest` layers that carry `flow`.
    pub fn new(kinds: Kinds<'a>, flow: f64, longest: usize) -> Self {
        let mut levels: Vec<f64> = kinds
            .tables
            .iter()
            .enumerate()
            .filter(|&(kind, _)| kinds.counts[kind] > 0)
            .flat_map(|(_, table)| table.entries().map(|(_, throughput)| throughput.min(flow)))
            .collect();
        levels.sort_by(|a, b| b.total_cmp(a));
        levels.dedup();
        Self { kinds, flow, levels, longest }
    }

    /// For every length the cheapest block found, if it costs less than it is worth.
    pub fn price(&self, prices: &[f64]) -> Vec<Column> {
        let mut chains: Vec<Vec<Chain>> = vec![Vec::new(); self.longest + 1];
        for &level in &self.levels {
            for (length, chain) in self.chains(prices, level) {
                let known = &mut chains[length];
                // Levels fall, so a chain must be cheaper than those before it.
                if known.last().is_none_or(|last| chain.cost < last.cost - 1e-12) {
                    known.push(chain);
                }
            }
        }
        (1..=self.longest).filter_map(|length| self.block(length, &chains[length])).collect()
    }

    /// The cheapest chain of every length whose machines all carry `level`.
    fn chains(&self, prices: &[f64], level: f64) -> Vec<(usize, Chain)> {
        let mut items: Vec<(usize, usize)> = Vec::new();
        for (kind, table) in
            self.kinds.tables.iter().enumerate().filter(|&(kind, _)| self.kinds.counts[kind] > 0)
        {
            let able = table.entries().filter(|&(_, throughput)| throughput >= level);
            items
                .extend(able.map(|(layers, _)| (kind, layers)).filter(|&(_, layers)| layers <= self.longest));
        }
        // least[n][length]: cost and last machine of the cheapest chain of n machines.
        let none = (f64::INFINITY, usize::MAX);
        let mut least = vec![vec![none; self.longest + 1]; MAX_SERIES + 1];
        least[0][0].0 = 0.0;
        for n in 1..=MAX_SERIES {
            for length in 1..=self.longest {
                for (index, &(kind, layers)) in items.iter().enumerate().filter(|(_, item)| item.1 <= length)
                {
                    let cost = least[n - 1][length - layers].0 + prices[kind];
                    if cost < least[n][length].0 {
                        least[n][length] = (cost, index);
                    }
                }
            }
        }
        let cheapest = |length: usize| {
            (1..=MAX_SERIES).min_by(|&a, &b| least[a][length].0.total_cmp(&least[b][length].0))
        };
        (1..=self.longest)
            .filter_map(|length| {
                let mut n = cheapest(length)?;
                let cost = least[n][length].0;
                let (mut machines, mut left) = (Vec::new(), length);
                while n > 0 {
                    let item = *items.get(least[n][left].1)?;
                    machines.push(item);
                    left -= item.1;
                    n -= 1;
                }
                let rate = |&(kind, layers): &(usize, usize)| self.kinds.tables[kind].at(layers);
                let flow = machines.iter().filter_map(rate).fold(f64::INFINITY, f64::min);
                Some((length, Chain { cost, flow, machines }))
            })
            .collect()
    }

    /// The cheapest set of chains that carries the flow: minimum-knapsack-cover on a grid, rounded to the nearest step, then
    /// checked exactly.
    fn block(&self, length: usize, chains: &[Chain]) -> Option<Column> {
        let steps: Vec<usize> = chains.iter().map(|chain| grid_steps(chain.flow / self.flow)).collect();
        let mut cost = vec![f64::INFINITY; GRID + SPARE + 1];
        let mut last = vec![usize::MAX; GRID + SPARE + 1];
        cost[0] = 0.0;
        for reached in 1..=GRID + SPARE {
            for (index, chain) in chains.iter().enumerate().filter(|&(index, _)| steps[index] > 0) {
                let total = cost[reached.saturating_sub(steps[index])] + chain.cost;
                if total < cost[reached] {
                    (cost[reached], last[reached]) = (total, index);
                }
            }
        }
        (GRID..=GRID + SPARE).find_map(|goal| {
            // Within the slack of rounding any block is of interest; the linear program decides what it is worth.
            if cost[goal] >= length as f64 + 1.0 {
                return None;
            }
            let mut chosen = Vec::new();
            let mut reached = goal;
            while reached > 0 {
                chosen.push(last[reached]);
                reached = reached.saturating_sub(steps[last[reached]]);
            }
            let flow: f64 = chosen.iter().map(|&index| chains[index].flow).sum();
            (flow >= self.flow).then(|| column(length, flow, chosen.iter().map(|&index| &chains[index])))
        })
    }
}

fn column<'a>(length: usize, flow: f64, chains: impl Iterator<Item = &'a Chain>) -> Column {
    let mut members = Vec::new();
    let mut depth = 0;
    for chain in chains {
        depth = depth.max(chain.machines.len());
        let mut offset = 0;
        for &(kind, layers) in &chain.machines {
            members.push(Member { kind, offset, layers });
            offset += layers;
        }
    }
    Column::new(length, depth, flow, members)
}

/// A share of the flow in steps of the grid, to the nearest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and GRID by the line before"
)]
fn grid_steps(share: f64) -> usize {
    let steps = (share * GRID as f64).round().clamp(0.0, GRID as f64);
    steps as usize
}
