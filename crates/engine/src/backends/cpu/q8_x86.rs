//! Byte products with AVX-512 VNNI and with AVX2: the same numbers as the portable kernel, bit for bit.

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm256_abs_epi8, _mm256_add_epi32, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_sign_epi8, _mm256_storeu_ps, _mm256_xor_si256, _mm512_cvtepi32_ps,
    _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::q8::{BLOCK_CODES, Q8_BLOCK, Q8Activations, Q8Part};
use super::{Float, Isa, LANES};

/// Panels times rows: `outputs[panel][row][16]`.
#[expect(unsafe_code, reason = "calls of functions compiled for instructions that were detected")]
pub(super) fn multiply<T: Float>(isa: Isa, part: Q8Part<'_>, inputs: &Q8Activations, outputs: &mut [T]) {
    let blocks = part.blocks;
    let rows = inputs.scales.len() / blocks;
    let panels = part.codes.chunks_exact(blocks * BLOCK_CODES).zip(part.scales.chunks_exact(blocks * LANES));
    for ((codes, scales), outputs) in panels.zip(outputs.chunks_exact_mut(rows * LANES)) {
        let panel = Panel { blocks, codes, scales };
        let mut row = 0;
        while row < rows {
            let tile = Tile { inputs, row };
            let mut sums = [[0.0; LANES]; 8];
            // SAFETY: `Isa::available` names what the processor has; lengths are those of whole panels and rows.
            let done = unsafe {
                match (isa, rows - row) {
                    (Isa::Avx512, 8..) => avx512::<8>(&panel, &tile, &mut sums),
                    (Isa::Avx512, 4..) => avx512::<4>(&panel, &tile, &mut sums),
                    (Isa::Avx512, 2..) => avx512::<2>(&panel, &tile, &mut sums),
                    (Isa::Avx512, _) => avx512::<1>(&panel, &tile, &mut sums),
                    (_, 4..) => avx2::<4>(&panel, &tile, &mut sums),
                    (_, 2..) => avx2::<2>(&panel, &tile, &mut sums),
                    _ => avx2::<1>(&panel, &tile, &mut sums),
                }
            };
            let outputs = outputs[row * LANES..][..done * LANES].iter_mut();
            for (output, &sum) in outputs.zip(sums.as_flattened()) {
                *output = T::of_f32(sum);
            }
            row += done;
        }
    }
}

/// Sixteen rows of weights.
struct Panel<'a> {
    blocks: usize,
    codes: &'a [u8],
    scales: &'a [half::f16],
}

/// Rows of the batch from `row` on.
struct Tile<'a> {
    inputs: &'a Q8Activations,
    row: usize,
}

/// Four codes of a row's block as one number to spread.
#[inline]
fn four(codes: &[i8; Q8_BLOCK], group: usize) -> i32 {
    let bytes = [0, 1, 2, 3].map(|column| codes[group * 4 + column].cast_unsigned());
    i32::from_le_bytes(bytes)
}

