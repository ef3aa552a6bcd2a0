//! A request for text as the cluster understands it, and why one is refused.

use std::time::Duration;

/// How the next token is chosen from the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 takes the most probable token; at most 100.
    pub temperature: f32,
    /// Only the `top_k` most probable tokens; 0 for all.
    pub top_k: u32,
    /// Only the most probable tokens that together have this probability, above 0 and at most 1.
    pub top_p: f32,
    /// Only tokens at least this probable, relative to the most probable one; 0 to 1.
    pub min_p: f32,
    /// Subtracted once from the logit of every token generated before; -2 to 2.
    pub presence_penalty: f32,
    /// Subtracted for each time that a token was generated before; -2 to 2.
    pub frequency_penalty: f32,
    /// Divides the logits of tokens that stand in prompt or answer; above 0, at most 100; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Added to logits: (token, -100 to 100).
    pub logit_bias: Vec<(u32, f32)>,
    /// Same seed, same tokens; drawn by the service when there is none.
    pub seed: Option<u64>,
    /// Log-probabilities of the chosen token and of this many others (at most 20); none when `None`.
    pub logprobs: Option<u8>,
}

impl Sampling {
    /// The most log-probabilities of other tokens that are told.
    pub const MAX_LOGPROBS: u8 = 20;
    /// The most entries of `logit_bias`.
    pub const MAX_LOGIT_BIAS: usize = 1024;

    /// Always the most probable token.
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
            seed: None,
            logprobs: None,
        }
    }

    /// Finds the first parameter outside its limits.
    pub fn check(&self) -> Result<(), SubmitError> {
        let ranges = [
            ("temperature", self.temperature, 0.0..=100.0, "0 to 100"),
            ("top_p", self.top_p, f32::MIN_POSITIVE..=1.0, "above 0, at most 1"),
            ("min_p", self.min_p, 0.0..=1.0, "0 to 1"),
            ("presence_penalty", self.presence_penalty, -2.0..=2.0, "-2 to 2"),
            ("frequency_penalty", self.frequency_penalty, -2.0..=2.0, "-2 to 2"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                f32::MIN_POSITIVE..=100.0,
                "above 0, at most 100",
            ),
        ];
        for (name, value, range, allowed) in ranges {
            if !range.contains(&value) {
                return Err(SubmitError::parameter(name, &value, allowed));
            }
        }
        for (_, bias) in &self.logit_bias {
            if !(-100.0..=100.0).contains(bias) {
                return Err(SubmitError::parameter("logit_bias", bias, "-100 to 100"));
            }
        }
        if self.logit_bias.len() > Self::MAX_LOGIT_BIAS {
            let found = format!("{} entries", self.logit_bias.len());
            return Err(SubmitError::parameter("logit_bias", &found, "1024 entries at most"));
        }
        match self.logprobs {
            Some(count) if count > Self::MAX_LOGPROBS => {
                Err(SubmitError::parameter("top_logprobs", &count, "20 at most"))
            }
            _ => Ok(()),
        }
    }
}

/// What ends a generation before its length does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stop {
    /// Texts that end it; they are not part of the answer. At most 16 of at most 1024 bytes.
    pub texts: Vec<String>,
    /// Tokens that end it, besides the model's own.
    pub tokens: Vec<u32>,
    /// Go on at the model's end-of-text tokens.
    pub ignore_eos: bool,
}

impl Stop {
    /// The most stop texts or stop tokens.
    pub const MAX_ENTRIES: usize = 16;
    /// The longest stop text \[bytes\].
    pub const MAX_TEXT_BYTES: usize = 1024;

    /// Finds the first entry outside the limits.
    pub fn check(&self) -> Result<(), SubmitError> {
        for (name, entries) in [("stop", self.texts.len()), ("stop_token_ids", self.tokens.len())] {
            if entries > Self::MAX_ENTRIES {
                return Err(SubmitError::parameter(
                    name,
                    &format!("{entries} entries"),
                    "16 entries at most",
                ));
            }
        }
        for text in &self.texts {
            if text.is_empty() || text.len() > Self::MAX_TEXT_BYTES {
                let found = format!("a text of {} bytes", text.len());
                return Err(SubmitError::parameter("stop", &found, "texts of 1 to 1024 bytes"));
            }
        }
        Ok(())
    }
}

/// One request for text.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// Token ids of the prompt, special tokens included; never empty.
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The longest answer \[tokens\]; as much as the context leaves when `None`.
    pub max_tokens: Option<u32>,
    /// What else ends the answer.
    pub stop: Stop,
    /// The whole request must be done by then, waiting included.
    pub deadline: Option<Duration>,
}

impl GenerateRequest {
    /// A greedy request without stop texts.
    #[must_use]
    pub fn greedy(prompt: Vec<u32>, max_tokens: u32) -> Self {
        Self {
            prompt,
            sampling: Sampling::greedy(),
            max_tokens: Some(max_tokens),
            stop: Stop::default(),
            deadline: None,
        }
    }
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// A parameter outside its limits.
    #[error("{name} is {found}, allowed: {allowed}")]
    Parameter {
        /// Its name in the API.
        name: &'static str,
        /// What was given.
        found: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// No token at all.
    #[error("the prompt is empty; it needs at least one token")]
    EmptyPrompt,
    /// A token that the model does not have.
    #[error("token {token} is not in the vocabulary of {vocab} tokens")]
    UnknownToken {
        /// The parameter that names it; `None` for the prompt.
        of: Option<&'static str>,
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocab: u32,
    },
    /// Prompt and answer do not fit the model's context.
    #[error(
        "the context holds {max_context} tokens, but the prompt has {prompt} and {max_tokens} more were asked for; \
         shorten the prompt or ask for fewer tokens"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens asked for.
        max_tokens: u32,
        /// What the model holds.
        max_context: u32,
    },
    /// More requests than are taken at a time.
    #[error("{limit} requests are in progress or waiting already, no more are taken; try again later")]
    Overloaded {
        /// The most requests at a time.
        limit: usize,
    },
    /// Nothing can serve it now.
    #[error("not ready: {0}")]
    NotReady(String),
    /// The service is ending.
    #[error("the service is shutting down")]
    ShuttingDown,
}

impl SubmitError {
    fn parameter(name: &'static str, found: &impl ToString, allowed: &'static str) -> Self {
        Self::Parameter { name, found: found.to_string(), allowed }
    }

    /// Whether the request itself is at fault, and would be at any time.
    #[must_use]
    pub fn is_callers_fault(&self) -> bool {
        match self {
            Self::Parameter { .. } | Self::EmptyPrompt | Self::UnknownToken { .. } | Self::TooLong { .. } => {
                true
            }
            Self::Overloaded { .. } | Self::NotReady(_) | Self::ShuttingDown => false,
        }
    }
}
