//! What can be asked without a prompt: alive, ready, version, models, the state of the cluster.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use helix_runtime::Report;
use helix_runtime::service::Readiness;
use serde::Serialize;

use crate::ApiError;
use crate::metrics::Metrics;
use crate::router::App;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Models<'a> {
    object: &'static str,
    data: [Model<'a>; 1],
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    max_model_len: u32,
}

#[derive(Serialize)]
struct Cluster {
    model: String,
    ready: bool,
    #[serde(flatten)]
    report: Report,
}

impl Model<'_> {
    fn of(app: &App) -> Model<'_> {
        let model = app.service.model();
        let (created, max_model_len) = (model.created, model.max_context);
        Model { id: &model.name, object: "model", created, owned_by: "helix", max_model_len }
    }
}

/// The process is alive.
pub async fn health() -> Result<Response<Body>, ApiError> {
    json(&Health { status: "ok" })
}

/// 200 when a whole pipeline can serve, else 503 with the reasons.
pub async fn ready(State(app): State<App>) -> Result<Response<Body>, ApiError> {
    match app.service.readiness() {
        Readiness::Ready => json(&Ready { ready: true, reasons: Vec::new() }),
        Readiness::NotReady { reasons } => {
            let mut response = json(&Ready { ready: false, reasons })?;
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
    }
}

/// The program's version.
pub async fn version() -> Result<Response<Body>, ApiError> {
    json(&Version { name: "helix", version: env!("CARGO_PKG_VERSION") })
}

/// The served model, in a list.
pub async fn models(State(app): State<App>) -> Result<Response<Body>, ApiError> {
    json(&Models { object: "list", data: [Model::of(&app)] })
}

/// The served model, by its name.
pub async fn model(State(app): State<App>, Path(id): Path<String>) -> Result<Response<Body>, ApiError> {
    app.check_model(Some(&id))?;
    json(&Model::of(&app))
}

/// Machines, pipelines and counts.
pub async fn cluster(State(app): State<App>) -> Result<Response<Body>, ApiError> {
    let ready = app.service.readiness().is_ready();
    json(&Cluster { model: app.service.model().name.clone(), ready, report: app.service.report() })
}

/// Figures for Prometheus.
pub async fn metrics(State(app): State<App>) -> Result<Response<Body>, ApiError> {
    let text = app.metrics.text();
    let text = text.map_err(|error| ApiError::internal(format!("the metrics cannot be written: {error}")))?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Metrics::CONTENT_TYPE));
    Ok(response)
}

/// A JSON answer.
pub fn json(value: &impl Serialize) -> Result<Response<Body>, ApiError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| ApiError::internal(format!("the answer cannot be written: {error}")))?;
    Ok(json_bytes(bytes))
}

/// A JSON answer that is written already.
pub fn json_bytes(bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
