//! Errors as the OpenAI API tells them: a status, and `{"error":{"message","type","param","code"}}`.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use helix_runtime::SubmitError;
use helix_runtime::service::GenerationError;
use serde::Serialize;

/// Seconds after which a refused client may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// What is wrong, with the value found and what is allowed.
    pub message: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// A word for programs.
    pub code: Option<&'static str>,
}

#[derive(Serialize)]
struct Told<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'static str>,
}

impl ApiError {
    /// An error that names no parameter.
    pub(crate) fn new(status: StatusCode, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code }
    }

    /// A request that no server could serve.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, None, message)
    }

    /// A parameter outside what is allowed.
    pub(crate) fn parameter(param: &str, message: impl Into<String>) -> Self {
        Self::bad_request(message).of(param)
    }

    /// A parameter that would change the answer, and that this server does not know how to follow.
    pub(crate) fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some("unsupported_parameter"), message).of(param)
    }

    /// The same, of that parameter.
    pub(crate) fn of(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// The server's own fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Some("internal_error"), message)
    }

    /// A request that was not taken; `prompt` is the parameter that holds its prompt.
    pub(crate) fn not_taken(error: &SubmitError, prompt: &str) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Parameter { name, .. } => Self::parameter(name, message),
            SubmitError::EmptyPrompt => Self::parameter(prompt, message),
            SubmitError::UnknownToken { of, .. } => Self::parameter(of.unwrap_or(prompt), message),
            SubmitError::TooLong { .. } => {
                Self::new(StatusCode::BAD_REQUEST, Some("context_length_exceeded"), message).of(prompt)
            }
            SubmitError::Overloaded { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, Some("overloaded"), message)
            }
            SubmitError::NotReady(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Some("not_ready"), message)
            }
            SubmitError::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Some("shutting_down"), message)
            }
        }
    }

    /// An answer that broke off.
    pub(crate) fn broken_off(error: &GenerationError) -> Self {
        let (status, code) = match error {
            GenerationError::WorkerLost { .. } => (StatusCode::SERVICE_UNAVAILABLE, "worker_lost"),
            GenerationError::Deadline => (StatusCode::GATEWAY_TIMEOUT, "deadline"),
            GenerationError::NotPlaced(_) => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            GenerationError::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            GenerationError::WorkerFailed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "worker_failed"),
        };
        Self::new(status, Some(code), error.to_string())
    }

    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
            status if status.is_client_error() => "invalid_request_error",
            _ => "server_error",
        }
    }

    /// The JSON of its body.
    pub(crate) fn json(&self) -> Vec<u8> {
        let (param, code) = (self.param.as_deref(), self.code);
        let error = Inner { message: &self.message, r#type: self.kind(), param, code };
        serde_json::to_vec(&Told { error }).expect("strings are always JSON")
    }

    fn headers(&self) -> impl Iterator<Item = (HeaderName, &'static str)> {
        let again = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let key = self.status == StatusCode::UNAUTHORIZED;
        [again.then_some((RETRY_AFTER, RETRY_AFTER_SECONDS)), key.then_some((WWW_AUTHENTICATE, "Bearer"))]
            .into_iter()
            .flatten()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
