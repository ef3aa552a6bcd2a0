//! The model's tokenizer: `tokenizer.json`.

use std::path::Path;

use helix_spec::{FileError, read_text};

/// Larger tokenizers are refused.
const MAX_TOKENIZER_BYTES: u64 = 256 << 20;

/// Turns text into tokens and back.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

/// What the tokenizer could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Text to tokens.
    #[error("the text cannot be made tokens of: {0}")]
    Encode(String),
    /// Tokens to text.
    #[error("the tokens cannot be made text of: {0}")]
    Decode(String),
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a model's folder.
    ///
    /// # Errors
    /// [`FileError`] when it is not there or is none.
    pub fn from_folder(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join("tokenizer.json");
        let text = read_text(&path, MAX_TOKENIZER_BYTES)?;
        Self::from_json(&text, &path.display().to_string())
    }

    /// Reads the text of a `tokenizer.json`; `origin` names it in errors.
    ///
    /// # Errors
    /// [`FileError`] when it is none.
    pub fn from_json(text: &str, origin: &str) -> Result<Self, FileError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(text).map_err(|error| {
            let problem = crate::config::excerpt(&error.to_string());
            FileError::new(origin, format!("is not a tokenizer: {problem}"))
        })?;
        // Prompts are never cut or filled silently, whatever the file says.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| FileError::new(origin, crate::config::excerpt(&error.to_string())))?;
        Ok(Self { inner })
    }

    /// Tokens of a text; `special` adds what the model wants at its beginning and end (a chat template has it already).
    ///
    /// # Errors
    /// [`TextError::Encode`].
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TextError> {
        let encoding =
            self.inner.encode_fast(text, special).map_err(|error| TextError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of tokens; without the special ones.
    ///
    /// # Errors
    /// [`TextError::Decode`].
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TextError> {
        self.inner.decode(tokens, true).map_err(|error| TextError::Decode(error.to_string()))
    }

    /// Text of tokens, the special ones by their names.
    ///
    /// # Errors
    /// [`TextError::Decode`].
    pub fn decode_all(&self, tokens: &[u32]) -> Result<String, TextError> {
        self.inner.decode(tokens, false).map_err(|error| TextError::Decode(error.to_string()))
    }

    /// The number of a token by its text.
    #[must_use]
    pub fn token(&self, text: &str) -> Option<u32> {
        self.inner.token_to_id(text)
    }

    /// A token as the vocabulary writes it.
    #[must_use]
    pub fn token_text(&self, token: u32) -> Option<String> {
        self.inner.id_to_token(token)
    }

    /// Entries of the vocabulary, added ones included.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}
