//! AdamW (Loshchilov and Hutter, 2019) with its state in the open, so that a run can be stopped and taken up again.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

/// Decay of the running mean of the gradients.
const BETA1: f32 = 0.9;
/// Decay of the running mean of their squares.
const BETA2: f32 = 0.97;
const EPSILON: f32 = 1e-8;
/// Pull of the matrices towards zero, times the learning rate.
const WEIGHT_DECAY: f32 = 0.05;
/// Longest gradient; longer ones are shortened to it.
const MAX_NORM: f64 = 1.0;

/// The running means, by the name of their weight.
#[derive(Default)]
pub struct AdamW {
    /// Means of the gradients, and of their squares.
    pub moments: BTreeMap<String, (Vec<f32>, Vec<f32>)>,
    /// Steps taken.
    pub step: usize,
}

impl AdamW {
    /// Moves every weight by one step and returns the length of the gradient.
    pub fn update(
        &mut self,
        weights: &BTreeMap<String, Var>,
        gradients: &GradStore,
        rate: f32,
    ) -> Result<f64> {
        let mut values = BTreeMap::new();
        let mut square = 0f64;
        for (name, weight) in weights {
            let Some(gradient) = gradients.get(weight) else {
                candle_core::bail!("{name} has no gradient");
            };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            square += gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>();
            values.insert(name, gradient);
        }
        let norm = square.sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "a factor of at most one")]
        let shorten = (MAX_NORM / norm.max(MAX_NORM)) as f32;
        self.step += 1;
        #[expect(clippy::cast_possible_truncation, reason = "a run has a few thousand steps")]
        #[expect(clippy::cast_possible_wrap, reason = "a run has a few thousand steps")]
        let steps = self.step as i32;
        let (correct1, correct2) = (1.0 - BETA1.powi(steps), 1.0 - BETA2.powi(steps));
        for (name, gradient) in values {
            let weight = &weights[name];
            let mut updated = weight.flatten_all()?.to_vec1::<f32>()?;
            let zeros = || (vec![0f32; gradient.len()], vec![0f32; gradient.len()]);
            let (mean, squares) = self.moments.entry(name.clone()).or_insert_with(zeros);
            let decay = if weight.rank() > 1 { 1.0 - rate * WEIGHT_DECAY } else { 1.0 };
            for at in 0..gradient.len() {
                let g = gradient[at] * shorten;
                mean[at] = BETA1 * mean[at] + (1.0 - BETA1) * g;
                squares[at] = BETA2 * squares[at] + (1.0 - BETA2) * g * g;
                let step = mean[at] / correct1 / ((squares[at] / correct2).sqrt() + EPSILON);
                updated[at] = updated[at] * decay - rate * step;
            }
            weight.set(&Tensor::from_vec(updated, weight.shape(), weight.device())?)?;
        }
        Ok(norm)
    }
}
