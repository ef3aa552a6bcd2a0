//! Chat templates: the model's Jinja text that makes one prompt of several messages.

use std::path::Path;

use helix_spec::{FileError, MAX_DESCRIPTION_BYTES, read_text};
use minijinja::{Environment, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};

/// Steps after which a template is stopped: a template is a program, and it is the model's author's.
const FUEL: u64 = 5_000_000;

const NAME: &str = "chat";

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// A compiled template with the special tokens that it may name.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    begin_token: String,
    end_token: String,
}

/// Why a conversation could not be made a prompt of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template itself refuses the messages.
    #[error("the model's chat template refuses the messages: {0}")]
    Refused(String),
    /// The template fails.
    #[error("the model's chat template fails: {0}")]
    Failed(String),
}

/// What `tokenizer_config.json` has of it.
#[derive(Debug, Deserialize)]
struct Config {
    chat_template: Option<Templates>,
    bos_token: Option<Token>,
    eos_token: Option<Token>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    template: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Token {
    Plain(String),
    Added { content: String },
}

impl Token {
    fn text(self) -> String {
        match self {
            Self::Plain(text) | Self::Added { content: text } => text,
        }
    }
}

impl ChatTemplate {
    /// Reads `chat_template.jinja`, or the template in `tokenizer_config.json`; `None` when the model has neither.
    ///
    /// # Errors
    /// [`FileError`] when a file cannot be read or the template is no Jinja.
    pub fn from_folder(folder: &Path) -> Result<Option<Self>, FileError> {
        let (config_path, template_path) =
            (folder.join("tokenizer_config.json"), folder.join("chat_template.jinja"));
        let config: Option<Config> = if config_path.exists() {
            let origin = config_path.display().to_string();
            let text = read_text(&config_path, MAX_DESCRIPTION_BYTES)?;
            let parsed = serde_json::from_str(&text).map_err(|error| {
                FileError::new(&origin, crate::config::shown(&error)).at_line(error.line().max(1))
            })?;
            Some(parsed)
        } else {
            None
        };
        let (named, begin, end) = match config {
            Some(config) => (config.chat_template, config.bos_token, config.eos_token),
            None => (None, None, None),
        };
        let (text, origin) = if template_path.exists() {
            (read_text(&template_path, MAX_DESCRIPTION_BYTES)?, template_path)
        } else {
            let text = match named {
                Some(Templates::One(text)) => Some(text),
                Some(Templates::Named(all)) => {
                    all.into_iter().find(|one| one.name == "default").map(|one| one.template)
                }
                None => None,
            };
            let Some(text) = text else { return Ok(None) };
            (text, config_path)
        };
        let tokens = (begin.map_or(String::new(), Token::text), end.map_or(String::new(), Token::text));
        let template = Self::new(&text, tokens).map_err(|error| {
            FileError::new(
                &origin.display().to_string(),
                format!("has a chat template that is none: {error}"),
            )
        })?;
        Ok(Some(template))
    }

    /// Compiles a template; `tokens` begin and end a text.
    ///
    /// # Errors
    /// [`TemplateError::Failed`] when it is no Jinja.
    pub fn new(text: &str, tokens: (String, String)) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::SyntaxError, message))
        });
        environment.add_filter("tojson", python_json);
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| failed(&error))?;
        Ok(Self { environment, begin_token: tokens.0, end_token: tokens.1 })
    }

    /// The prompt of a conversation; `answer` opens the assistant's turn at its end.
    ///
    /// # Errors
    /// [`TemplateError`] when the template refuses the messages, fails, or runs too long.
    pub fn render(&self, messages: &[Message], answer: bool) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        let values = context! {
            messages => messages,
            add_generation_prompt => answer,
            bos_token => self.begin_token,
            eos_token => self.end_token,
        };
        template.render(values).map_err(|error| match error.kind() {
            ErrorKind::SyntaxError => {
                TemplateError::Refused(crate::config::excerpt(error.detail().unwrap_or_default()))
            }
            _ => failed(&error),
        })
    }
}

fn failed(error: &minijinja::Error) -> TemplateError {
    TemplateError::Failed(crate::config::excerpt(&error.to_string()))
}

/// JSON as Python writes it: a space after commas and colons, nothing escaped for HTML.
fn python_json(value: &Value) -> Result<String, minijinja::Error> {
    struct Spaces;
    impl serde_json::ser::Formatter for Spaces {
        fn begin_array_value<W: ?Sized + std::io::Write>(
            &mut self,
            w: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            if first { Ok(()) } else { w.write_all(b", ") }
        }
        fn begin_object_key<W: ?Sized + std::io::Write>(
            &mut self,
            w: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            if first { Ok(()) } else { w.write_all(b", ") }
        }
        fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
            w.write_all(b": ")
        }
    }
    let fail = |error: String| minijinja::Error::new(ErrorKind::InvalidOperation, error);
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Spaces);
    value.serialize(&mut serializer).map_err(|error| fail(error.to_string()))?;
    String::from_utf8(text).map_err(|error| fail(error.to_string()))
}
