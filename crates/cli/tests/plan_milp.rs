//! `helix plan --planner milp` from outside: files, JSON, resuming, refusals, interruptions.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helix"));
    command
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .args(["plan", "--cluster", "single24", "--model", "llama-2-70b", "--planner", "milp"])
        .args(arguments);
    command
}

fn milp(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the helix command starts")
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("milp {name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("UTF-8").to_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = milp(arguments);
    let error = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    error
}

/// Swarm's flow on the cluster, which every search from it keeps.
const SWARM: f64 = 757.853_185;

#[test]
fn it_reports_its_program_and_a_later_run_goes_on_from_its_solution() {
    let folder = folder("resume");
    let [lp, sol, plan] = ["x.lp", "x.sol", "plan.toml"].map(|name| path(&folder, name));
    let first = milp(&[
        "--warm-start",
        "swarm",
        "--budget",
        "2s",
        "--format",
        "json",
        "-o",
        &plan,
        "--write-lp",
        &lp,
        "--write-sol",
        &sol,
    ]);
    let log = String::from_utf8_lossy(&first.stderr);
    assert!(log.contains("milp: starts from swarm, 757.9 tokens/s") && log.contains("bound"), "{log}");
    let first = json(&first);
    let throughput = first["throughput_tokens_per_s"].as_f64().unwrap();
    assert!(throughput >= SWARM - 1e-5 && throughput <= first["upper_bound_tokens_per_s"].as_f64().unwrap());
    assert_eq!(first["planner"], "milp");
    assert!(!first["gap"].is_null());
    let program = &first["milp"];
    for count in ["variables", "binaries", "constraints", "nonzeros", "links", "pruned_links"] {
        assert!(program[count].as_u64().unwrap() > 100, "{count}: {}", program[count]);
    }
    assert_eq!((&program["integers"], &program["start"]), (&Value::from(24), &Value::from("swarm")));
    let incumbents = program["incumbents"].as_array().unwrap();
    assert_eq!(incumbents.last().unwrap()["throughput_tokens_per_s"], first["throughput_tokens_per_s"]);
    assert!(!folder.join("plan.checkpoint.toml").exists(), "the plan itself is there");
    let text = std::fs::read_to_string(&lp).unwrap();
    assert!(text.contains("Maximize") && text.contains(" hold_0_7") && text.ends_with("End\n"));
    for start in [&sol, &plan] {
        let again = json(&milp(&["--start-from", start, "--budget", "1s", "--format", "json"]));
        let start = again["milp"]["start_tokens_per_s"].as_f64().unwrap();
        assert!((start - throughput).abs() < 1e-6, "{start} of {throughput}");
        assert!(again["throughput_tokens_per_s"].as_f64().unwrap() >= start);
    }
    // The same files from the exporter.
    let exported = path(&folder, "exported.sol");
    let export = Command::new(env!("CARGO_BIN_EXE_helix"))
        .args(["export", "milp", "--cluster", "single24", "--model", "llama-2-70b", "--placement", &plan])
        .args(["--sol", &exported, "--lp", &path(&folder, "exported.lp")])
        .output()
        .unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let again = json(&milp(&["--start-from", &exported, "--budget", "1s", "--format", "json"]));
    assert!((again["milp"]["start_tokens_per_s"].as_f64().unwrap() - throughput).abs() < 1e-6);
}

#[test]
fn what_is_wrong_is_refused_with_its_code_and_what_to_do() {
    let folder = folder("refusals");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        path(&folder, name)
    };
    assert!(refused(&["--budget", "0s"], 2).contains("needs some time"));
    assert!(refused(&["--prune-links", "0"], 2).contains("1 at least, or `off`"));
    assert!(refused(&["--max-depth", "9"], 2).contains("--planner auto"));
    // Its machines begin in the middle of each other's layers.
    assert!(refused(&["--warm-start", "petals"], 4).contains("no token gets through it"));
    assert!(refused(&["--objective", "steady"], 2).contains("maximises the flow"));
    assert!(refused(&["--no-warm-start", "--warm-start", "swarm"], 2).contains("cannot be used with"));
    let other = write("other.sol", "# Objective value = 3\nx1 3\n");
    assert!(refused(&["--start-from", &other], 3).contains("`x1` is no variable of a placement"));
    let larger: Vec<String> =
        (0..42).map(|machine| format!("start_{machine} 0\nhold_{machine}_1 1\n")).collect();
    let larger = write("larger.sol", &larger.concat());
    assert!(refused(&["--start-from", &larger], 3).contains("the cluster has 24 machines"));
    let fractional = write("fractional.sol", "start_0 0.5\nhold_0_1 1\n");
    assert!(refused(&["--start-from", &fractional], 3).contains("a whole number is needed"));
    let binary = folder.join("binary.sol");
    std::fs::write(&binary, [0u8, 159, 146, 150]).unwrap();
    assert!(refused(&["--start-from", binary.to_str().unwrap()], 3).contains("is not text"));
    let nowhere = path(&folder, "binary.sol/below/x.toml");
    assert!(refused(&["--checkpoint", &nowhere, "--budget", "60s"], 1).contains("cannot be written"));
    let helix = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) =
        helix(&["plan", "--cluster", "single24", "--model", "deepseek-r1", "--planner", "milp"]);
    assert!(code == Some(4) && error.contains("GB more are needed"), "{error}");
    let (code, error) =
        helix(&["plan", "--cluster", "single24", "--model", "llama-2-70b", "--prune-links", "off"]);
    assert!(code == Some(2) && error.contains("--prune-links needs --planner milp"), "{error}");
}

