//! Manual control of `helix plan` from outside: pins, machines left out or in, what runs already, what is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the helix command starts")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("manual {name}"));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// `helix plan` for the paper's cluster and the largest flow.
fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let head = ["plan", "--cluster", "single24", "--model", "llama-2-70b"];
    [head.as_slice(), more].concat()
}

fn plan(more: &[&str]) -> Value {
    let output = helix(&arguments(&[more, &["--format", "json"]].concat()));
    assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

fn refused(more: &[&str], code: i32) -> String {
    let output = helix(&arguments(more));
    let error = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "{more:?}: {error}");
    assert!(output.stdout.is_empty(), "nothing on standard output: {more:?}");
    error
}

fn layers(plan: &Value, machine: &str) -> Option<(u64, u64)> {
    let placed = plan["placement"].as_array().expect("a list").iter();
    let placed = placed.clone().find(|placed| placed["machine"] == machine)?;
    Some((placed["start"].as_u64()?, placed["end"].as_u64()?))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn pins_and_machines_left_out_or_in_are_obeyed() {
    let plan = plan(&["--objective", "max-flow", "--pin", "a100-1=3..13", "--pin", "t4-1?=40..44"]);
    assert_eq!(layers(&plan, "a100-1"), Some((3, 13)));
    for machine in ["t4-10", "t4-11", "t4-12"] {
        assert_eq!(layers(&plan, machine), Some((40, 44)), "{machine}");
    }
    assert!(number(&plan["throughput_tokens_per_s"]) > 1000.0, "{}", plan["throughput_tokens_per_s"]);
    assert!(plan["throughput_tokens_per_s"].as_f64() <= plan["upper_bound_tokens_per_s"].as_f64());
}

#[test]
fn what_is_forbidden_is_left_out_and_what_is_required_takes_part() {
    let free = plan(&["--objective", "max-flow", "--max-depth", "9"]);
    let idle = free["unused_machines"].as_array().expect("a list");
    let idle = idle.iter().map(|idle| idle["machine"].as_str().expect("a name").to_owned());
    let without: Vec<String> = idle.filter(|name| layers(&free, name).is_none()).collect();
    let mut more = vec!["--objective", "max-flow", "--max-depth", "12", "--forbid", "a100-2"];
    for name in &without {
        more.extend(["--require", name]);
    }
    let plan = plan(&more);
    assert_eq!(layers(&plan, "a100-2"), None);
    for name in &without {
        assert!(layers(&plan, name).is_some(), "{name}");
    }
    let forbidden = plan["unused_machines"].as_array().expect("a list").iter();
    let mut forbidden = forbidden.filter(|idle| idle["reason"] == "is forbidden");
    assert_eq!(forbidden.next().expect("one machine")["machine"], "a100-2");
}

#[test]
fn a_plan_that_runs_already_stays_and_a_lost_machine_does_not_move_all() {
    let file = folder("running").join("running.toml");
    let file = file.to_str().expect("UTF-8");
    let first = plan(&["--objective", "max-flow", "-o", file]);
    let again = plan(&["--objective", "max-flow", "--start-from", file, "--min-gain", "0"]);
    assert_eq!(again["planner"], "running");
    assert_eq!(again["placement"], first["placement"]);
    assert_eq!(again["changes"][0]["layers_to_load"], 0);
    assert!(again["changes"][0]["machines"].as_array().expect("a list").is_empty());

    let lost = ["--objective", "max-flow", "--forbid", "t4-3"];
    let near = plan(&[lost.as_slice(), &["--start-from", file]].concat());
    let far = plan(&[lost.as_slice(), &["--diff", file]].concat());
    let load = |plan: &Value| number(&plan["changes"][0]["layers_to_load"]);
    assert!(load(&near) < load(&far), "{} and {}", load(&near), load(&far));
    assert!(load(&near) <= 25.0, "{} layers", load(&near));
    let flow = |plan: &Value| number(&plan["throughput_tokens_per_s"]);
    assert!(flow(&near) >= flow(&far) / 1.01, "within the least gain of 1 %");
    // The machines' layers and bytes add up, and what is dropped loads nothing.
    let change = &near["changes"][0];
    let machines = change["machines"].as_array().expect("a list");
    let sum: f64 = machines.iter().map(|machine| number(&machine["bytes_to_load"])).sum();
    assert_eq!(sum, number(&change["bytes_to_load"]));
    let dropped = machines.iter().find(|machine| machine["machine"] == "t4-3").expect("the lost machine");
    assert_eq!((&dropped["what"], &dropped["layers_to_load"]), (&"dropped".into(), &0.into()));
    assert_eq!(number(&change["before"]["throughput_tokens_per_s"]), flow(&first));
    // Who asks for a large gain loads less for less.
    let gain = plan(&[lost.as_slice(), &["--start-from", file, "--min-gain", "100%"]].concat());
    assert!(load(&gain) <= load(&near) && flow(&gain) >= flow(&near) / 2.0);
    let options = gain["changes"][0]["trade"]["options"].as_array().expect("a list");
    assert_eq!(options.iter().filter(|option| option["chosen"] == true).count(), 1);
}

#[test]
fn the_text_shows_what_changes() {
    let folder = folder("text");
    let swarm = folder.join("swarm.toml");
    let swarm = swarm.to_str().expect("UTF-8");
    plan(&["--planner", "swarm", "-o", swarm]);
    let output = helix(&arguments(&["--planner", "petals", "--diff", swarm]));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("moved") && text.contains("layers to load") && text.contains("before"), "{text}");
    // By hand: SWARM gives a100-1 four layers, Petals twelve.
    assert!(text.lines().any(|line| line.contains("moved") && line.contains(" a100-1 ")), "{text}");
}

