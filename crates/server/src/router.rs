//! Paths, and what holds for all of them: request ids and keys.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use helix_runtime::Service;
use helix_spec::FileError;
use ring::digest::{Digest, SHA256, digest};

use crate::answer::{Events, Form, Head, whole};
use crate::choices::Choices;
use crate::metrics::Metrics;
use crate::prompt::Prompts;
use crate::request::{ChatRequest, CompletionRequest, Shared};
use crate::{ApiError, Options, body, pages, tokens};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Names the parameters of a request that nobody here knows.
const IGNORED: HeaderName = HeaderName::from_static("x-helix-ignored-parameters");
/// Whoever wants a stream is told so after this time at the latest, though no token is there.
const MAX_FIRST_WAIT: Duration = Duration::from_secs(5);

/// What every path has at hand. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub service: Service,
    pub metrics: Metrics,
    pub options: Arc<Options>,
    pub prompts: Prompts,
    keys: Arc<Vec<Digest>>,
}

/// The id of a request: the client's own, or one made here.
#[derive(Clone)]
pub struct RequestId(HeaderValue);

/// All paths.
pub fn router(service: Service, options: Arc<Options>) -> Result<Router, FileError> {
    let prompts = Prompts::new(service.clone())?;
    let keys = Arc::new(options.api_keys.iter().map(|key| digest(&SHA256, key.as_bytes())).collect());
    let metrics = Metrics::new(&service);
    let app = App { service, metrics, options, prompts, keys };
    Ok(Router::new()
        .route("/health", get(pages::health))
        .route("/ready", get(pages::ready))
        .route("/version", get(pages::version))
        .route("/cluster", get(pages::cluster))
        .route("/metrics", get(pages::metrics))
        .route("/v1/models", get(pages::models))
        .route("/v1/models/{*id}", get(pages::model))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completion))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_path)
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app))
}

/// Around every answer: the request's id, and the key that some paths ask for.
async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response<Body> {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let path = request.uri().path();
    let open = matches!(path, "/health" | "/ready" | "/version");
    let mut response = match app.check_key(request.headers()) {
        Err(error) if !open => error.into_response(),
        _ => next.run(request).await,
    };
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers
        .get(REQUEST_ID)
        .filter(|id| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic));
    given.cloned().unwrap_or_else(|| {
        let random = || RandomState::new().build_hasher().finish();
        let id = format!("{:016x}{:016x}", random(), random());
        HeaderValue::from_str(&id).expect("digits are fit for a header")
    })
}

impl App {
    fn check_key(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let refused = |code, message| Err(ApiError::new(StatusCode::UNAUTHORIZED, Some(code), message));
        let Some(value) = headers.get(AUTHORIZATION) else {
            return refused("missing_api_key", "a key is needed: `Authorization: Bearer …`");
        };
        let value = value.as_bytes();
        let bearer = value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
        // Compared by digest: how long that takes tells nothing about the keys.
        let given = digest(&SHA256, value.get(7..).unwrap_or_default().trim_ascii());
        if bearer && self.keys.iter().any(|key| key.as_ref() == given.as_ref()) {
            return Ok(());
        }
        refused("invalid_api_key", "the key in `Authorization: Bearer …` is not one of this server's")
    }

    /// Whether this model is served; no name means the served one.
    pub fn check_model(&self, name: Option<&str>) -> Result<(), ApiError> {
        let served = &self.service.model().name;
        match name {
            Some(name) if name != served => {
                let shown: String = name.chars().take(80).collect();
                let message = format!("model `{shown}` is not served here, served: `{served}`");
                Err(ApiError::new(StatusCode::NOT_FOUND, Some("model_not_found"), message).of("model"))
            }
            _ => Ok(()),
        }
    }

