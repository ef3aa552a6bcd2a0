//! The pages about the frontier hold the figures and the pictures that the commands give today.
//!
//! After a change that is meant, write the pictures again with the commands that the page names.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn pareto(arguments: &[&str]) -> String {
    let arguments = [&["parallel", "pareto"], arguments].concat();
    let output =
        Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Logarithms differ in their last digit between systems, and with them a pixel's tenth.
#[cfg(target_os = "linux")]
#[test]
fn the_pictures_are_those_of_today() {
    for (name, arguments) in [("figure1.svg", "--figure1"), ("frontier.svg", "--by-context")] {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        pareto(&[arguments, "--svg", fresh.to_str().unwrap()]);
        let kept = docs().join("concepts/helix-frontier").join(name);
        let (fresh, kept) = (std::fs::read_to_string(fresh).unwrap(), std::fs::read_to_string(kept).unwrap());
        assert!(fresh == kept, "docs/concepts/helix-frontier/{name} is not what `{arguments}` draws");
    }
}

#[test]
fn the_figures_are_those_of_today() {
    let report: Value = serde_json::from_str(&pareto(&["--format", "json"])).unwrap();
    let concept = std::fs::read_to_string(docs().join("concepts/helix-frontier.md")).unwrap();
    let design = std::fs::read_to_string(docs().join("design/parallel-frontier.md")).unwrap();
    let says = |page: &str, figure: &str| assert!(page.contains(figure), "no page says {figure}");
    let number = |value: &Value| value.as_f64().unwrap();
    let (headline, any) = (&report["headline"], &report["headline_any_batch"]);
    says(&concept, &format!("| up to 1.5x | {:.2}x |", number(&headline["r1_interactivity"])));
    says(&concept, &format!("| up to 32x | {:.1}x |", number(&headline["r1_throughput_at_equal_ttl"])));
    says(&concept, &format!("| 1.13x | {:.2}x |", number(&headline["llama405b_interactivity"])));
    says(&concept, &format!("| 4x | {:.1}x |", number(&headline["llama405b_throughput_at_equal_ttl"])));
    says(
        &design,
        &format!(
            "{:.1} and {:.1}",
            number(&any["r1_throughput_at_equal_ttl"]),
            number(&any["llama405b_throughput_at_equal_ttl"])
        ),
    );
    let configurations = report["configurations"].as_u64().unwrap();
    says(&concept, &format!("{},{:03} configurations", configurations / 1000, configurations % 1000));
    let loss = &report["models"][0]["helix_loses"][0];
    says(&concept, &format!("Below {:.0} tokens a second", number(&loss["up_to_tokens_per_s_user"])));
    says(&concept, &format!("Helix has {:.2} of", number(&loss["worst_ratio"])));
    let hop_b = |model: usize, name: &str| {
        let points = report["models"][model]["hop_b"].as_array().unwrap().iter();
        100.0 * points.map(|point| number(&point[name])).fold(0.0, f64::max)
    };
    let (without, chunked) = ("loss_without", "loss_without_against_chunked");
    says(
        &design,
        &format!("{:.1} % for Llama (batch 8) and {:.1} % for R1", hop_b(1, without), hop_b(0, without)),
    );
    says(&design, &format!("{:.1} % for R1 and {:.1} % for\n  Llama", hop_b(0, chunked), hop_b(1, chunked)));
}
