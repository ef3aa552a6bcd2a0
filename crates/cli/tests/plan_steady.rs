//! `helix plan --objective steady` from outside: simulated where there is time, estimated where there is none, and said so.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the helix command starts")
}

/// Eleven machines that just hold the model: few requests fit, so runs are cheap.
fn small_cluster() -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("steady.toml");
    let path = path.to_str().expect("UTF-8").to_owned();
    let made = helix(&["cluster", "generate", "single", "--machines", "A100=2,L4=9", "-o", &path]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

#[test]
fn a_number_of_runs_gives_one_simulated_plan_with_its_front() {
    let cluster = small_cluster();
    let html = Path::new(env!("CARGO_TARGET_TMPDIR")).join("steady.html");
    let html = html.to_str().expect("UTF-8");
    let base = ["plan", "--cluster", &cluster, "--model", "llama-2-70b", "--simulations", "8"];
    let plan = json(&helix(&[&base[..], &["--format", "json", "--html", html]].concat()));
    assert_eq!(plan["predicted_by"], "simulation");
    let simulation = &plan["simulation"];
    let chosen = &simulation["chosen"];
    let rate = chosen["decode_tokens_per_s"]["mean"].as_f64().expect("a number");
    assert_eq!(plan["predicted_decode_tokens_per_s"].as_f64(), Some(rate));
    assert!(rate > 1.0, "{rate}");
    assert_eq!(
        (&simulation["settings"], &simulation["scheduler"]),
        (&Value::from("serving"), &Value::from("mixed-flow"))
    );
    for latency in ["prompt_latency_s", "decode_latency_s"] {
        assert!(chosen[latency]["mean"].as_f64().expect("a number") > 0.0, "{latency}");
    }
    // The plan's placement is the chosen point's.
    assert_eq!(plan["placement"].as_array().unwrap().len(), chosen["placement"].as_array().unwrap().len());
    let front = simulation["front"].as_array().expect("a list");
    assert_eq!(front.iter().filter(|point| point["chosen"] == true).count(), 1);
    let page = std::fs::read_to_string(html).expect("the page was written");
    assert!(page.contains("Decode throughput against latency"));
    // Again, as text: the same figures.
    let text = helix(&base);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(
        text.contains(&format!("{rate:.1}")) && text.contains("decode throughput against latency"),
        "{text}"
    );
}

/// The same settings, and other figures: by the preset's own scheduler and by the one that is asked for.
#[test]
fn plans_are_simulated_with_the_scheduler_that_is_asked_for() {
    let base = ["plan", "--cluster", "single24", "--model", "llama-2-70b", "--simulations", "1"];
    let base = [&base[..], &["--preset", "asplos25", "--format", "json"]].concat();
    let preset = json(&helix(&base));
    let asked = json(&helix(&[&base[..], &["--scheduler", "random"]].concat()));
    let of = |plan: &Value, key: &str| plan["simulation"][key].clone();
    assert_eq!(
        (of(&preset, "scheduler"), of(&asked, "scheduler")),
        (Value::from("max-flow"), Value::from("random"))
    );
    assert_eq!(of(&preset, "settings"), of(&asked, "settings"));
    assert_ne!(of(&preset, "chosen")["decode_tokens_per_s"], of(&asked, "chosen")["decode_tokens_per_s"]);
}

#[test]
fn without_time_the_estimate_decides_and_says_so() {
    let cluster = small_cluster();
    let plan = ["plan", "--cluster", &cluster, "--model", "llama-2-70b", "--budget", "1ms"];
    let report = json(&helix(&[&plan[..], &["--format", "json"]].concat()));
    assert_eq!(report["predicted_by"], "estimate");
    assert!(report["simulation"].is_null());
    assert!(report["note"].as_str().expect("a note").contains("no time to simulate"), "{}", report["note"]);
    assert!(report["predicted_decode_tokens_per_s"].as_f64().expect("a number") > 1.0);
}

#[test]
fn flags_about_simulation_go_with_simulated_plans_only() {
    for flags in [["--preset", "asplos25"], ["--simulations", "3"], ["--scheduler", "random"]] {
        for other in [["--planner", "swarm"], ["--objective", "max-flow"]] {
            let plan = ["plan", "--cluster", "single24", "--model", "llama-2-70b"];
            let output = helix(&[&plan[..], &flags, &other].concat());
            assert_eq!(output.status.code(), Some(2), "{flags:?} {other:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("--objective steady"));
        }
    }
}