#[test]
fn contradictions_are_refused_with_what_to_do() {
    for (more, code, says) in [
        (["--pin", "t4-1=0..4", "--forbid", "t4-1"].as_slice(), 2, "pinned to layers 0..4 and forbidden"),
        (&["--pin", "t4-1=0..4", "--pin", "t4-1=4..8"], 2, "to layers 0..4 and to layers 4..8"),
        (&["--pin", "t4-*=0..4", "--pin", "t4-3=1..5"], 2, "t4-3 is pinned"),
        (&["--require", "l4-1", "--forbid", "l4-*"], 2, "l4-1 is required and forbidden"),
        (&["--pin", "t4-1=78..82"], 2, "the model ends at layer 80"),
        (&["--pin", "t4-1=0..40"], 4, "t4-1 cannot be pinned to layers 0..40, it holds"),
        (&["--pin", "*4-*=0..4", "--pin", "a100-*=0..4"], 4, "leave 76 layers to the others, which hold 0"),
        (&["--pin", "t4-1=0-4"], 2, "NAME=START..END"),
        (&["--pin", "t4-1=4..4"], 2, "START must be less than END"),
        (&["--pin", "t4_1=0..4"], 2, "did you mean `t4-1`?"),
        (&["--forbid", "a100_2"], 2, "did you mean `a100-2`?"),
        (&["--require", "h100-*"], 2, "no machine `h100-*`"),
        (&["--forbid", "*"], 4, "that are not forbidden (24 are) hold 0"),
        (&["--forbid", "*100-*", "--forbid", "l4-*", "--forbid", "t4-1*"], 4, "GB more are needed"),
        (&["--min-gain", "5%"], 2, "--start-from"),
        (&["--budget", "0s"], 2, "needs some time"),
        (&["--planner", "swarm", "--pin", "t4-1=0..4"], 2, "use the planner `auto`"),
    ] {
        let error = refused(more, code);
        assert!(error.contains(says), "{more:?}: {error}");
    }
    let overlap = ["--pin", "a100-*=0..20", "--pin", "l4-*=15..25", "--pin", "t4-*=25..29"];
    let error = refused(&overlap, 4);
    assert!(error.contains("leave 51 layers to the others, which hold 0"), "{error}");
}

