//! A small dense linear program: maximise `value · x` subject to `A x <= capacity`, `x >= 0`, with few rows, columns added
//! as they are priced.
//!
//! Primal revised simplex with an explicit inverse of the basis (rows × rows). Its answers are floating point and never
//! taken for a proof: bounds are recomputed from the prices by weak duality, placements by an exact max-flow.

const TOLERANCE: f64 = 1e-9;
/// Pivots after which the inverse is computed anew.
const REFRESH: usize = 100;

/// The program with its current basis; solving again after adding columns continues from there.
#[derive(Debug, Clone)]
pub struct LinearProgram {
    capacity: Vec<f64>,
    values: Vec<f64>,
    columns: Vec<Vec<(usize, f64)>>,
    basis: Vec<Variable>,
    is_basic: Vec<bool>,
    inverse: Vec<f64>,
    primal: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Slack(usize),
    Column(usize),
}

impl LinearProgram {
    /// A program without columns; `capacity` must not be negative.
    #[must_use]
    pub fn new(capacity: Vec<f64>) -> Self {
        let rows = capacity.len();
        let mut inverse = vec![0.0; rows * rows];
        for row in 0..rows {
            inverse[row * rows + row] = 1.0;
        }
        Self {
            primal: capacity.clone(),
            capacity,
            values: Vec::new(),
            columns: Vec::new(),
            basis: (0..rows).map(Variable::Slack).collect(),
            is_basic: Vec::new(),
            inverse,
        }
    }

    /// Adds a column of (row, coefficient) and returns its index.
    pub fn add(&mut self, value: f64, column: Vec<(usize, f64)>) -> usize {
        self.values.push(value);
        self.columns.push(column);
        self.is_basic.push(false);
        self.columns.len() - 1
    }

    /// Optimises; `false` if the pivots ran out first, which leaves a feasible point.
    pub fn solve(&mut self) -> bool {
        let rows = self.capacity.len();
        let limit = 200 * (rows + 1) + 2 * self.columns.len();
        for pivot in 0..limit {
            if pivot % REFRESH == REFRESH - 1 {
                self.refresh();
            }
            // Dantzig's rule first, Bland's once a cycle is likely.
            let Some(entering) = self.entering(pivot > limit / 2) else {
                return true;
            };
            if !self.pivot(entering) {
                return false;
            }
        }
        false
    }

    /// The price of each row, never negative.
    #[must_use]
    pub fn duals(&self) -> Vec<f64> {
        self.raw_duals().into_iter().map(|price| price.max(0.0)).collect()
    }

    /// The optimal value.
    #[must_use]
    pub fn objective(&self) -> f64 {
        self.basis.iter().zip(&self.primal).map(|(variable, amount)| self.value(*variable) * amount).sum()
    }

    /// Every column in use with its amount.
    #[must_use]
    pub fn solution(&self) -> Vec<(usize, f64)> {
        let mut solution: Vec<(usize, f64)> = self
            .basis
            .iter()
            .zip(&self.primal)
            .filter_map(|(variable, &amount)| match variable {
                Variable::Column(column) if amount > TOLERANCE => Some((*column, amount)),
                _ => None,
            })
            .collect();
        solution.sort_by_key(|&(column, _)| column);
        solution
    }

    fn value(&self, variable: Variable) -> f64 {
        match variable {
            Variable::Slack(_) => 0.0,
            Variable::Column(column) => self.values[column],
        }
    }

    fn raw_duals(&self) -> Vec<f64> {
        let rows = self.capacity.len();
        let mut duals = vec![0.0; rows];
        for (position, variable) in self.basis.iter().enumerate() {
            let value = self.value(*variable);
            if value != 0.0 {
                for (row, dual) in duals.iter_mut().enumerate() {
                    *dual += value * self.inverse[position * rows + row];
                }
            }
        }
        duals
    }

    fn entering(&self, first: bool) -> Option<Variable> {
        let duals = self.raw_duals();
        let mut best = None;
        let mut best_gain = TOLERANCE;
        for (row, &dual) in duals.iter().enumerate() {
            if -dual > best_gain && !self.basis.contains(&Variable::Slack(row)) {
                (best, best_gain) = (Some(Variable::Slack(row)), -dual);
                if first {
                    return best;
                }
            }
        }
        for (index, column) in self.columns.iter().enumerate() {
            if self.is_basic[index] {
                continue;
            }
            let gain =
                self.values[index] - column.iter().map(|&(row, amount)| duals[row] * amount).sum::<f64>();
            if gain > best_gain {
                (best, best_gain) = (Some(Variable::Column(index)), gain);
                if first {
                    return best;
                }
            }
        }
        best
    }

    /// The entering column in terms of the basis.
    fn direction(&self, variable: Variable) -> Vec<f64> {
        let rows = self.capacity.len();
        let single = |row| vec![(row, 1.0)];
        let column = match variable {
            Variable::Slack(row) => single(row),
            Variable::Column(column) => self.columns[column].clone(),
        };
        (0..rows)
            .map(|position| {
                column.iter().map(|&(row, amount)| self.inverse[position * rows + row] * amount).sum()
            })
            .collect()
    }

