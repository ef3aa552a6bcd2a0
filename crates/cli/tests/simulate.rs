//! `helix simulate` from outside: what scripts read, what it writes, and how it refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the helix command starts")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulate {name}"));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

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
model = "MODEL"
model_layers = LAYERS
machines = [
  { machine = "first", start = 0, end = 16 },
  { machine = "second", start = 16, end = LAYERS },
  { machine = "third", start = 16, end = LAYERS },
]
"#;

/// A cluster and a placement of a small model; the arguments that name them.
struct Files {
    folder: PathBuf,
    arguments: Vec<String>,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = folder(name);
        let (cluster, placement) = (folder.join("cluster.toml"), folder.join("placement.toml"));
        std::fs::write(&cluster, CLUSTER).unwrap();
        std::fs::write(&placement, PLACEMENT.replace("MODEL", "qwen3-8b").replace("LAYERS", "36")).unwrap();
        let arguments = ["simulate", "--cluster", text(&cluster), "--model", "qwen3-8b", "--placement"];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(text(&placement).to_owned());
        arguments.extend(["--duration", "30 s"].map(str::to_owned));
        Self { folder, arguments }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        text(&path).to_owned()
    }

    fn run(&self, more: &[&str]) -> Output {
        let mut all: Vec<&str> =
            self.arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        if !more.contains(&"--warmup") {
            all.extend(["--warmup", "5 s"]);
        }
        helix(&all)
    }

    fn json(&self, more: &[&str]) -> Value {
        let output = self.run(&[&["--format", "json"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
    }

    fn refused(&self, more: &[&str], code: i32) -> String {
        let output = self.run(more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{more:?}: {error}");
        assert!(output.stdout.is_empty(), "nothing on standard output");
        error
    }
}

fn notes(report: &Value) -> String {
    report["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_report_has_what_scripts_rely_on_and_the_files_are_written() {
    let files = Files::new("fields");
    let [html, requests, lines, events, trace] =
        ["r.html", "r.csv", "r.jsonl", "e.jsonl", "t.json"].map(|name| files.folder.join(name));
    let more = ["--html", text(&html), "--requests", text(&requests), "--events", text(&events)];
    let report = files.json(&[&more[..], &["--chrome-trace", text(&trace)]].concat());
    for field in [
        "decode_tokens_per_s",
        "total_tokens_per_s",
        "requests_finished",
        "requests_rejected",
        "events",
        "wall_seconds",
        "max_flow_tokens_per_s",
        "compute_bound_tokens_per_s",
        "kv_peak_fraction",
    ] {
        assert!(report[field].is_number(), "{field}: {}", report[field]);
    }
    for latency in ["prompt_latency_s", "decode_latency_s"] {
        for field in ["mean", "p5", "p25", "p50", "p75", "p95", "p99"] {
            assert!(report[latency][field].as_f64().unwrap() > 0.0, "{latency} {field}");
        }
    }
    assert!(report["decode_tokens_per_s"].as_f64().unwrap() > 1.0);
    let finished = report["requests_finished"].as_u64().unwrap();
    let csv = std::fs::read_to_string(&requests).unwrap();
    assert!(csv.starts_with("request,arrival_s,prompt_tokens,"));
    // Where each request spent its time adds up to all of it.
    for line in csv.lines().skip(1) {
        let number = |cell: usize| line.split(',').nth(cell).unwrap().parse::<f64>().unwrap();
        let spent: f64 = (10..15).map(number).sum();
        assert!((spent - (number(5) - number(1))).abs() < 1e-9 && number(12) > 0.0, "{line}");
    }
    let spent = &report["request_time_s"];
    assert!(spent["computing"].as_f64().unwrap() > 0.0 && spent["series"]["line"]["values"].is_array());
    assert_eq!(csv.lines().filter(|line| line.contains("\"finished\"")).count() as u64, finished);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("in batches"));
    assert!(page.contains("<svg") && page.ends_with("</html>\n") && !page.contains("http://"));
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&trace).unwrap()).unwrap();
    assert!(trace.as_array().unwrap().iter().any(|event| event["ph"] == "X" && event["pid"] == 2));
    for line in std::fs::read_to_string(&events).unwrap().lines().take(1000) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["time_s"].is_number() && event["event"].is_string(), "{line}");
    }
    // The same again: files change nothing, and one seed gives one result.
    let again = files.json(&["--requests", text(&lines)]);
    assert_eq!(again["decode_latency_s"], report["decode_latency_s"]);
    let first = std::fs::read_to_string(&lines).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["outcome"], "finished");
    // An earlier run in the same picture.
    let earlier = files.file("earlier.json", &report.to_string());
    let both = files.json(&["--scheduler", "random", "--html", text(&html), "--overlay", &earlier]);
    assert_eq!(both["scheduler"], "random");
    assert!(std::fs::read_to_string(&html).unwrap().matches("<polyline").count() >= 12);
}

