//! `/tokenize` and `/detokenize`, in vLLM's form. A token of the stand-in's model is a byte, so all is known beforehand.

mod common;

use common::{CONTEXT, END, Server};
use helix_server::Options;
use serde_json::json;

#[tokio::test]
async fn texts_and_conversations_become_the_tokens_that_a_request_would_have() {
    let server = Server::start(Options::default()).await;
    let answer = server.post("/tokenize", "", "{\"prompt\": \"añ<end>\"}".as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let tokens = json!([97, 0xc3, 0xb1, END]);
    let expected = json!({"count": 4, "max_model_len": CONTEXT, "tokens": tokens, "token_strs": null});
    assert_eq!(answer.json(), expected);
    let named = br#"{"model": "helix/echo", "prompt": "a", "return_token_strs": true, "seed": 1}"#;
    let answer = server.post("/tokenize", "", named).await;
    assert_eq!(answer.json()["token_strs"], json!(["<0x61>"]));
    assert!(answer.head.contains("x-helix-ignored-parameters: seed\r\n"), "{answer:?}");
    let chat = br#"{"messages": [{"role": "user", "content": "hi"}], "add_generation_prompt": false}"#;
    let answer = server.post("/tokenize", "", chat).await.json();
    assert_eq!(answer["tokens"], json!(b"user: hi\n"));
    assert_eq!(answer["count"], 9);
    let asked = server.chat(r#"{"messages": [{"role": "user", "content": "hi"}]}"#).await.json();
    assert_eq!(asked["usage"]["prompt_tokens"], 9);
    let nothing = server.post("/tokenize", "", br#"{"prompt": "", "messages": null}"#).await.json();
    assert_eq!(nothing["count"], 0);
    // A text beyond the context is counted all the same: that is what one asks for.
    let long = json!({"prompt": "x".repeat(1000)}).to_string();
    assert_eq!(server.post("/tokenize", "", long.as_bytes()).await.json()["count"], 1000);
}

#[tokio::test]
async fn tokens_become_text_with_special_ones_by_name() {
    let server = Server::start(Options::default()).await;
    let body = json!({"model": "helix/echo", "tokens": [97, 0xc3, 0xb1, END]}).to_string();
    let answer = server.post("/detokenize", "", body.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"prompt\":\"añ<end>\"}"));
    let answer = server.post("/detokenize", "", br#"{"tokens": []}"#).await;
    assert_eq!(answer.body, r#"{"prompt":""}"#);
}

#[tokio::test]
async fn what_makes_no_tokens_and_no_text_is_refused() {
    let server = Server::start(Options::default()).await;
    for (path, body, words) in [
        ("/tokenize", "{}", "prompt is missing, allowed: prompt, a text, or messages"),
        ("/tokenize", r#"{"prompt": ["a"]}"#, r#"prompt is ["a"], allowed: a text"#),
        ("/tokenize", r#"{"prompt": "a", "messages": [{"role": "user"}]}"#, "prompt and messages are given"),
        ("/tokenize", r#"{"messages": []}"#, "at least one message"),
        ("/tokenize", r#"{"messages": [{"role": "tool"}]}"#, "messages[0].role is `tool`"),
        ("/tokenize", r#"{"prompt": "a", "add_special_tokens": 1}"#, "add_special_tokens is 1"),
        ("/tokenize", r#"{"prompt": "a", "tools": [{}]}"#, "does not support tools"),
        ("/tokenize", "nonsense", "line 1 column"),
        ("/detokenize", "{}", "tokens is missing, allowed: a list of token ids"),
        ("/detokenize", r#"{"tokens": "a"}"#, "tokens is \"a\""),
        ("/detokenize", r#"{"tokens": [97, -1]}"#, "tokens is [97, -1]"),
        ("/detokenize", r#"{"tokens": [97, 257]}"#, "token 257 is not in the vocabulary of 257"),
    ] {
        let error = server.post(path, "", body.as_bytes()).await.error();
        assert!(error.0 == 400 && error.2.contains(words), "{path} {body}: {error:?}");
    }
    let other = server.post("/detokenize", "", br#"{"model": "other", "tokens": []}"#).await.error();
    assert_eq!((other.0, other.1.as_str()), (404, "model model_not_found"));
    assert_eq!(server.get("/tokenize", "").await.status, 405);
    let guarded = Server::start(Options { api_keys: vec!["one".to_owned()], ..Options::default() }).await;
    assert_eq!(guarded.post("/tokenize", "", br#"{"prompt": "a"}"#).await.status, 401);
}
