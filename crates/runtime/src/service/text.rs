//! Text and tokens: the model's tokenizer, and tokens turned into text one by one.
//!
//! A token need not be whole characters, and a stop text need not be whole tokens, so text is held back while a
//! character is incomplete or while what has come could be the beginning of a stop text.

use std::path::Path;
use std::sync::Arc;

use tokenizers::Tokenizer;

/// Stands for bytes that are no character (yet).
const REPLACEMENT: char = '\u{fffd}';
/// The longest run of tokens without a whole character before its text is given out as it is.
const MAX_PENDING_TOKENS: usize = 16;

/// Why a tokenizer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Its file cannot be read or is no tokenizer.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A text cannot be turned into tokens.
    #[error("the text cannot be turned into tokens: {0}")]
    Encode(String),
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct TextModel {
    tokenizer: Tokenizer,
}

impl TextModel {
    /// Reads `tokenizer.json` of a model folder.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        let path = folder.join("tokenizer.json");
        let named = |reason: String| TextError::File { path: path.display().to_string(), reason };
        let bytes = std::fs::read(&path).map_err(|error| named(error.to_string()))?;
        Self::from_json(&bytes).map_err(named)
    }

    /// Reads the text of a `tokenizer.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
        // Limits of training runs that some files carry: here they would silently change a prompt.
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer })
    }

    /// Tokens of a text; `special` adds those that the model expects around it.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TextError> {
        let encoding = self.tokenizer.encode_fast(text, special);
        encoding.map(|e| e.get_ids().to_vec()).map_err(|error| TextError::Encode(error.to_string()))
    }

    /// Text of tokens, special ones left out; what is no token has no text.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens, true).unwrap_or_default()
    }

    /// Text of one token by itself, special tokens by name.
    #[must_use]
    pub fn token_text(&self, token: u32) -> String {
        self.tokenizer.decode(&[token], false).unwrap_or_default()
    }

    /// The id of a token given by name, such as `<|im_end|>`.
    #[must_use]
    pub fn token_id(&self, name: &str) -> Option<u32> {
        self.tokenizer.token_to_id(name)
    }
}

/// What a token brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Text that is certain now.
    pub text: String,
    /// The stop text that came, if one did: then `text` is the last of the answer.
    pub stopped_by: Option<String>,
}

/// Turns the tokens of one answer into text.
#[derive(Debug)]
pub struct Detokenizer {
    model: Arc<TextModel>,
    stops: Vec<String>,
    /// Tokens whose text is not all given out, with some before them, since a token's text may depend on the last one.
    tokens: Vec<u32>,
    /// The first of `tokens` whose text is not given out.
    read: usize,
    held: String,
}

impl Detokenizer {
    /// For an answer that continues `prompt` and ends at one of `stops`.
    #[must_use]
    pub fn new(model: Arc<TextModel>, prompt: &[u32], stops: &[String]) -> Self {
        let tokens = prompt[prompt.len().saturating_sub(5)..].to_vec();
        let read = tokens.len();
        Self { model, stops: stops.to_vec(), tokens, read, held: String::new() }
    }

    /// The tokenizer.
    #[must_use]
    pub fn model(&self) -> Arc<TextModel> {
        self.model.clone()
    }

    /// The next token.
    pub fn push(&mut self, token: u32) -> Step {
        self.tokens.push(token);
        let pending = self.tokens.len() - self.read;
        let text = self.pending_text();
        if text.ends_with(REPLACEMENT) && pending < MAX_PENDING_TOKENS {
            return Step::default();
        }
        self.held.push_str(&text);
        // Keep the tokens of this step as what the next one may depend on.
        self.tokens.drain(..self.read);
        self.read = self.tokens.len();
        self.release()
    }

    /// The text still held back, when no more tokens come.
    pub fn finish(&mut self) -> String {
        let rest = self.pending_text();
        self.held.push_str(&rest);
        self.tokens.clear();
        self.read = 0;
        std::mem::take(&mut self.held)
    }

    /// Text that the tokens from `read` on add to those before.
    fn pending_text(&self) -> String {
        let before = self.model.decode(&self.tokens[..self.read]);
        let all = self.model.decode(&self.tokens);
        match all.strip_prefix(&before) {
            Some(new) => new.to_owned(),
            // A byte-level token that completes a character of the token before it.
            None => self.model.decode(&self.tokens[self.read..]),
        }
    }

    fn release(&mut self) -> Step {
        let first = self.stops.iter().filter_map(|stop| Some((self.held.find(stop)?, stop))).min();
        if let Some((at, stop)) = first {
            let stopped_by = Some(stop.clone());
            self.held.truncate(at);
            return Step { text: std::mem::take(&mut self.held), stopped_by };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Step { text: std::mem::replace(&mut self.held, rest), stopped_by: None }
    }
}

/// Bytes at the end of `text` that are a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    let begins = |bytes: &usize| stop.is_char_boundary(*bytes) && text.ends_with(&stop[..*bytes]);
    (1..=longest).rev().find(begins).unwrap_or(0)
}
