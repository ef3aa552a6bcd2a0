//! `/tokenize` and `/detokenize` of a real model count what a request of the same words has.

use serde_json::{Value, json};

use crate::up::Up;

#[test]
fn tokens_are_those_that_requests_are_charged_with() {
    let up = Up::start(1);
    let ask = |path: &str, body: &Value| -> Value {
        let (status, answer) = up.ask(path, &body.to_string());
        assert_eq!(status, 200, "{path} {body}: {answer}");
        serde_json::from_str(&answer).unwrap()
    };
    let (text, messages) = ("One day a ship", json!([{"role": "user", "content": "What is 17 plus 25?"}]));
    let of_text = ask("/tokenize", &json!({"prompt": text, "return_token_strs": true}));
    let of_chat = ask("/tokenize", &json!({"messages": messages}));
    assert_eq!(of_text["max_model_len"], 1024);
    assert_eq!(of_text["tokens"][0], 0, "the token that begins a text");
    assert_eq!(of_text["token_strs"][0], "<|begin|>");
    assert_eq!(of_text["token_strs"].as_array().unwrap().len() as u64, of_text["count"]);
    let completed = ask("/v1/completions", &json!({"prompt": text, "max_tokens": 1}));
    assert_eq!(completed["usage"]["prompt_tokens"], of_text["count"]);
    let answered = ask("/v1/chat/completions", &json!({"messages": messages, "max_tokens": 1}));
    assert_eq!(answered["usage"]["prompt_tokens"], of_chat["count"]);
    // As tokens, the prompt is the same prompt.
    let greedy = |prompt: &Value| json!({"prompt": prompt, "max_tokens": 12, "temperature": 0});
    let (by_text, by_tokens) = (greedy(&json!(text)), greedy(&of_text["tokens"]));
    let texts = [by_text, by_tokens].map(|body| ask("/v1/completions", &body)["choices"][0]["text"].clone());
    assert_eq!(texts[0], texts[1]);
    let plain = ask("/tokenize", &json!({"prompt": text, "add_special_tokens": false}));
    assert_eq!(plain["count"].as_u64().unwrap() + 1, of_text["count"].as_u64().unwrap());
    assert_eq!(ask("/detokenize", &json!({"tokens": plain["tokens"]}))["prompt"], text);
    let whole = ask("/detokenize", &json!({"tokens": of_text["tokens"]}));
    assert_eq!(whole["prompt"], format!("<|begin|>{text}"));
    let chat = ask("/detokenize", &json!({"tokens": of_chat["tokens"]}));
    let expected = "<|begin|><|user|>What is 17 plus 25?<|end|><|assistant|>";
    assert_eq!(chat["prompt"], expected);
}
