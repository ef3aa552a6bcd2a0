//! The body of `/v1/completions`.

use super::Shared;
use super::fields::{Fields, not_allowed};
use crate::ApiError;

/// The length of an answer when the request names none, as in OpenAI's API.
const DEFAULT_MAX_TOKENS: u32 = 16;

/// Prompts to be continued.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// What chat completions have, too.
    pub shared: Shared,
    /// The prompts; never none.
    pub prompts: Vec<Prompt>,
    /// Begin each answer with its prompt.
    pub echo: bool,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// As text, which the model's tokenizer turns into tokens.
    Text(String),
    /// As tokens, which are taken as they are.
    Tokens(Vec<u32>),
}

impl CompletionRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let prompts = prompts(&mut fields)?;
        let logprobs = fields.integer("logprobs", 0..=20, "a whole number from 0 to 20")?;
        let logprobs = logprobs.and_then(|count| u8::try_from(count).ok());
        let echo = fields.flag("echo")?.unwrap_or(false);
        if echo && logprobs.is_some() {
            let message =
                "echo is true and logprobs is given, but log-probabilities of a prompt are not supported";
            return Err(ApiError::unsupported("echo", message));
        }
        let mut shared = Shared::take(&mut fields, logprobs, Some(DEFAULT_MAX_TOKENS))?;
        shared.ignored = fields.rest();
        Ok(Self { shared, prompts, echo })
    }
}

fn prompts(fields: &mut Fields) -> Result<Vec<Prompt>, ApiError> {
    let allowed = "a text, a list of texts, a list of token ids, or a list of lists of token ids";
    let Some(raw) = fields.raw("prompt") else {
        return Err(ApiError::parameter("prompt", format!("prompt is missing, allowed: {allowed}")));
    };
    let raw = raw.get();
    let wrong = |_| not_allowed("prompt", raw, allowed);
    // What the list holds shows in its first character.
    let first = raw.strip_prefix('[').map(|list| list.trim_start().chars().next());
    match first {
        None => Ok(vec![Prompt::Text(serde_json::from_str(raw).map_err(wrong)?)]),
        Some(Some('"')) => {
            let texts: Vec<String> = serde_json::from_str(raw).map_err(wrong)?;
            Ok(texts.into_iter().map(Prompt::Text).collect())
        }
        Some(Some('[')) => {
            let lists: Vec<Vec<u32>> = serde_json::from_str(raw).map_err(wrong)?;
            Ok(lists.into_iter().map(Prompt::Tokens).collect())
        }
        Some(Some(']') | None) => Err(not_allowed("prompt", raw, allowed)),
        Some(Some(_)) => Ok(vec![Prompt::Tokens(serde_json::from_str(raw).map_err(wrong)?)]),
    }
}
