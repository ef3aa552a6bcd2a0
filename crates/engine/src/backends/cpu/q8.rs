//! Products of activations with weights of 8 bits: blocks of 32 weights of a row share a 16-bit scale (GGUF's `Q8_0`).
//!
//! Activations are rounded to 8 bits as well, in blocks of 32 with a 32-bit scale. Sums inside a block are exact in
//! integers; blocks are added in order. Weights are kept as code + 128, because byte products multiply an unsigned with a
//! signed one; what that adds, 128 times the sum of the block's activation codes, is subtracted beforehand.
//!
//! ```text
//! panel p, block b:  [8 groups of 4 columns][16 rows][4 columns]  512 codes, and 16 scales
//! ```

use half::f16;

use super::isa::for_each_isa;
use super::panels::parts;
use super::{Float, Isa, LANES, PanelOutput, Threads};

/// Numbers that share a scale.
pub const Q8_BLOCK: usize = 32;

/// Codes of a block of a panel.
pub(super) const BLOCK_CODES: usize = Q8_BLOCK * LANES;

/// What is added to codes of weights.
const OFFSET: i16 = 128;

/// Sixty-four codes at an address that vector loads like.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A matrix in panels of 8-bit codes.
#[derive(Debug, Clone)]
pub struct Q8Panels {
    blocks: usize,
    columns: usize,
    codes: Vec<Line>,
    scales: Vec<f16>,
}

/// Activations in 8 bits.
#[derive(Debug, Clone, Default)]
pub struct Q8Activations {
    /// `[row][block][column]`, filled with 0 to whole blocks.
    pub(super) codes: Vec<[i8; Q8_BLOCK]>,
    /// `[row][block]`
    pub(super) scales: Vec<f32>,
    /// `[row][block]`: minus 128 times the sum of the block's codes.
    pub(super) corrections: Vec<i32>,
}

/// The part of the panels that a kernel multiplies with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Q8Part<'a> {
    pub blocks: usize,
    /// `[panel][block][512]`
    pub codes: &'a [u8],
    /// `[panel][block][16]`
    pub scales: &'a [f16],
}

impl Q8Panels {
    /// Rounds a matrix of `rows` rows to 8 bits; `read` writes a row's `columns` numbers.
    pub fn pack(
        threads: &Threads,
        rows: usize,
        columns: usize,
        read: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let blocks = columns.div_ceil(Q8_BLOCK);
        let panels = rows.div_ceil(LANES);
        let lines = blocks * BLOCK_CODES / 64;
        let mut codes = vec![Line([128; 64]); panels * lines];
        let mut scales = vec![f16::ZERO; panels * blocks * LANES];
        let work = codes.chunks_exact_mut(lines).zip(scales.chunks_exact_mut(blocks * LANES)).enumerate();
        threads.each(work.collect(), |(panel, (codes, scales))| {
            let mut numbers = vec![0.0; blocks * Q8_BLOCK];
            for row in panel * LANES..rows.min((panel + 1) * LANES) {
                read(row, &mut numbers[..columns]);
                pack_row(&numbers, row % LANES, codes, scales);
            }
        });
        Self { blocks, columns, codes, scales }
    }

    /// Panels of the matrix.
    #[must_use]
    pub fn panels(&self) -> usize {
        self.scales.len() / (self.blocks * LANES)
    }

    /// Memory of the weights \[bytes\].
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.codes.as_slice()) + size_of_val(self.scales.as_slice())
    }

    /// The products of every row of `inputs` (`columns` numbers each, rounded to 8 bits) with every row of the matrix.
    pub fn multiply<T: Float>(&self, cpu: (Isa, &Threads), inputs: &[T], output: &mut PanelOutput<T>) {
        let (isa, threads) = cpu;
        let activations = Q8Activations::round(cpu, inputs, self.columns);
        let rows = inputs.len() / self.columns;
        output.resize(rows, self.panels());
        let parts = parts(self.panels(), threads.count(), rows);
        let codes = bytes_of(&self.codes).chunks(parts * self.blocks * BLOCK_CODES);
        let scales = self.scales.chunks(parts * self.blocks * LANES);
        let outputs = output.numbers_mut().chunks_mut((parts * rows * LANES).max(1));
        threads.each(codes.zip(scales).zip(outputs).collect(), |((codes, scales), outputs)| {
            let part = Q8Part { blocks: self.blocks, codes, scales };
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 | Isa::Avx2 => super::q8_x86::multiply(isa, part, &activations, outputs),
                _ => multiply_portable(part, &activations, outputs),
            }
        });
    }
}

/// Writes a row's codes and scales into its panel.
fn pack_row(numbers: &[f32], lane: usize, codes: &mut [Line], scales: &mut [f16]) {
    for (block, numbers) in numbers.chunks_exact(Q8_BLOCK).enumerate() {
        let scale = f16::from_f32(largest(numbers) / 127.0);
        scales[block * LANES + lane] = scale;
        for (column, &number) in numbers.iter().enumerate() {
            let byte = block * BLOCK_CODES + (column / 4 * LANES + lane) * 4 + column % 4;
            let code = i16::from(round_to_code(number, scale.to_f32())) + OFFSET;
            codes[byte / 64].0[byte % 64] = u8::try_from(code).expect("a code is -127 to 127");
        }
    }
}

