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
use crate::packing::lengths::{BITS, Lengths, Prune, Step};

const EPSILON: f64 = 1e-6;

/// Finds further columns for the machines and layers that are left; new columns only.
pub type Generate<'a> = dyn Fn(&[u32], &[Column], &mut dyn FnMut() -> bool) -> Vec<Column> + 'a;

/// The question.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// Layers to reach.
    pub layers: usize,
    /// Machines of each kind.
    pub counts: &'a [u32],
    /// The columns to choose from.
    pub columns: &'a [Column],
    /// Σ depth, at most.
    pub depth: Option<usize>,
    /// Where more columns come from, if these are not all.
    pub generate: Option<&'a Generate<'a>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Columns that do.
    Found(Vec<Column>),
    /// No choice of these columns reaches the layers.
    Infeasible,
    /// Not even parts of the columns that were generated reach the layers; others might.
    Short,
    /// Not decided: too many vectors of counts, or stopped.
    Unknown,
}

impl Program<'_> {
    /// Decides whether the columns reach the layers.
    pub fn solve(&self, should_stop: &mut dyn FnMut() -> bool) -> Answer {
        let mut rest = Rest::new(self);
        // Only the first program speaks for all columns; later ones live with what was fixed.
        let mut negative = if self.generate.is_none() { Answer::Infeasible } else { Answer::Short };
        while !should_stop() {
            if rest.layers == 0 {
                return Answer::Found(rest.taken);
            }
            if let Some(generate) = self.generate {
                let counts = &rest.counts[..self.counts.len()];
                let more = generate(counts, &rest.columns, should_stop);
                rest.open.extend(rest.columns.len()..rest.columns.len() + more.len());
                rest.columns.extend(more);
            }
            let relaxed = rest.relax();
            if relaxed.value < rest.layers as f64 - EPSILON {
                return negative;
            }
            match rest.dynamic(&relaxed, should_stop) {
                Some(Answer::Found(more)) => {
                    rest.taken.extend(more);
                    return Answer::Found(rest.taken);
                }
                Some(Answer::Infeasible) if negative == Answer::Infeasible => return negative,
                Some(_) => return Answer::Unknown,
                None => {}
            }
            negative = Answer::Unknown;
            if !rest.fix(&relaxed.solution) {
                return Answer::Unknown;
            }
        }
        Answer::Unknown
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
struct Rest {
    columns: Vec<Column>,
    depth_row: Option<usize>,
    layers: usize,
    counts: Vec<u32>,
    /// Columns still in question.
    open: Vec<usize>,
    taken: Vec<Column>,
}

impl Rest {
    fn new(program: &Program<'_>) -> Self {
        let mut counts = program.counts.to_vec();
        let depth_row = program.depth.map(|depth| {
            counts.push(u32::try_from(depth).unwrap_or(u32::MAX));
            counts.len() - 1
        });
        let open = (0..program.columns.len()).collect();
        Self {
            columns: program.columns.to_vec(),
            depth_row,
            layers: program.layers,
            counts,
            open,
            taken: Vec::new(),
        }
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
        if self.layers >= BITS {
            return None;
        }
        let step = |&column: &usize| Step {
            after: u128::MAX,
            length: self.columns[column].length,
            uses: self.uses(column).collect(),
        };
        let mut lengths = Lengths::new(&self.counts, self.open.iter().map(step).collect())?;
        let prune = Prune { prices: &relaxed.prices, slack: relaxed.slack, until_reached: true };
        if lengths.fill(self.layers, Some(prune), should_stop).is_none() {
            return Some(Answer::Unknown);
        }
        let (state, reached) = lengths.last();
        if reached >> self.layers & 1 == 0 {
            return Some(Answer::Infeasible);
        }
        let column = |step: usize| self.columns[self.open[step]].clone();
        let taken = lengths.trace(state, self.layers);
        Some(taken.map_or(Answer::Unknown, |taken| Answer::Found(taken.into_iter().map(column).collect())))
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
        self.taken.push(self.columns[column].clone());
    }
}
