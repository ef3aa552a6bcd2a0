//! What is known of the served model.

use std::path::PathBuf;

use super::SamplingDefaults;

/// The served model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Name under which it is served.
    pub name: String,
    /// Its Hugging Face folder: `tokenizer.json`, `tokenizer_config.json` with the chat template, `config.json`.
    pub folder: PathBuf,
    /// Of configuration and weights: workers with another one are refused.
    pub fingerprint: String,
    /// Decoder layers.
    pub layers: u32,
    /// Entries of the vocabulary.
    pub vocab: u32,
    /// The most tokens of prompt and answer together.
    pub max_context: u32,
    /// Tokens that end an answer.
    pub end_tokens: Vec<u32>,
    /// What holds for sampling parameters that a request leaves out.
    pub sampling: SamplingDefaults,
    /// When the service started \[seconds since 1970\].
    pub created: u64,
}
