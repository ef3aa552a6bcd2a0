//! The body of a request, within its limits of size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::{ApiError, Options};

/// Reads the body of a request that must be JSON.
pub async fn read(headers: &HeaderMap, body: Body, options: &Options) -> Result<Bytes, ApiError> {
    check_type(headers)?;
    let limit = options.max_body_bytes;
    // What the head declares is refused before a byte of it is taken.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(&format!("{} bytes", body.size_hint().lower()), limit));
    }
    match tokio::time::timeout(options.body_timeout, collect(body, limit)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(too_slow(options.body_timeout)),
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| ApiError::bad_request(format!("the body of the request broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(too_large("larger", limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// A missing type is taken for JSON; a wrong one is what `curl -d` sends by itself, and is told how to say it.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let name = value.to_str().unwrap_or("something that is no text");
    let essence = name.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    let message = format!("content-type is `{shown}`, allowed: application/json");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("unsupported_media_type"), message))
}

fn too_large(found: &str, limit: usize) -> ApiError {
    let message = format!("the body is {found}, allowed: {limit} bytes at most");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large"), message)
}

fn too_slow(limit: Duration) -> ApiError {
    let message = format!("the body did not come whole within {} s", limit.as_secs_f64());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, Some("body_timeout"), message)
}