#[test]
fn placements_of_other_problems_are_refused() {
    let folder = folder("others");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file for the test");
        path.to_str().expect("UTF-8").to_owned()
    };
    let model = write(
        "model.toml",
        "version = 1\nmodel = \"llama-1-30b\"\nmodel_layers = 60\nmachines = [{ machine = \"t4-1\", start = 0, end = 4 }]\n",
    );
    let cluster = write(
        "cluster.toml",
        "version = 1\nmodel = \"llama-2-70b\"\nmodel_layers = 80\nmachines = [{ machine = \"t4-13\", start = 0, end = 4 }]\n",
    );
    for flag in ["--start-from", "--diff"] {
        let error = refused(&[flag, &model], 3);
        assert!(
            error.contains("llama-1-30b with 60 layers") && error.contains("llama-2-70b with 80"),
            "{error}"
        );
        let error = refused(&[flag, &cluster], 3);
        assert!(error.contains("t4-13") && error.contains("t4-1"), "{error}");
        assert!(refused(&[flag, "/nowhere.toml"], 3).contains("/nowhere.toml"));
    }
    let fits = write(
        "fits.toml",
        "version = 1\nmodel = \"llama-2-70b\"\nmodel_layers = 80\nmachines = [{ machine = \"t4-1\", start = 0, end = 4 }]\n",
    );
    assert!(refused(&["--planner", "swarm", "--start-from", &fits], 2).contains("`--diff`"));
    for flags in [["--objective", "steady"], ["--budget", "3s"], ["--pin", "t4-1=0..4"]] {
        let error = refused(&[["--evaluate", &fits].as_slice(), &flags].concat(), 2);
        assert!(error.contains("cannot be used with"), "{error}");
    }
    let swarm = plan(&["--planner", "swarm", "--budget", "3s", "--max-depth", "20"]);
    assert!(swarm["note"].as_str().expect("a note").contains("--budget has no effect"), "{swarm}");
    assert!(refused(&["--planner", "swarm", "--max-depth", "5"], 4).contains("20 machines in a row"));
    let pinned = refused(&["--pin", "a100-*=0..10", "--forbid", "t4-*", "--forbid", "l4-*"], 4);
    assert!(pinned.contains("leave 70 layers to the others, which hold 0"), "{pinned}");
}

#[test]
fn lengths_come_from_a_workload_or_a_trace() {
    let folder = folder("lengths");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file for the test");
        path.to_str().expect("UTF-8").to_owned()
    };
    let workload = write(
        "chat.toml",
        "version = 1\n[arrivals]\nkind = \"poisson\"\nrate = \"2 req/s\"\n[lengths]\ninput_tokens = 2000\n\
         output_tokens = { p0 = 100, p100 = 300 }\n",
    );
    let paper = plan(&["--planner", "swarm"]);
    let long = plan(&["--planner", "swarm", "--workload", &workload]);
    assert_eq!(
        (number(&long["lengths"]["prompt_tokens"]), number(&long["lengths"]["output_tokens"])),
        (2000.0, 200.0)
    );
    let decode = |plan: &Value| number(&plan["predicted_decode_tokens_per_s"]);
    assert!(decode(&long) < decode(&paper), "longer prompts leave less for answers");
    let trace = write(
        "trace.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,10,30\n2023-11-16 18:15:47.68,30,10\n",
    );
    let short = plan(&["--planner", "swarm", "--workload", &trace]);
    assert_eq!(
        (number(&short["lengths"]["prompt_tokens"]), number(&short["lengths"]["output_tokens"])),
        (20.0, 20.0)
    );
    assert!(refused(&["--workload", "/nowhere.toml"], 3).contains("/nowhere.toml"));
}
