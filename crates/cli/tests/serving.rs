//! `helix up` as a user meets it: real processes, real requests, and what happens when some of them die.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(1);

fn helix() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helix"));
    // The built-in model is unpacked here, not into the user's cache.
    command.env("HELIX_CACHE_DIR", cache());
    command
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("models")
}

/// A running `helix up`.
struct Up {
    child: Child,
    rest: BufReader<ChildStdout>,
    address: String,
    workers: Vec<u32>,
}

impl Drop for Up {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; one that did not has ended it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Up {
    fn start(workers: u32) -> Self {
        let mut command = helix();
        command.args(["up", "--port", "0", "--workers", &workers.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        rest.read_line(&mut line).unwrap();
        let (_, url) = line.split_once("http://").unwrap_or_else(|| panic!("no address in {line:?}"));
        let address = url.split('/').next().unwrap().to_owned();
        let mut pids = Vec::new();
        for _ in 0..workers {
            line.clear();
            rest.read_line(&mut line).unwrap();
            let (_, pid) = line.rsplit_once("(process ").unwrap_or_else(|| panic!("no process in {line:?}"));
            pids.push(pid.trim_end().trim_end_matches(')').parse().unwrap());
        }
        Self { child, rest, address, workers: pids }
    }

    /// Sends a request; its status and body.
    fn ask(&self, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.open(path, body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    fn open(&self, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let method = if body.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: helix\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }

    /// Asks until the answer is such.
    fn until(&self, path: &str, test: impl Fn(u16, &str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.ask(path, "");
            if test(status, &body) {
                return body;
            }
            assert!(Instant::now() < end, "{path} stays {status} {body}");
        }
    }
}

fn signal(name: &str, process: u32) {
    let killed = Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(killed.success());
}

fn gone(process: u32) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        // A zombie is gone as well: nobody is left to wait for it.
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

fn sum(a: u32, b: u32) -> String {
    format!(r#"{{"messages": [{{"role": "user", "content": "What is {a} plus {b}?"}}], "temperature": 0}}"#)
}

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
    let mut rest = String::new();
    up.rest.read_to_string(&mut rest).unwrap();
    assert!(up.child.wait().unwrap().success());
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
    // Each worker is needed by some request; the one that ends the model is needed by all.
    let body = up.until("/cluster", |status, _| status == 200);
    let last = (0..3).find(|worker| {
        let machine = body.split(&format!(r#""name":"worker-{worker}""#)).nth(1).unwrap_or_default();
        machine.split('}').next().unwrap_or_default().contains(r#""end":8"#)
    });
    let holders = (0..3).filter(|worker| {
        let machine = body.split(&format!(r#""name":"worker-{worker}""#)).nth(1).unwrap_or_default();
        machine.split('}').next().unwrap_or_default().contains(r#""end":8"#)
    });
    for worker in holders {
        signal("-KILL", up.workers[worker]);
    }
    assert!(last.is_some(), "{body}");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("worker"), "the error names the worker: {rest}");
    let reasons = up.until("/ready", |status, _| status == 503);
    assert!(reasons.contains("lost"), "{reasons}");
    let (status, body) = up.ask("/v1/chat/completions", &sum(1, 2));
    assert_eq!(status, 503, "{body}");
}

#[test]
fn workers_die_with_their_parent_however_it_dies() {
    let mut up = Up::start(4);
    up.child.kill().unwrap();
    up.child.wait().unwrap();
    assert!(up.workers.iter().all(|worker| gone(*worker)));
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
