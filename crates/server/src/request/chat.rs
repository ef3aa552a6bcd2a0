//! The body of `/v1/chat/completions`.

use std::borrow::Cow;

use helix_runtime::service::ChatMessage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Shared;
use super::fields::{Fields, not_allowed, quote};
use crate::ApiError;

/// A conversation to be continued.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// What completions have, too.
    pub shared: Shared,
    /// The conversation; never empty.
    pub messages: Vec<ChatMessage>,
    /// Open the assistant's turn behind the last message.
    pub open_answer: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    text: Option<String>,
}

impl ChatRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let messages = messages(&mut fields)?;
        let logprobs = logprobs(&mut fields)?;
        let open_answer = fields.flag("add_generation_prompt")?.unwrap_or(true);
        if fields.flag("echo")?.unwrap_or(false) {
            return Err(ApiError::unsupported("echo", "echo is true, allowed: false in chat completions"));
        }
        let mut shared = Shared::take(&mut fields, logprobs, None)?;
        shared.ignored = fields.rest();
        Ok(Self { shared, messages, open_answer })
    }
}

fn logprobs(fields: &mut Fields) -> Result<Option<u8>, ApiError> {
    let wanted = fields.flag("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0..=20, "a whole number from 0 to 20")?;
    if top.is_some_and(|top| top > 0) && !wanted {
        let message = "top_logprobs is given, allowed: only together with logprobs = true";
        return Err(ApiError::parameter("top_logprobs", message));
    }
    Ok(wanted.then(|| top.and_then(|top| u8::try_from(top).ok()).unwrap_or(0)))
}

pub(super) fn messages(fields: &mut Fields) -> Result<Vec<ChatMessage>, ApiError> {
    let allowed = "a list of at least one message such as {\"role\": \"user\", \"content\": \"Hello\"}";
    let Some(raw) = fields.raw("messages") else {
        return Err(ApiError::parameter("messages", format!("messages is missing, allowed: {allowed}")));
    };
    let list: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| not_allowed("messages", raw.get(), allowed))?;
    if list.is_empty() {
        return Err(not_allowed("messages", raw.get(), allowed));
    }
    list.iter().enumerate().map(|(index, raw)| message(&format!("messages[{index}]"), raw)).collect()
}

fn message(name: &str, raw: &RawValue) -> Result<ChatMessage, ApiError> {
    let message: Message = serde_json::from_str(raw.get())
        .map_err(|_| not_allowed(name, raw.get(), "an object with role and content"))?;
    let role = match message.role.as_deref() {
        // What OpenAI calls the system message of its newer models.
        Some("developer") => "system",
        Some(role @ ("system" | "user" | "assistant")) => role,
        other => {
            let found = other.map_or_else(|| "missing".to_owned(), |role| format!("`{}`", quote(&role)));
            let param = format!("{name}.role");
            let message = format!("{param} is {found}, allowed: system, developer, user, assistant");
            return Err(ApiError::parameter(&param, message));
        }
    };
    let calls = message.tool_calls.or(message.function_call);
    if calls.is_some_and(|calls| !matches!(calls.get(), "null" | "[]")) {
        let message = format!("{name} holds tool calls, but this server does not support tools");
        return Err(ApiError::unsupported(name, message));
    }
    let content = content(&format!("{name}.content"), message.content)?;
    Ok(ChatMessage { role: role.to_owned(), content })
}

/// A text, or a list of parts that are texts; none is the empty text.
fn content(name: &str, raw: Option<&RawValue>) -> Result<String, ApiError> {
    let allowed = "a text or a list of parts such as {\"type\": \"text\", \"text\": \"Hello\"}";
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(String::new()) };
    let wrong = |_| not_allowed(name, raw, allowed);
    if raw.starts_with('"') {
        return serde_json::from_str(raw).map_err(wrong);
    }
    let parts: Vec<Part> = serde_json::from_str(raw).map_err(wrong)?;
    let mut content = String::new();
    for part in parts {
        match (part.r#type.as_ref(), part.text) {
            ("text", Some(text)) => content.push_str(&text),
            ("text", None) => return Err(not_allowed(name, raw, allowed)),
            (other, _) => {
                let message =
                    format!("{name} has a part of type `{}`, but only text is supported", quote(&other));
                return Err(ApiError::unsupported(name, message));
            }
        }
    }
    Ok(content)
}
