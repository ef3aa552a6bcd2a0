//! `helix parallel check` and `helix parallel bench layer` from outside.

use std::process::{Command, Output};

use serde_json::Value;

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

#[test]
fn every_layout_of_two_ranks_passes_and_says_so() {
    let output = helix(&["parallel", "check", "--ranks", "2", "--steps", "3", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let report = json(&output);
    assert_eq!(report["passed"], true);
    // One rank; two ranks in 2 × 2 ways of attention and feed-forward, and in two stages. Dense layers have EP = 1.
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(3 * 2 * ((1 + 2 + 1) + (1 + 4 + 1))));
    assert!(report["worst"]["f64"].as_f64().is_some_and(|worst| worst > 0.0 && worst < 1e-12));
    let text = helix(&["parallel", "check", "--ranks", "2", "--steps", "1", "--precision", "f32"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("compared with the oracle: all within tolerance"));
}

/// A check that cannot fail would be worth nothing.
#[test]
fn every_planted_bug_ends_with_code_1_and_names_the_layouts() {
    for fault in [
        "dropped-shard",
        "swapped-output-rows",
        "local-rope-position",
        "double-write",
        "no-empty-identity",
        "shard-zero-everywhere",
    ] {
        let output = helix(&[
            "parallel",
            "check",
            "--ranks",
            "2",
            "--steps",
            "1",
            "--precision",
            "bf16",
            "--plant",
            fault,
        ]);
        assert_eq!(output.status.code(), Some(1), "{fault}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("MISS gqa-dense PP 1 TPA 1 KVP 2 TPF 2 EP 1 in bf16"), "{fault}: {text}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("miss their tolerance"), "{fault}");
    }
}

#[test]
fn scenarios_run_by_name_and_unknown_ones_are_refused() {
    let scenario = |more: &[&str]| {
        let named = ["parallel", "check", "--precision", "f32", "--format", "json", "--scenario"];
        let output = helix(&[&named[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json(&output)["rows"][0].clone()
    };
    let row = scenario(&["gqa-1x64"]);
    assert_eq!((&row["kvp"], &row["oracle"]), (&Value::from(2), &Value::from("plain")));
    assert_eq!(scenario(&["mla-1x64"])["oracle"], "expanded");
    assert_eq!(scenario(&["mla-1x64", "--oracle", "absorbed"])["oracle"], "absorbed");
    let unknown = helix(&["parallel", "check", "--scenario", "mla-3x3"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("mla-1x1048576"));
    let indivisible = helix(&["parallel", "check", "--scenario", "gqa-1x64", "--kvp", "3"]);
    assert_eq!(indivisible.status.code(), Some(2));
    let message = String::from_utf8_lossy(&indivisible.stderr).into_owned();
    assert!(message.contains("query heads = 16 does not divide by TPA × KVP = 3"), "{message}");
}

#[test]
fn flags_of_scenarios_are_refused_without_one() {
    for flag in [["--kvp", "4"], ["--oracle", "absorbed"]] {
        let output = helix(&["parallel", "check", "--ranks", "1", flag[0], flag[1]]);
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(&format!("{} has no effect without --scenario", flag[0])), "{message}");
        assert!(message.contains("name a scenario or leave it out"), "{message}");
    }
}

/// Nothing that is printed is lost in silence, and the error says where it should have gone.
#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_named() {
    for format in ["text", "json"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has a full device");
        let output = Command::new(env!("CARGO_BIN_EXE_helix"))
            .args(["parallel", "check", "--ranks", "1", "--steps", "1", "--format", format])
            .stdout(full)
            .output()
            .expect("the built helix starts");
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains("standard output cannot be written: No space left"), "{message}");
    }
}

/// The original's underscore spellings, its line, aliased experts and the label of oversubscription.
#[test]
fn the_bench_measures_and_checks_a_layer() {
    let arguments =
        ["parallel", "bench", "layer", "--type", "lite", "--ctx_len_start", "64", "--ctx_len_end", "128"];
    let more = ["--kvp", "2", "--ep", "2", "--quant", "q8", "--experts-held", "2", "--steps", "2", "--check"];
    let output = helix(&[&arguments[..], &more, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert_eq!((&report["experts_held"], &report["experts_routed"]), (&Value::from(2), &Value::from(72)));
    assert_eq!(report["oversubscribed"], report["ranks"].as_u64() > report["cores"].as_u64());
    let lines = report["lines"].as_array().expect("a line a context");
    assert_eq!(lines.len(), 2);
    for (line, context) in lines.iter().zip([64, 128]) {
        assert_eq!(line["check"]["passed"], true, "{line}");
        assert_eq!(line["check"]["oracle"], "expanded", "{line}");
        let original = line["original"].as_str().expect("the original's line");
        let start = format!(
            "Rank 0 2-GPU: time taken for 2 steps of moe, ctx_len/ctx_len_per_gpu/tp/kvp/ep: {context}/{}/1/2/2: ",
            context / 2
        );
        assert!(original.starts_with(&start), "{original}");
        assert!(original.ends_with(" DS decoder layer/s"));
        // Exchanged for one layer in f32: half of 32 latents and statistics, two all-reduces over two ranks.
        let expected = 16 * 512 * 4 + 16 * 2 * 4 + 2 * 2560 * 4;
        assert_eq!(line["bytes_exchanged_per_rank"], Value::from(f64::from(expected)));
    }
}

#[test]
fn impossible_benches_are_refused_with_what_to_change() {
    let refused = |arguments: &[&str]| {
        let output = helix(&[&["parallel", "bench", "layer", "--type", "lite"], arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, message) = refused(&["--tp", "2", "--kvp", "2", "--ep", "3"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("set --ep to a divisor of 4"), "{message}");
    let (code, message) = refused(&["--dense", "--kvp", "5"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("query heads = 32 does not divide by TPA × KVP = 5"), "{message}");
    let (code, message) = refused(&["--ctx-len-start", "64", "--ctx-len-end", "32"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("--ctx-len-end 32 is below"), "{message}");
    assert_eq!(refused(&["--type", "v4"]).0, Some(2));
    for (arguments, expected) in [
        (&["--dense", "--experts-held", "2"][..], "--experts-held has no effect with --dense"),
        (&["--experts-held", "73"], "--experts-held 73 is more than the 72 routed experts"),
        (&["--dense", "--compare"], "--compare has no effect with a single rank"),
        (&["--dense", "--chunks", "4", "--batch", "3"], "--chunks 4 is more than --batch 3"),
        (&["--dense", "--oracle", "expanded"], "--check"),
    ] {
        let (code, message) = refused(arguments);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    if cfg!(target_os = "linux") {
        let (code, message) = refused(&["--dense", "--ctx-len-start", "4294967296", "--batch", "4096"]);
        assert_eq!(code, Some(4));
        assert!(message.contains("GB are missing") && message.contains("tokens of context fit"), "{message}");
    }
}
