//! Parameters of OpenAI's API and of other servers that would change the answer, and that cannot be followed here.

use super::fields::{Fields, quote};
use crate::ApiError;

/// Values that ask for nothing, whatever the parameter.
const NOTHING: [&str; 4] = ["false", "[]", "{}", "\"\""];

/// Refused parameters, with the values that ask for nothing besides [`NOTHING`].
const REFUSED: [(&str, &[&str]); 35] = [
    ("allowed_token_ids", &[]),
    ("audio", &[]),
    ("bad_words", &[]),
    ("chat_template", &[]),
    ("chat_template_kwargs", &[]),
    ("continue_final_message", &[]),
    ("documents", &[]),
    ("function_call", &["\"none\"", "\"auto\""]),
    ("functions", &[]),
    ("grammar", &[]),
    ("guided_choice", &[]),
    ("guided_grammar", &[]),
    ("guided_json", &[]),
    ("guided_regex", &[]),
    ("json_schema", &[]),
    ("length_penalty", &["1", "1.0"]),
    ("logits_processors", &[]),
    ("mirostat", &["0"]),
    ("modalities", &["[\"text\"]"]),
    ("prompt_embeds", &[]),
    ("prompt_logprobs", &[]),
    ("response_format", &["{\"type\":\"text\"}"]),
    ("skip_special_tokens", &["true"]),
    ("spaces_between_special_tokens", &["true"]),
    ("structured_outputs", &[]),
    ("suffix", &[]),
    ("tool_choice", &["\"none\"", "\"auto\""]),
    ("tools", &[]),
    ("top_a", &["0", "0.0"]),
    ("truncate_prompt_tokens", &[]),
    ("truncation", &["\"disabled\""]),
    ("typical_p", &["1", "1.0"]),
    ("use_beam_search", &[]),
    ("web_search_options", &[]),
    ("xtc_probability", &["0", "0.0"]),
];

/// Refuses the first parameter that asks for something that cannot be done, and takes the others.
pub fn refuse(fields: &mut Fields) -> Result<(), ApiError> {
    for (name, harmless) in REFUSED {
        let Some(raw) = fields.raw(name) else { continue };
        // Only short values ask for nothing; a long one need not be looked through.
        let value: String = raw.get().chars().filter(|c| !c.is_ascii_whitespace()).take(64).collect();
        if !NOTHING.contains(&value.as_str()) && !harmless.contains(&value.as_str()) {
            let message = format!("{name} is {}, but this server does not support {name}", quote(&raw.get()));
            return Err(ApiError::unsupported(name, message));
        }
    }
    Ok(())
}
