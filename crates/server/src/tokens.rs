//! `/tokenize` and `/detokenize`: text into the tokens that the served model sees, and back. Nothing is computed.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use helix_runtime::SubmitError;
use serde::Serialize;

use crate::request::{DetokenizeRequest, Source, TokenizeRequest};
use crate::router::{App, name_ignored, take};
use crate::{ApiError, pages};

#[derive(Serialize)]
struct Tokenized {
    count: usize,
    max_model_len: u32,
    tokens: Vec<u32>,
    token_strs: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Text {
    prompt: String,
}

/// Tokens of a text or a conversation: those that a completion or a chat completion of it would begin with.
pub async fn tokenize(State(app): State<App>, request: Request) -> Result<Response<Body>, ApiError> {
    let (_, bytes) = take(&app, request).await?;
    let TokenizeRequest { model, source, special, names, ignored } = TokenizeRequest::parse(&bytes)?;
    drop(bytes);
    app.check_model(model.as_deref())?;
    let tokens = match source {
        Source::Text(text) => app.prompts.text(text, special).await?,
        Source::Chat { messages, open_answer } => app.prompts.chat(messages, open_answer, special).await?,
    };
    let text = app.service.text();
    let name = |token: &u32| text.token_name(*token).unwrap_or_default();
    let token_strs = names.then(|| tokens.iter().map(name).collect());
    let max_model_len = app.service.model().max_context;
    let mut response = pages::json(&Tokenized { count: tokens.len(), max_model_len, tokens, token_strs })?;
    name_ignored(&mut response, &ignored);
    Ok(response)
}

/// Text of tokens, special ones by name.
pub async fn detokenize(State(app): State<App>, request: Request) -> Result<Response<Body>, ApiError> {
    let (_, bytes) = take(&app, request).await?;
    let DetokenizeRequest { model, tokens, ignored } = DetokenizeRequest::parse(&bytes)?;
    drop(bytes);
    app.check_model(model.as_deref())?;
    let vocab = app.service.model().vocab;
    if let Some(&token) = tokens.iter().find(|token| **token >= vocab) {
        return Err(ApiError::not_taken(&SubmitError::UnknownToken { of: None, token, vocab }, "tokens"));
    }
    let service = app.service.clone();
    let text = move || {
        let decoded = service.text().decode_all(&tokens);
        decoded.map_err(|error| ApiError::internal(format!("the tokens have no text: {error}")))
    };
    let prompt = app.prompts.apart(text).await?;
    let mut response = pages::json(&Text { prompt })?;
    name_ignored(&mut response, &ignored);
    Ok(response)
}
