//! `helix compare` from outside: what scripts read, the same bytes on any number of threads, and how it refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Two machines, one behind the other, and a third that doubles the second.
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

/// A placement with its last layers missing: no token flows.
const BROKEN: &str = r#"
version = 1
model = "qwen3-8b"
model_layers = 36
machines = [{ machine = "first", start = 0, end = 16 }]
"#;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare {name}"));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    std::fs::write(folder.join("cluster.toml"), CLUSTER).unwrap();
    std::fs::write(folder.join("mine.toml"), PLACEMENT).unwrap();
    std::fs::write(folder.join("broken.toml"), BROKEN).unwrap();
    folder
}

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix"))
        .args([
            "compare",
            "--cluster",
            "cluster.toml",
            "--model",
            "qwen3-8b",
            "--warmup",
            "2 s",
            "--duration",
            "10 s",
        ])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the helix command starts")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON alone")
}

fn rows<'a>(report: &'a Value, of: &'a [(&str, &str)]) -> Vec<&'a Value> {
    let rows = report["rows"].as_array().expect("rows");
    rows.iter().filter(|row| of.iter().all(|(key, value)| row[*key] == *value)).collect()
}

#[test]
fn every_combination_is_a_row_and_threads_change_no_byte() {
    let folder = folder("threads");
    let arguments = |threads| {
        [
            "--placement",
            "mine.toml",
            "--planner",
            "swarm,petals",
            "--seeds",
            "3",
            "--format",
            "json",
            "--threads",
            threads,
        ]
    };
    let one = compare(&folder, &arguments("1"));
    let report = json(&one);
    assert_eq!(one.stdout, compare(&folder, &arguments("3")).stdout);
    // Three placements, five schedulers, two loads.
    assert_eq!(report["rows"].as_array().expect("rows").len(), 30);
    assert_eq!(report["seeds"], serde_json::json!([0, 1, 2]));
    let found = rows(&report, &[("placement", "mine"), ("scheduler", "mixed-flow"), ("mode", "offline")]);
    let [row] = found[..] else { panic!("{found:?}") };
    assert_eq!(row["runs"], 3);
    let decode = &row["decode_tokens_per_s"];
    let number = |key: &str| decode[key].as_f64().expect(key);
    assert!(number("least") <= number("mean") && number("mean") <= number("most"));
    assert!(number("ci95") > 0.0, "seeds differ");
    let rate = report["online_rate_requests_per_s"].as_f64().expect("a rate from offline");
    // Answers like those of the Azure trace: about 232 tokens.
    let answer = 0.65 * number("mean") / rate;
    assert!((200.0..260.0).contains(&answer), "{answer}");
    let ratios = report["ratios"].as_array().expect("ratios");
    let ratio = ratios.iter().find(|ratio| ratio["about"] == "method" && ratio["placement"] == "swarm");
    let ratio = ratio.expect("against swarm");
    assert_eq!(ratio["scheduler"], "swarm", "swarm with its own scheduler");
    let theirs = rows(&report, &[("placement", "swarm"), ("scheduler", "swarm"), ("mode", "offline")])[0];
    let expected = number("mean") / theirs["decode_tokens_per_s"]["mean"].as_f64().expect("a mean");
    assert!((ratio["throughput"]["ratio"].as_f64().expect("a ratio") - expected).abs() < 1e-12);
    for about in ["placement", "neutral", "scheduler"] {
        assert!(ratios.iter().any(|ratio| ratio["about"] == about), "{about}");
    }
}

#[test]
fn what_cannot_run_is_a_row_that_says_why() {
    let folder = folder("why");
    // No machine of the cluster holds a chain of its own type: the rule for separate pipelines may fail; a placement
    // without its last layers must.
    let page = folder.join("page.html");
    let output = compare(
        &folder,
        &[
            "--placement",
            "mine.toml",
            "--placement",
            "broken.toml",
            "--scheduler",
            "max-flow,random",
            "--mode",
            "offline",
            "--seeds",
            "1",
            "--format",
            "json",
            "--html",
            page.to_str().unwrap(),
        ],
    );
    let report = json(&output);
    for row in rows(&report, &[("placement", "broken")]) {
        assert_eq!(row["runs"], 0);
        assert!(row["error"].as_str().is_some_and(|why| !why.is_empty()), "{row}");
        assert!(row["decode_tokens_per_s"].is_null());
    }
    let mine = rows(&report, &[("placement", "mine"), ("scheduler", "random")])[0];
    assert!(mine["error"].is_null());
    assert!(mine["decode_tokens_per_s"]["ci95"].is_null(), "one run has no interval");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("<svg") && page.contains("broken") && !page.contains("http"), "self-contained");
}

#[test]
fn a_model_that_fits_nowhere_is_a_table_of_reasons() {
    let folder = folder("large");
    let output = Command::new(env!("CARGO_BIN_EXE_helix"))
        .args([
            "compare",
            "--cluster",
            "cluster.toml",
            "--model",
            "llama-2-70b",
            "--mode",
            "offline",
            "--budget",
            "1s",
        ])
        .current_dir(&folder)
        .output()
        .expect("the helix command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("homogeneous") && text.contains("shortest-queue"), "{text}");
}

#[test]
fn bad_input_is_refused() {
    let folder = folder("bad");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--placement", "none.toml"], 3, "none.toml"),
        (&["--placement", "mine.toml", "--mode", "online"], 2, "online requests need times"),
        (&["--placement", "mine.toml", "--mode", "offline", "--rate", "1 req/s"], 2, "--mode online"),
        (&["--seeds", "0"], 2, "seeds"),
        (&["--scheduler", "best"], 2, "best"),
        (&["--budget", "0 s"], 2, "budget"),
    ];
    for (arguments, code, says) in cases {
        let output = compare(&folder, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}
