//! The text of an answer while it grows: characters come out when they are complete.
//!
//! A token may be a part of a character, and its text may depend on the token before (a space at the beginning of a word).
//! So the last tokens are decoded twice, with and without the new ones, and the difference is the new text, once it does
//! not end in the middle of a character.

use super::{TextError, Tokenizer};

/// Tokens of the prompt that are looked at, so that the answer's first space is right.
const CONTEXT: usize = 6;

/// Tokens that may wait for a character to become complete; no character has more bytes than 4.
const MAX_WAITING: usize = 8;

/// Replaces what is no character.
const REPLACEMENT: char = '\u{fffd}';

/// Text of one answer. A character after several U+FFFD that the model wrote itself may show as U+FFFD, too.
#[derive(Debug, Clone)]
pub struct Detokenizer {
    tokens: Vec<u32>,
    /// Tokens whose text came out.
    given: usize,
}

impl Detokenizer {
    /// For the answer to a prompt.
    #[must_use]
    pub fn new(prompt: &[u32]) -> Self {
        let tokens = prompt[prompt.len().saturating_sub(CONTEXT)..].to_vec();
        Self { given: tokens.len(), tokens }
    }

    /// Adds a token; gives the text that it completes, often of itself, sometimes empty.
    ///
    /// # Errors
    /// [`TextError::Decode`].
    pub fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> Result<String, TextError> {
        self.tokens.push(token);
        let patient = self.tokens.len() - self.given < MAX_WAITING;
        self.text(tokenizer, patient)
    }

    /// What is left when no more tokens come: the beginning of a character shows as U+FFFD.
    ///
    /// # Errors
    /// [`TextError::Decode`].
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, TextError> {
        self.text(tokenizer, false)
    }

    fn text(&mut self, tokenizer: &Tokenizer, patient: bool) -> Result<String, TextError> {
        if self.given == self.tokens.len() {
            return Ok(String::new());
        }
        let before = tokenizer.decode(&self.tokens[..self.given])?;
        let with = tokenizer.decode(&self.tokens)?;
        if patient && with.ends_with(REPLACEMENT) {
            return Ok(String::new());
        }
        // Where the new tokens change the text before them, what both begin with is what came out.
        let same =
            before.chars().zip(with.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let text = with.get(same..).unwrap_or_default().to_owned();
        // What stays begins with a whole character: a decoder that meets the middle of one gives up all bytes around it.
        self.tokens.drain(..self.given);
        self.given = self.tokens.len();
        Ok(text)
    }
}
