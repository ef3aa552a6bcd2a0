//! The OpenAI-compatible HTTP API, in front of a cluster's [`Service`](helix_runtime::Service) handle.
//!
//! ```text
//!   socket ─ connections (limit, timeouts) ─ router (request id, key) ─ body ─ request: JSON → parameters
//!                                                                                   │
//!   client <── answer: JSON, or events one by one <── choices: n streams as one <── prompt: template, tokens
//! ```
//!
//! A client that goes away drops its streams, and with them the request on every machine.

mod answer;
mod body;
mod choices;
mod connections;
mod error;
mod metrics;
mod options;
mod pages;
mod prompt;
pub mod request;
mod router;
mod stalls;
mod tokens;

pub use connections::{ServeError, serve};
pub use error::ApiError;
pub use options::Options;
