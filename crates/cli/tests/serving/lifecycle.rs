//! Starting, answering, losing workers, ending, and what goes wrong.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::up::{Up, gone, helix, signal, sum};

#[test]
fn up_answers_and_ends_cleanly_and_says_what_was_done() {
    let mut up = Up::start(3);
    for (a, b) in [(17, 25), (48, 36), (12, 70)] {
        let (status, body) = up.ask("/v1/chat/completions", &sum(a, b));
        assert!(status == 200 && body.contains(&(a + b).to_string()), "{a} + {b}: {status} {body}");
    }
    up.until("/cluster", |_, body| {
        body.contains(r#""kv_blocks_used":0"#) && body.contains(r#""finished":3"#)
    });
    signal("-TERM", up.child.id());
    let (code, rest, errors) = up.ended();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(rest.contains("The plan") && rest.contains("3 requests answered, 0 failed"), "{rest}");
    assert!(up.workers.iter().all(|worker| gone(*worker)));
}

#[test]
fn a_killed_worker_ends_its_requests_with_an_error_and_readiness_tells() {
    let up = Up::start(3);
    let endless =
        r#"{"prompt": "Tell", "max_tokens": 900, "ignore_eos": true, "stream": true, "temperature": 0}"#;
    let mut stream = up.open("/v1/completions", endless);
    let mut some = [0; 2000];
    stream.read_exact(&mut some).unwrap();
    // The workers that end the model are needed by every request.
    let report = up.report_when(|_| true);
    let machines = report["machines"].as_array().unwrap();
    let last: Vec<usize> = (0..3).filter(|worker| machines[*worker]["end"] == 8).collect();
    assert!(!last.is_empty(), "{report}");
    for &worker in &last {
        signal("-KILL", up.workers[worker]);
    }
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    // Its neighbour may notice before the coordinator does.
    let words = |worker: &usize| {
        [format!("worker-{worker} was lost"), format!("connection to worker worker-{worker} ended")]
    };
    let named = last.iter().flat_map(words).any(|words| rest.contains(&words));
    assert!(named, "the error names the worker: {rest}");
    let reasons = up.until("/ready", |status, _| status == 503);
    assert!(reasons.contains("lost"), "{reasons}");
    let (status, body) = up.ask("/v1/chat/completions", &sum(1, 2));
    assert_eq!(status, 503, "{body}");
}

/// Two workers hold the first layers. The one that computes a long prompt is killed before the prompt's first token; the other one
/// takes what comes next.
#[test]
fn a_worker_killed_in_the_middle_of_a_prompt_fails_that_request_and_the_rest_goes_on() {
    let slow = ["--emulate-slowdown", "worker-0=60", "--emulate-slowdown", "worker-1=60"];
    let up = Up::start_with(4, &slow);
    let long = format!(r#"{{"prompt": {:?}, "max_tokens": 50, "ignore_eos": true}}"#, [65; 900]);
    let mut stream = up.open("/v1/completions", &long);
    let report = up.report_when(|report| {
        report["machines"].as_array().is_some_and(|machines| {
            machines.iter().any(|machine| machine["start"] == 0 && machine["kv_blocks_used"] != 0)
        })
    });
    assert_eq!(report["generated_tokens"], 0, "{report}");
    let busy = |machine: &Value| machine["start"] == 0 && machine["requests"] == 1;
    let machines = report["machines"].as_array().unwrap();
    let victim = machines.iter().position(busy).unwrap_or_else(|| panic!("somebody computes it: {report}"));
    signal("-KILL", up.workers[victim]);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let told = answer.contains(&format!("worker-{victim} was lost"));
    assert!(told && !answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, body) = up.ask("/v1/chat/completions", &sum(17, 25));
    assert!(status == 200 && body.contains("42"), "{status} {body}");
    assert_eq!(up.ask("/ready", "").0, 200);
    assert_eq!(up.idle()["failed"], 1);
}

#[test]
fn workers_die_with_their_parent_however_it_dies() {
    let mut up = Up::start(4);
    up.child.kill().unwrap();
    up.child.wait().unwrap();
    assert!(up.workers.iter().all(|worker| gone(*worker)));
}

#[test]
fn a_request_that_takes_too_long_ends_with_its_deadline_and_the_next_is_served() {
    let slow = ["--request-timeout", "2", "--emulate-slowdown", "worker-0=200"];
    let up = Up::start_with(1, &slow);
    let endless = r#"{"prompt": "Tell", "max_tokens": 900, "ignore_eos": true}"#;
    let (status, body) = up.ask("/v1/completions", endless);
    assert!(status == 504 && body.contains(r#""code":"deadline""#), "{status} {body}");
    let machine = up.until("/cluster", |_, body| body.contains(r#""kv_blocks_used":0,"#));
    assert!(machine.contains(r#""emulated_slowdown":200.0"#), "{machine}");
    let (status, body) = up.ask("/v1/completions", r#"{"prompt": "Tell", "max_tokens": 1}"#);
    assert_eq!(status, 200, "{body}");
}

fn failure(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = helix().args(arguments).stdin(Stdio::null()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn mistakes_are_told_in_words_with_their_codes() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, words) = failure(&["up", "--port", &port]);
    assert!(code == Some(1) && words.contains("another program has it"), "{code:?} {words}");
    let (code, words) = failure(&["up", "--port", "0", "--model", "no-such-folder"]);
    assert!(code == Some(3) && words.contains("no-such-folder"), "{code:?} {words}");
    let (code, words) = failure(&["up", "--port", "0", "--workers", "60"]);
    assert!(code == Some(2) && words.contains("--workers 8"), "{code:?} {words}");
    let (code, words) = failure(&["worker", "--join", "127.0.0.1:1", "--name", "a"]);
    assert!(code == Some(2) && words.contains("HELIX_JOIN_TOKEN"), "{code:?} {words}");
    let join = ["worker", "--join", "127.0.0.1:1", "--name", "a", "--token", "secret-token", "--wait", "0"];
    let (code, words) = failure(&join);
    assert!(code == Some(1) && words.contains("cannot be reached"), "{code:?} {words}");
}
