//! `helix plan` from outside: what scripts read, what it writes, and how it refuses.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the helix command starts")
}

/// A folder of this test's own whose name has a space.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plan {name}"));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = helix(arguments);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_empty(), "nothing on standard output");
    String::from_utf8(output.stderr).expect("text")
}

const SINGLE: [&str; 5] = ["plan", "--cluster", "single24", "--model", "llama-2-70b"];

fn single<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [SINGLE.as_slice(), more].concat()
}

#[test]
fn json_has_the_fields_that_scripts_rely_on_and_the_files_are_written() {
    let folder = folder("fields");
    let [placement, html, svg] = ["placement.toml", "plan.html", "plan.svg"].map(|name| folder.join(name));
    let [placement, html, svg] = [&placement, &html, &svg].map(|path| path.to_str().expect("UTF-8"));
    let arguments = [
        "--planner",
        "swarm",
        "--objective",
        "max-flow",
        "--format",
        "json",
        "-o",
        placement,
        "--html",
        html,
        "--svg",
        svg,
    ];
    let plan = json(&helix(&single(&arguments)));
    assert_eq!(plan["planner"], "swarm");
    assert!((plan["throughput_tokens_per_s"].as_f64().unwrap() - 757.853_185).abs() < 1e-5);
    assert!((plan["upper_bound_tokens_per_s"].as_f64().unwrap() - 2_045.641).abs() < 0.5);
    assert_eq!(plan["depth"], 20);
    assert_eq!(plan["placement"].as_array().unwrap().len(), 24);
    assert_eq!(
        plan["placement"][0]["end"].as_u64().unwrap() - plan["placement"][0]["start"].as_u64().unwrap(),
        4
    );
    assert_eq!(plan["unused_machines"].as_array().unwrap().len(), 4);
    for field in ["gap", "solve_seconds", "predicted_decode_tokens_per_s", "bottleneck"] {
        assert!(!plan[field].is_null(), "{field}");
    }
    let flows = plan["flows"].as_array().unwrap();
    assert!(flows.iter().all(|flow| flow["from"].is_string() && flow["tokens_per_s"].is_f64()));
    for (path, begins) in [(html, "<!doctype html>"), (svg, "<svg ")] {
        assert!(std::fs::read_to_string(path).unwrap().starts_with(begins), "{path}");
    }
    let page = std::fs::read_to_string(html).unwrap();
    assert!(!page.contains("src=") && !page.contains("<link"), "the page loads nothing");
    // The placement comes back with the same answer, and as the text of a person.
    let again = json(&helix(&single(&["--evaluate", placement, "--format", "json"])));
    assert_eq!(again["throughput_tokens_per_s"], plan["throughput_tokens_per_s"]);
    assert_eq!(again["planner"], "given");
    let text = helix(&single(&["--evaluate", placement]));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("only t4-8 (T4, 757.9 tok/s) holds layers 64..68, and it is fully used"), "{text}");
}

#[test]
fn the_default_planner_proves_the_optimum_of_the_papers_cluster() {
    let plan = json(&helix(&single(&["--objective", "max-flow", "--format", "json"])));
    assert!(plan["throughput_tokens_per_s"].as_f64().unwrap() >= 2_045.6);
    assert!(plan["gap"].as_f64().unwrap() <= 1e-3);
    assert!(plan["front"].as_array().unwrap().len() > 3);
    assert_eq!(plan["candidates"].as_array().unwrap().len(), 6);
}