#[test]
fn requests_come_at_the_rate_or_the_times_that_are_asked_for() {
    let files = Files::new("online");
    let online = ["--mode", "online", "--rate", "2 req/s"];
    let report = files.json(&online);
    let came = report["requests_launched"].as_f64().unwrap();
    assert!((40.0..110.0).contains(&came), "70 are expected in 35 s, {came} came");
    let rows: Vec<String> = (0..5).map(|index| format!("{index}.5,100,10\n")).collect();
    let trace = format!("arrival_s,input_tokens,output_tokens\n{}", rows.concat());
    let trace = files.file("trace.csv", &trace);
    let report = files.json(&["--mode", "online", "--trace", &trace, "--warmup", "0 s"]);
    assert_eq!(
        (report["requests_launched"].as_u64(), report["requests_finished"].as_u64()),
        (Some(5), Some(5))
    );
    assert!(notes(&report).contains("the last of the trace comes at 4.5 s"), "{}", notes(&report));
}

#[test]
fn bad_traces_are_refused_with_their_line() {
    let files = Files::new("traces");
    for (rows, what) in [
        ("2.0,10,10\n1.0,10,10\n", "comes before the request above it"),
        ("1.0,-5,10\n", "is not a number of tokens"),
        ("1.0,0,10\n", "must have from 1 to"),
        ("1.0,10,99999999999\n", "must have from 1 to"),
        ("-1.0,10,10\n", "must be a number from 0"),
    ] {
        let trace = files.file("bad.csv", &format!("arrival_s,input_tokens,output_tokens\n{rows}"));
        let error = files.refused(&["--mode", "online", "--trace", &trace], 3);
        assert!(error.contains(what) && error.contains("bad.csv:"), "{rows}: {error}");
    }
    let error = files.refused(&["--mode", "online"], 2);
    assert!(error.contains("--rate"), "{error}");
    let error = files.refused(&["--rate", "2 req/s"], 2);
    assert!(error.contains("--mode online"), "{error}");
    assert!(files.refused(&["--jitter", "much"], 2).contains("jitter"));
    assert!(files.refused(&["--warmup", "2400 h"], 2).contains("at most 8640000 s"));
    assert!(files.refused(&["--offline-queries", "4294967295"], 2).contains("1000000"));
}

#[test]
fn a_request_that_no_cache_holds_is_reported() {
    let files = Files::new("too large");
    let trace = "arrival_s,input_tokens,output_tokens\n1,100,10\n2,9000000,10\n3,100,10\n";
    let trace = files.file("large.csv", trace);
    let report = files.json(&["--mode", "online", "--trace", &trace, "--warmup", "0 s"]);
    assert_eq!(
        (report["requests_finished"].as_u64(), report["requests_rejected"].as_u64()),
        (Some(2), Some(1))
    );
    assert!(notes(&report).contains("larger than any pipeline's cache"), "{}", notes(&report));
    // Offline, where nothing else comes: the run ends.
    let only = files.file("only.csv", "input_tokens,output_tokens\n9000000,10\n");
    let report = files.json(&["--trace", &only]);
    assert_eq!(report["requests_finished"].as_u64(), Some(0));
    assert!(notes(&report).contains("no token was decoded"), "{}", notes(&report));
}

#[test]
fn routing_by_flow_needs_a_flow() {
    let files = Files::new("flow");
    // Nothing leads from the first machine to one that goes on.
    let placement = std::fs::read_to_string(files.folder.join("placement.toml")).unwrap();
    let broken = placement
        .replace("machine = \"first\", start = 0, end = 16", "machine = \"first\", start = 0, end = 15");
    std::fs::write(files.folder.join("placement.toml"), broken).unwrap();
    for scheduler in ["max-flow", "swarm"] {
        files.refused(&["--scheduler", scheduler], 4);
    }
    let links = "links = [[\"coordinator\", \"first\"], [\"second\", \"coordinator\"]]\n";
    std::fs::write(files.folder.join("placement.toml"), format!("{placement}{links}")).unwrap();
    let error = files.refused(&[], 4);
    assert!(error.contains("flow") || error.contains("no way"), "{error}");
}

#[test]
fn machines_fail_and_recover() {
    let files = Files::new("faults");
    let faults = |list: &str| files.file("faults.toml", &format!("version = 1\nfaults = [\n{list}\n]\n"));
    let path = faults("{ at = \"10 s\", machine = \"second\", fails = true },");
    let report = files.json(&["--faults", &path]);
    assert!(report["restarts"].as_u64().unwrap() > 0, "what was on the machine starts anew");
    assert!(report["requests_finished"].as_u64().unwrap() > 0);
    let path = faults(
        "{ at = \"10 s\", machine = \"second\", fails = true }, { at = \"10 s\", machine = \"third\", fails = true },",
    );
    let report = files.json(&["--faults", &path]);
    assert!(notes(&report).contains("no machine is left for 20 of the layers 16..36"), "{}", notes(&report));
    let path = faults(
        "{ at = \"9000 s\", machine = \"second\", fails = true }, { at = \"9000 s\", machine = \"third\", fails = true },",
    );
    let report = files.json(&["--faults", &path]);
    let notes = notes(&report);
    assert!(notes.contains("the fault at 9000 s (and 1 after it) never happens"), "{notes}");
    assert!(!notes.contains("no machine is left"), "{notes}");
    let path = faults("{ at = \"10 s\", machine = \"secund\", fails = true },");
    let error = files.refused(&["--faults", &path], 3);
    assert!(error.contains("did you mean `second`"), "{error}");
    let path = faults("{ at = \"10 s\", machine = \"second\", fails = true, slower = 2.0 },");
    assert!(files.refused(&["--faults", &path], 3).contains("fault 1"));
}
