//! Products of activations with weights kept in full: panels of sixteen output rows, one column after the other.
//!
//! ```text
//! panel p, column k:  w[16p][k] w[16p+1][k] … w[16p+15][k]        one vector; rows beyond the matrix are 0
//! ```

use super::isa::for_each_isa;
use super::{Float, Isa, Threads};

/// Output rows of a panel.
pub const LANES: usize = 16;

/// Rows of the batch that are worked on at once.
const TILE: usize = 8;

/// A matrix in panels.
#[derive(Debug, Clone)]
pub struct FullPanels<T> {
    columns: usize,
    numbers: Vec<T>,
}

/// Results in panels: `[panel][row of the batch][16]`.
#[derive(Debug, Clone, Default)]
pub struct PanelOutput<T> {
    rows: usize,
    numbers: Vec<T>,
}

impl<T: Float> FullPanels<T> {
    /// A matrix of `rows` rows; `read` writes a row's `columns` numbers.
    pub fn pack(
        threads: &Threads,
        rows: usize,
        columns: usize,
        read: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let mut numbers = vec![T::ZERO; rows.div_ceil(LANES) * LANES * columns];
        let work = numbers.chunks_exact_mut(LANES * columns).enumerate().collect();
        threads.each(work, |(panel, numbers): (usize, &mut [T])| {
            let mut row_numbers = vec![0.0; columns];
            for row in panel * LANES..rows.min((panel + 1) * LANES) {
                read(row, &mut row_numbers);
                for (into, &number) in numbers.iter_mut().skip(row % LANES).step_by(LANES).zip(&row_numbers) {
                    *into = T::of_f32(number);
                }
            }
        });
        Self { columns, numbers }
    }

    /// Panels of the matrix.
    #[must_use]
    pub fn panels(&self) -> usize {
        self.numbers.len() / (LANES * self.columns)
    }

    /// Memory of the weights \[bytes\].
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.numbers.as_slice())
    }

    /// The products of every row of `inputs` (`columns` numbers each) with every row of the matrix.
    pub fn multiply(&self, cpu: (Isa, &Threads), inputs: &[T], output: &mut PanelOutput<T>) {
        let (isa, threads) = cpu;
        let rows = inputs.len() / self.columns;
        output.resize(rows, self.panels());
        let parts = parts(self.panels(), threads.count(), rows);
        let weights = self.numbers.chunks(parts * LANES * self.columns);
        let outputs = output.numbers.chunks_mut((parts * rows * LANES).max(1));
        threads.each(weights.zip(outputs).collect(), |(weights, outputs)| {
            multiply_panels::<T>(isa, weights, self.columns, inputs, outputs);
        });
    }
}

/// Panels that one thread takes at a time.
pub(super) fn parts(panels: usize, threads: usize, rows: usize) -> usize {
    let pieces = if threads == 1 { 1 } else { threads * if rows < LANES { 2 } else { 8 } };
    panels.div_ceil(pieces).max(1)
}

impl<T: Float> PanelOutput<T> {
    /// Room for so many rows of the batch and panels.
    pub(super) fn resize(&mut self, rows: usize, panels: usize) {
        self.rows = rows;
        self.numbers.resize(rows * panels * LANES, T::ZERO);
    }

    pub(super) fn numbers_mut(&mut self) -> &mut [T] {
        &mut self.numbers
    }

    /// The sixteen results of one row and one panel.
    #[must_use]
    pub fn lanes(&self, row: usize, panel: usize) -> &[T] {
        &self.numbers[(panel * self.rows + row) * LANES..][..LANES]
    }

    /// Adds a bias to all rows, from a panel's first result on.
    pub fn add_bias(&mut self, first_panel: usize, bias: &[T]) {
        let rows = self.rows;
        for (panel, bias) in (first_panel..).zip(bias.chunks(LANES)) {
            for results in self.numbers[panel * rows * LANES..][..rows * LANES].chunks_exact_mut(LANES) {
                for (result, &bias) in results.iter_mut().zip(bias) {
                    *result += bias;
                }
            }
        }
    }

    /// Copies results of one row, from a panel's first on, in the order of the matrix.
    pub fn copy_row(&self, row: usize, first_panel: usize, into: &mut [T]) {
        for (panel, into) in (first_panel..).zip(into.chunks_mut(LANES)) {
            into.copy_from_slice(&self.lanes(row, panel)[..into.len()]);
        }
    }
}

for_each_isa! {
    fn multiply_panels<T>(weights: &[T], columns: usize, inputs: &[T], outputs: &mut [T]) = multiply_body
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn multiply_body<T: Float>(weights: &[T], columns: usize, inputs: &[T], outputs: &mut [T]) {
    let rows = inputs.len() / columns;
    for (panel, outputs) in weights.chunks_exact(LANES * columns).zip(outputs.chunks_exact_mut(rows * LANES))
    {
        let mut row = 0;
        while row < rows {
            let (inputs, outputs) = (&inputs[row * columns..], &mut outputs[row * LANES..]);
            row += match rows - row {
                TILE.. => tile::<T, TILE>(panel, columns, inputs, outputs),
                4.. => tile::<T, 4>(panel, columns, inputs, outputs),
                2.. => tile::<T, 2>(panel, columns, inputs, outputs),
                _ => tile::<T, 1>(panel, columns, inputs, outputs),
            };
        }
    }
}

/// `ROWS` rows of the batch times one panel; gives `ROWS`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn tile<T: Float, const ROWS: usize>(panel: &[T], columns: usize, inputs: &[T], outputs: &mut [T]) -> usize {
    let inputs: [&[T]; ROWS] = std::array::from_fn(|row| &inputs[row * columns..][..columns]);
    let mut sums = [[T::ZERO; LANES]; ROWS];
    for (column, weights) in panel.chunks_exact(LANES).take(columns).enumerate() {
        for row in 0..ROWS {
            let input = inputs[row][column];
            for lane in 0..LANES {
                sums[row][lane] = weights[lane].times_plus(input, sums[row][lane]);
            }
        }
    }
    for (outputs, sums) in outputs.chunks_exact_mut(LANES).zip(&sums) {
        outputs.copy_from_slice(sums);
    }
    ROWS
}