#[test]
fn a_placement_that_cannot_run_says_why_with_its_code() {
    let folder = folder("refusals");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let head = "version = 1\nmodel = \"llama-2-70b\"\nmodel_layers = 80\n";
    let gap =
        write("gap.toml", &format!("{head}machines = [{{ machine = \"a100-1\", start = 0, end = 12 }}]\n"));
    assert!(refused(&single(&["--evaluate", &gap]), 4).contains("no machine holds layers 12..80"));
    let key = write("key.toml", &format!("{head}machins = []\n"));
    let error = refused(&single(&["--evaluate", &key]), 3);
    assert!(error.contains("key.toml:4: unknown key `machins`; did you mean `machines`?"), "{error}");
    let range =
        write("range.toml", &format!("{head}machines = [{{ machine = \"t4-1\", start = 0, end = 70 }}]\n"));
    assert!(refused(&single(&["--evaluate", &range]), 4).contains("t4-1 cannot hold layers 0..70"));
    assert!(refused(&single(&["--evaluate", "/nowhere.toml"]), 3).contains("/nowhere.toml"));
    assert!(
        refused(&["plan", "--cluster", "single24", "--model", "deepseek-r1"], 4)
            .contains("GB more are needed")
    );
    assert!(refused(&["plan", "--cluster", "singel24", "--model", "llama-2-70b"], 3).contains("single24"));
    assert!(refused(&single(&["--budget", "0s"]), 2).contains("needs some time"));
    let shallow = refused(&single(&["--max-depth", "3"]), 4);
    assert!(shallow.contains("3 are allowed"), "{shallow}");
    assert!(shallow.contains("the shallowest plan that was found has 9 machines in a row"), "{shallow}");
}

const TWO_NODES: &str = r#"version = 1
name = "two-nodes"
coordinator = { region = "here", nic = "10 Gbit/s" }
regions = [{ name = "here", bandwidth = "10 Gbit/s", latency = "1 ms" }]
machines = [{ name = "big", replicas = 2, device = "H100", count = 8 }]
"#;

#[test]
fn machines_of_several_devices_get_the_layout_that_their_speed_is_computed_for() {
    let folder = folder("layouts");
    let [cluster, placement] = ["cluster.toml", "placement.toml"].map(|name| folder.join(name));
    std::fs::write(&cluster, TWO_NODES).expect("written");
    let [cluster, placement] = [&cluster, &placement].map(|path| path.to_str().expect("UTF-8"));
    // Latent attention is one KV head: plain tensor parallelism would hold the cache eight times.
    let base = ["plan", "--cluster", cluster, "--model", "deepseek-v2-lite", "--format", "json"];
    let plan = json(&helix(&[&base[..], &["--objective", "max-flow", "-o", placement]].concat()));
    let layout = &plan["placement"][0]["layout"];
    assert_eq!((layout["attention_tensor"].as_u64(), layout["kv"].as_u64()), (Some(1), Some(8)), "{layout}");
    let note = plan["note"].as_str().expect("nobody measured an H100");
    assert!(note.starts_with("times of H100 follow from datasheets alone"), "{note}");
    // What was written says the same, and is judged the same.
    let text = std::fs::read_to_string(placement).expect("the placement was written");
    assert!(text.contains("layout = { kv = 8, ffn_tensor = 8 }"), "{text}");
    let again = json(&helix(&[&base[..], &["--evaluate", placement]].concat()));
    assert_eq!(again["throughput_tokens_per_s"], plan["throughput_tokens_per_s"]);
    assert_eq!(again["note"], plan["note"]);
    // Another layout in the file is kept, with a note.
    std::fs::write(placement, text.replacen("{ kv = 8, ffn", "{ attention_tensor = 2, kv = 4, ffn", 1))
        .unwrap();
    let other = json(&helix(&[&base[..], &["--evaluate", placement]].concat()));
    assert!(
        other["note"].as_str().expect("a note").contains("1 machines, big-1 the first"),
        "{}",
        other["note"]
    );
    assert_eq!(other["placement"][0]["layout"]["kv"], 4);
}

#[test]
fn a_file_that_cannot_be_written_does_not_lose_the_plan() {
    let folder = folder("unwritable");
    let [placement, blocked] = ["placement.toml", "blocked/plan.html"].map(|name| folder.join(name));
    // A file where a folder would have to be.
    std::fs::write(folder.join("blocked"), "").expect("a file");
    let [placement, blocked] = [&placement, &blocked].map(|path| path.to_str().expect("UTF-8"));
    let arguments = ["--objective", "max-flow", "--format", "json", "--html", blocked, "-o", placement];
    let output = helix(&single(&arguments));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("plan.html cannot be written"), "{error}");
    let plan: Value = serde_json::from_slice(&output.stdout).expect("the plan is printed all the same");
    assert!(plan["throughput_tokens_per_s"].as_f64().expect("a number") > 2045.0);
    assert!(std::fs::read_to_string(placement).expect("the other file is written").contains("a100-1"));
}

