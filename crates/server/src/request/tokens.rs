//! The bodies of `/tokenize` and `/detokenize`, in vLLM's form.

use helix_runtime::service::ChatMessage;

use super::chat::messages;
use super::fields::{Fields, not_allowed};
use super::refused::refuse;
use crate::ApiError;

/// A text or a conversation whose tokens are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizeRequest {
    /// The model asked for; the served one when it is not named.
    pub model: Option<String>,
    /// What to make tokens of.
    pub source: Source,
    /// Add the tokens that the model expects around a text.
    pub special: bool,
    /// Tell how the vocabulary writes each token, too.
    pub names: bool,
    /// Parameters that nobody here knows.
    pub ignored: Vec<String>,
}

/// What tokens are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A text, as it is.
    Text(String),
    /// A conversation, by the model's chat template.
    Chat {
        /// Never empty.
        messages: Vec<ChatMessage>,
        /// Open the assistant's turn behind the last message.
        open_answer: bool,
    },
}

/// Tokens whose text is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetokenizeRequest {
    /// The model asked for; the served one when it is not named.
    pub model: Option<String>,
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Parameters that nobody here knows.
    pub ignored: Vec<String>,
}

impl TokenizeRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        refuse(&mut fields)?;
        let (text, chat) = (fields.take("prompt", "a text")?, fields.has("messages"));
        let source = match (text, chat) {
            (Some(text), false) => Source::Text(text),
            (None, true) => {
                let open_answer = fields.flag("add_generation_prompt")?.unwrap_or(true);
                Source::Chat { messages: messages(&mut fields)?, open_answer }
            }
            (found, _) => {
                let found =
                    if found.is_some() { "prompt and messages are given" } else { "prompt is missing" };
                let message = format!("{found}, allowed: prompt, a text, or messages, a conversation");
                return Err(ApiError::parameter("prompt", message));
            }
        };
        // A chat template writes the special tokens itself.
        let by_default = matches!(source, Source::Text(_));
        Ok(Self {
            model: fields.take("model", "a text")?,
            source,
            special: fields.flag("add_special_tokens")?.unwrap_or(by_default),
            names: fields.flag("return_token_strs")?.unwrap_or(false),
            ignored: fields.rest(),
        })
    }
}

impl DetokenizeRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        const ALLOWED: &str = "a list of token ids";
        let mut fields = Fields::parse(body)?;
        let model = fields.take("model", "a text")?;
        let tokens = fields.take("tokens", ALLOWED)?;
        let tokens = tokens.ok_or_else(|| not_allowed("tokens", "missing", ALLOWED))?;
        Ok(Self { model, tokens, ignored: fields.rest() })
    }
}
