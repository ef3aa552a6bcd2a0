//! What the API server holds of a cluster: submit a request, read its tokens, ask how things are.
//!
//! ```text
//!   Service::submit ──Submission──> coordinator ──events──> GenerationStream ──> text, stop strings, usage
//!        └── checks against the model              └── dropped: the request is cancelled everywhere
//! ```

mod defaults;
mod handle;
mod model;
mod report;
mod request;
mod stream;
mod text;

pub use helix_engine::{ChatTemplate, Message as ChatMessage, TemplateError};

pub use defaults::SamplingDefaults;
pub use handle::{Backend, EventSender, RawToken, Service, Submission, pair};
pub use model::ModelInfo;
pub use report::{MachineReport, MachineState, PipelineHop, PipelineReport, Readiness, Report};
pub use request::{GenerateRequest, Sampling, Stop, SubmitError};
pub use stream::{
    Finish, FinishReason, GenerationError, GenerationEvent, GenerationStream, Token, TopLogprob, Usage,
};
pub use text::{TextError, TextModel};
