//! `helix cluster` from outside: what it prints, what it writes, how it refuses.

use std::path::PathBuf;
use std::process::{Command, Output};

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts")
}

fn printed(arguments: &[&str]) -> String {
    let output = helix(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("helix prints UTF-8")
}

/// Exit code and message, where nothing may have gone to standard output.
fn refused(arguments: &[&str]) -> String {
    let output = helix(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let code = output.status.code().expect("helix ends by itself");
    format!("{code} {}", String::from_utf8_lossy(&output.stderr).trim())
}

/// A file name of this test's own, gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("helix-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a temporary folder with a UTF-8 name")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_papers_clusters_at_a_glance() {
    let shown = ["single24", "3cluster24", "cluster42"].map(|name| printed(&["cluster", "show", name]));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_cluster_for_scripts() {
    insta::assert_snapshot!(printed(&["cluster", "show", "3cluster24", "--format", "json"]));
}

#[test]
fn every_device_is_listed() {
    let text = printed(&["cluster", "devices"]);
    let json = printed(&["cluster", "devices", "--format", "json"]);
    let devices: Vec<serde_json::Value> = serde_json::from_str(&json).expect("helix prints JSON");
    assert!(devices.len() >= 19);
    for device in devices {
        let name = device["name"].as_str().expect("a name");
        assert!(text.lines().any(|line| line.trim_start().starts_with(name)), "{name}");
        assert!(
            device["memory_bytes"].as_u64() > Some(0) && !device["source"].as_str().unwrap_or("").is_empty()
        );
    }
}

#[test]
fn what_is_generated_is_shown_and_can_be_read() {
    let file = Scratch::new("regions.toml");
    let generate = ["cluster", "generate", "regions", "--machines", "A100=2,L4x2=3,T4=20", "--regions", "7"];
    let options = ["--links", "per-region", "--seed", "5", "--name", "seven", "-o", file.path()];
    let shown = printed(&[&generate[..], &options].concat());
    insta::assert_snapshot!(shown);
    assert_eq!(printed(&["cluster", "show", file.path()]), shown);
}

#[test]
fn without_a_file_the_cluster_goes_to_standard_output() {
    let random = ["cluster", "generate", "random", "--kinds", "A100,T4", "--count", "3", "--seed", "9"];
    let text = printed(&random);
    insta::assert_snapshot!(text);
    assert_eq!(printed(&random), text, "one seed, one cluster");
    insta::assert_snapshot!(printed(&["cluster", "generate", "single", "--machines", "H100x8=2,RTX-4090=1"]));
}

#[test]
fn mistakes_have_their_exit_codes_and_say_what_to_do() {
    let broken = Scratch::new("broken.toml");
    std::fs::write(&broken.0, "version = 1\nname = \"x\"\nregion = []\n").expect("a temporary file");
    let generate = |rest: &[&str]| refused(&[&["cluster", "generate"], rest].concat());
    let all = [
        refused(&["cluster", "show", "singel24"]),
        refused(&["cluster", "show", broken.path()]).replace(broken.path(), "broken.toml"),
        generate(&["single", "--machines", "A100=1", "--format", "json"]),
        generate(&["single", "--machines", "Z100=1"]),
        generate(&["single", "--machines", "A100"]),
        generate(&["single", "--machines", "A100=1", "--bandwidth", "0 Gbit/s"]),
        generate(&["single", "--machines", "A100=1", "--nic", "0 Gbit/s"]),
        generate(&["single", "--machines", "A100=1", "--name", ""]),
        generate(&["single", "--machines", "A100=1", "--bandwidth", "8 GB/s"]),
        generate(&["regions", "--machines", "A100=1", "--regions", "2"]),
        generate(&["regions", "--machines", "A100=2001", "--regions", "2"]),
        generate(&["regions", "--machines", "A100=2", "--between-latency", "5 ms +- 6 ms"]),
        generate(&["random", "--kinds", "T4", "--count", "4294967295"]),
        generate(&["random", "--kinds", "T4", "--count", "2", "--slow-percent", "101"]),
        generate(&["single", "--machines", "A100=1", "-o", "/"]),
    ];
    insta::assert_snapshot!(all.join("\n\n"));
}
