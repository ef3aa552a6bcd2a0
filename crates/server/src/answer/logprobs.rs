//! Log-probabilities in the forms of the two APIs.

use std::collections::BTreeMap;

use helix_runtime::service::{TextModel, Token};
use serde::Serialize;

/// JSON knows no infinity: OpenAI's API writes this for a token that cannot come.
const IMPOSSIBLE: f32 = -9999.0;

/// Of chat completions.
#[derive(Serialize, Default)]
pub struct ChatLogprobs {
    content: Vec<ChatToken>,
}

#[derive(Serialize)]
struct ChatToken {
    #[serde(flatten)]
    token: OneToken,
    top_logprobs: Vec<OneToken>,
}

#[derive(Serialize)]
struct OneToken {
    token: String,
    logprob: f32,
    /// `null` where the token alone is no whole character.
    bytes: Option<Vec<u8>>,
}

impl OneToken {
    fn new(token: String, logprob: f32) -> Self {
        let bytes = (!token.contains('\u{fffd}')).then(|| token.clone().into_bytes());
        Self { token, logprob: finite(logprob), bytes }
    }
}

impl ChatLogprobs {
    /// Of one token; `None` when it came without.
    pub fn of(token: &Token, text: &TextModel) -> Option<Self> {
        let mut all = Self::default();
        all.push(token, text)?;
        Some(all)
    }

    /// Adds a token's.
    pub fn push(&mut self, token: &Token, text: &TextModel) -> Option<()> {
        let top_logprobs = token.top.iter().map(|top| OneToken::new(top.text.clone(), top.logprob)).collect();
        let one = OneToken::new(text.token_text(token.id), token.logprob?);
        self.content.push(ChatToken { token: one, top_logprobs });
        Some(())
    }
}

/// Of completions.
#[derive(Serialize, Default)]
pub struct TextLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    top_logprobs: Vec<BTreeMap<String, f32>>,
    text_offset: Vec<usize>,
}

impl TextLogprobs {
    /// Of one token; `None` when it came without.
    pub fn of(token: &Token, text: &TextModel, offset: &mut usize) -> Option<Self> {
        let mut all = Self::default();
        all.push(token, text, offset)?;
        Some(all)
    }

    /// Adds a token's; `offset` counts the characters before it.
    pub fn push(&mut self, token: &Token, text: &TextModel, offset: &mut usize) -> Option<()> {
        let logprob = finite(token.logprob?);
        let name = text.token_text(token.id);
        let mut top = BTreeMap::new();
        for other in &token.top {
            // Two tokens may look alike; the more probable one comes first.
            top.entry(other.text.clone()).or_insert_with(|| finite(other.logprob));
        }
        top.entry(name.clone()).or_insert(logprob);
        self.text_offset.push(*offset);
        *offset += name.chars().count();
        self.tokens.push(name);
        self.token_logprobs.push(logprob);
        self.top_logprobs.push(top);
        Some(())
    }
}

fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { IMPOSSIBLE }
}
