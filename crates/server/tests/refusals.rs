//! What is refused, and in which words.

mod common;

use common::Server;
use helix_runtime::service::Readiness;
use helix_server::Options;

/// Body of a completion, then param and code, then words of the message.
const COMPLETIONS: [(&str, &str, &str); 49] = [
    ("", "- -", "line 1 column 0"),
    ("{\"prompt\": \"a\"", "- -", "line 1 column 14"),
    ("[1, 2]", "- -", "expected a JSON object"),
    ("{\"prompt\": \"a\"} {", "- -", "trailing characters"),
    (r#"{"prompt": "a", "prompt": "b"}"#, "- -", "`prompt` stands there twice"),
    (r#"{"prompt": "\ud800"}"#, "prompt -", "prompt is"),
    (r#"{"model": "helix/echo"}"#, "prompt -", "prompt is missing"),
    (r#"{"prompt": 5}"#, "prompt -", "prompt is 5, allowed: a text, a list"),
    (r#"{"prompt": []}"#, "prompt -", "prompt is []"),
    (r#"{"prompt": ["a", 1]}"#, "prompt -", "a list of texts"),
    (r#"{"prompt": [1, -2]}"#, "prompt -", "[1, -2]"),
    (r#"{"prompt": [1, 4294967296]}"#, "prompt -", "4294967296"),
    (r#"{"prompt": [300]}"#, "prompt -", "token 300 is not in the vocabulary of 257"),
    (r#"{"prompt": ""}"#, "prompt -", "empty"),
    (
        r#"{"prompt": "a", "temperature": -1}"#,
        "temperature -",
        "temperature is -1, allowed: a number from 0 to 100",
    ),
    (r#"{"prompt": "a", "temperature": 1e308}"#, "temperature -", "temperature is 1e308"),
    (r#"{"prompt": "a", "temperature": 1e999}"#, "temperature -", "temperature is 1e999"),
    (r#"{"prompt": "a", "temperature": NaN}"#, "- -", "line 1 column"),
    (r#"{"prompt": "a", "temperature": "hot"}"#, "temperature -", "\"hot\""),
    (r#"{"prompt": "a", "top_p": 0}"#, "top_p -", "above 0"),
    (r#"{"prompt": "a", "top_p": 1e-300}"#, "top_p -", "above 0"),
    (r#"{"prompt": "a", "top_k": -2}"#, "top_k -", "top_k is -2"),
    (r#"{"prompt": "a", "min_p": 1.5}"#, "min_p -", "min_p is 1.5, allowed: a number from 0 to 1"),
    (r#"{"prompt": "a", "presence_penalty": 2.5}"#, "presence_penalty -", "-2 to 2"),
    (r#"{"prompt": "a", "repetition_penalty": 0}"#, "repetition_penalty -", "above 0"),
    (r#"{"prompt": "a", "n": 1000000000}"#, "n -", "n is 1000000000, allowed: a whole number from 1 to 128"),
    (r#"{"prompt": "a", "n": 65}"#, "n -", "65 answers are asked for (prompts × n), allowed: 64"),
    (r#"{"prompt": "a", "n": 0}"#, "n -", "n is 0"),
    (r#"{"prompt": "a", "n": 1.5}"#, "n -", "n is 1.5"),
    (r#"{"prompt": "a", "best_of": 3}"#, "best_of -", "as large as n"),
    (r#"{"prompt": "a", "max_tokens": 0}"#, "max_tokens -", "max_tokens is 0"),
    (r#"{"prompt": "a", "max_tokens": 1e9}"#, "max_tokens -", "1e9"),
    (
        r#"{"prompt": "a", "max_tokens": 512}"#,
        "prompt context_length_exceeded",
        "the context holds 512 tokens",
    ),
    (
        r#"{"prompt": "a", "max_tokens": 5, "max_completion_tokens": 6}"#,
        "max_completion_tokens -",
        "one of them",
    ),
    (r#"{"prompt": "a", "min_tokens": 5}"#, "min_tokens unsupported_parameter", "ignore_eos"),
    (r#"{"prompt": "a", "stop": ""}"#, "stop -", "a text of 0 bytes"),
    (r#"{"prompt": "a", "stop": [1]}"#, "stop -", "a text or a list of texts"),
    (r#"{"prompt": "a", "logit_bias": {"x": 1}}"#, "logit_bias -", "logit_bias cannot be read"),
    (r#"{"prompt": "a", "logit_bias": {"5": 1e300}}"#, "logit_bias -", "-100 to 100"),
    (r#"{"prompt": "a", "logprobs": 21}"#, "logprobs -", "logprobs is 21"),
    (
        r#"{"prompt": "a", "logprobs": 1, "echo": true}"#,
        "echo unsupported_parameter",
        "log-probabilities of a prompt",
    ),
    (r#"{"prompt": "a", "seed": 1.5}"#, "seed -", "seed is 1.5"),
    // As it was given, not as a rounded number.
    (r#"{"prompt": "a", "seed": 18446744073709551616}"#, "seed -", "seed is 18446744073709551616, allowed"),
    (r#"{"prompt": "a", "seed": -9223372036854775809}"#, "seed -", "seed is -9223372036854775809, allowed"),
    (r#"{"prompt": "a", "logit_bias": {"300": 1}}"#, "logit_bias -", "token 300 is not in the vocabulary"),
    (r#"{"prompt": "a", "stop_token_ids": [300]}"#, "stop_token_ids -", "token 300 is not in the vocabulary"),
    (r#""what stands here instead of an object""#, "- -", "expected a JSON ob… at line 1 column 39"),
    (r#"{"prompt": "a", "stream_options": {}}"#, "stream_options -", "only together with stream"),
    (r#"{"prompt": "a", "suffix": "b"}"#, "suffix unsupported_parameter", "does not support suffix"),
];

const CHATS: [(&str, &str, &str); 13] = [
    ("{}", "messages -", "messages is missing"),
    (r#"{"messages": []}"#, "messages -", "at least one message"),
    (r#"{"messages": "hi"}"#, "messages -", "messages is \"hi\""),
    (r#"{"messages": [1]}"#, "messages[0] -", "messages[0] is 1"),
    (r#"{"messages": [{"role": "tool", "content": "a"}]}"#, "messages[0].role -", "is `tool`"),
    (r#"{"messages": [{"content": "a"}]}"#, "messages[0].role -", "is missing"),
    (r#"{"messages": [{"role": "user", "content": 1}]}"#, "messages[0].content -", "is 1"),
    (
        r#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}"#,
        "messages[0].content unsupported_parameter",
        "only text",
    ),
    (
        r#"{"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}"#,
        "tools unsupported_parameter",
        "does not support tools",
    ),
    (
        r#"{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_object"}}"#,
        "response_format unsupported_parameter",
        "json_object",
    ),
    (
        r#"{"messages": [{"role": "user", "content": "a"}], "top_logprobs": 3}"#,
        "top_logprobs -",
        "logprobs = true",
    ),
    (
        r#"{"messages": [{"role": "user", "content": "a"}], "logprobs": true, "top_logprobs": 21}"#,
        "top_logprobs -",
        "0 to 20",
    ),
    (
        r#"{"messages": [{"role": "assistant", "content": "a"}]}"#,
        "messages -",
        "refuses the messages: the assistant cannot begin",
    ),
];

#[tokio::test]
async fn bad_requests_are_refused_by_parameter_value_and_limit() {
    let server = Server::start(Options::default()).await;
    let cases = COMPLETIONS.iter().map(|case| ("/v1/completions", case));
    for (path, (body, param_and_code, words)) in
        cases.chain(CHATS.iter().map(|case| ("/v1/chat/completions", case)))
    {
        let answer = server.post(path, "", body.as_bytes()).await;
        let (status, found, message) = answer.error();
        assert_eq!((status, found.as_str()), (400, *param_and_code), "{body}: {message}");
        assert!(message.contains(words), "{body}: {message}");
    }
}

#[tokio::test]
async fn values_that_ask_for_nothing_are_taken() {
    let server = Server::start(Options::default()).await;
    let body = r#"{"messages": [{"role": "developer", "content": "x"}, {"role": "assistant", "content": null},
        {"role": "user", "content": "a", "name": "n"}], "tools": [], "tool_choice": "auto", "n": 1, "stop": [],
        "response_format": { "type": "text" }, "logit_bias": {}, "top_k": -1, "max_tokens": 4,
        "max_completion_tokens": 4, "ignore_eos": true, "min_tokens": 4, "logprobs": false, "top_logprobs": null,
        "modalities": ["text"], "repetition_penalty": 1.0, "seed": -1, "best_of": 1}"#;
    let answer = server.chat(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.head.contains("ignored"), "{answer:?}");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_with_their_place() {
    let server = Server::start(Options::default()).await;
    let answer = server.post("/v1/completions", "", b"{\"prompt\": \"a\xff\"}").await;
    let message = "the body is not UTF-8: byte 0xff at offset 13";
    assert_eq!(answer.error(), (400, "- -".to_owned(), message.to_owned()));
    let answer = server.post("/v1/completions", "", b"\0\0\0\0").await;
    assert_eq!(answer.error().0, 400);
    let deep = format!("{{\"prompt\": {}", "[".repeat(1 << 20));
    assert_eq!(server.complete(&deep).await.error().0, 400);
    let many: Vec<String> = (0..300).map(|number| format!("\"p{number}\": 1")).collect();
    let many = server.complete(&format!("{{{}}}", many.join(","))).await.error();
    assert!(many.2.contains("more than 256 parameters"), "{many:?}");
    let ids: Vec<String> = (0..100_000).map(|token| format!("\"{token}\": 1")).collect();
    let many = server
        .complete(&format!("{{\"prompt\": \"a\", \"logit_bias\": {{{}}}}}", ids.join(",")))
        .await
        .error();
    assert!(many.2.contains("it has more entries") && many.2.contains("at most 1024"), "{many:?}");
    let ones = vec!["1"; 100_000].join(",");
    let many = server.complete(&format!("{{\"prompt\": \"a\", \"stop_token_ids\": [{ones}]}}")).await.error();
    assert_eq!(many.2, "stop_token_ids is 100000 entries, allowed: 16 entries at most");
    let text = "x".repeat(100_000);
    let biases = format!("{{\"prompt\": \"a\", \"logit_bias\": {{\"5\": \"{text}\"}}}}");
    let long = server.complete(&biases).await.error();
    assert!(long.2.len() < 400 && long.2.contains("at line 1 column"), "{long:?}");
    let long =
        server.complete(&format!("{{\"prompt\": \"a\", \"n\": \"{}\"}}", "x".repeat(100_000))).await.error();
    assert!(long.2.len() < 300, "{long:?}");
}

#[tokio::test]
async fn paths_methods_types_and_models_that_are_not_there() {
    let server = Server::start(Options::default()).await;
    let models = server.get("/v1/models", "").await.json();
    assert_eq!(models["data"][0]["id"], "helix/echo");
    assert_eq!(models["data"][0]["max_model_len"], 512);
    assert_eq!(server.get("/v1/models/helix/echo", "").await.json()["object"], "model");
    assert_eq!(server.get("/v1/models/other", "").await.error().1, "model model_not_found");
    let other = server.complete(r#"{"model": "other", "prompt": "a"}"#).await.error();
    assert_eq!(other.2, "model `other` is not served here, served: `helix/echo`");
    assert_eq!(other.0, 404);
    assert_eq!(server.get("/v2", "").await.error().0, 404);
    let method = server.get("/v1/completions", "").await;
    assert_eq!(method.error().0, 405);
    assert!(method.head.contains("\r\nallow: post\r\n"), "{method:?}");
    let form = server
        .raw(b"POST /v1/completions HTTP/1.0\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n")
        .await;
    assert_eq!(common::Answer::new(&form).error().0, 415);
    assert_eq!(server.get("/health", "").await.json()["status"], "ok");
    assert_eq!(server.get("/version", "").await.json()["name"], "helix");
    assert_eq!(server.get("/cluster", "").await.json()["running"], 0);
}

#[tokio::test]
async fn a_server_that_is_not_ready_says_why() {
    let server = Server::start(Options::default()).await;
    assert_eq!(server.get("/ready", "").await.status, 200);
    let reasons = vec!["worker b is awaited".to_owned()];
    server.readiness.send(Readiness::NotReady { reasons }).unwrap();
    let ready = server.get("/ready", "").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (503, r#"{"ready":false,"reasons":["worker b is awaited"]}"#)
    );
    let refused = server.complete(r#"{"prompt": "a"}"#).await;
    let message = "not ready: worker b is awaited";
    assert_eq!(refused.error(), (503, "- not_ready".to_owned(), message.to_owned()));
    assert!(refused.head.contains("retry-after: 1"));
}

#[tokio::test]
async fn keys_guard_what_is_served_and_ids_come_back() {
    let options = Options { api_keys: vec!["one".to_owned(), "two".to_owned()], ..Options::default() };
    let server = Server::start(options).await;
    let without = server.get("/v1/models", "").await;
    assert_eq!((without.status, without.error().1.as_str()), (401, "- missing_api_key"));
    assert!(without.head.contains("www-authenticate: bearer"));
    for wrong in ["Bearer three", "Bearer ", "Bearer", "Basic one", "one", "Bearer onetwo"] {
        let answer = server.get("/v1/models", &format!("authorization: {wrong}\r\n")).await;
        assert_eq!(answer.status, 401, "{wrong}");
    }
    for right in ["Bearer one", "bearer two"] {
        let answer = server.get("/v1/models", &format!("authorization: {right}\r\n")).await;
        assert_eq!(answer.status, 200, "{right}");
    }
    assert_eq!(server.get("/cluster", "").await.status, 401);
    assert_eq!(server.get("/v2", "").await.status, 401, "what is there is nobody's business");
    assert_eq!(server.get("/health", "").await.status, 200);
    assert!(
        server.get("/ready", "x-request-id: mine-1\r\n").await.head.contains("\r\nx-request-id: mine-1\r\n")
    );
    let ids = [server.get("/health", "").await, server.get("/health", "x-request-id: a b\r\n").await].map(
        |answer| {
            let id = answer.head.split("x-request-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            id
        },
    );
    assert_ne!(ids[0], ids[1]);
}
