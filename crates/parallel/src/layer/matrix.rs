//! Weight matrices, row-major, one row for each output.

use std::ops::Range;

use super::math::dot;
use crate::Real;

/// A matrix of `rows × columns` weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix<T> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Row after row.
    pub data: Vec<T>,
}

impl<T: Real> Matrix<T> {
    /// A matrix whose weights are computed from row and column.
    pub fn from_fn(rows: usize, columns: usize, mut weight: impl FnMut(usize, usize) -> T) -> Self {
        let data = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Self { rows, columns, data: data.map(|(row, column)| weight(row, column)).collect() }
    }

    /// A part of a row.
    #[must_use]
    pub fn row(&self, row: usize, columns: &Range<usize>) -> &[T] {
        &self.data[row * self.columns..][columns.clone()]
    }

    /// The product of a block of the matrix with each of several vectors of `columns.len()` numbers; `rows.len()`
    /// numbers for each come out. A result does not depend on the other vectors.
    #[must_use]
    pub fn apply(&self, rows: &Range<usize>, columns: &Range<usize>, inputs: &[T]) -> Vec<T> {
        let count = inputs.len() / columns.len();
        let mut outputs = vec![T::ZERO; count * rows.len()];
        for (at, row) in rows.clone().enumerate() {
            let weights = self.row(row, columns);
            for (input, output) in
                inputs.chunks_exact(columns.len()).zip(outputs.chunks_exact_mut(rows.len()))
            {
                output[at] = dot(weights, input);
            }
        }
        outputs
    }

    /// [`Matrix::apply`] with all rows and columns.
    #[must_use]
    pub fn apply_all(&self, inputs: &[T]) -> Vec<T> {
        self.apply(&(0..self.rows), &(0..self.columns), inputs)
    }

    /// The product of the transposed rows `rows` with one vector of `rows.len()` numbers.
    #[must_use]
    pub fn apply_transposed(&self, rows: &Range<usize>, input: &[T]) -> Vec<T> {
        let mut output = vec![T::ZERO; self.columns];
        for (row, &factor) in rows.clone().zip(input) {
            for (into, &weight) in output.iter_mut().zip(self.row(row, &(0..self.columns))) {
                *into = weight.times_plus(factor, *into);
            }
        }
        output
    }
}