/// Starts a search that would take long, and waits until it has said this.
#[cfg(unix)]
fn started(says: &str, arguments: &[&str]) -> (Child, String) {
    use std::io::{BufRead as _, BufReader};
    let mut child = command(&[&["--budget", "10min"], arguments].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the helix command starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains(says)).expect("it starts");
    // The rest is read elsewhere, so that the command never waits for its reader.
    std::thread::spawn(move || lines.for_each(drop));
    (child, line)
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_the_best_and_a_kill_loses_nothing() {
    let folder = folder("interruption");
    let plan = path(&folder, "plan.toml");
    let (child, line) = started(" start ", &["--warm-start", "swarm", "--format", "json", "-o", &plan]);
    assert!(line.contains("757.853"), "{line}");
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("the best so far");
    assert!(answer["throughput_tokens_per_s"].as_f64().unwrap() >= SWARM - 1e-5);
    assert!(std::fs::read_to_string(&plan).unwrap().contains("version = 1"));

    let (child, _) = started("starts from nothing", &["--no-warm-start"]);
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(130), true));

    let killed = path(&folder, "killed.toml");
    let sol = path(&folder, "killed.sol");
    let (mut child, _) = started(" start ", &["--warm-start", "swarm", "-o", &killed, "--write-sol", &sol]);
    // The files come right after the line; the kill comes after the files, as any later one would.
    let checkpoint = folder.join("killed.checkpoint.toml");
    while !(checkpoint.exists() && Path::new(&sol).exists()) {
        std::thread::yield_now();
    }
    signal(&child, "KILL");
    child.wait().unwrap();
    assert!(!Path::new(&killed).exists());

    // Without --output the best is kept in the folder that the command runs in.
    let (mut child, _) = started(" start ", &["--warm-start", "swarm"]);
    let name = format!("milp-{}.checkpoint.toml", child.id());
    let unnamed = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    while !unnamed.exists() {
        std::thread::yield_now();
    }
    signal(&child, "KILL");
    child.wait().unwrap();
    for start in [checkpoint.to_str().unwrap(), sol.as_str(), unnamed.to_str().unwrap()] {
        let again = json(&milp(&["--start-from", start, "--budget", "1s", "--format", "json"]));
        assert!(again["milp"]["start_tokens_per_s"].as_f64().unwrap() >= SWARM - 1e-5);
    }
    std::fs::remove_file(unnamed).unwrap();
}
