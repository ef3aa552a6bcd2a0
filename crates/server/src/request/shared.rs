//! Parameters that chat completions and completions have in common.

use std::fmt;

use helix_runtime::Sampling;
use helix_runtime::service::{SamplingDefaults, Stop};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::fields::{Fields, not_allowed, quote};
use super::refused::refuse;
use crate::ApiError;

/// The most answers to one prompt.
const MAX_N: i64 = 128;

/// What both kinds of requests have.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// The model asked for; the served one when it is not named.
    pub model: Option<String>,
    /// How tokens are chosen; what the request leaves out is neutral until [`Self::fill`].
    pub sampling: Sampling,
    /// Which of the parameters that a model may have defaults for the request gives.
    given: Given,
    /// The longest answer \[tokens\].
    pub max_tokens: Option<u32>,
    /// What else ends an answer.
    pub stop: Stop,
    /// A stop text that ended an answer belongs to it.
    pub keep_stop_text: bool,
    /// Answers to each prompt, 1 or more.
    pub n: u32,
    /// Send the answer piece by piece.
    pub stream: bool,
    /// End a stream with a chunk that tells the usage.
    pub include_usage: bool,
    /// Parameters that nobody here knows.
    pub ignored: Vec<String>,
}

/// What a request says itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Given {
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl Shared {
    /// Takes its parameters, and refuses those that cannot be followed; what is left then is ignored.
    /// `logprobs` was read before, because each kind of request has its own form of it.
    pub(super) fn take(
        fields: &mut Fields,
        logprobs: Option<u8>,
        default_max_tokens: Option<u32>,
    ) -> Result<Self, ApiError> {
        refuse(fields)?;
        let n = fields.integer("n", 1..=MAX_N, "a whole number from 1 to 128")?.unwrap_or(1);
        let best_of = "as large as n; choosing the best of several answers is not supported";
        fields.integer("best_of", n..=n, best_of)?;
        let stop = stop(fields)?;
        let max_tokens = max_tokens(fields)?.or(default_max_tokens);
        min_tokens(fields, &stop)?;
        let stream = fields.flag("stream")?.unwrap_or(false);
        let given = given(fields)?;
        let mut shared = Self {
            model: fields.take("model", "a text")?,
            sampling: sampling(fields, logprobs)?,
            given,
            max_tokens,
            stop,
            keep_stop_text: fields.flag("include_stop_str_in_output")?.unwrap_or(false),
            n: u32::try_from(n).map_err(|_| ApiError::internal("n beyond its limit after its check"))?,
            stream,
            include_usage: include_usage(fields, stream)?,
            ignored: Vec::new(),
        };
        shared.fill(&SamplingDefaults::default());
        shared.sampling.check().map_err(|error| ApiError::not_taken(&error, "prompt"))?;
        shared.stop.check().map_err(|error| ApiError::not_taken(&error, "prompt"))?;
        Ok(shared)
    }

    /// Takes what the request leaves out from the model.
    pub fn fill(&mut self, defaults: &SamplingDefaults) {
        let (given, sampling) = (&self.given, &mut self.sampling);
        sampling.temperature = given.temperature.unwrap_or(defaults.temperature);
        sampling.top_k = given.top_k.unwrap_or(defaults.top_k);
        sampling.top_p = given.top_p.unwrap_or(defaults.top_p);
        sampling.min_p = given.min_p.unwrap_or(defaults.min_p);
        sampling.repetition_penalty = given.repetition_penalty.unwrap_or(defaults.repetition_penalty);
    }
}

fn given(fields: &mut Fields) -> Result<Given, ApiError> {
    let top_k =
        fields.integer("top_k", -1..=i64::from(u32::MAX), "a whole number from -1; 0 or -1 for all")?;
    let positive = f64::MIN_POSITIVE;
    Ok(Given {
        temperature: fields.number("temperature", 0.0..=100.0, "a number from 0 to 100")?,
        // -1 is how other servers say "all", which is 0 here.
        top_k: top_k.map(|k| u32::try_from(k).unwrap_or(0)),
        top_p: fields.number("top_p", positive..=1.0, "a number above 0, at most 1")?,
        min_p: fields.number("min_p", 0.0..=1.0, "a number from 0 to 1")?,
        repetition_penalty: fields.number(
            "repetition_penalty",
            positive..=100.0,
            "a number above 0, at most 100",
        )?,
    })
}

