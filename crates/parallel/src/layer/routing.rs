//! Which experts a token visits and with which weights. Computed on every rank from the same bits.

use super::shape::{ExpertShape, Routing};
use crate::Real;

/// An expert and its weight for one token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice<T> {
    /// The expert.
    pub expert: usize,
    /// What its output is multiplied with.
    pub weight: T,
}

/// Chooses the experts of one token from the router's logits; equal scores go to the lower index. Ascending by expert, so
/// that sums over experts have one order.
pub fn route<T: Real>(shape: &ExpertShape, bias: &[T], logits: &[T]) -> Vec<Choice<T>> {
    let count = shape.per_token as usize;
    let mut chosen = match shape.routing {
        Routing::Softmax { normalise } => {
            let max =
                logits.iter().fold(T::NEG_INFINITY, |max, &logit| if max >= logit { max } else { logit });
            let mut scores: Vec<T> = logits.iter().map(|&logit| (logit - max).exp()).collect();
            let sum = scores.iter().fold(T::ZERO, |sum, &score| sum + score);
            for score in &mut scores {
                *score = *score / sum;
            }
            let chosen = best(count, 0..scores.len(), &scores);
            weigh(&chosen, &scores, normalise, T::ONE)
        }
        Routing::Sigmoid { groups, kept_groups, scaling } => {
            let scores: Vec<T> = logits.iter().map(|&logit| T::ONE / (T::ONE + (-logit).exp())).collect();
            let biased: Vec<T> = scores.iter().zip(bias).map(|(&score, &bias)| score + bias).collect();
            let size = scores.len() / groups as usize;
            let group_scores: Vec<T> = biased
                .chunks_exact(size)
                .map(|group| best(2, 0..size, group).iter().fold(T::ZERO, |sum, &expert| sum + group[expert]))
                .collect();
            let kept = best(kept_groups as usize, 0..groups as usize, &group_scores);
            let candidates = kept.iter().flat_map(|group| group * size..(group + 1) * size);
            let chosen = best(count, candidates, &biased);
            weigh(&chosen, &scores, true, T::of(scaling))
        }
    };
    chosen.sort_by_key(|choice| choice.expert);
    chosen
}

/// The indices of the `count` largest values among the candidates, largest first.
fn best<T: Real>(count: usize, candidates: impl IntoIterator<Item = usize>, values: &[T]) -> Vec<usize> {
    let mut order: Vec<usize> = candidates.into_iter().collect();
    order.sort_by(|&a, &b| values[b].get().total_cmp(&values[a].get()).then(a.cmp(&b)));
    order.truncate(count);
    order
}

fn weigh<T: Real>(chosen: &[usize], scores: &[T], normalise: bool, scaling: T) -> Vec<Choice<T>> {
    let sum = chosen.iter().fold(T::ZERO, |sum, &expert| sum + scores[expert]);
    // All scores may underflow to 0; then so do the weights.
    let divisor = if normalise && sum > T::ZERO { sum } else { T::ONE };
    chosen.iter().map(|&expert| Choice { expert, weight: scores[expert] / divisor * scaling }).collect()
}
