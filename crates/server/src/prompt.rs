//! Prompts into tokens: the model's chat template and its tokenizer, on threads of their own.

use std::sync::Arc;

use axum::http::StatusCode;
use helix_runtime::Service;
use helix_runtime::service::{ChatMessage, ChatTemplate, TemplateError};
use helix_spec::FileError;
use tokio::sync::Semaphore;

use crate::ApiError;
use crate::request::Prompt;

/// Prompts turned into tokens at a time: a long one takes a core for a while, and memory for every token.
const MAX_AT_A_TIME: usize = 4;

/// Turns prompts into tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Prompts {
    service: Service,
    template: Option<Arc<ChatTemplate>>,
    turns: Arc<Semaphore>,
}

impl Prompts {
    /// Reads the chat template in the folder of the served model; it may have none.
    pub fn new(service: Service) -> Result<Self, FileError> {
        let template = ChatTemplate::from_folder(&service.model().folder)?.map(Arc::new);
        Ok(Self { service, template, turns: Arc::new(Semaphore::new(MAX_AT_A_TIME)) })
    }

    /// Tokens of a conversation; `open` opens the assistant's turn at its end, `special` adds the tokens around a text to
    /// those that the template writes.
    pub async fn chat(
        &self,
        messages: Vec<ChatMessage>,
        open: bool,
        special: bool,
    ) -> Result<Vec<u32>, ApiError> {
        let Some(template) = self.template.clone() else {
            let name = &self.service.model().name;
            let message =
                format!("model `{name}` has no chat template, so it cannot chat; use /v1/completions");
            return Err(
                ApiError::new(StatusCode::BAD_REQUEST, Some("no_chat_template"), message).of("messages")
            );
        };
        let service = self.service.clone();
        self.apart(move || {
            let text = template.render(&messages, open).map_err(|error| match error {
                TemplateError::Refused(_) => ApiError::parameter("messages", error.to_string()),
                TemplateError::Failed(_) => {
                    ApiError::new(StatusCode::BAD_REQUEST, Some("chat_template_failed"), error.to_string())
                        .of("messages")
                }
            })?;
            encode(&service, &text, special, "messages")
        })
        .await
    }

    /// Tokens of a prompt, and its text if `echo` wants it.
    pub async fn plain(&self, prompt: Prompt, echo: bool) -> Result<(Vec<u32>, String), ApiError> {
        let service = self.service.clone();
        match prompt {
            Prompt::Tokens(tokens) => {
                let text = if echo { service.text().decode(&tokens) } else { String::new() };
                Ok((tokens, text))
            }
            Prompt::Text(text) => {
                self.apart(move || {
                    let tokens = encode(&service, &text, true, "prompt")?;
                    Ok((tokens, if echo { text } else { String::new() }))
                })
                .await
            }
        }
    }

    /// Tokens of a text.
    pub async fn text(&self, text: String, special: bool) -> Result<Vec<u32>, ApiError> {
        let service = self.service.clone();
        self.apart(move || encode(&service, &text, special, "prompt")).await
    }

    /// Runs `work` where it holds up nobody else.
    pub async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::internal("the tokenizer's turns are closed"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| ApiError::internal(format!("the tokenizer failed: {error}")))?
    }
}

fn encode(service: &Service, text: &str, special: bool, param: &str) -> Result<Vec<u32>, ApiError> {
    service.text().encode(text, special).map_err(|error| ApiError::parameter(param, error.to_string()))
}
