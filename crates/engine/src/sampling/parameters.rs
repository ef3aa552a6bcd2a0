//! What a request may ask of sampling, and the limits.

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParameters {
    /// Divisor of the logits; 0 takes the likeliest token always.
    pub temperature: f32,
    /// Only so many of the likeliest tokens; 0 is all.
    pub top_k: u32,
    /// Only the likeliest tokens that together have this probability.
    pub top_p: f32,
    /// Only tokens with at least this share of the likeliest one's probability.
    pub min_p: f32,
    /// Taken from the logit of every token that was generated.
    pub presence_penalty: f32,
    /// Taken from the logit of a token for each time it was generated.
    pub frequency_penalty: f32,
    /// Divides positive logits of tokens in prompt and answer, multiplies negative ones.
    pub repetition_penalty: f32,
    /// Added to logits: token and bias.
    pub logit_bias: Vec<(u32, f32)>,
    /// Seed of the draws.
    pub seed: u64,
    /// Whether probabilities are reported, and of how many of the likeliest tokens.
    pub logprobs: Option<u32>,
}

/// Most tokens whose probabilities are reported.
pub const MAX_LOGPROBS: u32 = 20;

/// Most biased tokens.
const MAX_BIASES: usize = 1024;

/// A parameter out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{name}` is {value}, it must be {allowed}")]
pub struct ParameterError {
    /// The parameter.
    pub name: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

impl SamplingParameters {
    /// The likeliest token always.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: Vec::new(),
            seed: 0,
            logprobs: None,
        }
    }

    /// Whether all are in their ranges, for a vocabulary of `vocab` tokens.
    ///
    /// # Errors
    /// [`ParameterError`] names the first that is not.
    pub fn validate(&self, vocab: usize) -> Result<(), ParameterError> {
        let between = |name, value: f32, from: f32, to: f32| {
            if (from..=to).contains(&value) {
                return Ok(());
            }
            Err(ParameterError {
                name,
                value: value.to_string(),
                allowed: format!("a number from {from} to {to}"),
            })
        };
        between("temperature", self.temperature, 0.0, 100.0)?;
        between("top_p", self.top_p, 0.0, 1.0)?;
        between("min_p", self.min_p, 0.0, 1.0)?;
        between("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        between("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        between("repetition_penalty", self.repetition_penalty, 0.01, 100.0)?;
        if self.top_p == 0.0 {
            let (value, allowed) = (String::from("0"), String::from("above 0 and at most 1"));
            return Err(ParameterError { name: "top_p", value, allowed });
        }
        if let Some(count) = self.logprobs.filter(|count| *count > MAX_LOGPROBS) {
            let allowed = format!("a whole number from 0 to {MAX_LOGPROBS}");
            return Err(ParameterError { name: "top_logprobs", value: count.to_string(), allowed });
        }
        if self.logit_bias.len() > MAX_BIASES {
            let (value, allowed) = (
                format!("{} tokens long", self.logit_bias.len()),
                format!("at most {MAX_BIASES} tokens long"),
            );
            return Err(ParameterError { name: "logit_bias", value, allowed });
        }
        for &(token, bias) in &self.logit_bias {
            between("logit_bias", bias, -100.0, 100.0)?;
            if token as usize >= vocab {
                let (value, allowed) = (format!("for token {token}"), format!("for tokens below {vocab}"));
                return Err(ParameterError { name: "logit_bias", value, allowed });
            }
        }
        Ok(())
    }
}
