//! The cheapest cover of one layer: machines whose throughputs sum to at least the target flow.
//!
//! A machine of kind `t` that holds `k` layers pays `price_t / k` for each of them. Minimum-knapsack-cover by dynamic
//! program over a grid of the flow; throughputs are rounded **up** to the grid, so the cost found is never more than the
//! true one.

use crate::packing::Table;

/// Steps of the grid: a cover of `n` machines is rounded by at most `n / GRID` of the flow.
const GRID: usize = 4096;

/// What a machine of one kind with some number of layers gives to each of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item {
    /// Kind of machine.
    pub kind: usize,
    /// Layers held.
    pub layers: usize,
    /// Steps of the grid covered.
    steps: usize,
}

/// One cover with its cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Cover {
    /// Σ price / layers; for the cheapest cover a lower bound on the cost of every cover.
    pub cost: f64,
    /// The machines.
    pub items: Vec<Item>,
}

impl Cover {
    /// What the cover takes of each kind, as a column of a linear program.
    #[must_use]
    pub fn column(&self) -> Vec<(usize, f64)> {
        let mut column: Vec<(usize, f64)> = Vec::new();
        for item in &self.items {
            let share = 1.0 / item.layers as f64;
            match column.iter_mut().find(|(kind, _)| *kind == item.kind) {
                Some((_, total)) => *total += share,
                None => column.push((item.kind, share)),
            }
        }
        column
    }
}

/// The items that a target flow leaves in question.
#[derive(Debug, Clone, PartialEq)]
pub struct Covers {
    items: Vec<Item>,
}

impl Covers {
    /// Items of every kind at a target flow: of those that cover as much, only the one with the most layers.
    #[must_use]
    pub fn new(tables: &[Table], counts: &[usize], flow: f64) -> Self {
        let mut items: Vec<Item> = Vec::new();
        for (kind, table) in tables.iter().enumerate().filter(|&(kind, _)| counts[kind] > 0) {
            let mut most = 0;
            let mut entries: Vec<(usize, f64)> = table.entries().collect();
            entries.reverse();
            for (layers, throughput) in entries {
                let steps = if throughput >= flow { GRID } else { grid_steps(throughput / flow) };
                if steps > most {
                    items.push(Item { kind, layers, steps });
                    most = steps;
                }
            }
        }
        Self { items }
    }

    /// The cheapest cover at these prices of a machine; `None` if there are no items at all.
    #[must_use]
    pub fn cheapest(&self, prices: &[f64]) -> Option<Cover> {
        let table = self.price(prices);
        table.cover(self, GRID)
    }

    /// The cheapest cover by one machine, and the cheapest by two or more.
    #[must_use]
    pub fn cheapest_by_size(&self, prices: &[f64]) -> (Option<Cover>, Option<Cover>) {
        let table = self.price(prices);
        let cheaper = |a: &Cover, b: &Cover| a.cost.total_cmp(&b.cost);
        let single = |item: &Item| Cover { cost: prices[item.kind] / item.layers as f64, items: vec![*item] };
        let one = self.items.iter().filter(|item| item.steps == GRID).map(single).min_by(cheaper);
        let several = self.items.iter().filter_map(|item| {
            let mut cover = table.cover(self, (GRID - item.steps).max(1))?;
            cover.cost += prices[item.kind] / item.layers as f64;
            cover.items.push(*item);
            Some(cover)
        });
        (one, several.min_by(cheaper))
    }

    fn price(&self, prices: &[f64]) -> Priced {
        let mut cost = vec![f64::INFINITY; GRID + 1];
        let mut last = vec![usize::MAX; GRID + 1];
        cost[0] = 0.0;
        let rates: Vec<f64> = self.items.iter().map(|item| prices[item.kind] / item.layers as f64).collect();
        for reached in 1..=GRID {
            for (index, (item, rate)) in self.items.iter().zip(&rates).enumerate() {
                let total = cost[reached.saturating_sub(item.steps)] + rate;
                if total < cost[reached] {
                    cost[reached] = total;
                    last[reached] = index;
                }
            }
        }
        Priced { cost, last }
    }
}

/// Least cost of covering the first steps, and the item added last.
struct Priced {
    cost: Vec<f64>,
    last: Vec<usize>,
}

impl Priced {
    fn cover(&self, covers: &Covers, steps: usize) -> Option<Cover> {
        if !self.cost[steps].is_finite() {
            return None;
        }
        let mut items = Vec::new();
        let mut reached = steps;
        while reached > 0 {
            let item = covers.items[self.last[reached]];
            items.push(item);
            reached = reached.saturating_sub(item.steps);
        }
        Some(Cover { cost: self.cost[steps], items })
    }
}

/// A share of the flow in steps of the grid, rounded up; at least one step, and less than all of them, since what carries
/// less than the flow covers no layer alone and any second machine then completes it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and GRID - 1 by the line before"
)]
fn grid_steps(share: f64) -> usize {
    let steps = (share * GRID as f64 * (1.0 + 1e-12)).ceil().clamp(1.0, (GRID - 1) as f64);
    steps as usize
}
