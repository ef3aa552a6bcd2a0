//! Weight matrices, row-major, one row for each output: as they are computed with, or packed.

use std::ops::Range;

use super::math::dot;
use crate::{Number as _, Real, Wire};

/// Columns that share a scale in [`Packing::Q8`].
pub const Q8_BLOCK: usize = 32;

/// How weights lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are computed with.
    Full,
    /// The upper 16 bits of an f32.
    Bf16,
    /// 8 bits and an f32 scale for every 32 columns.
    Q8,
}

impl Packing {
    /// Bytes of a row of weights that are computed with in numbers of `full` bytes.
    #[must_use]
    pub fn row_bytes(self, columns: u64, full: u64) -> u64 {
        match self {
            Self::Full => columns * full,
            Self::Bf16 => columns * 2,
            Self::Q8 => columns + columns.div_ceil(Q8_BLOCK as u64) * 4,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Store<T> {
    Full(Vec<T>),
    Bf16(Vec<u16>),
    Q8 { codes: Vec<i8>, scales: Vec<f32> },
}

/// A matrix of `rows × columns` weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix<T> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    store: Store<T>,
}

impl<T: Real> Matrix<T> {
    /// A matrix whose weights are computed from row and column.
    pub fn from_fn(
        rows: usize,
        columns: usize,
        packing: Packing,
        mut weight: impl FnMut(usize, usize) -> f64,
    ) -> Self {
        let mut store = match packing {
            Packing::Full => Store::Full(Vec::with_capacity(rows * columns)),
            Packing::Bf16 => Store::Bf16(Vec::with_capacity(rows * columns)),
            Packing::Q8 => Store::Q8 { codes: Vec::with_capacity(rows * columns), scales: Vec::new() },
        };
        for row in 0..rows {
            match &mut store {
                Store::Full(data) => data.extend((0..columns).map(|column| T::of(weight(row, column)))),
                Store::Bf16(data) => data.extend((0..columns).map(|column| to_bf16(weight(row, column)))),
                Store::Q8 { codes, scales } => {
                    let weights: Vec<f64> = (0..columns).map(|column| weight(row, column)).collect();
                    pack_q8(&weights, codes, scales);
                }
            }
        }
        Self { rows, columns, store }
    }

    /// A part of a row, unpacked into `scratch` where it is packed.
    pub fn row<'a>(&'a self, row: usize, columns: &Range<usize>, scratch: &'a mut Vec<T>) -> &'a [T] {
        let at = row * self.columns + columns.start..row * self.columns + columns.end;
        match &self.store {
            Store::Full(data) => return &data[at],
            Store::Bf16(data) => {
                scratch.clear();
                scratch.extend(data[at].iter().map(|&bits| T::of_f32(f32::from_bits(u32::from(bits) << 16))));
            }
            Store::Q8 { codes, scales } => {
                let blocks = self.columns.div_ceil(Q8_BLOCK);
                scratch.clear();
                scratch.resize(columns.len(), T::ZERO);
                let mut column = columns.start;
                while column < columns.end {
                    let block = column / Q8_BLOCK;
                    let end = ((block + 1) * Q8_BLOCK).min(columns.end);
                    let scale = scales[row * blocks + block];
                    let codes = &codes[row * self.columns + column..row * self.columns + end];
                    let into = &mut scratch[column - columns.start..end - columns.start];
                    for (into, &code) in into.iter_mut().zip(codes) {
                        *into = T::of_f32(f32::from(code) * scale);
                    }
                    column = end;
                }
            }
        }
        scratch
    }

    /// All weights, unpacked, row after row.
    #[must_use]
    pub fn unpacked(&self) -> Vec<T> {
        let mut scratch = Vec::new();
        let mut all = Vec::with_capacity(self.rows * self.columns);
        for row in 0..self.rows {
            all.extend_from_slice(self.row(row, &(0..self.columns), &mut scratch));
        }
        all
    }

    /// The product of a block of the matrix with each of several vectors of `columns.len()` numbers; `rows.len()`
    /// numbers for each come out. A result does not depend on the other vectors.
    #[must_use]
    pub fn apply(&self, rows: &Range<usize>, columns: &Range<usize>, inputs: &[T]) -> Vec<T> {
        let count = inputs.len() / columns.len();
        let mut outputs = vec![T::ZERO; count * rows.len()];
        let mut scratch = Vec::new();
        for (at, row) in rows.clone().enumerate() {
            let weights = self.row(row, columns, &mut scratch);
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
        let mut scratch = Vec::new();
        for (row, &factor) in rows.clone().zip(input) {
            let weights = self.row(row, &(0..self.columns), &mut scratch);
            for (into, &weight) in output.iter_mut().zip(weights) {
                *into = weight.times_plus(factor, *into);
            }
        }
        output
    }
}

fn to_bf16(weight: f64) -> u16 {
    let rounded: f32 = Wire::Bf16.round(f32::of(weight));
    u16::try_from(rounded.to_bits() >> 16).expect("16 bits are left of 32")
}

/// Rounds blocks of a row to 127 steps of their largest weight.
fn pack_q8(weights: &[f64], codes: &mut Vec<i8>, scales: &mut Vec<f32>) {
    for block in weights.chunks(Q8_BLOCK) {
        let largest = block.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
        let scale = f32::of(largest / 127.0);
        scales.push(scale);
        codes.extend(block.iter().map(|weight| {
            let steps = if scale == 0.0 { 0.0 } else { (weight / f64::from(scale)).round() };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "within 127 by the choice of scale, and saturating"
            )]
            let code = steps as i8;
            code
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(row: usize, column: usize) -> f64 {
        ((row * 37 + column * 11) % 101) as f64 / 50.0 - 1.0
    }

    /// Any block of a packed matrix is the same block of the unpacked one, and packing loses what it may lose.
    #[test]
    fn packed_weights_are_near_and_slices_agree_with_the_whole() {
        let full = Matrix::<f32>::from_fn(5, 70, Packing::Full, weight);
        for (packing, loss) in
            [(Packing::Full, 0.0), (Packing::Bf16, 1.0 / 256.0), (Packing::Q8, 1.0 / 254.0)]
        {
            let matrix = Matrix::<f32>::from_fn(5, 70, packing, weight);
            let (all, exact) = (matrix.unpacked(), full.unpacked());
            let worst = all.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= loss * 1.001, "{packing:?} {worst}");
            let mut scratch = Vec::new();
            for columns in [0..70, 3..40, 31..33, 64..70] {
                assert_eq!(matrix.row(3, &columns, &mut scratch), &all[3 * 70..][columns.clone()]);
            }
            let input: Vec<f32> = (0_u8..37).map(f32::from).collect();
            let product = matrix.apply(&(1..3), &(3..40), &input);
            let expected: Vec<f32> =
                (1..3).map(|row| dot(&all[row * 70 + 3..row * 70 + 40], &input)).collect();
            assert_eq!(product, expected);
        }
        assert_eq!(Packing::Q8.row_bytes(70, 4), 70 + 12);
    }
}
