//! Answers, whole and as events: every byte of them.

mod common;

use common::Server;
use helix_server::Options;
use serde_json::json;

#[tokio::test]
async fn a_chat_is_answered_whole() {
    let server = Server::start(Options::default()).await;
    let answer = server
        .chat(r#"{"model": "helix/echo", "messages": [{"role": "system", "content": "shout"},
                  {"role": "user", "content": [{"type": "text", "text": "añ"}, {"type": "text", "text": "o"}]}]}"#)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
    insta::assert_snapshot!(answer.stable());
}

#[tokio::test]
async fn a_chat_is_streamed() {
    let server = Server::start(Options::default()).await;
    let answer = server
        .chat(
            r#"{"messages": [{"role": "user", "content": "añ"}], "stream": true,
                  "stream_options": {"include_usage": true}}"#,
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: text/event-stream"), "{answer:?}");
    insta::assert_snapshot!(answer.stable());
}

#[tokio::test]
async fn completions_are_streamed_with_their_prompts() {
    let server = Server::start(Options::default()).await;
    let answer =
        server.complete(r#"{"prompt": ["ab", "c"], "stream": true, "echo": true, "max_tokens": 2}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut lines: Vec<String> = answer.stable().lines().map(str::to_owned).collect();
    // Which of two answers comes first is nobody's promise.
    lines.sort_by_key(|line| line.find(r#""index":1"#).is_some());
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn each_answer_begins_with_its_own_prompt() {
    let server = Server::start(Options::default()).await;
    for stream in [false, true] {
        let body = json!({"prompt": ["ab", "c"], "n": 2, "echo": true, "max_tokens": 2, "stream": stream});
        let answer = server.complete(&body.to_string()).await;
        let lines = answer.body.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        let chunks = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut texts = vec![String::new(); 4];
        for choice in chunks.flat_map(|chunk| chunk["choices"].as_array().unwrap().clone()) {
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            texts[index].push_str(choice["text"].as_str().unwrap());
        }
        assert_eq!(texts, ["abAB", "abAB", "cC", "cC"], "{answer:?}");
    }
}

#[tokio::test]
async fn log_probabilities_come_in_the_form_of_each_api() {
    let server = Server::start(Options::default()).await;
    let answer = server
        .chat(r#"{"messages": [{"role": "user", "content": "bé"}], "logprobs": true, "top_logprobs": 1}"#)
        .await;
    insta::assert_snapshot!(answer.json()["choices"][0]["logprobs"]);
    let body = r#"{"prompt": "bé", "logprobs": 2, "max_tokens": 3}"#;
    insta::assert_snapshot!(server.complete(body).await.json()["choices"][0]["logprobs"]);
    let streamed = server.complete(r#"{"prompt": "bb", "logprobs": 0, "stream": true}"#).await;
    insta::assert_snapshot!(streamed.stable());
}

#[tokio::test]
async fn prompts_come_in_four_forms_and_answers_in_order() {
    let server = Server::start(Options::default()).await;
    for (prompt, texts) in [
        (json!("ab"), vec!["AB"]),
        (json!(["ab", "cd"]), vec!["AB", "AB", "CD", "CD"]),
        (json!([101, 102]), vec!["EF"]),
        (json!([[101], [102, 103], []]), vec![]),
        (json!([[101], [102, 103]]), vec!["E", "E", "FG", "FG"]),
    ] {
        let n = if texts.len() > 1 { 2 } else { 1 };
        let answer = server.complete(&json!({"prompt": prompt, "n": n, "seed": 7}).to_string()).await;
        if texts.is_empty() {
            assert_eq!(answer.error().1, "prompt -", "{answer:?}");
            continue;
        }
        let json = answer.json();
        let choices = json["choices"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        let found: Vec<&str> = choices.iter().map(|choice| choice["text"].as_str().unwrap()).collect();
        assert_eq!(found, texts);
        assert!(choices.iter().enumerate().all(|(index, choice)| choice["index"] == index), "{answer:?}");
        assert_eq!(json["usage"]["completion_tokens"], texts.concat().len() + texts.len());
        assert_eq!(json["usage"]["prompt_tokens"], texts.concat().len() / n);
    }
}

#[tokio::test]
async fn each_of_n_answers_has_a_seed_of_its_own() {
    let server = Server::start(Options::default()).await;
    let texts = async |seed: serde_json::Value| {
        let body = json!({"prompt": "seed", "n": 3, "seed": seed, "max_tokens": 30}).to_string();
        let json = server.complete(&body).await.json();
        let choices = json["choices"].as_array().unwrap().clone();
        choices.iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(json!(7)).await, ["7", "8", "9"]);
    assert_eq!(texts(json!(-2)).await, ["18446744073709551614", "18446744073709551615", "0"]);
    let drawn = texts(json!(null)).await;
    assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2], "{drawn:?}");
}

#[tokio::test]
async fn lengths_and_stop_texts_end_an_answer() {
    let server = Server::start(Options::default()).await;
    let finish = async |body: serde_json::Value| {
        let json = server.complete(&body.to_string()).await.json();
        let choice = &json["choices"][0];
        (choice["text"].as_str().unwrap().to_owned(), choice["finish_reason"].as_str().unwrap().to_owned())
    };
    let ended = |text: &str, reason: &str| (text.to_owned(), reason.to_owned());
    assert_eq!(finish(json!({"prompt": "abcdef", "max_tokens": 3})).await, ended("ABC", "length"));
    assert_eq!(finish(json!({"prompt": "abcdef", "stop": "DE"})).await, ended("ABC", "stop"));
    assert_eq!(finish(json!({"prompt": "abcdef", "stop": ["x", "B"]})).await, ended("A", "stop"));
    assert_eq!(finish(json!({"prompt": "abcdef", "stop": null})).await, ended("ABCDEF", "stop"));
    let kept = json!({"prompt": "abcdef", "stop": "DE", "include_stop_str_in_output": true});
    assert_eq!(finish(kept).await, ended("ABCDE", "stop"));
    let long = "x".repeat(40);
    assert_eq!(finish(json!({"prompt": long})).await, ended(&"X".repeat(16), "length"));
}

#[tokio::test]
async fn parameters_that_nobody_knows_are_named() {
    let server = Server::start(Options::default()).await;
    let body = r#"{"prompt": "a", "user": "u", "temprature": 0.1, "bad\nname": 1, "store": null}"#;
    let answer = server.complete(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("x-helix-ignored-parameters: store, temprature, user\r\n"), "{answer:?}");
    assert!(!server.complete(r#"{"prompt": "a"}"#).await.head.contains("ignored"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_says_so() {
    let server = Server::start(Options::default()).await;
    for stream in [false, true] {
        let body = json!({"prompt": "lost at once", "stream": stream}).to_string();
        let answer = server.complete(&body).await;
        let message = "worker b was lost while it served this request; send the request again";
        assert_eq!(answer.error(), (503, "- worker_lost".to_owned(), message.to_owned()));
        assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    }
    let whole = server.complete(r#"{"prompt": "lost later"}"#).await;
    assert_eq!(whole.error().0, 503);
    // Two answers, of which one breaks off: the request is over.
    let body = r#"{"prompt": ["lost later", "go on for ever"], "stream": true, "max_tokens": 200}"#;
    let streamed = server.complete(body).await;
    assert_eq!(streamed.status, 200);
    let last = streamed.body.trim_end().lines().last().unwrap();
    let json: serde_json::Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(json["error"]["code"], "worker_lost");
}
