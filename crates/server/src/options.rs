//! Limits and keys of the API.

use std::time::Duration;

/// What the API allows. Every limit is a number that is told to whoever meets it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys that may be given as `Authorization: Bearer …`; with none, everybody may ask.
    pub api_keys: Vec<String>,
    /// Connections at a time; more are answered with 503 and closed.
    pub max_connections: usize,
    /// The largest request body \[bytes\].
    pub max_body_bytes: usize,
    /// Answers that one request may ask for: prompts × `n`.
    pub max_choices: usize,
    /// A connection must send a whole request head within this time, and does not idle longer.
    pub header_timeout: Duration,
    /// A body must be there within this time of its head.
    pub body_timeout: Duration,
    /// A client that takes nothing of its answer for so long is given up.
    pub stall_timeout: Duration,
    /// The whole of a request must be done by then, waiting included.
    pub request_timeout: Duration,
    /// A comment is sent on a stream that has nothing to say for so long, so that nobody between takes it for dead.
    pub keep_alive: Duration,
    /// Running answers may finish within this time when the server shuts down.
    pub shutdown_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_keys: Vec::new(),
            max_connections: 512,
            max_body_bytes: 2 << 20,
            max_choices: 64,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_mins(30),
            keep_alive: Duration::from_secs(15),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}