#[expect(
    unsafe_code,
    reason = "lines are bytes; there is no safe way to say so without a further dependency"
)]
fn bytes_of(lines: &[Line]) -> &[u8] {
    // SAFETY: a `Line` is 64 initialised bytes without padding, and bytes need no alignment.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines)) }
}

/// The largest magnitude; NaN where there is one.
fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0_f32, |largest, number| {
        let magnitude = number.abs();
        if magnitude > largest || magnitude.is_nan() { magnitude } else { largest }
    })
}

fn round_to_code(number: f32, scale: f32) -> i8 {
    let steps = if scale == 0.0 { 0.0 } else { (number / scale).round_ties_even() };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to what a code holds; the scale carries NaN"
    )]
    let code = steps.clamp(-127.0, 127.0) as i8;
    code
}

impl Q8Activations {
    fn round<T: Float>(cpu: (Isa, &Threads), inputs: &[T], columns: usize) -> Self {
        let (isa, threads) = cpu;
        let (rows, blocks) = (inputs.len() / columns, columns.div_ceil(Q8_BLOCK));
        let mut new = Self {
            codes: vec![[0; Q8_BLOCK]; rows * blocks],
            scales: vec![0.0; rows * blocks],
            corrections: vec![0; rows * blocks],
        };
        let work: Vec<_> = inputs
            .chunks_exact(columns)
            .zip(new.codes.chunks_exact_mut(blocks))
            .zip(new.scales.chunks_exact_mut(blocks).zip(new.corrections.chunks_exact_mut(blocks)))
            .collect();
        threads.each(work, |((inputs, codes), (scales, corrections))| {
            round_row(isa, inputs, codes, scales, corrections);
        });
        new
    }
}

for_each_isa! {
    fn round_row<T>(
        inputs: &[T],
        codes: &mut [[i8; Q8_BLOCK]],
        scales: &mut [f32],
        corrections: &mut [i32],
    ) = round_body
}

#[inline(always)]
fn round_body<T: Float>(
    inputs: &[T],
    codes: &mut [[i8; Q8_BLOCK]],
    scales: &mut [f32],
    corrections: &mut [i32],
) {
    /// Adding it rounds to whole numbers, ties to even, which then stand in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    for (block, inputs) in inputs.chunks(Q8_BLOCK).enumerate() {
        let mut numbers = [0.0_f32; Q8_BLOCK];
        for (number, input) in numbers.iter_mut().zip(inputs) {
            *number = input.to_f32();
        }
        // Magnitudes compare as whole numbers, and NaN is the largest.
        let bits = numbers.iter().fold(0, |largest: u32, number| largest.max(number.to_bits() & 0x7fff_ffff));
        let scale = f32::from_bits(bits) / 127.0;
        scales[block] = scale;
        // Of so small a scale that this overflows, codes are 0; NaN and infinity show by the scale.
        let inverse = 1.0 / scale;
        let inverse = if inverse < f32::INFINITY { inverse } else { 0.0 };
        let mut sum = 0;
        for (code, number) in codes[block].iter_mut().zip(&numbers) {
            #[expect(clippy::cast_possible_truncation, reason = "the low byte is what is meant")]
            let rounded = (number * inverse + MAGIC).to_bits() as u8;
            *code = rounded.cast_signed();
            sum += i32::from(*code);
        }
        corrections[block] = -i32::from(OFFSET) * sum;
    }
}

/// The meaning of the kernels; also their fallback.
fn multiply_portable<T: Float>(part: Q8Part<'_>, inputs: &Q8Activations, outputs: &mut [T]) {
    let blocks = part.blocks;
    let rows = inputs.scales.len() / blocks;
    let panels = part.codes.chunks_exact(blocks * BLOCK_CODES).zip(part.scales.chunks_exact(blocks * LANES));
    for ((codes, scales), outputs) in panels.zip(outputs.chunks_exact_mut(rows * LANES)) {
        for (row, outputs) in outputs.chunks_exact_mut(LANES).enumerate() {
            let mut sums = [0.0_f32; LANES];
            for block in 0..blocks {
                let at = row * blocks + block;
                let mut products = [inputs.corrections[at]; LANES];
                let groups = codes[block * BLOCK_CODES..][..BLOCK_CODES].chunks_exact(4 * LANES);
                for (group, inputs) in groups.zip(inputs.codes[at].chunks_exact(4)) {
                    for (product, codes) in products.iter_mut().zip(group.chunks_exact(4)) {
                        for (&code, &input) in codes.iter().zip(inputs) {
                            *product += i32::from(code) * i32::from(input);
                        }
                    }
                }
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let scale = scales[block * LANES + lane].to_f32() * inputs.scales[at];
                    *sum = (products[lane] as f32).mul_add(scale, *sum);
                }
            }
            for (output, sum) in outputs.iter_mut().zip(sums) {
                *output = T::of_f32(sum);
            }
        }
    }
}
