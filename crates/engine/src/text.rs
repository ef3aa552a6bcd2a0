//! Text and tokens: tokenizer, text of a growing answer, stop strings, chat templates.

mod detokenizer;
mod stop;
mod template;
mod tokenizer;

pub use detokenizer::Detokenizer;
pub use stop::StopStrings;
pub use template::{ChatTemplate, Message, TemplateError};
pub use tokenizer::{TextError, Tokenizer};
