//! The integer program of stage packing: columns with a length and machine counts; do some of them, together within the
//! counts, add up to exactly `L` layers?
//!
//! 1. Its linear relaxation proves most targets infeasible, and its prices remove every column that costs more than it is
//!    worth plus the slack.
//! 2. Dynamic program over the machines used: for every vector of counts the set of reachable lengths, as a bit set. Exact.
//!    A vector that has spent more than its length is worth plus the slack is dropped.
//! 3. Where there are too many vectors, the linear solution is fixed column by column until the rest fits (dive).

use crate::linear::LinearProgram;
use crate::packing::Column;

/// Lengths that the bit sets hold.
const BITS: usize = 128;
/// Vectors of counts that the dynamic program may keep (16 bytes each).
const MAX_STATES: usize = 4_000_000;
/// Columns tried on states that one dynamic program may take.
const MAX_WORK: usize = 600_000_000;
const EPSILON: f64 = 1e-6;

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Layers to reach.
    pub layers: usize,
    /// Machines of each kind.
    pub counts: &'a [u32],
    /// The columns to choose from.
    pub columns: &'a [Column],
    /// Σ depth, at most.
    pub depth: Option<usize>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Indices of the columns taken, with repetition.
    Found(Vec<usize>),
    /// No choice of these columns reaches the layers.
    Infeasible,
    /// Not decided: too many vectors of counts, or stopped.
    Unknown,
}

impl Program<'_> {
    /// Decides whether the columns reach the layers.
    pub fn solve(&self, should_stop: &mut dyn FnMut() -> bool) -> Answer {
        let mut rest = Rest::new(self);
        let mut first = true;
        loop {
            if should_stop() {
                return Answer::Unknown;
            }
            if rest.layers == 0 {
                return Answer::Found(rest.taken);
            }
            let relaxed = rest.relax();
            if relaxed.value < rest.layers as f64 - EPSILON {
                return if first { Answer::Infeasible } else { Answer::Unknown };
            }
            match rest.dynamic(&relaxed, should_stop) {
                Some(Answer::Found(more)) => {
                    rest.taken.extend(more);
                    return Answer::Found(rest.taken);
                }
                Some(Answer::Infeasible) if first => return Answer::Infeasible,
                Some(_) => return Answer::Unknown,
                None => {}
            }
            first = false;
            if !rest.fix(&relaxed.solution) {
                return Answer::Unknown;
            }
        }
    }
}

/// An optimum of the linear relaxation.
struct Relaxed {
    /// At least the optimum.
    value: f64,
    /// Price of a machine of each kind; no column is worth more than it costs.
    prices: Vec<f64>,
    /// What may be spent without covering a layer.
    slack: f64,
    solution: Vec<(usize, f64)>,
}

/// What is left to cover after some columns are fixed. The depth limit is one more kind, of which every column uses its depth.
struct Rest<'a> {
    columns: &'a [Column],
    depth_row: Option<usize>,
    layers: usize,
    counts: Vec<u32>,
    /// Columns still in question.
    open: Vec<usize>,
    taken: Vec<usize>,
}

impl<'a> Rest<'a> {
    fn new(program: &Program<'a>) -> Self {
        let mut counts = program.counts.to_vec();
        let depth_row = program.depth.map(|depth| {
            counts.push(u32::try_from(depth).unwrap_or(u32::MAX));
            counts.len() - 1
        });
        let open = (0..program.columns.len()).collect();
        Self { columns: program.columns, depth_row, layers: program.layers, counts, open, taken: Vec::new() }
    }

    fn uses(&self, column: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let column = &self.columns[column];
        let depth = self.depth_row.map(|row| (row, u32::try_from(column.depth).unwrap_or(u32::MAX)));
        column.uses.iter().copied().chain(depth)
    }

    fn fits(&self, column: usize) -> bool {
        self.columns[column].length <= self.layers
            && self.uses(column).all(|(kind, count)| count <= self.counts[kind])
    }

    /// Solves the linear relaxation and closes the columns that it prices out.
    fn relax(&mut self) -> Relaxed {
        let open = std::mem::take(&mut self.open);
        self.open = open.into_iter().filter(|&column| self.fits(column)).collect();
        let mut program = LinearProgram::new(self.counts.iter().map(|&count| f64::from(count)).collect());
        for &column in &self.open {
            let uses = self.uses(column).map(|(kind, count)| (kind, f64::from(count))).collect();
            program.add(self.columns[column].length as f64, uses);
        }
        let optimal = program.solve();
        let solution =
            program.solution().into_iter().map(|(index, amount)| (self.open[index], amount)).collect();
        let prices = program.duals();
        // Scaled up so that no column is worth more than it costs, whatever was rounded.
        let length = |column: usize| self.columns[column].length as f64;
        let scale =
            self.open.iter().map(|&column| length(column) / self.cost(column, &prices)).fold(1.0, f64::max);
        if !optimal || scale > 1.0 + EPSILON {
            let prices = vec![0.0; self.counts.len()];
            return Relaxed { value: f64::INFINITY, prices, slack: f64::INFINITY, solution };
        }
        let prices: Vec<f64> = prices.iter().map(|price| price * scale).collect();
        let value: f64 =
            prices.iter().zip(&self.counts).map(|(price, &count)| price * f64::from(count)).sum();
        let slack = value - self.layers as f64 + EPSILON;
        let open = std::mem::take(&mut self.open);
        self.open =
            open.into_iter().filter(|&column| self.cost(column, &prices) <= length(column) + slack).collect();
        Relaxed { value, prices, slack, solution }
    }

