//! Blocks: parallel chains of machines that span the same layers, priced for a linear program.
//!
//! ```text
//!        ┌─[0..2]──[2..5]─┐   a chain carries what its slowest part carries
//! flow ──┤                ├── flow        F <= Σ over the chains
//!        └─────[0..5]─────┘
//! ```
//! A stage is the block whose chains are single machines. Where a flow needs few machines, blocks waste much less of them.
//! *Nested* blocks have chains whose parts are blocks themselves.

use crate::packing::knapsack::{GRID, Knapsack, SPARE};
use crate::packing::structure::Structure;
use crate::packing::{Column, Kinds};

/// A chain is of interest if it saves this much of its price against a wider one \[layers\].
const SAVING: f64 = 1e-3;

/// Finds blocks that carry one flow.
pub(super) struct Pricer<'a> {
    kinds: Kinds<'a>,
    flow: f64,
    /// Every throughput that occurs, descending.
    levels: Vec<f64>,
    limits: Limits,
}

/// What blocks may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Layers of one, at most.
    pub longest: usize,
    /// Machines in series in one chain of a block that is not nested, at most.
    pub series: usize,
    /// Whether chains may consist of blocks.
    pub nested: bool,
}

/// A chain that spans a block.
#[derive(Debug, Clone)]
struct Chain {
    cost: f64,
    /// \[tokens/s\]
    flow: f64,
    structure: Structure,
}

/// Chains over one length, and what they cost side by side.
struct Side {
    chains: Vec<Chain>,
    knapsack: Knapsack,
}

impl Side {
    fn new(chains: Vec<Chain>, flow: f64) -> Self {
        let items: Vec<(f64, f64)> = chains.iter().map(|chain| (chain.cost, chain.flow / flow)).collect();
        Self { knapsack: Knapsack::new(&items), chains }
    }

    /// The cheapest chains side by side that cover so many steps of the flow.
    fn structure(&self, steps: usize) -> Structure {
        let mut parts: Vec<Structure> = self
            .knapsack
            .items(steps)
            .into_iter()
            .map(|chain| self.chains[chain].structure.clone())
            .collect();
        if parts.len() == 1 { parts.remove(0) } else { Structure::Parallel(parts) }
    }
}

impl<'a> Pricer<'a> {
    /// A pricer for blocks that carry `flow`.
    pub fn new(kinds: Kinds<'a>, flow: f64, limits: Limits) -> Self {
        let mut levels: Vec<f64> = kinds
            .tables
            .iter()
            .enumerate()
            .filter(|&(kind, _)| kinds.counts[kind] > 0)
            .flat_map(|(_, table)| table.entries().map(|(_, throughput)| throughput.min(flow)))
            .collect();
        levels.sort_by(|a, b| b.total_cmp(a));
        levels.dedup();
        Self { kinds, flow, levels, limits }
    }

    /// For every length the cheapest block found.
    pub fn price(&self, prices: &[f64]) -> Vec<Column> {
        let mut chains: Vec<Vec<Chain>> = vec![Vec::new(); self.limits.longest + 1];
        for &level in &self.levels {
            for (length, chain) in self.chains(prices, level) {
                let known = &mut chains[length];
                // Levels fall, so a chain must be cheaper than those before it.
                if known.last().is_none_or(|last| chain.cost < last.cost - SAVING) {
                    known.push(chain);
                }
            }
        }
        let mut sides: Vec<Side> = chains.into_iter().map(|chains| Side::new(chains, self.flow)).collect();
        if self.limits.nested {
            sides = self.nest(&sides).into_iter().map(|chains| Side::new(chains, self.flow)).collect();
        }
        (1..=self.limits.longest).filter_map(|length| self.block(length, &sides[length])).collect()
    }

    /// The cheapest chain of single machines of every length that all carry `level`.
    fn chains(&self, prices: &[f64], level: f64) -> Vec<(usize, Chain)> {
        let Limits { longest, series, .. } = self.limits;
        let mut items: Vec<(usize, usize)> = Vec::new();
        for (kind, table) in
            self.kinds.tables.iter().enumerate().filter(|&(kind, _)| self.kinds.counts[kind] > 0)
        {
            let able = table.entries().filter(|&(_, throughput)| throughput >= level);
            items.extend(able.map(|(layers, _)| (kind, layers)).filter(|&(_, layers)| layers <= longest));
        }
        // least[n][length]: cost and last machine of the cheapest chain of n machines.
        let none = (f64::INFINITY, usize::MAX);
        let mut least = vec![vec![none; longest + 1]; series + 1];
        least[0][0].0 = 0.0;
        for n in 1..=series {
            for length in 1..=longest {
                for (index, &(kind, layers)) in items.iter().enumerate().filter(|(_, item)| item.1 <= length)
                {
                    let cost = least[n - 1][length - layers].0 + prices[kind];
                    if cost < least[n][length].0 {
                        least[n][length] = (cost, index);
                    }
                }
            }
        }
        let cheapest =
            |length: usize| (1..=series).min_by(|&a, &b| least[a][length].0.total_cmp(&least[b][length].0));
        (1..=longest)
            .filter_map(|length| {
                let mut n = cheapest(length)?;
                let cost = least[n][length].0;
                let (mut parts, mut left) = (Vec::new(), length);
                while n > 0 {
                    let &(kind, layers) = items.get(least[n][left].1)?;
                    parts.push(Structure::Machine { kind, layers });
                    left -= layers;
                    n -= 1;
                }
                let structure = Structure::Series(parts);
                let flow = structure.flow(self.kinds.tables);
                Some((length, Chain { cost, flow, structure }))
            })
            .collect()
    }

    /// Chains whose parts are blocks: for every share of the flow the cheapest series of blocks that carry it.
    fn nest(&self, sides: &[Side]) -> Vec<Vec<Chain>> {
        let longest = self.limits.longest;
        let mut nested: Vec<Vec<Chain>> = vec![Vec::new(); longest + 1];
        let mut cost = vec![0.0; longest + 1];
        let mut first = vec![0; longest + 1];
        for steps in (1..=GRID).rev() {
            for length in 1..=longest {
                let total = |part: usize| sides[part].knapsack.cost(steps) + cost[length - part];
                let part = (1..=length).min_by(|&a, &b| total(a).total_cmp(&total(b))).unwrap_or(length);
                (cost[length], first[length]) = (total(part), part);
                let saves = nested[length].last().is_none_or(|last| cost[length] < last.cost - SAVING);
                if cost[length].is_finite() && saves {
                    let (mut parts, mut left) = (Vec::new(), length);
                    while left > 0 {
                        parts.push(sides[first[left]].structure(steps));
                        left -= first[left];
                    }
                    let structure = Structure::Series(parts);
                    let flow = structure.flow(self.kinds.tables).min(self.flow);
                    nested[length].push(Chain { cost: cost[length], flow, structure });
                }
            }
        }
        nested
    }

    /// The cheapest block over one length that really carries the flow.
    fn block(&self, length: usize, side: &Side) -> Option<Column> {
        (GRID..=GRID + SPARE).find_map(|goal| {
            // Far from its worth no block is of interest; how near, the linear program decides.
            if side.knapsack.cost(goal) >= length as f64 + 1.0 {
                return None;
            }
            let column = side.structure(goal).column(self.kinds.tables);
            (column.flow >= self.flow).then_some(column)
        })
    }
}
