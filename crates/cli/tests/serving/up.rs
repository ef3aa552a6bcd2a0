//! A running `helix up`, and how tests speak with it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const PATIENCE: Duration = Duration::from_mins(1);

pub fn helix() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helix"));
    // The built-in model is unpacked here, not into the user's cache.
    command.env("HELIX_CACHE_DIR", cache());
    command
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("models")
}

/// A running `helix up`.
pub struct Up {
    pub child: Child,
    pub rest: BufReader<ChildStdout>,
    pub errors: ChildStderr,
    pub address: String,
    pub workers: Vec<u32>,
    pub started: Instant,
}

impl Drop for Up {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; one that did not has ended it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Up {
    pub fn start(workers: u32) -> Self {
        Self::start_with(workers, &[])
    }

    /// The same with more arguments.
    pub fn start_with(workers: u32, arguments: &[&str]) -> Self {
        let mut command = helix();
        let started = Instant::now();
        command.args(["up", "--port", "0", "--workers", &workers.to_string()]).args(arguments);
        // A group of its own, as a shell gives one to what it starts: signals to it reach nobody else.
        let mut child =
            command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let mut line = String::new();
        rest.read_line(&mut line).unwrap();
        let Some((_, url)) = line.split_once("http://") else {
            let mut why = String::new();
            errors.read_to_string(&mut why).unwrap();
            panic!("no address in {line:?}: {why}")
        };
        let address = url.split('/').next().unwrap().to_owned();
        let mut pids = Vec::new();
        for _ in 0..workers {
            line.clear();
            rest.read_line(&mut line).unwrap();
            let (_, pid) = line.rsplit_once("(process ").unwrap_or_else(|| panic!("no process in {line:?}"));
            pids.push(pid.trim_end().trim_end_matches(')').parse().unwrap());
        }
        Self { child, rest, errors, address, workers: pids, started }
    }

    /// Waits for its end; its exit code, the rest of what it wrote, and what it wrote to standard error.
    pub fn ended(&mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut errors) = (String::new(), String::new());
        self.rest.read_to_string(&mut rest).unwrap();
        self.errors.read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), rest, errors)
    }

    /// What `/cluster` says, as soon as it is such.
    pub fn report_when(&self, test: impl Fn(&Value) -> bool) -> Value {
        let body = self.until("/cluster", |status, body| {
            status == 200 && serde_json::from_str(body).is_ok_and(|report| test(&report))
        });
        serde_json::from_str(&body).unwrap()
    }

    /// What `/cluster` says when nothing runs or waits any more and no worker holds anything.
    pub fn idle(&self) -> Value {
        self.report_when(|report| {
            let machines = report["machines"].as_array().cloned().unwrap_or_default();
            report["running"] == 0
                && report["waiting"] == 0
                && machines.iter().all(|machine| machine["kv_blocks_used"] == 0 && machine["requests"] == 0)
        })
    }

    /// Sends a request; its status and body.
    pub fn ask(&self, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.open(path, body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    pub fn open(&self, path: &str, body: &str) -> TcpStream {
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
    pub fn until(&self, path: &str, test: impl Fn(u16, &str) -> bool) -> String {
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

pub fn signal(name: &str, process: u32) {
    let killed = Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(killed.success());
}

/// As a terminal does it: to every process of the group.
pub fn signal_group(name: &str, group: u32) {
    let killed = Command::new("kill").args([name, "--", &format!("-{group}")]).status().unwrap();
    assert!(killed.success());
}

/// Resident memory of a process \[MB\].
pub fn resident(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).expect("it lives");
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096 / 1_000_000
}

pub fn gone(process: u32) -> bool {
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

pub fn sum(a: u32, b: u32) -> String {
    format!(r#"{{"messages": [{{"role": "user", "content": "What is {a} plus {b}?"}}], "temperature": 0}}"#)
}
