//! `helix import asplos25` and `helix export asplos25` from outside, on a cluster that Helix ships and on files made of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for each test, removed when the test has passed.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A path in it, as the command line takes it.
    fn at(&self, path: &str) -> String {
        self.0.join(path).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts")
}

/// Standard output of a command that must succeed and say nothing else.
#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = helix(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a command that must fail with a code and print nothing.
#[track_caller]
fn fails(code: i32, arguments: &[&str]) -> String {
    let output = helix(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty());
    errors
}

/// Exports a cluster that Helix ships into `theirs`.
fn export(folder: &Folder) {
    succeeds(&[
        "export",
        "asplos25",
        "--cluster",
        "single24",
        "--model",
        "LLaMa70B",
        "-o",
        &folder.at("theirs"),
    ]);
}

/// Arguments that import it from there into `ours`.
fn import_arguments(folder: &Folder) -> Vec<String> {
    let mut arguments = vec!["import".to_owned(), "asplos25".to_owned()];
    for (flag, path) in [
        ("--cluster", "theirs/cluster.ini"),
        ("--machine-profiles", "theirs/machine_profiles.ini"),
        ("--profiles", "theirs/profiles"),
        ("--limits", "theirs/node_limits.csv"),
        ("-o", "ours"),
    ] {
        arguments.extend([flag.to_owned(), folder.at(path)]);
    }
    arguments.extend(["--model".to_owned(), "llama-2-70b".to_owned()]);
    arguments
}

fn with<'a>(arguments: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

#[test]
fn what_is_exported_can_be_imported() {
    let folder = Folder::new("round-trip");
    export(&folder);
    fs::write(folder.0.join("x_sol.ini"), "[Settings]\noffset=2\n[Solution]\ncompute_node_2=[0, 1]\n")
        .unwrap();
    let arguments = import_arguments(&folder);
    let layout = folder.at("x_sol.ini");
    let text = succeeds(&with(&arguments, &["--layout", &layout]));
    assert!(text.starts_with("cluster: 24 machines (4 × A100, 8 × L4, 12 × T4)\n"), "{text}");
    assert!(text.contains("links      600, 8 Gbit/s\n") && text.contains("23 declared rows"), "{text}");
    // Again, as JSON, over its own earlier output.
    let json = succeeds(&with(&arguments, &["--layout", &layout, "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["machines"]["T4"], 12);
    assert_eq!(json["placement"]["machines"], 1);
    assert_eq!(json["files"].as_array().unwrap().len(), 3);
    // And out again from what was written.
    let (cluster, placement) = (folder.at("ours/cluster.toml"), folder.at("ours/placement.toml"));
    let again = folder.at("again");
    succeeds(&[
        "export",
        "asplos25",
        "--cluster",
        &cluster,
        "--model",
        "llama-2-70b",
        "--placement",
        &placement,
        "-o",
        &again,
    ]);
    for file in [
        "cluster.ini",
        "machine_profiles.ini",
        "node_limits.csv",
        "profiles/llama2_70b/l4/decode_bs2time.csv",
    ] {
        let read = |folder_name: &str| fs::read_to_string(folder.0.join(folder_name).join(file)).unwrap();
        assert_eq!(read("theirs"), read("again"), "{file}");
    }
    let solution = fs::read_to_string(folder.0.join("again/helix_sol.ini")).unwrap();
    assert!(solution.contains("compute_node_2=[0, 1]\ncompute_node_3=[]\n"), "{solution}");
    // Nothing half-written stays behind.
    for entry in fs::read_dir(folder.0.join("ours")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name}");
    }
}

#[test]
fn files_of_others_are_not_written_over() {
    let folder = Folder::new("overwrite");
    export(&folder);
    let arguments = import_arguments(&folder);
    fs::create_dir(folder.0.join("ours")).unwrap();
    fs::write(folder.0.join("ours/cluster.toml"), "version = 1 # by hand\n").unwrap();
    let error = fails(2, &with(&arguments, &[]));
    assert!(error.contains("cluster.toml is there already") && error.contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(folder.0.join("ours/cluster.toml")).unwrap(), "version = 1 # by hand\n");
    assert!(!folder.0.join("ours/costs-llama-2-70b.toml").exists());
    succeeds(&with(&arguments, &["--force"]));
    succeeds(&with(&arguments, &[]));
}

#[test]
fn wrong_files_are_code_3_and_leave_nothing() {
    let folder = Folder::new("wrong");
    export(&folder);
    let arguments = import_arguments(&folder);
    let good = fs::read_to_string(folder.0.join("theirs/cluster.ini")).unwrap();
    for (text, wanted) in [
        (good.replacen("latency=1 * MilliSec", "latency=exec('x')", 1), "unknown name `exec`"),
        (good.replace("type=A100", "type=A1000"), "did you mean `A100`?"),
        (String::new(), "is empty"),
        (good[..good.len() / 2].to_owned(), "cluster.ini"),
    ] {
        fs::write(folder.0.join("theirs/cluster.ini"), text).unwrap();
        let error = fails(3, &with(&arguments, &[]));
        assert!(error.starts_with("error: ") && error.contains(wanted), "{wanted}: {error}");
        assert!(!folder.0.join("ours").exists());
    }
    fs::write(folder.0.join("theirs/cluster.ini"), b"[NodeNames]\xff\xfe").unwrap();
    assert!(fails(3, &with(&arguments, &[])).contains("is not text"));
    fs::write(folder.0.join("theirs/cluster.ini"), &good).unwrap();
    let run = folder.at("theirs/cluster.ini");
    assert!(fails(2, &with(&arguments, &["--simulator-cluster", &run])).contains("--layout"));
    let unknown = folder.at("theirs/nothing.ini");
    assert!(fails(3, &with(&arguments, &["--layout", &unknown])).contains("cannot be read"));
}

#[test]
fn profiles_are_found_for_the_model_or_the_candidates_named() {
    let folder = Folder::new("profiles");
    export(&folder);
    let profiles = folder.0.join("theirs/profiles");
    fs::rename(profiles.join("llama2_70b"), profiles.join("llama1_30b")).unwrap();
    let mut arguments = import_arguments(&folder);
    let error = fails(3, &with(&arguments, &[]));
    assert!(error.contains("nor a folder for the model llama-2-70b; it has: llama1_30b"), "{error}");
    // The folder itself will do, whatever it is called.
    let place = arguments.iter().position(|argument| argument == "--profiles").unwrap() + 1;
    arguments[place] = folder.at("theirs/profiles/llama1_30b");
    assert!(succeeds(&with(&arguments, &[])).contains("measured times of A100, L4, T4"));
}

#[test]
fn exports_need_a_model_that_is_known() {
    let folder = Folder::new("export-model");
    let export = |model: &str| {
        let theirs = folder.at("theirs");
        fails(3, &["export", "asplos25", "--cluster", "single24", "--model", model, "-o", &theirs])
    };
    let error = export("llama-2-7b0");
    assert!(
        error.contains("did you mean `llama-2-70b`?") && error.contains("tables for: llama-2-70b"),
        "{error}"
    );
    assert!(!folder.0.join("theirs").exists());
}
