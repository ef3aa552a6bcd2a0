//! Minimum-cost knapsack cover on a grid of the flow, rounded to the nearest step: proposes, proves nothing.

/// Steps of the whole flow.
pub(super) const GRID: usize = 2048;
/// Steps beyond the flow that are tried when rounding left a proposal short of it.
pub(super) const SPARE: usize = 6;

/// Least cost of covering each number of steps, and which item was added last.
pub(super) struct Knapsack {
    steps: Vec<usize>,
    cost: Vec<f64>,
    last: Vec<usize>,
}

impl Knapsack {
    /// Fills the table for items of (cost, share of the flow), each as often as wanted.
    pub fn new(items: &[(f64, f64)]) -> Self {
        let steps: Vec<usize> = items.iter().map(|&(_, share)| grid_steps(share)).collect();
        let mut cost = vec![f64::INFINITY; GRID + SPARE + 1];
        let mut last = vec![usize::MAX; GRID + SPARE + 1];
        cost[0] = 0.0;
        for reached in 1..=GRID + SPARE {
            let (mut best, mut with) = (f64::INFINITY, usize::MAX);
            for (index, (&step, item)) in steps.iter().zip(items).enumerate() {
                let total = cost[reached.saturating_sub(step)] + item.0;
                if total < best && step > 0 {
                    (best, with) = (total, index);
                }
            }
            (cost[reached], last[reached]) = (best, with);
        }
        Self { steps, cost, last }
    }

    /// Least cost of covering `steps`; infinite where nothing does.
    pub fn cost(&self, steps: usize) -> f64 {
        self.cost[steps]
    }

    /// The items of a cheapest cover of `steps`, which must have one.
    pub fn items(&self, steps: usize) -> Vec<usize> {
        let mut items = Vec::new();
        let mut reached = steps;
        while reached > 0 && self.last[reached] != usize::MAX {
            items.push(self.last[reached]);
            reached = reached.saturating_sub(self.steps[self.last[reached]]);
        }
        items
    }
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