impl<'a> Tile<'a> {
    /// For each row its blocks of codes, its scales, its corrections.
    #[inline]
    #[expect(clippy::type_complexity, reason = "three slices a row, unpacked where they are used")]
    fn rows<const ROWS: usize>(
        &self,
        blocks: usize,
    ) -> ([&'a [[i8; Q8_BLOCK]]; ROWS], [&'a [f32]; ROWS], [&'a [i32]; ROWS]) {
        let inputs = self.inputs;
        let first = |row: usize| (self.row + row) * blocks;
        (
            std::array::from_fn(|row| &inputs.codes[first(row)..][..blocks]),
            std::array::from_fn(|row| &inputs.scales[first(row)..][..blocks]),
            std::array::from_fn(|row| &inputs.corrections[first(row)..][..blocks]),
        )
    }
}

/// `ROWS` rows of the batch; gives `ROWS`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
#[expect(unsafe_code, reason = "vector loads and stores")]
fn avx512<const ROWS: usize>(panel: &Panel<'_>, tile: &Tile<'_>, sums: &mut [[f32; LANES]; 8]) -> usize {
    let Panel { blocks, codes, scales } = *panel;
    let (inputs, input_scales, corrections) = tile.rows::<ROWS>(blocks);
    let mut totals = [_mm512_setzero_ps(); ROWS];
    for block in 0..blocks {
        let codes = &codes[block * BLOCK_CODES..][..BLOCK_CODES];
        let scales = &scales[block * LANES..][..LANES];
        let mut products: [__m512i; ROWS] =
            std::array::from_fn(|row| _mm512_set1_epi32(corrections[row][block]));
        for group in 0..Q8_BLOCK / 4 {
            // SAFETY: eight groups of 64 codes make the 512 of the block.
            let weights = unsafe { _mm512_loadu_si512(codes.as_ptr().add(group * 64).cast()) };
            for (row, product) in products.iter_mut().enumerate() {
                let input = four(&inputs[row][block], group);
                *product = _mm512_dpbusd_epi32(*product, weights, _mm512_set1_epi32(input));
            }
        }
        // SAFETY: sixteen scales of two bytes.
        let scales = _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(scales.as_ptr().cast()) });
        for row in 0..ROWS {
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(input_scales[row][block]));
            totals[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[row]), scale, totals[row]);
        }
    }
    for (sums, total) in sums.iter_mut().zip(totals) {
        // SAFETY: sixteen numbers are written to sixteen.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), total) };
    }
    ROWS
}

/// `ROWS` rows of the batch; gives `ROWS`.
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "vector loads and stores")]
fn avx2<const ROWS: usize>(panel: &Panel<'_>, tile: &Tile<'_>, sums: &mut [[f32; LANES]; 8]) -> usize {
    const HALF: usize = LANES / 2;
    let Panel { blocks, codes, scales } = *panel;
    let (inputs, input_scales, _) = tile.rows::<ROWS>(blocks);
    let (ones, offset) = (_mm256_set1_epi16(1), _mm256_set1_epi8(-128));
    for half in 0..2 {
        let mut totals = [_mm256_setzero_ps(); ROWS];
        for block in 0..blocks {
            let codes = &codes[block * BLOCK_CODES..][..BLOCK_CODES];
            let scales = &scales[block * LANES + half * HALF..][..HALF];
            let mut products = [_mm256_setzero_si256(); ROWS];
            for group in 0..Q8_BLOCK / 4 {
                // SAFETY: the two halves of eight groups of 64 codes make the 512 of the block.
                let weights =
                    unsafe { _mm256_loadu_si256(codes.as_ptr().add(group * 64 + half * 32).cast()) };
                let signed = _mm256_xor_si256(weights, offset);
                let magnitude = _mm256_abs_epi8(signed);
                for (row, product) in products.iter_mut().enumerate() {
                    let input = four(&inputs[row][block], group);
                    let input = _mm256_sign_epi8(_mm256_set1_epi32(input), signed);
                    // Magnitudes are at most 127, so that two products fit 16 bits.
                    let pairs = _mm256_maddubs_epi16(magnitude, input);
                    *product = _mm256_add_epi32(*product, _mm256_madd_epi16(pairs, ones));
                }
            }
            // SAFETY: eight scales of two bytes.
            let scales = _mm256_cvtph_ps(unsafe { _mm_loadu_si128(scales.as_ptr().cast()) });
            for row in 0..ROWS {
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(input_scales[row][block]));
                totals[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products[row]), scale, totals[row]);
            }
        }
        for (sums, total) in sums.iter_mut().zip(totals) {
            // SAFETY: eight numbers are written to one half of sixteen.
            unsafe { _mm256_storeu_ps(sums.as_mut_ptr().add(half * HALF), total) };
        }
    }
    ROWS
}
