//! `helix simulate --replay` from outside: a run of the simulator as the recording, whose figures and time scale are known.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const CLUSTER: &str = r#"
version = 1
name = "three"
coordinator = { region = "here" }
regions = [{ name = "here", bandwidth = "10 Gbit/s", latency = "1 ms" }]
machines = [
  { name = "first", device = "L4" },
  { name = "second", device = "L4" },
  { name = "third", device = "T4" },
]
"#;

const PLACEMENT: &str = r#"
version = 1
model = "qwen3-8b"
model_layers = 36
machines = [
  { machine = "first", start = 0, end = 16 },
  { machine = "second", start = 16, end = 36 },
  { machine = "third", start = 16, end = 36 },
]
"#;

fn helix(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helix"));
    command.args(arguments).current_dir(folder).output().expect("the helix command starts")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay {name}"));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    std::fs::write(folder.join("cluster.toml"), CLUSTER).unwrap();
    std::fs::write(folder.join("placement.toml"), PLACEMENT).unwrap();
    folder
}

fn header() -> Value {
    json!({
        "version": 1, "kind": "helix recording", "scheduler": "mixed-flow", "model": "qwen3-8b", "model_folder": "qwen3-8b",
        "placement": PLACEMENT, "cluster": CLUSTER, "cluster_beside": {},
    })
}

/// A minute of the simulator, every machine `slower` times as slow as its datasheet says, as a recording.
fn record(folder: &Path, slower: f64) -> String {
    let fault = |name| format!("{{ at = \"0 s\", machine = \"{name}\", slower = {slower:?} }}");
    let faults: Vec<String> = ["first", "second", "third"].map(fault).to_vec();
    std::fs::write(folder.join("faults.toml"), format!("version = 1\nfaults = [{}]\n", faults.join(", ")))
        .unwrap();
    let output = helix(
        folder,
        &[
            "simulate",
            "--cluster",
            "cluster.toml",
            "--model",
            "qwen3-8b",
            "--placement",
            "placement.toml",
            "--mode",
            "online",
            "--rate",
            "0.5 req/s",
            "--max-requests",
            "20",
            "--warmup",
            "0 s",
            "--duration",
            "60 s",
            "--drain",
            "--faults",
            "faults.toml",
            "--requests",
            "requests.jsonl",
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let requests = std::fs::read_to_string(folder.join("requests.jsonl")).unwrap();
    let line = |line: &str| {
        let of: Value = serde_json::from_str(line).expect("a request");
        assert_eq!(of["outcome"], "finished");
        let line = json!({
            "arrival_s": of["arrival_s"], "prompt_tokens": of["prompt_tokens"], "output_tokens": of["output_tokens"],
            "first_token_s": of["first_token_s"], "ended_s": of["ended_s"], "outcome": "finished", "attempts": 1,
            "pipeline": ["first", "second"],
        });
        format!("{line}\n")
    };
    format!("{}\n{}", header(), requests.lines().map(line).collect::<String>())
}

fn replay(folder: &Path, recording: &str) -> Output {
    std::fs::write(folder.join("run.jsonl"), recording).unwrap();
    helix(folder, &["simulate", "--replay", "run.jsonl", "--format", "json"])
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON alone")
}

#[test]
fn ways_are_chosen_by_whoever_chose_them_in_the_recording() {
    let folder = folder("scheduler");
    let recording = record(&folder, 1.0);
    let as_by = |name: &str| recording.replacen("mixed-flow", name, 1);
    let asked = |scheduler: &str| {
        let flags = ["simulate", "--replay", "run.jsonl", "--format", "json", "--scheduler", scheduler];
        report(&helix(&folder, &flags))
    };
    let aware = report(&replay(&folder, &as_by("latency-aware")));
    assert_eq!(aware["scheduler"], "latency-aware");
    // Not only by name: the figures are those of this scheduler, and another one gives others.
    assert_eq!(aware, asked("latency-aware"));
    let other = asked("max-flow");
    assert_eq!(other["scheduler"], "max-flow");
    assert_ne!(aware["figures"], other["figures"]);
    let unknown = replay(&folder, &as_by("by-moonlight"));
    assert_eq!(unknown.status.code(), Some(3));
    let text = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(text.contains("by-moonlight") && text.contains("latency-aware"), "{text}");
}

#[test]
fn what_the_simulator_did_is_replayed_without_error() {
    let folder = folder("exact");
    let report = report(&replay(&folder, &record(&folder, 1.0)));
    assert_eq!(report["requests_compared"], 20);
    let figures = report["figures"].as_array().expect("figures");
    assert_eq!(figures.len(), 7);
    for figure in figures {
        assert!(figure["error"].as_f64().expect("an error").abs() < 1e-6, "{figure}");
    }
    let scale = report["time_scale"].as_f64().expect("a scale");
    assert!((scale - 1.0).abs() < 0.02, "{scale}");
}

#[test]
fn machines_that_are_slower_than_their_datasheets_are_found() {
    let folder = folder("slower");
    let report = report(&replay(&folder, &record(&folder, 2.5)));
    let scale = report["time_scale"].as_f64().expect("a scale");
    assert!((scale / 2.5 - 1.0).abs() < 0.02, "{scale}");
    for figure in report["figures"].as_array().expect("figures") {
        let calibrated = figure["calibrated_error"].as_f64().expect("an error");
        assert!(calibrated.abs() < 0.04, "{figure}");
        if figure["figure"] == "time between tokens, mean" {
            assert!(figure["error"].as_f64().expect("an error") < -0.4, "{figure}");
        }
    }
}

#[test]
fn a_killed_coordinator_leaves_all_but_a_line() {
    let folder = folder("cut");
    let whole = record(&folder, 1.0);
    let report = report(&replay(&folder, &whole[..whole.len() - 7]));
    assert_eq!(report["requests_compared"], 19);
    let notes = report["notes"].to_string();
    assert!(notes.contains("cut off"), "{notes}");
}

#[test]
fn what_is_no_recording_is_refused() {
    let folder = folder("bad");
    let header = header();
    let line = |arrival: &str, first: &str, outcome: &str| {
        format!(
            "{header}\n{{\"arrival_s\":{arrival},\"prompt_tokens\":5,\"output_tokens\":5,\"first_token_s\":{first},\"ended_s\":9,\
             \"outcome\":\"{outcome}\",\"attempts\":1,\"pipeline\":[]}}\n"
        )
    };
    let cases = [
        (String::new(), "empty"),
        ("{}\n".to_owned(), "header"),
        (format!("{}\n", header.to_string().replace("\"version\":1", "\"version\":2")), "version 2"),
        (format!("{header}\n"), "nothing to replay"),
        (format!("{header}\nrubbish\n"), "line 2"),
        (line("-1", "2", "finished"), "arrival_s"),
        (line("1e300", "2", "finished"), "arrival_s"),
        (line("3", "2", "finished"), "not in order"),
        (line("1", "2", "perhaps"), "perhaps"),
    ];
    for (recording, says) in cases {
        let output = replay(&folder, &recording);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{recording}: {error}");
        assert!(error.contains(says), "{says}: {error}");
    }
    let output = helix(&folder, &["simulate", "--cluster", "cluster.toml"]);
    assert_eq!(output.status.code(), Some(2), "without a replay, model and placement are needed");
}
