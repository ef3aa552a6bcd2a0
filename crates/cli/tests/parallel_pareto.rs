//! `helix parallel pareto` from outside: the headline, the figures, the files, the refusals.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn pareto(arguments: &[&str]) -> Output {
    let arguments = [&["parallel", "pareto"], arguments].concat();
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts")
}

fn succeed(arguments: &[&str]) -> String {
    let output = pareto(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = pareto(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(output.stdout.is_empty(), "a refusal prints nothing on standard output");
    message
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(&[arguments, &["--format", "json"]].concat())).unwrap()
}

/// A file of one test in the folder that cargo gives to tests.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn the_headline_is_within_the_papers_bands() {
    let report = json(&[]);
    let headline = |name: &str| report["headline"][name].as_f64().unwrap();
    for (name, low, high) in [
        ("r1_interactivity", 1.35, 1.65),
        ("r1_throughput_at_equal_ttl", 30.0, 40.0),
        ("llama405b_interactivity", 1.08, 1.20),
        ("llama405b_throughput_at_equal_ttl", 3.5, 5.0),
    ] {
        assert!((low..=high).contains(&headline(name)), "{name} {}", headline(name));
    }
    assert!(report["configurations"].as_u64().unwrap() > 100_000);
    let r1 = &report["models"][0];
    assert!(
        r1["helix_loses"].as_array().unwrap().iter().any(|loss| loss["worst_ratio"].as_f64() < Some(1.0))
    );
    assert!(r1["frontiers"]["helix"].as_array().unwrap().len() > 50);
    assert!(r1["hop_b"].as_array().unwrap().iter().all(|point| point["loss_without"].as_f64() >= Some(0.0)));
}

#[test]
fn threads_and_repetition_change_no_byte() {
    let arguments = ["--model", "llama-3.1-405b", "--context", "256Ki", "--format", "json", "--threads"];
    let with = |threads: &'static str| succeed(&[&arguments[..], &[threads]].concat());
    let one = with("1");
    assert_eq!(one, with("2"));
    assert_eq!(one, with("7"));
}

#[test]
fn figure_1_and_figure_3_are_exact() {
    let text = succeed(&["--figure1"]);
    insta::assert_snapshot!("figure1", text);
    let tables = json(&["--figure1"]);
    assert_eq!(tables["crossover_tokens"], 231_424.0);
    let hop_b = tables["figure_3"]["hop_b"].as_f64().unwrap();
    assert!((hop_b - 17.2).abs() < 1e-9);
    let sharded = json(&["--figure1", "--output-projection", "sharded"]);
    let last = |tables: &Value| tables["right"][3]["weights_us"].as_f64().unwrap();
    assert!(last(&sharded) < last(&tables), "the output projection is shared further");
}

#[test]
fn files_are_written_and_hold_together() {
    let (csv, svg, html) = (scratch("points.csv"), scratch("frontier.svg"), scratch("frontier.html"));
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let report = json(&["--csv", &path(&csv), "--svg", &path(&svg), "--html", &path(&html), "--by-context"]);
    let table = std::fs::read_to_string(&csv).unwrap();
    let columns = table.lines().next().unwrap().split(',').count();
    assert!(table.lines().all(|line| line.split(',').count() == columns));
    let points: usize = report["models"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|model| model["frontiers"].as_object().unwrap().values())
        .map(|frontier| frontier.as_array().unwrap().len())
        .sum();
    assert_eq!(table.lines().count(), points + 1);
    let picture = std::fs::read_to_string(&svg).unwrap();
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(picture.starts_with("<svg") && !picture.contains("NaN") && !picture.contains("inf"));
    assert!(page.contains(picture.trim_end()), "the page holds the same picture");
    // Self-contained: nothing is loaded.
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("@import"));
}

#[test]
fn the_hardware_can_be_replaced() {
    let own = include_str!("../../cost/data/gb200-nvl72.toml");
    let file = scratch("own.toml");
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        json(&["--model", "llama-3.1-405b", "--hardware", file.to_str().unwrap()])
    };
    let interactivity = |report: &Value| report["headline"]["llama405b_interactivity"].as_f64().unwrap();
    let same = run(own);
    let without_overhead = run(&own.replace("45 us", "0 us"));
    assert!(
        interactivity(&without_overhead) > 1.2 * interactivity(&same),
        "the fixed time of a layer hides the gain"
    );
    assert_eq!(same["headline"]["r1_interactivity"], Value::Null);
}

#[test]
fn wrong_input_is_refused_with_a_way_out() {
    let file = scratch("wrong.toml");
    std::fs::write(
        &file,
        include_str!("../../cost/data/gb200-nvl72.toml").replace("\nbandwidth", "\nbandwith"),
    )
    .unwrap();
    let message = refused(&["--hardware", file.to_str().unwrap()], 3);
    assert!(message.contains("unknown key `bandwith`; did you mean `bandwidth`?"), "{message}");
    assert!(refused(&["--hardware", "/no/such/file"], 3).contains("cannot be read"));
    assert!(refused(&["--model", "deepseek-r2"], 3).contains("deepseek-r1"));
    assert!(refused(&["--context", "0"], 2).contains("at least 1"));
    assert!(refused(&["--context", "many"], 2).contains("64Ki"));
    assert!(refused(&["--weights", "int3"], 2).contains("fp4"));
    let message = refused(&["--model", "llama-3.1-405b", "--context", "1099511627776"], 4);
    assert!(message.contains("lower --context"), "{message}");
    assert!(refused(&["--figure1", "--svg", "/dev/null/f.svg"], 1).contains("cannot be written"));
    assert!(refused(&["--threads", "0"], 2).contains("a whole number from 1 to"));
    let message = refused(&["--figure1", "--model", "deepseek-r1", "--context", "1M"], 2);
    assert!(message.contains("--model and --context have no effect with --figure1"), "{message}");
    assert!(message.contains("leave --figure1 out to sweep a model"), "{message}");
    for flag in [&["--weights", "fp8"][..], &["--cache", "fp8"], &["--by-context"], &["--threads", "1"]] {
        let message = refused(&[&["--figure1"], flag].concat(), 2);
        assert!(message.contains(&format!("{} has no effect", flag[0])), "{message}");
    }
    let message = refused(&["--csv", "same.txt", "--svg", "./same.txt"], 2);
    assert!(message.contains("--csv and --svg both name ./same.txt; give each"), "{message}");
    let hardware = file.to_str().unwrap();
    assert!(refused(&["--hardware", hardware, "--html", hardware], 2).contains("--hardware and --html"));
}
