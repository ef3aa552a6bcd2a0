//! Answers as the API writes them: whole, or as events one by one.

mod events;
mod logprobs;
mod whole;
mod wire;

pub use events::Events;
pub use whole::whole;

use helix_runtime::Service;

/// Which of the two APIs an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completion,
}

/// What is known of an answer before its first token.
#[derive(Debug, Clone)]
pub struct Head {
    /// Of the answer, unique.
    pub id: String,
    /// Its API.
    pub form: Form,
    /// When it began \[seconds since 1970\].
    pub created: u64,
    /// The cluster, for the model's name and the texts of tokens.
    pub service: Service,
    /// Log-probabilities are wanted.
    pub logprobs: bool,
    /// A stop text that ended an answer belongs to it.
    pub keep_stop_text: bool,
    /// A stream ends with its usage.
    pub include_usage: bool,
    /// Texts that the answers to each prompt begin with, and answers to each prompt.
    pub echo: (Vec<String>, usize),
}

impl Head {
    /// The text that an answer begins with before its first token.
    fn begins_with(&self, index: usize) -> &str {
        let (texts, n) = &self.echo;
        texts.get(index / (*n).max(1)).map_or("", String::as_str)
    }
}
