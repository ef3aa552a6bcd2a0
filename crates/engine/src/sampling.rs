//! From logits to a token: penalties, temperature, filters, and a draw that depends on seed and position alone.
//!
//! ```text
//! logits ─ bias ─ repetition, frequency, presence ─ temperature ─ min-p ─ top-k ─ top-p ─ draw(seed, position)
//!    └─ log-softmax: what `logprobs` reports
//! ```

mod filter;
mod parameters;
mod random;

use std::collections::{BTreeMap, BTreeSet};

use crate::backends::cpu::Float as _;

pub use parameters::{MAX_LOGPROBS, ParameterError, SamplingParameters};
pub use random::philox;

/// The tokens so far of a request, as penalties need them.
#[derive(Debug, Clone, Default)]
pub struct History {
    prompt: BTreeSet<u32>,
    generated: BTreeMap<u32, u32>,
}

/// A token with the logarithm of its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability by the model, before penalties, temperature and filters.
    pub logprob: f32,
}

/// A drawn token.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: u32,
    /// Its logarithm of probability, where such were asked for.
    pub logprob: Option<f32>,
    /// The likeliest tokens, the likeliest first; as many as were asked for.
    pub top: Vec<Candidate>,
}

/// Why no token could be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SampleError {
    /// The model gave no numbers.
    #[error(
        "the logit of token {token} is {value}: the model's weights or the activations it got are damaged"
    )]
    NotFinite {
        /// The first such token.
        token: usize,
        /// Its logit.
        value: f32,
    },
    /// No logits at all.
    #[error("there are no logits to draw from")]
    Empty,
}

impl History {
    /// Of a request with this prompt.
    #[must_use]
    pub fn new(prompt: &[u32]) -> Self {
        Self { prompt: prompt.iter().copied().collect(), generated: BTreeMap::new() }
    }

    /// Counts a generated token.
    pub fn push(&mut self, token: u32) {
        *self.generated.entry(token).or_insert(0) += 1;
    }
}

/// Draws the token at `position` (counted from the beginning of the prompt).
///
/// The same parameters, history, position and logits give the same token, whenever and wherever.
///
/// # Errors
/// [`SampleError`] when a logit is NaN or infinite upwards, or there are none.
pub fn sample(
    parameters: &SamplingParameters,
    history: &History,
    position: u64,
    logits: &[f32],
) -> Result<Sampled, SampleError> {
    if logits.is_empty() {
        return Err(SampleError::Empty);
    }
    if let Some(token) = logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        return Err(SampleError::NotFinite { token, value: logits[token] });
    }
    let changed = penalised(parameters, history, logits);
    let changed = changed.as_deref().unwrap_or(logits);
    let token = if parameters.temperature == 0.0 {
        filter::largest(changed)
    } else {
        let uniform = random::uniform(parameters.seed, position);
        filter::draw(parameters, changed, uniform)
    };
    let Some(count) = parameters.logprobs else {
        return Ok(Sampled { token, logprob: None, top: Vec::new() });
    };
    let normaliser = log_sum_exp(logits);
    let logprob = |token: u32| logprob(logits[token as usize], normaliser);
    let top = filter::top(logits, count as usize)
        .into_iter()
        .map(|token| Candidate { token, logprob: logprob(token) })
        .collect();
    Ok(Sampled { token, logprob: Some(logprob(token)), top })
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
fn logprob(logit: f32, normaliser: f64) -> f32 {
    (f64::from(logit) - normaliser) as f32
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |largest, &logit| largest.max(logit));
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit) - f64::from(largest))).sum();
    f64::from(largest) + libm::log(sum)
}

/// Logits after bias and penalties; `None` when these change nothing.
fn penalised(parameters: &SamplingParameters, history: &History, logits: &[f32]) -> Option<Vec<f32>> {
    let repetition = parameters.repetition_penalty;
    let nothing = parameters.logit_bias.is_empty()
        && repetition == 1.0
        && parameters.frequency_penalty == 0.0
        && parameters.presence_penalty == 0.0;
    if nothing {
        return None;
    }
    let mut logits = logits.to_vec();
    for &(token, bias) in &parameters.logit_bias {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit += bias;
        }
    }
    if repetition != 1.0 {
        let new = |token: &&u32| !history.generated.contains_key(*token);
        for &token in history.generated.keys().chain(history.prompt.iter().filter(new)) {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
            }
        }
    }
    for (&token, &count) in &history.generated {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit -= parameters.frequency_penalty * (f64::from(count).to_f32());
            *logit -= parameters.presence_penalty;
        }
    }
    Some(logits)
}