#[test]
fn files_that_cannot_be_right_are_refused_before_the_search() {
    let folder = folder("outputs");
    let [of_the_folder, file] =
        [folder.clone(), folder.join("one")].map(|path| path.to_str().expect("UTF-8").to_owned());
    assert!(refused(&single(&["-o", &of_the_folder]), 2).contains("is a folder"));
    let twice = refused(&single(&["-o", &file, "--svg", &file]), 2);
    assert!(twice.contains("--output and --svg both write"), "{twice}");
    let other = "version = 1\nmodel = \"qwen3-8b\"\nmodel_layers = 36\nmachines = [\n\
                 { machine = \"a100-1\", start = 0, end = 36 },\n]\n";
    std::fs::write(&file, other).expect("written");
    let diff = refused(&single(&["--diff", &file]), 3);
    assert!(diff.contains("is for qwen3-8b with 36 layers"), "{diff}");
}

const FOUR_NODES: &str = r#"version = 1
name = "four-nodes"
coordinator = { region = "here", nic = "10 Gbit/s" }
regions = [{ name = "here", bandwidth = "10 Gbit/s", latency = "1 ms" }]
machines = [
  { name = "a", replicas = 2, device = "RTX-4090" },
  { name = "b", replicas = 2, device = "RTX-3090" },
]
"#;

#[test]
fn a_model_that_just_fits_is_placed() {
    let folder = folder("just-fits");
    let cluster = folder.join("cluster.toml");
    std::fs::write(&cluster, FOUR_NODES).expect("written");
    let cluster = cluster.to_str().expect("UTF-8");
    // Half of their memory holds 48 of the 64 layers, all of it 76.
    let plan = json(&helix(&[
        "plan",
        "--cluster",
        cluster,
        "--model",
        "qwen3-32b",
        "--budget",
        "5s",
        "--format",
        "json",
    ]));
    assert!(plan["throughput_tokens_per_s"].as_f64().expect("a number") > 0.0, "{plan}");
    let (flow, bound) = (plan["throughput_tokens_per_s"].as_f64(), plan["upper_bound_tokens_per_s"].as_f64());
    assert!(flow <= bound, "{plan}");
    // It would write over what it reads.
    let error = refused(&["plan", "--cluster", cluster, "--model", "qwen3-32b", "-o", cluster], 2);
    assert!(error.contains("is what --cluster reads"), "{error}");
    assert!(std::fs::read_to_string(cluster).expect("still there") == FOUR_NODES);
}

#[test]
fn runs_that_are_asked_for_end_with_the_budget() {
    let arguments = single(&["--simulations", "1000000", "--budget", "3s", "--format", "json"]);
    let plan = json(&helix(&arguments));
    assert!(plan["solve_seconds"].as_f64().expect("a number") < 300.0, "{plan}");
    if !plan["simulation"].is_null() {
        assert_eq!(plan["simulation"]["ending"], "budget");
    }
}

#[test]
fn the_papers_recipe_goes_by_name() {
    let declared = json(&helix(&single(&["--planner", "swarm", "--format", "json"])));
    let recipe = json(&helix(&single(&["--planner", "swarm", "--cost", "paper", "--format", "json"])));
    // The rows that single24 declares are what the recipe gives on single24.
    assert_eq!(declared["throughput_tokens_per_s"], recipe["throughput_tokens_per_s"]);
    assert!(recipe["note"].as_str().expect("a note").contains("the paper's recipe"));
    let elsewhere = ["plan", "--cluster", "cluster42", "--model", "llama-2-70b", "--cost", "paper"];
    assert!(refused(&elsewhere, 3).contains("the paper's recipe needs"));
}
