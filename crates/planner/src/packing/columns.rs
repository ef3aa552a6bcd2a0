//! Columns of the packing program: what covers a few consecutive layers and carries the target flow.
//!
//! A *stage* is a minimal multiset of machines that share one interval of `length` layers, `Σ T(length) >= F`. All flow meets
//! at both ends of a column, so columns can be joined in any order.

use crate::packing::Table;

/// Partial sets that the enumeration of stages may look at for each column that it may return.
const NODES_PER_COLUMN: usize = 100;

/// One machine of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Kind of machine.
    pub kind: usize,
    /// First layer, counted from the first layer of the column.
    pub offset: usize,
    /// Layers held.
    pub layers: usize,
}

/// Machines that together carry the target flow over `length` layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Layers covered.
    pub length: usize,
    /// Machines that a request passes at most.
    pub depth: usize,
    /// What the machines carry together \[tokens/s\].
    pub flow: f64,
    /// (kind, machines of it), ascending in the kind.
    pub uses: Vec<(usize, u32)>,
    /// The machines.
    pub members: Vec<Member>,
}

impl Column {
    /// A column from its machines.
    #[must_use]
    pub fn new(length: usize, depth: usize, flow: f64, mut members: Vec<Member>) -> Self {
        members.sort_unstable();
        let mut uses: Vec<(usize, u32)> = Vec::new();
        for member in &members {
            match uses.last_mut() {
                Some((kind, count)) if *kind == member.kind => *count += 1,
                _ => uses.push((member.kind, 1)),
            }
        }
        Self { length, depth, flow, uses, members }
    }

    /// Σ price of its machines.
    #[must_use]
    pub fn cost(&self, prices: &[f64]) -> f64 {
        self.uses.iter().map(|&(kind, count)| f64::from(count) * prices[kind]).sum()
    }
}

/// How many machines there are of each kind, and their tables.
#[derive(Debug, Clone, Copy)]
pub struct Kinds<'a> {
    /// Table of each kind.
    pub tables: &'a [Table],
    /// Machines of each kind.
    pub counts: &'a [u32],
}

/// A price that every column must be worth: those that cost more than `length + slack` cannot be in a solution.
#[derive(Debug, Clone, Copy)]
pub struct Worth<'a> {
    /// Price of a machine of each kind \[layers\].
    pub prices: &'a [f64],
    /// How much more than its length a column may cost \[layers\].
    pub slack: f64,
}

/// Every minimal stage that carries `flow` and is worth its price; `None` if there are more than `limit`.
///
/// Machines are taken in order of falling throughput and the set is complete as soon as the flow is reached, so the last
/// machine is the slowest and no machine can be left out.
#[must_use]
pub fn stages(kinds: Kinds<'_>, flow: f64, worth: Option<Worth<'_>>, limit: usize) -> Option<Vec<Column>> {
    let longest = kinds.tables.iter().map(|table| table.throughput.len()).max().unwrap_or(0);
    let mut columns = Vec::new();
    for length in 1..=longest {
        let mut rates: Vec<(f64, usize)> = kinds
            .tables
            .iter()
            .enumerate()
            .filter(|&(kind, _)| kinds.counts[kind] > 0)
            .filter_map(|(kind, table)| table.at(length).map(|rate| (rate, kind)))
            .collect();
        rates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let budget = worth.map_or(f64::INFINITY, |worth| length as f64 + worth.slack);
        let mut cheapest = vec![f64::INFINITY; rates.len() + 1];
        for (index, &(rate, kind)) in rates.iter().enumerate().rev() {
            let price = worth.map_or(0.0, |worth| worth.prices[kind]);
            cheapest[index] = cheapest[index + 1].min(price / rate);
        }
        let chosen = Vec::new();
        let nodes = limit.saturating_mul(NODES_PER_COLUMN);
        let mut walk = Walk {
            kinds,
            worth,
            rates: &rates,
            cheapest,
            length,
            limit,
            nodes,
            chosen,
            columns: &mut columns,
        };
        if !walk.extend(0, flow, budget) {
            return None;
        }
    }
    Some(columns)
}

struct Walk<'a, 'b> {
    kinds: Kinds<'a>,
    worth: Option<Worth<'a>>,
    rates: &'b [(f64, usize)],
    /// Least price of one token/s by the machines from here on.
    cheapest: Vec<f64>,
    length: usize,
    limit: usize,
    nodes: usize,
    chosen: Vec<usize>,
    columns: &'b mut Vec<Column>,
}

impl Walk<'_, '_> {
    /// Adds machines no faster than `from`; `false` once there are too many columns.
    fn extend(&mut self, from: usize, missing: f64, budget: f64) -> bool {
        if self.nodes == 0 {
            return false;
        }
        self.nodes -= 1;
        for index in from..self.rates.len() {
            if self.cheapest[index] * missing > budget + 1e-9 {
                return true;
            }
            let (rate, kind) = self.rates[index];
            let used = self.chosen.iter().filter(|&&chosen| chosen == kind).count();
            let left = budget - self.worth.map_or(0.0, |worth| worth.prices[kind]);
            if used >= self.kinds.counts[kind] as usize || left < -1e-9 {
                continue;
            }
            self.chosen.push(kind);
            if missing - rate <= 0.0 {
                let rate = |&kind: &usize| self.kinds.tables[kind].at(self.length);
                let flow = self.chosen.iter().filter_map(rate).sum();
                let members = self.chosen.iter().map(|&kind| Member { kind, offset: 0, layers: self.length });
                self.columns.push(Column::new(self.length, 1, flow, members.collect()));
                if self.columns.len() > self.limit {
                    return false;
                }
            } else if !self.extend(index, missing - rate, left) {
                return false;
            }
            self.chosen.pop();
        }
        true
    }
}