    fn pivot(&mut self, entering: Variable) -> bool {
        let rows = self.capacity.len();
        let direction = self.direction(entering);
        let mut leaving: Option<(usize, f64)> = None;
        for (position, &step) in direction.iter().enumerate() {
            if step > TOLERANCE {
                let ratio = self.primal[position].max(0.0) / step;
                let better = leaving.is_none_or(|(held, least)| {
                    ratio < least - 1e-12 || (ratio < least + 1e-12 && step > direction[held])
                });
                if better {
                    leaving = Some((position, ratio));
                }
            }
        }
        // Every column uses some capacity, so an unbounded direction is rounding.
        let Some((leaving, amount)) = leaving else { return false };
        for (position, &step) in direction.iter().enumerate() {
            self.primal[position] -= step * amount;
        }
        self.primal[leaving] = amount;
        let scale = direction[leaving];
        for row in 0..rows {
            self.inverse[leaving * rows + row] /= scale;
        }
        for (position, &factor) in direction.iter().enumerate() {
            if position != leaving && factor != 0.0 {
                for row in 0..rows {
                    self.inverse[position * rows + row] -= factor * self.inverse[leaving * rows + row];
                }
            }
        }
        if let Variable::Column(column) = self.basis[leaving] {
            self.is_basic[column] = false;
        }
        if let Variable::Column(column) = entering {
            self.is_basic[column] = true;
        }
        self.basis[leaving] = entering;
        true
    }

    /// Computes the inverse from the basis by Gauss-Jordan elimination; keeps the updated one if the basis looks singular.
    fn refresh(&mut self) {
        let rows = self.capacity.len();
        let mut matrix = vec![0.0; rows * rows];
        for (position, variable) in self.basis.iter().enumerate() {
            match *variable {
                Variable::Slack(row) => matrix[row * rows + position] = 1.0,
                Variable::Column(column) => {
                    for &(row, amount) in &self.columns[column] {
                        matrix[row * rows + position] = amount;
                    }
                }
            }
        }
        if let Some(inverse) = invert(matrix, rows) {
            self.inverse = inverse;
            self.primal = (0..rows)
                .map(|position| {
                    (0..rows).map(|row| self.inverse[position * rows + row] * self.capacity[row]).sum()
                })
                .collect();
        }
    }
}

fn invert(mut matrix: Vec<f64>, rows: usize) -> Option<Vec<f64>> {
    let mut inverse = vec![0.0; rows * rows];
    for row in 0..rows {
        inverse[row * rows + row] = 1.0;
    }
    for column in 0..rows {
        let pivot = (column..rows)
            .max_by(|&a, &b| matrix[a * rows + column].abs().total_cmp(&matrix[b * rows + column].abs()))?;
        if matrix[pivot * rows + column].abs() < 1e-11 {
            return None;
        }
        for k in 0..rows {
            matrix.swap(pivot * rows + k, column * rows + k);
            inverse.swap(pivot * rows + k, column * rows + k);
        }
        let scale = matrix[column * rows + column];
        for k in 0..rows {
            matrix[column * rows + k] /= scale;
            inverse[column * rows + k] /= scale;
        }
        for row in 0..rows {
            let factor = matrix[row * rows + column];
            if row != column && factor != 0.0 {
                for k in 0..rows {
                    matrix[row * rows + k] -= factor * matrix[column * rows + k];
                    inverse[row * rows + k] -= factor * inverse[column * rows + k];
                }
            }
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_program_and_its_prices() {
        // max 3x + 5y, x <= 4, 2y <= 12, 3x + 2y <= 18 (Hillier and Lieberman): 36 at (2, 6), prices 0, 3/2, 1.
        let mut program = LinearProgram::new(vec![4.0, 12.0, 18.0]);
        program.add(3.0, vec![(0, 1.0), (2, 3.0)]);
        program.add(5.0, vec![(1, 2.0), (2, 2.0)]);
        assert!(program.solve());
        assert!((program.objective() - 36.0).abs() < 1e-9);
        assert_eq!(program.solution().len(), 2);
        for (price, expected) in program.duals().into_iter().zip([0.0, 1.5, 1.0]) {
            assert!((price - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn degenerate_rows_do_not_cycle() {
        // Beale's example, which cycles under Dantzig's rule without care: optimum 1/20.
        let mut program = LinearProgram::new(vec![0.0, 0.0, 1.0]);
        program.add(0.75, vec![(0, 0.25), (1, 0.5)]);
        program.add(-150.0, vec![(0, -60.0), (1, -90.0)]);
        program.add(0.02, vec![(0, -0.04), (1, -0.02), (2, 1.0)]);
        program.add(-6.0, vec![(0, 9.0), (1, 3.0)]);
        assert!(program.solve());
        assert!((program.objective() - 0.05).abs() < 1e-9, "{}", program.objective());
    }
}
