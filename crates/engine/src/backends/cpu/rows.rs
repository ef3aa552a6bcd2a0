//! What is done to each row of a batch by itself: norms and the gate of the feed-forward.

use super::isa::for_each_isa;
use super::{Float, Isa, LANES, PanelOutput, Threads};

/// `x / sqrt(mean(x²) + epsilon) · weight` for a row of `weight.len()` numbers.
pub fn rms_norm<T: Float>(isa: Isa, row: &[T], weight: &[T], epsilon: T, output: &mut [T]) {
    norm(isa, row, weight, epsilon, output);
}

for_each_isa! {
    fn norm<T>(row: &[T], weight: &[T], epsilon: T, output: &mut [T]) = norm_body
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn norm_body<T: Float>(row: &[T], weight: &[T], epsilon: T, output: &mut [T]) {
    let mut sums = [T::ZERO; LANES];
    for numbers in row.chunks(LANES) {
        for (sum, &number) in sums.iter_mut().zip(numbers) {
            *sum = number.times_plus(number, *sum);
        }
    }
    let mean = sum_of_lanes(sums) / T::of(row.len() as f64);
    let factor = T::ONE / (mean + epsilon).sqrt();
    for ((output, &number), &weight) in output.iter_mut().zip(row).zip(weight) {
        *output = number * factor * weight;
    }
}

/// The sum of sixteen numbers, in one order always.
#[inline]
pub(super) fn sum_of_lanes<T: Float>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `silu(gate) · up` for every row: gates begin at panel 0, ups at `panels`; writes `width` numbers a row.
pub fn gated_silu<T: Float>(
    cpu: (Isa, &Threads),
    gate_up: &PanelOutput<T>,
    panels: usize,
    width: usize,
    output: &mut [T],
) {
    let (isa, threads) = cpu;
    threads.each(output.chunks_exact_mut(width).enumerate().collect(), |(row, output)| {
        silu_row(isa, gate_up, row, panels, output);
    });
}

for_each_isa! {
    fn silu_row<T>(gate_up: &PanelOutput<T>, row: usize, panels: usize, output: &mut [T]) = silu_body
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each kind of instructions, inside their functions"
)]
fn silu_body<T: Float>(gate_up: &PanelOutput<T>, row: usize, panels: usize, output: &mut [T]) {
    for (panel, output) in output.chunks_mut(LANES).enumerate() {
        let (gates, ups) = (gate_up.lanes(row, panel), gate_up.lanes(row, panels + panel));
        let mut results = [T::ZERO; LANES];
        for (result, (&gate, &up)) in results.iter_mut().zip(gates.iter().zip(ups)) {
            let exponential = (T::ZERO - gate).exp();
            *result = gate / (T::ONE + exponential) * up;
        }
        output.copy_from_slice(&results[..output.len()]);
    }
}