    fn cost(&self, column: usize, prices: &[f64]) -> f64 {
        self.uses(column).map(|(kind, count)| f64::from(count) * prices[kind]).sum()
    }

    /// Exact; `None` if there are too many vectors.
    fn dynamic(&self, relaxed: &Relaxed, should_stop: &mut dyn FnMut() -> bool) -> Option<Answer> {
        let mut used = vec![false; self.counts.len()];
        for &column in &self.open {
            for (kind, _) in self.uses(column) {
                used[kind] = true;
            }
        }
        let mut strides = vec![0; self.counts.len()];
        let mut states = 1usize;
        for (kind, &count) in self.counts.iter().enumerate() {
            if used[kind] {
                strides[kind] = states;
                states = states.checked_mul(count as usize + 1)?;
            }
        }
        if self.layers >= BITS || states > MAX_STATES || states.checked_mul(self.open.len())? > MAX_WORK {
            return None;
        }
        let Some(lengths) = Lengths::fill(self, relaxed, &strides, states, should_stop) else {
            return Some(Answer::Unknown);
        };
        Some(lengths.trace(self, &strides).map_or(Answer::Infeasible, Answer::Found))
    }

    /// Takes whole parts of the linear solution, or one column of the largest amount; `false` if there is nothing to take.
    fn fix(&mut self, solution: &[(usize, f64)]) -> bool {
        let largest = solution.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((largest, most)) = largest else { return false };
        let before = self.taken.len();
        for &(column, amount) in solution {
            // Half of each amount: what is left to the exact program should keep every kind.
            let whole = (amount + EPSILON).floor();
            let mut times = if most < 1.0 - EPSILON {
                f64::from(u8::from(column == largest))
            } else {
                (whole / 2.0).ceil()
            };
            while times > 0.0 && self.fits(column) {
                self.take(column);
                times -= 1.0;
            }
        }
        self.taken.len() > before
    }

    fn take(&mut self, column: usize) {
        let uses: Vec<_> = self.uses(column).collect();
        for (kind, count) in uses {
            self.counts[kind] -= count;
        }
        self.layers -= self.columns[column].length;
        self.taken.push(column);
    }
}

/// For every vector of machines used the set of lengths that they reach.
struct Lengths {
    reach: Vec<u128>,
    goal: u128,
}

impl Lengths {
    fn fill(
        rest: &Rest<'_>,
        relaxed: &Relaxed,
        strides: &[usize],
        states: usize,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<Self> {
        let goal = 1u128 << rest.layers;
        let steps: Vec<Step> = rest.open.iter().map(|&column| Step::new(rest, column, strides)).collect();
        let mut reach = vec![0u128; states];
        reach[0] = 1;
        let mut digits = vec![0u32; strides.len()];
        let full = goal | (goal - 1);
        for state in 0..states {
            if state % 65_536 == 65_535 && should_stop() {
                return None;
            }
            let spent: f64 =
                digits.iter().zip(&relaxed.prices).map(|(&digit, price)| f64::from(digit) * price).sum();
            // Shorter than this, and what is left cannot make up for it.
            let least = bit_at_least(spent - relaxed.slack);
            let here = if least >= BITS { 0 } else { reach[state] & (u128::MAX << least) };
            reach[state] = here;
            if here & goal != 0 {
                reach.truncate(state + 1);
                break;
            }
            if here != 0 {
                for step in &steps {
                    if step.uses.iter().all(|&(kind, count)| digits[kind] + count <= rest.counts[kind]) {
                        reach[state + step.stride] |= (here << step.length) & full;
                    }
                }
            }
            advance(&mut digits, &rest.counts, strides);
        }
        Some(Self { reach, goal })
    }

    /// Walks back from a state that reaches the goal.
    fn trace(&self, rest: &Rest<'_>, strides: &[usize]) -> Option<Vec<usize>> {
        let mut state = self.reach.len() - 1;
        let mut length = self.goal;
        if self.reach[state] & self.goal == 0 {
            return None;
        }
        let mut taken = Vec::new();
        while length != 1 {
            let (column, before) = rest.open.iter().find_map(|&column| {
                let step = Step::new(rest, column, strides);
                let mut left = state;
                for &(kind, count) in step.uses.iter().rev() {
                    let digit = (left / strides[kind]) % (rest.counts[kind] as usize + 1);
                    if digit < count as usize {
                        return None;
                    }
                    left -= count as usize * strides[kind];
                }
                (length >> step.length != 0 && self.reach[left] & (length >> step.length) != 0)
                    .then_some((column, left))
            })?;
            taken.push(column);
            length >>= rest.columns[column].length;
            state = before;
        }
        Some(taken)
    }
}

/// The first bit that is no less than a length; [`BITS`] where there is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 128 by the line before"
)]
fn bit_at_least(length: f64) -> usize {
    let bit = length.ceil().max(0.0).min(BITS as f64);
    bit as usize
}

struct Step {
    length: usize,
    stride: usize,
    uses: Vec<(usize, u32)>,
}

impl Step {
    fn new(rest: &Rest<'_>, column: usize, strides: &[usize]) -> Self {
        let uses: Vec<_> = rest.uses(column).collect();
        let stride = uses.iter().map(|&(kind, count)| count as usize * strides[kind]).sum();
        Self { length: rest.columns[column].length, stride, uses }
    }
}

/// The next vector of counts; kinds without a stride stay at zero.
fn advance(digits: &mut [u32], counts: &[u32], strides: &[usize]) {
    for kind in 0..digits.len() {
        if strides[kind] > 0 {
            if digits[kind] < counts[kind] {
                digits[kind] += 1;
                return;
            }
            digits[kind] = 0;
        }
    }
}
