//! Ctrl-C and SIGTERM during `helix plan`: the best plan so far, and the code that says so.
#![cfg(target_os = "linux")]

mod interrupt;

use std::path::Path;
use std::process::{Command, Stdio};

const HELIX: &str = env!("CARGO_BIN_EXE_helix");

#[test]
fn an_interrupt_ends_the_search_with_the_best_plan_so_far() {
    ends_with_the_best_plan(Command::new(HELIX), 2, "interrupt.toml");
}

#[test]
fn so_does_the_signal_of_service_managers() {
    ends_with_the_best_plan(Command::new(HELIX), 15, "terminate.toml");
}

/// Shells have Ctrl-C ignored by what they run behind them, and what is ignored stays so.
#[test]
fn so_does_that_signal_where_ctrl_c_is_ignored() {
    let mut behind = Command::new("sh");
    behind.args(["-c", "trap '' INT; exec \"$0\" \"$@\"", HELIX]);
    ends_with_the_best_plan(behind, 15, "behind.toml");
}

fn ends_with_the_best_plan(mut helix: Command, signal: u32, name: &str) {
    let cluster = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let cluster = cluster.to_str().expect("UTF-8");
    let made = Command::new(HELIX)
        .args([
            "cluster",
            "generate",
            "regions",
            "--machines",
            "A100=10,V100=20,L4=30,T4=40",
            "--regions",
            "3",
        ])
        .args(["--links", "per-region", "-o", cluster])
        .output()
        .expect("the helix command starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let child = helix
        .args(["plan", "--cluster", cluster, "--model", "llama-2-70b", "--objective", "max-flow"])
        .args(["--budget", "10min", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the helix command starts");
    let output = interrupt::signalled(child, signal);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("the best plan so far is above"), "{error}");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(plan["throughput_tokens_per_s"].as_f64().expect("a number") > 0.0);
    assert!(plan["solve_seconds"].as_f64().expect("a number") < 300.0);
}
