//! A client that reads a streamed answer line by line.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::up::Up;

/// A streamed answer.
pub struct Streamed {
    pub text: String,
    pub tokens: u64,
    /// Until the first piece of text, and until the end.
    pub first: Duration,
    pub whole: Duration,
}

/// Sends a request for a stream and reads it to its end; an error in words if it is not answered whole.
pub fn stream(up: &Up, path: &str, body: &str) -> Result<Streamed, String> {
    let started = Instant::now();
    let mut lines = BufReader::new(up.open(path, body)).lines();
    let mut line = || match lines.next() {
        None => Err("the answer ends before its end".to_owned()),
        Some(line) => line.map_err(|error| error.to_string()),
    };
    let status = line()?;
    if !status.contains(" 200 ") {
        return Err(status);
    }
    let (mut text, mut tokens, mut first) = (String::new(), None, None);
    loop {
        // What is no event is the head, an empty line, or the length of a chunk.
        let line = line()?;
        let Some(event) = line.strip_prefix("data: ") else { continue };
        if event == "[DONE]" {
            break;
        }
        let event: Value = serde_json::from_str(event).map_err(|error| format!("{error} in {event}"))?;
        if !event["error"].is_null() {
            return Err(event["error"].to_string());
        }
        let choice = &event["choices"][0];
        if let Some(piece) = choice["delta"]["content"].as_str().or(choice["text"].as_str())
            && !piece.is_empty()
        {
            first.get_or_insert_with(|| started.elapsed());
            text.push_str(piece);
        }
        tokens = event["usage"]["completion_tokens"].as_u64().or(tokens);
    }
    let whole = started.elapsed();
    let tokens = tokens.ok_or("no usage was told")?;
    Ok(Streamed { text, tokens, first: first.unwrap_or(whole), whole })
}
