//! Kernels against definitions in f64 and against the attention of `helix-parallel`, on all instructions.

use helix_parallel::{KeyValue, Statistics};

use super::*;

/// Numbers in -1..1 that look random.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn cpu(isa: Isa, threads: usize) -> (Isa, Threads) {
    (isa, Threads::new(threads).unwrap())
}

fn products(weights: &[f32], inputs: &[f32], columns: usize) -> Vec<f64> {
    let rows = inputs.chunks(columns);
    rows.flat_map(|input| {
        weights.chunks(columns).map(move |weights| {
            weights.iter().zip(input).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        })
    })
    .collect()
}

fn results<T: Float>(output: &PanelOutput<T>, batch: usize, rows: usize) -> Vec<T> {
    (0..batch)
        .flat_map(|row| {
            let mut results = vec![T::ZERO; rows];
            output.copy_row(row, 0, &mut results);
            results
        })
        .collect()
}

#[test]
fn full_products_are_exact_and_8_bit_ones_near() {
    for (rows, columns, batch) in [(1, 1, 1), (16, 32, 1), (17, 33, 2), (40, 70, 5), (33, 96, 19)] {
        let (weights, inputs) = (noise(rows * columns, 1), noise(batch * columns, 2));
        let expected = products(&weights, &inputs, columns);
        let read = |row: usize, into: &mut [f32]| into.copy_from_slice(&weights[row * columns..][..columns]);
        let packing = Threads::new(2).unwrap();
        let full = FullPanels::<f32>::pack(&packing, rows, columns, read);
        let q8 = Q8Panels::pack(&packing, rows, columns, read);
        let mut first: Option<(Vec<f32>, Vec<f32>)> = None;
        for isa in Isa::available() {
            for threads in [1, 3] {
                let (isa, threads) = cpu(isa, threads);
                let mut output = PanelOutput::default();
                full.multiply((isa, &threads), &inputs, &mut output);
                let in_full = results(&output, batch, rows);
                q8.multiply((isa, &threads), &inputs, &mut output);
                let in_8_bits = results(&output, batch, rows);
                for ((full, q8), exact) in in_full.iter().zip(&in_8_bits).zip(&expected) {
                    assert!((f64::from(*full) - exact).abs() < 2e-6 * columns as f64);
                    // Half a step of 1/127 in each factor.
                    let limit = 1.2 / 127.0 * columns as f64;
                    assert!((f64::from(*q8) - exact).abs() < limit, "{q8} {exact}");
                }
                let (full, q8) = first.get_or_insert_with(|| (in_full.clone(), in_8_bits.clone()));
                assert!(*full == in_full && *q8 == in_8_bits, "{isa:?} {rows}x{columns}");
            }
        }
    }
}

#[test]
fn eight_bits_keep_nan_and_zero() {
    let read = |row: usize, into: &mut [f32]| into.fill(if row == 1 { f32::NAN } else { 0.0 });
    let q8 = Q8Panels::pack(&Threads::new(1).unwrap(), 2, 32, read);
    for isa in Isa::available() {
        let (isa, threads) = cpu(isa, 1);
        let mut output = PanelOutput::<f32>::default();
        q8.multiply((isa, &threads), &[1.0; 32], &mut output);
        assert_eq!(output.lanes(0, 0)[0], 0.0);
        assert!(output.lanes(0, 0)[1].is_nan());
        q8.multiply((isa, &threads), &[f32::INFINITY; 32], &mut output);
        assert!(output.lanes(0, 0)[0].is_nan(), "an overflow shows");
    }
}

/// Keys and values of one head in blocks, from token after token.
fn blocks(keys: &[f64], values: &[f64], width: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let blocks = keys.chunks(BLOCK * width).zip(values.chunks(BLOCK * width));
    blocks
        .map(|(keys, values)| {
            // What no token wrote must not be looked at.
            let mut turned = vec![f64::NAN; BLOCK * width];
            for (token, key) in keys.chunks(width).enumerate() {
                for (column, &number) in key.iter().enumerate() {
                    turned[column * BLOCK + token] = number;
                }
            }
            let mut filled = vec![f64::NAN; BLOCK * width];
            filled[..values.len()].copy_from_slice(values);
            (turned, filled)
        })
        .collect()
}

/// Outputs and log-sums agree with the reference execution of Helix parallelism, which knows neither blocks nor windows.
#[test]
fn attention_and_its_log_sums_are_those_of_the_reference() {
    for (width, group, tokens, position, window) in
        [(8, 1, 1, 0, 99), (8, 2, 5, 14, 99), (24, 3, 40, 0, 99), (16, 4, 9, 50, 7), (64, 1, 33, 31, 17)]
    {
        let wide = |count, seed| -> Vec<f64> {
            noise(count, seed).into_iter().map(|n| f64::from(n) * 3.0).collect()
        };
        let length = position + tokens;
        let (keys, values) = (wide(length * width, 3), wide(length * width, 4));
        let queries = wide(tokens * group * width, 5);
        let scale = 1.0 / (width as f64).sqrt();
        let paged = blocks(&keys, &values, width);
        let paged: Vec<_> = paged.iter().map(|(keys, values)| (keys.as_slice(), values.as_slice())).collect();
        for isa in Isa::available() {
            let mut outputs = vec![f64::NAN; queries.len()];
            let mut log_sums = vec![f64::NAN; tokens * group];
            let mut unit = AttentionUnit {
                queries: &queries,
                position,
                offset: 0,
                group,
                blocks: &paged,
                window,
                scale,
                outputs: &mut outputs,
                log_sums: &mut log_sums,
            };
            attend(isa, &mut unit);
            for token in 0..tokens {
                let (end, own) = (position + token + 1, token * group);
                let seen = end.saturating_sub(window) * width..end * width;
                let cache = KeyValue {
                    keys: &keys[seen.clone()],
                    key_width: width,
                    values: &values[seen],
                    value_stride: width,
                    value_width: width,
                };
                let mut expected = vec![0.0; group * width];
                let mut statistics = vec![Statistics::EMPTY; group];
                let queries = &queries[own * width..][..group * width];
                helix_parallel::attend(queries, &cache, scale, &mut expected, &mut statistics);
                for (found, expected) in outputs[own * width..].iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-12, "{isa:?} {found} {expected}");
                }
                for (found, statistics) in log_sums[own..].iter().zip(&statistics) {
                    let expected = statistics.log_sum_exp(helix_parallel::Base::E);
                    assert!((found - expected).abs() < 1e-12, "{isa:?} {found} {expected}");
                }
            }
        }
    }
}