fn sampling(fields: &mut Fields, logprobs: Option<u8>) -> Result<Sampling, ApiError> {
    let two = "a number from -2 to 2";
    Ok(Sampling {
        presence_penalty: fields.number("presence_penalty", -2.0..=2.0, two)?.unwrap_or(0.0),
        frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0, two)?.unwrap_or(0.0),
        logit_bias: logit_bias(fields)?,
        seed: seed(fields)?,
        logprobs,
        ..Sampling::greedy()
    })
}

/// Any 64-bit integer, signed or not: its bits are the seed.
fn seed(fields: &mut Fields) -> Result<Option<u64>, ApiError> {
    let Some(raw) = fields.raw("seed") else { return Ok(None) };
    let unsigned = serde_json::from_str::<u64>(raw.get());
    let bits = unsigned.or_else(|_| serde_json::from_str::<i64>(raw.get()).map(i64::cast_unsigned));
    bits.map(Some).map_err(|_| not_allowed("seed", raw.get(), "a whole number of 64 bits"))
}

fn max_tokens(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let mut tokens = |name: &str| {
        let found = fields.integer(name, 1..=i64::from(u32::MAX), "a whole number from 1")?;
        Ok::<_, ApiError>(found.and_then(|found| u32::try_from(found).ok()))
    };
    let (old, new) = (tokens("max_tokens")?, tokens("max_completion_tokens")?);
    match (old, new) {
        (Some(old), Some(new)) if old != new => Err(ApiError::parameter(
            "max_completion_tokens",
            format!("max_completion_tokens is {new}, but max_tokens is {old}; give one of them"),
        )),
        _ => Ok(new.or(old)),
    }
}

/// Benchmark tools say how long an answer must be, and with `ignore_eos` it is that long.
fn min_tokens(fields: &mut Fields, stop: &Stop) -> Result<(), ApiError> {
    let found = fields.integer("min_tokens", 0..=i64::from(u32::MAX), "a whole number from 0")?;
    if found.is_some_and(|found| found > 0) && !stop.ignore_eos {
        let message = "min_tokens is supported only together with ignore_eos";
        return Err(ApiError::unsupported("min_tokens", message));
    }
    Ok(())
}

fn stop(fields: &mut Fields) -> Result<Stop, ApiError> {
    let allowed = "a text or a list of texts";
    let texts = match fields.raw("stop") {
        None => Vec::new(),
        Some(raw) if raw.get().starts_with('"') => {
            vec![serde_json::from_str(raw.get()).map_err(|_| not_allowed("stop", raw.get(), allowed))?]
        }
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| not_allowed("stop", raw.get(), allowed))?,
    };
    let tokens = fields.take("stop_token_ids", "a list of token ids")?.unwrap_or_default();
    Ok(Stop { texts, tokens, ignore_eos: fields.flag("ignore_eos")?.unwrap_or(false) })
}

fn include_usage(fields: &mut Fields, stream: bool) -> Result<bool, ApiError> {
    let options: Option<StreamOptions> =
        fields.take("stream_options", "an object such as {\"include_usage\": true}")?;
    match options {
        Some(_) if !stream => {
            let message = "stream_options is given, allowed: only together with stream = true";
            Err(ApiError::parameter("stream_options", message))
        }
        Some(options) => Ok(options.include_usage.unwrap_or(false)),
        None => Ok(false),
    }
}

fn logit_bias(fields: &mut Fields) -> Result<Vec<(u32, f32)>, ApiError> {
    let Some(raw) = fields.raw("logit_bias") else { return Ok(Vec::new()) };
    match serde_json::from_str(raw.get()) {
        Ok(Biases(biases)) => Ok(biases),
        Err(error) => {
            let allowed = "an object of at most 1024 token ids with numbers from -100 to 100";
            let message = format!("logit_bias cannot be read: {}; allowed: {allowed}", quote(&error));
            Err(ApiError::parameter("logit_bias", message))
        }
    }
}

struct Biases(Vec<(u32, f32)>);

impl<'de> Deserialize<'de> for Biases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BiasesVisitor)
    }
}

struct BiasesVisitor;

impl<'de> Visitor<'de> for BiasesVisitor {
    type Value = Biases;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut biases: Vec<(u32, f32)> = Vec::new();
        while let Some((token, bias)) = map.next_entry::<u32, f64>()? {
            // A value beyond f32 becomes infinite here, and is outside the limits like any other.
            #[expect(clippy::cast_possible_truncation, reason = "digits may go; infinities are refused")]
            biases.push((token, bias as f32));
            if biases.len() > Sampling::MAX_LOGIT_BIAS {
                return Err(A::Error::custom("it has more entries"));
            }
        }
        biases.sort_by_key(|(token, _)| *token);
        Ok(Biases(biases))
    }
}
