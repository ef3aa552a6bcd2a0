//! `/metrics`, and what a model's own defaults do to requests that leave parameters out.

mod common;

use common::Server;
use helix_runtime::service::SamplingDefaults;
use helix_server::Options;
use helix_server::request::{ChatRequest, CompletionRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The value of the line that begins so.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap()
}

#[tokio::test]
async fn metrics_count_answers_by_their_ends_and_time_their_tokens() {
    let mut server = Server::start(Options { api_keys: vec!["key".to_owned()], ..Options::default() }).await;
    let key = "authorization: Bearer key\r\n";
    let post = async |body: &str| server.post("/v1/completions", key, body.as_bytes()).await.status;
    // Three tokens and an end; five tokens cut at their length; a worker is lost.
    assert_eq!(post(r#"{"prompt": "abc"}"#).await, 200);
    assert_eq!(post(r#"{"prompt": "abcdefgh", "max_tokens": 5, "n": 2}"#).await, 200);
    assert_eq!(post(r#"{"prompt": "lost at once"}"#).await, 503);
    // A client that goes away.
    let body = r#"{"prompt": "go on for ever", "stream": true, "max_tokens": 400}"#;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /v1/completions HTTP/1.0\r\n{key}content-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.read_exact(&mut [0; 12]).await.unwrap();
    drop(socket);
    server.cancelled.wait_for(|count| *count == 1).await.unwrap();

    assert_eq!(server.get("/metrics", "").await.status, 401);
    let answer = server.get("/metrics", key).await;
    assert!(answer.head.contains("content-type: application/openmetrics-text"), "{}", answer.head);
    let text = answer.body;
    let model = r#"model_name="helix/echo""#;
    for (reason, count) in [("stop", 1.0), ("length", 2.0), ("error", 1.0), ("abort", 1.0)] {
        let name = format!(r#"vllm:request_success_total{{{model},finished_reason="{reason}"}}"#);
        assert_eq!(value(&text, &name), count, "{reason}");
    }
    let of = |name: &str| value(&text, &format!("{name}{{{model}}}"));
    // Three whole answers and the one that was given up began; the gaps are one fewer than the tokens of each.
    assert_eq!(of("vllm:time_to_first_token_seconds_count"), 4.0);
    assert!(of("vllm:inter_token_latency_seconds_count") >= 2.0 + 4.0 + 4.0);
    assert_eq!(of("vllm:e2e_request_latency_seconds_count"), 3.0);
    assert_eq!(of("helix_ready"), 1.0);
    for name in ["vllm:num_requests_running", "vllm:kv_cache_usage_perc", "vllm:generation_tokens_total"] {
        assert_eq!(of(name), 0.0, "the stand-in reports nothing");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn what_a_request_leaves_out_comes_from_the_model_and_what_it_says_stays() {
    let model =
        SamplingDefaults { temperature: 0.7, top_k: 20, top_p: 0.9, min_p: 0.05, repetition_penalty: 1.1 };
    let filled = |parameters: &str| {
        let body = format!(r#"{{"messages": [{{"role": "user", "content": "a"}}]{parameters}}}"#);
        let mut shared = ChatRequest::parse(body.as_bytes()).unwrap().shared;
        shared.fill(&model);
        shared.sampling
    };
    let all = filled("");
    let five = (all.temperature, all.top_k, all.top_p, all.min_p, all.repetition_penalty);
    assert_eq!(five, (0.7, 20, 0.9, 0.05, 1.1));
    // Neutral values are values: 0, 1 and -1 are not the same as nothing.
    let own = filled(
        r#", "temperature": 0, "top_k": -1, "top_p": 1, "min_p": 0, "repetition_penalty": 1, "presence_penalty": 2"#,
    );
    let five = (own.temperature, own.top_k, own.top_p, own.min_p, own.repetition_penalty);
    assert_eq!((five, own.presence_penalty), ((0.0, 0, 1.0, 0.0, 1.0), 2.0));
    assert_eq!(filled(r#", "temperature": null"#).temperature, 0.7);
    let unfilled = CompletionRequest::parse(br#"{"prompt": "a"}"#).unwrap().shared.sampling;
    assert_eq!((unfilled.temperature, unfilled.top_p), (1.0, 1.0));
}
