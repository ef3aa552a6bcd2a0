//! Ctrl-C during `helix simulate`: a report of what was simulated until then, how far that is, and the code that says so.
#![cfg(target_os = "linux")]

mod interrupt;

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn an_interrupt_ends_the_run_with_a_report_of_what_there_is() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [cluster, placement, requests] = ["cluster.toml", "placement.toml", "requests.csv"]
        .map(|name| folder.join(format!("simulate interrupt {name}")).to_str().expect("UTF-8").to_owned());
    let machines = "regions = [{ name = \"here\", bandwidth = \"10 Gbit/s\", latency = \"1 ms\" }]\n\
                    machines = [{ name = \"m\", device = \"L4\", replicas = 2 }]\n";
    let text = format!("version = 1\nname = \"two\"\ncoordinator = {{ region = \"here\" }}\n{machines}");
    std::fs::write(&cluster, text).expect("a file");
    let text = "version = 1\nmodel = \"qwen3-8b\"\nmodel_layers = 36\nmachines = [\n\
                { machine = \"m-1\", start = 0, end = 18 },\n{ machine = \"m-2\", start = 18, end = 36 },\n]\n";
    std::fs::write(&placement, text).expect("a file");
    // Two thousand hours of simulated time: no machine is through with that before the signal comes.
    let child = Command::new(env!("CARGO_BIN_EXE_helix"))
        .args(["simulate", "--cluster", &cluster, "--model", "qwen3-8b", "--placement", &placement])
        .args(["--warmup", "0 s", "--duration", "2000 h", "--requests", &requests, "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the helix command starts");
    let output = interrupt::signalled(child, 2);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("what was simulated until then is above"), "{error}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let number = |field: &str| report[field].as_f64().expect(field);
    let simulated = number("simulated_seconds");
    assert!(simulated > 0.0 && simulated < 7_200_000.0, "{simulated} s");
    assert_eq!(report["window_s"][1].as_f64(), Some(simulated), "rates are about what was simulated");
    assert!(number("decode_tokens_per_s") > 0.0 && number("decode_tokens_per_s") < 10_000.0);
    let notes = report["notes"].to_string();
    assert!(notes.contains("stopped by the user after") && notes.contains("of simulated time"), "{notes}");
    let finished = number("requests_finished");
    let lines = std::fs::read_to_string(&requests).expect("the requests until then");
    assert_eq!(lines.lines().filter(|line| line.contains("\"finished\"")).count() as f64, finished);
}
