//! `helix parallel plan` from outside: the answer in words and in JSON, and every refusal.

use std::process::{Command, Output};

use serde_json::Value;

fn plan(arguments: &[&str]) -> Output {
    let arguments = [&["parallel", "plan"], arguments].concat();
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts")
}

fn succeed(arguments: &[&str]) -> String {
    let output = plan(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = plan(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(output.stdout.is_empty(), "a refusal prints nothing on standard output");
    message
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(&[arguments, &["--format", "json"]].concat())).unwrap()
}

const LLAMA: [&str; 12] = [
    "--model",
    "llama-3.1-405b",
    "--gpus",
    "64",
    "--device",
    "GB200-NVL72",
    "--context",
    "1M",
    "--weights",
    "fp4",
    "--cache",
    "fp4",
];

#[test]
fn the_answer_in_words() {
    insta::assert_snapshot!("llama", succeed(&[&LLAMA[..], &["--ttl", "20ms"]].concat()));
    let r1 = [
        "--model",
        "deepseek-r1",
        "--gpus",
        "8",
        "--device",
        "GB200-NVL72",
        "--context",
        "256Ki",
        "--ttl",
        "50ms",
        "--layout",
        "tpa=1,kvp=8,ep=8",
    ];
    insta::assert_snapshot!("deepseek", succeed(&r1));
    let short = [
        "--model",
        "llama-3.1-70b",
        "--gpus",
        "8",
        "--device",
        "GB200-NVL72",
        "--context",
        "16Ki",
        "--ttl",
        "50ms",
    ];
    insta::assert_snapshot!("short", succeed(&short));
}

#[test]
fn the_answer_in_json_meets_the_target() {
    for ttl in [8.0, 12.0, 20.0, 60.0] {
        let found = json(&[&LLAMA[..], &["--ttl", &format!("{ttl}ms")]].concat());
        let best = &found["best"];
        let number = |name: &str| best[name].as_f64().unwrap();
        assert!(number("ttl_ms") <= ttl);
        assert_eq!(number("gpus_a_replica"), number("pp") * number("tpa") * number("kvp"));
        assert_eq!(number("tpa") * number("kvp"), number("tpf") * number("ep"));
        for other in found["runners_up"].as_array().unwrap() {
            assert!(other["tokens_per_s"].as_f64() <= best["tokens_per_s"].as_f64());
        }
        assert!(number("kvp") > 1.0, "a million tokens are sharded");
    }
}

#[test]
fn the_crossing_it_names_is_one() {
    let found = json(&[&LLAMA[..], &["--batch", "1"]].concat());
    let from = found["helix_from_context"].as_u64().unwrap();
    let kvp = |context: u64| {
        let mut arguments = LLAMA.map(str::to_owned);
        arguments[7] = context.to_string();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--batch", "1"]).collect();
        json(&arguments)["best"]["kvp"].as_u64().unwrap()
    };
    assert!(kvp(from) > 1 && kvp(from - 1024) == 1, "{from}");
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let at = |gpus: &'static str, context: &'static str| {
        ["--model", "llama-3.1-70b", "--gpus", gpus, "--device", "H100", "--context", context]
    };
    let message = refused(&at("4", "1M"), 4);
    assert!(message.contains("1000000 tokens of context do not fit: the nearest layout"), "{message}");
    assert!(
        message.contains("GB on every GPU") && message.contains("the longest context that fits"),
        "{message}"
    );
    assert!(message.contains("with 8 GPUs") || message.contains("with 16 GPUs"), "{message}");
    let message = refused(&[&at("8", "64Ki")[..], &["--ttl", "1ms"]].concat(), 4);
    assert!(message.contains("no layout reaches 1.000 ms a token: the fastest"), "{message}");
    assert!(!message.contains("--weights"), "no format makes it a hundred times faster: {message}");
    let large = ["--model", "llama-3.1-405b", "--gpus", "64", "--device", "GB200-NVL72", "--context", "1M"];
    let message = refused(&[&large[..], &["--ttl", "10ms"]].concat(), 4);
    assert!(message.contains("with --weights fp8 --cache fp8"), "{message}");
    json(&[&large[..], &["--ttl", "10ms", "--weights", "fp8", "--cache", "fp8"]].concat());
    let message = refused(&[&large[..], &["--batch", "4294967295"]].concat(), 4);
    assert!(message.contains("do not fit"), "{message}");
    let message = refused(&[&at("8", "64Ki")[..], &["--layout", "tpa=3,kvp=2"]].concat(), 4);
    assert!(message.contains("set TPA × KVP to one of 1, 2, 4, 8"), "{message}");
    let message = refused(&[&at("8", "64Ki")[..], &["--layout", "tpa=8,kvp=2"]].concat(), 4);
    assert!(message.contains("needs 16 GPUs"), "{message}");
    let message = refused(&[&at("8", "64Ki")[..], &["--layout", "tp=8"]].concat(), 2);
    assert!(message.contains("allowed are pp, tpa, kvp, tpf, ep"), "{message}");
    let message = refused(&at("0", "64Ki"), 2);
    assert!(message.contains("gpus") && message.contains("a whole number from 1 to"), "{message}");
    let message = refused(&[&at("8", "64Ki")[..], &["--batch", "0"]].concat(), 2);
    assert!(message.contains("batch") && message.contains("a whole number from 1 to"), "{message}");
    let message = refused(&[&at("8", "64Ki")[..], &["--layout", "kvp=2,tpa=4,KVP=4"]].concat(), 2);
    assert!(message.contains("`kvp` stands twice"), "{message}");
    assert!(refused(&at("4096", "64Ki"), 2).contains("allowed are 1 to 1024"));
    assert!(refused(&[&at("8", "64Ki")[..], &["--ttl", "20"]].concat(), 2).contains("ms"));
    assert!(
        refused(&[&at("8", "64Ki")[..], &["--interconnect", "0 GB/s"]].concat(), 2)
            .contains("--interconnect")
    );
    let unknown = |model: &'static str, device: &'static str| {
        ["--model", model, "--gpus", "8", "--device", device, "--context", "64Ki"]
    };
    assert!(refused(&unknown("llama-3.1-7b", "H100"), 3).contains("did you mean `llama-3.1-70b`?"));
    assert!(refused(&unknown("llama-3.1-70b", "H10"), 2).contains("did you mean `H100`"));
}