    /// Sends the prompts on their way and answers whole or piece by piece.
    async fn answer(
        &self,
        form: Form,
        id: &RequestId,
        shared: &Shared,
        (prompts, echo): (Vec<Vec<u32>>, Vec<String>),
    ) -> Result<Response<Body>, ApiError> {
        let (prefix, param) = match form {
            Form::Chat => ("chatcmpl", "messages"),
            Form::Completion => ("cmpl", "prompt"),
        };
        let mut choices = Choices::submit(self, shared, prompts, param)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = Head {
            id: format!("{prefix}-{}", String::from_utf8_lossy(id.0.as_bytes())),
            form,
            created: since.as_secs(),
            service: self.service.clone(),
            logprobs: shared.sampling.logprobs.is_some(),
            keep_stop_text: shared.keep_stop_text,
            include_usage: shared.include_usage,
            echo: (echo, shared.n as usize),
        };
        let mut response = if shared.stream {
            choices.peek(MAX_FIRST_WAIT.min(self.options.keep_alive)).await?;
            let events = Events::new(head, choices, self.options.keep_alive);
            let mut response = Response::new(Body::new(events));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        } else {
            pages::json_bytes(whole(&head, choices).await?)
        };
        name_ignored(&mut response, &shared.ignored);
        Ok(response)
    }
}

/// Names the parameters that nobody knows, as far as they are fit for a header.
pub fn name_ignored(response: &mut Response<Body>, names: &[String]) {
    let fit = |name: &&String| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    let names: Vec<&str> = names.iter().filter(fit).take(16).map(String::as_str).collect();
    if let (false, Ok(names)) = (names.is_empty(), HeaderValue::from_str(&names.join(", "))) {
        response.headers_mut().insert(IGNORED, names);
    }
}

async fn chat(State(app): State<App>, request: Request) -> Result<Response<Body>, ApiError> {
    let (id, bytes) = take(&app, request).await?;
    let ChatRequest { mut shared, messages, open_answer } = ChatRequest::parse(&bytes)?;
    drop(bytes);
    shared.fill(&app.service.model().sampling);
    app.check_model(shared.model.as_deref())?;
    // The template writes the special tokens itself.
    let tokens = app.prompts.chat(messages, open_answer, false).await?;
    app.answer(Form::Chat, &id, &shared, (vec![tokens], Vec::new())).await
}

async fn completion(State(app): State<App>, request: Request) -> Result<Response<Body>, ApiError> {
    let (id, bytes) = take(&app, request).await?;
    let CompletionRequest { mut shared, prompts, echo } = CompletionRequest::parse(&bytes)?;
    drop(bytes);
    shared.fill(&app.service.model().sampling);
    app.check_model(shared.model.as_deref())?;
    let limit = app.options.max_choices;
    if prompts.len() > limit {
        let message = format!("{} prompts are given, allowed: {limit} a request at most", prompts.len());
        return Err(ApiError::parameter("prompt", message));
    }
    let (mut tokens, mut texts) = (Vec::new(), Vec::new());
    for prompt in prompts {
        let (prompt, text) = app.prompts.plain(prompt, echo).await?;
        tokens.push(prompt);
        texts.push(text);
    }
    app.answer(Form::Completion, &id, &shared, (tokens, texts)).await
}

/// A request's id and its body.
pub async fn take(app: &App, request: Request) -> Result<(RequestId, bytes::Bytes), ApiError> {
    let (parts, content) = request.into_parts();
    let id = parts.extensions.get::<RequestId>().cloned();
    let id = id.ok_or_else(|| ApiError::internal("the request has no id"))?;
    Ok((id, body::read(&parts.headers, content, &app.options).await?))
}

async fn no_path(request: Request) -> ApiError {
    let shown: String = request.uri().path().chars().take(80).collect();
    let message =
        format!("there is no {shown} here; the API is at /v1/chat/completions, /v1/completions, /v1/models");
    ApiError::new(StatusCode::NOT_FOUND, Some("path_not_found"), message)
}

async fn wrong_method(request: Request) -> ApiError {
    let shown: String = request.uri().path().chars().take(80).collect();
    let message = format!("{} is not a method of {shown}, see the header `allow`", request.method());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"), message)
}
