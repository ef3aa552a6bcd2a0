//! Ctrl-C during `helix plan`: the best plan so far, and the code that says so.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whether the process has its own handler for the interrupt (signal 2), as the kernel sees it.
fn catches_interrupts(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
}

#[test]
fn an_interrupt_ends_the_search_with_the_best_plan_so_far() {
    let cluster = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interrupt.toml");
    let cluster = cluster.to_str().expect("UTF-8");
    let made = Command::new(env!("CARGO_BIN_EXE_helix"))
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
    let child = Command::new(env!("CARGO_BIN_EXE_helix"))
        .args(["plan", "--cluster", cluster, "--model", "llama-2-70b", "--objective", "max-flow"])
        .args(["--budget", "10min", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the helix command starts");
    while !catches_interrupts(&child) {
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
    assert!(sent.success());
    let output = child.wait_with_output().expect("the command ends");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("the best plan so far is above"), "{error}");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(plan["throughput_tokens_per_s"].as_f64().expect("a number") > 0.0);
    assert!(plan["solve_seconds"].as_f64().expect("a number") < 300.0);
}
