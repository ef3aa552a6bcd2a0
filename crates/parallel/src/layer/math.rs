//! Dot products, norms, rotation and the gate: always in the same order, whatever is computed beside them.

use super::shape::{Pairing, Rope};
use crate::Real;

/// Numbers that are worked on at once.
pub const LANES: usize = 16;

/// The dot product: 16 running sums, then their tree.
#[inline]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = x[lane].times_plus(y[lane], lanes[lane]);
        }
    }
    for (lane, (x, y)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[lane] = x.times_plus(*y, lanes[lane]);
    }
    sum_lanes(lanes)
}

/// The sum of the lanes as a tree.
#[inline]
pub fn sum_lanes<T: Real>(mut lanes: [T; LANES]) -> T {
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            let upper = lanes[lane + width];
            lanes[lane] += upper;
        }
    }
    lanes[0]
}

/// Root-mean-square norm of each vector of `weights.len()` numbers.
pub fn rms_norm<T: Real>(weights: &[T], epsilon: f64, inputs: &[T]) -> Vec<T> {
    let mut outputs = inputs.to_vec();
    for vector in outputs.chunks_exact_mut(weights.len()) {
        let mean_square = dot(vector, vector) / T::of(weights.len() as f64);
        let factor = T::ONE / (mean_square + T::of(epsilon)).sqrt();
        for (value, &weight) in vector.iter_mut().zip(weights) {
            *value = *value * factor * weight;
        }
    }
    outputs
}

/// Rotary position embedding of vectors of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    pairing: Pairing,
    /// Radians a position, of each pair.
    frequencies: Vec<f64>,
}

impl Rotation {
    /// Of vectors of `width` numbers.
    pub fn new(rope: Rope, width: usize) -> Self {
        let frequency = |pair| rope.theta.powf(-2.0 * f64::from(pair) / width as f64);
        let pairs = u32::try_from(width / 2).expect("widths of a shape are below 2^21");
        Self { pairing: rope.pairing, frequencies: (0..pairs).map(frequency).collect() }
    }

    /// Turns a vector to its position. Angles are taken in f64: at a million tokens f32 has no digits left for them.
    pub fn turn<T: Real>(&self, position: u64, vector: &mut [T]) {
        let half = self.frequencies.len();
        for (pair, frequency) in self.frequencies.iter().enumerate() {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            let (sin, cos) = (T::of(sin), T::of(cos));
            let (first, second) = match self.pairing {
                Pairing::Halves => (pair, pair + half),
                Pairing::Neighbours => (2 * pair, 2 * pair + 1),
            };
            let (a, b) = (vector[first], vector[second]);
            vector[first] = a * cos - b * sin;
            vector[second] = a * sin + b * cos;
        }
    }
}

/// `SwiGLU`: `gate / (1 + e^-gate) · up`, into `gate`.
pub fn gate_with<T: Real>(gate: &mut [T], up: &[T]) {
    for (gate, &up) in gate.iter_mut().zip(up) {
        *gate = *gate / (T::ONE + (-*gate).exp()) * up;
    }
}

/// `into += addend`, number by number.
pub fn add<T: Real>(into: &mut [T], addend: &[T]) {
    for (into, &addend) in into.iter_mut().zip(addend) {
        *into += addend;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_is_right_for_every_length() {
        for length in 0..70_u32 {
            let a: Vec<f64> = (0..length).map(f64::from).collect();
            let ones = vec![1.0; length as usize];
            assert_eq!(dot(&a, &ones), f64::from(length * length.saturating_sub(1) / 2));
        }
    }

    /// Turning by one position at theta 1 is turning by one radian; the product of two turned vectors depends only on
    /// the distance of their positions.
    #[test]
    fn rotation_turns_pairs_and_keeps_distances() {
        let rope = Rope { theta: 1.0, pairing: Pairing::Halves };
        let mut vector = [1.0_f64, 0.0];
        Rotation::new(rope, 2).turn(1, &mut vector);
        assert_eq!(vector, [1.0_f64.cos(), 1.0_f64.sin()]);
        for pairing in [Pairing::Halves, Pairing::Neighbours] {
            let rope = Rope { theta: 10_000.0, pairing };
            let product = |p, q| {
                let (mut a, mut b) = ([0.3_f64, -1.0, 2.0, 0.7], [1.1, 0.2, -0.4, 0.9]);
                Rotation::new(rope, 4).turn(p, &mut a);
                Rotation::new(rope, 4).turn(q, &mut b);
                dot(&a, &b)
            };
            assert!((product(1_000_000, 999_990) - product(17, 7)).abs() < 1e-9);
            assert!((product(17, 7) - product(17, 9)).abs() > 1e-3);
        }
        let mut halves = [1.0_f64, 2.0, 3.0, 4.0];
        let mut neighbours = [1.0_f64, 3.0, 2.0, 4.0];
        Rotation::new(Rope { theta: 9.0, pairing: Pairing::Halves }, 4).turn(5, &mut halves);
        Rotation::new(Rope { theta: 9.0, pairing: Pairing::Neighbours }, 4).turn(5, &mut neighbours);
        assert_eq!([halves[0], halves[2], halves[1], halves[3]], neighbours);
    }

    #[test]
    fn norm_and_gate_follow_their_formulas() {
        let normed = rms_norm(&[1.0, 2.0], 1e-9, &[3.0_f64, 4.0]);
        let rms = 12.5_f64.sqrt();
        assert!((normed[0] - 3.0 / rms).abs() < 1e-9 && (normed[1] - 8.0 / rms).abs() < 1e-9);
        let mut gate = [0.0_f64, 100.0, -800.0];
        gate_with(&mut gate, &[5.0, 2.0, 3.0]);
        assert_eq!(gate, [0.0, 200.0, 0.0]);
    }
}
