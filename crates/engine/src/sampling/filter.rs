//! Choosing from logits: the largest, the largest few, or one by chance.

use std::cmp::Ordering;

use super::SamplingParameters;

/// A token's index; vocabularies are far below 2^32.
fn index(token: usize) -> u32 {
    u32::try_from(token).expect("a vocabulary has at most 2^24 tokens")
}

/// The token with the largest logit, the first of several.
pub(super) fn largest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    index(best)
}

/// Descending by logit, ascending by token where logits are equal.
fn order(logits: &[f32]) -> impl Fn(&u32, &u32) -> Ordering {
    move |a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b))
}

/// The `count` tokens with the largest logits, the largest first.
pub(super) fn top(logits: &[f32], count: usize) -> Vec<u32> {
    let mut tokens: Vec<u32> = (0..index(logits.len())).collect();
    sort_first(&mut tokens, logits, count);
    tokens.truncate(count);
    tokens
}

/// Brings the first `count` in order to the front.
fn sort_first(tokens: &mut [u32], logits: &[f32], count: usize) {
    if count == 0 {
        return;
    }
    if count < tokens.len() {
        tokens.select_nth_unstable_by(count - 1, order(logits));
    }
    let count = count.min(tokens.len());
    tokens[..count].sort_unstable_by(order(logits));
}

/// Draws by chance: `uniform` in `[0, 1)` says where in the cumulated probabilities.
pub(super) fn draw(parameters: &SamplingParameters, logits: &[f32], uniform: f64) -> u32 {
    let best = f64::from(logits[largest(logits) as usize]);
    if best == f64::NEG_INFINITY {
        return 0;
    }
    let temperature = f64::from(parameters.temperature);
    let weight = |token: u32| libm::exp((f64::from(logits[token as usize]) - best) / temperature);
    let mut tokens: Vec<u32> = (0..index(logits.len())).collect();
    if parameters.min_p > 0.0 {
        tokens.retain(|&token| weight(token) >= f64::from(parameters.min_p));
    }
    let top_k = parameters.top_k as usize;
    if top_k > 0 && top_k < tokens.len() {
        sort_first(&mut tokens, logits, top_k);
        tokens.truncate(top_k);
    }
    if parameters.top_p < 1.0 {
        keep_probable(&mut tokens, logits, f64::from(parameters.top_p), &weight);
    }
    let total: f64 = tokens.iter().map(|&token| weight(token)).sum();
    let mut rest = uniform * total;
    for &token in &tokens {
        rest -= weight(token);
        if rest < 0.0 {
            return token;
        }
    }
    // Rounding may leave a crumb: it belongs to the last token that weighs anything.
    tokens.iter().rev().copied().find(|&token| weight(token) > 0.0).unwrap_or_else(|| largest(logits))
}

/// Keeps the fewest of the likeliest tokens that together have a share of `share`.
fn keep_probable(tokens: &mut Vec<u32>, logits: &[f32], share: f64, weight: &impl Fn(u32) -> f64) {
    let total: f64 = tokens.iter().map(|&token| weight(token)).sum();
    // Most often a few tokens suffice: do not sort the rest.
    let mut count = 64;
    loop {
        count = count.min(tokens.len());
        sort_first(tokens, logits, count);
        let mut sum = 0.0;
        for kept in 0..count {
            sum += weight(tokens[kept]);
            if sum >= share * total {
                tokens.truncate(kept + 1);
                return;
            }
        }
        if count == tokens.len() {
            return;
        }
        count *= 8;
    }
}
