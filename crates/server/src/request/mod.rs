//! JSON bodies into checked requests. Nothing else in Helix knows the shape of the API's JSON.
//!
//! A body is cut into its top-level parameters, each kept as the text it came as; every parameter is then read by
//! itself, so an error names it, shows what was found and tells what is allowed. Parameters that would change the
//! answer and cannot be followed are refused; what is left over changes nothing and is told back as ignored.

mod chat;
mod completion;
mod fields;
mod refused;
mod shared;
mod tokens;

pub use chat::ChatRequest;
pub use completion::{CompletionRequest, Prompt};
pub use shared::Shared;
pub use tokens::{DetokenizeRequest, Source, TokenizeRequest};
