//! Text and tokens: the model's tokenizer, and the tokens of an answer turned into text one by one.
//!
//! A stop text need not be whole tokens, so text is held back while what has come could be the beginning of one.

use std::path::Path;
use std::sync::Arc;

pub use helix_engine::TextError;
use helix_engine::{StopStrings, Tokenizer};
use helix_spec::FileError;

/// A model's tokenizer.
#[derive(Debug)]
pub struct TextModel {
    tokenizer: Tokenizer,
}

impl TextModel {
    /// Reads `tokenizer.json` of a model folder.
    pub fn from_folder(folder: &Path) -> Result<Self, FileError> {
        Ok(Self { tokenizer: Tokenizer::from_folder(folder)? })
    }

    /// Reads the text of a `tokenizer.json`.
    pub fn from_json(json: &str) -> Result<Self, FileError> {
        Ok(Self { tokenizer: Tokenizer::from_json(json, "tokenizer.json")? })
    }

    /// Tokens of a text; `special` adds those that the model expects around it.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TextError> {
        self.tokenizer.encode(text, special)
    }

    /// Text of tokens, special ones left out; what is no token has no text.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens).unwrap_or_default()
    }

    /// Text of tokens, special ones by name.
    pub fn decode_all(&self, tokens: &[u32]) -> Result<String, TextError> {
        self.tokenizer.decode_all(tokens)
    }

    /// How the vocabulary writes a token; `None` where it has none of that id.
    #[must_use]
    pub fn token_name(&self, token: u32) -> Option<String> {
        self.tokenizer.token_text(token)
    }

    /// Text of one token by itself, special tokens by name.
    #[must_use]
    pub fn token_text(&self, token: u32) -> String {
        let text = self.decode(&[token]);
        if text.is_empty() { self.tokenizer.token_text(token).unwrap_or_default() } else { text }
    }

    /// The id of a token given by name, such as `<|im_end|>`.
    #[must_use]
    pub fn token_id(&self, name: &str) -> Option<u32> {
        self.tokenizer.token(name)
    }
}

/// What a token brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Step {
    /// Text that is certain now.
    pub(super) text: String,
    /// The stop text that came, if one did: then `text` is the last of the answer.
    pub(super) stopped_by: Option<String>,
}

/// Turns the tokens of one answer into text.
#[derive(Debug)]
pub(super) struct Detokenizer {
    model: Arc<TextModel>,
    tokens: helix_engine::Detokenizer,
    stops: StopStrings,
}

impl Detokenizer {
    /// For an answer that continues `prompt` and ends at one of `stops`.
    pub(super) fn new(model: Arc<TextModel>, prompt: &[u32], stops: &[String]) -> Self {
        let tokens = helix_engine::Detokenizer::new(prompt);
        Self { model, tokens, stops: StopStrings::new(stops.iter().cloned()) }
    }

    /// The tokenizer.
    pub(super) fn model(&self) -> Arc<TextModel> {
        self.model.clone()
    }

    /// The next token. One that the tokenizer does not know has no text.
    pub(super) fn push(&mut self, token: u32) -> Step {
        let text = self.tokens.push(&self.model.tokenizer, token).unwrap_or_default();
        let text = self.stops.push(&text);
        Step { text, stopped_by: self.stops.stopped_by().map(str::to_owned) }
    }

    /// The text still held back, when no more tokens come, and the stop text that ended it if there is one in the last of it.
    pub(super) fn finish(&mut self) -> Step {
        let text = self.tokens.finish(&self.model.tokenizer).unwrap_or_default();
        let text = self.stops.push(&text) + &self.stops.finish();
        Step { text, stopped_by: self.stops.stopped_by().map(str::to_owned) }
    }
}
