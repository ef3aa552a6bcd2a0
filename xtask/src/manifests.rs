//! Who may depend on whom (the table of ARCHITECTURE.md), and which crates must stay pure.

use std::path::Path;

use anyhow::Context as _;

/// A crate and the crates of ours that it may depend on, dev-dependencies included.
const MAY_DEPEND_ON: [(&str, &[&str]); 12] = [
    ("spec", &[]),
    ("cost", &["spec", "parallel"]),
    ("planner", &["spec", "cost"]),
    ("scheduler", &["spec"]),
    ("sim", &["spec", "cost", "scheduler"]),
    ("parallel", &["spec"]),
    ("engine", &["spec", "parallel"]),
    ("builtin", &[]),
    ("runtime", &["spec", "cost", "scheduler", "engine"]),
    ("server", &["spec", "runtime"]),
    (
        "cli",
        &[
            "spec",
            "cost",
            "planner",
            "scheduler",
            "sim",
            "parallel",
            "engine",
            "builtin",
            "runtime",
            "server",
        ],
    ),
    ("xtask", &[]),
];

/// Crates without I/O, clock, environment, randomness of their own or async runtime.
const PURE: [&str; 6] = ["spec", "cost", "planner", "scheduler", "sim", "parallel"];

/// Crates that bring what a pure crate must not have.
const IMPURE_DEPENDENCIES: [&str; 9] =
    ["tokio", "async-std", "smol", "futures", "reqwest", "hyper", "tonic", "axum", "getrandom"];

/// Checks every manifest of the workspace.
pub fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut manifests = vec![(String::from("xtask"), root.join("xtask/Cargo.toml"))];
    for entry in std::fs::read_dir(root.join("crates"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        manifests.push((name, path.join("Cargo.toml")));
    }
    manifests.sort();
    for (name, path) in manifests {
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        check_manifest(&name, &text.parse().with_context(|| path.display().to_string())?, &mut findings);
        if PURE.contains(&name.as_str()) && path.with_file_name("clippy.toml").exists() {
            findings.push(format!(
                "crates/{name}/clippy.toml: a pure crate must keep the disallowed lists of the root"
            ));
        }
    }
    Ok(findings)
}

fn check_manifest(name: &str, manifest: &toml::Table, findings: &mut Vec<String>) {
    let file =
        if name == "xtask" { String::from("xtask/Cargo.toml") } else { format!("crates/{name}/Cargo.toml") };
    let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(known, _)| *known == name) else {
        findings.push(format!(
            "{file}: unknown crate `{name}`: add it to the table in xtask and in ARCHITECTURE.md"
        ));
        return;
    };
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    if lints != Some(true) {
        findings.push(format!("{file}: `[lints] workspace = true` is missing"));
    }
    for (kind, dependency) in dependencies(manifest) {
        if let Some(ours) = dependency.strip_prefix("helix-") {
            if !allowed.contains(&ours) {
                findings.push(format!(
                    "{file}: `{name}` may not depend on `{ours}` (allowed: {})",
                    allowed.join(", ")
                ));
            }
        } else if kind != "dev-dependencies"
            && PURE.contains(&name)
            && IMPURE_DEPENDENCIES.contains(&dependency)
        {
            findings.push(format!("{file}: `{name}` is pure and may not depend on `{dependency}`"));
        }
        if dependency.starts_with("highs") && name != "planner" {
            findings.push(format!("{file}: only the planner knows the MILP solver"));
        }
    }
}

fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = (&str, &str)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = std::iter::once(manifest).chain(
        manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(toml::Value::as_table)),
    );
    tables.flat_map(move |table| {
        kinds.into_iter().flat_map(move |kind| {
            let names = table.get(kind).and_then(toml::Value::as_table);
            names.into_iter().flat_map(move |names| names.keys().map(move |name| (kind, name.as_str())))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, manifest: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_manifest(name, &manifest.parse().unwrap(), &mut findings);
        findings
    }

    #[test]
    fn a_dependency_against_the_direction_is_found_wherever_it_hides() {
        let lints = "[lints]\nworkspace = true\n";
        assert_eq!(
            findings("sim", &format!("{lints}[dependencies]\nhelix-scheduler = \"1\"\n")),
            Vec::<String>::new()
        );
        for table in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let found = findings("sim", &format!("{lints}[{table}]\nhelix-runtime = \"1\"\n"));
            assert_eq!(found.len(), 1, "{table}: {found:?}");
        }
        assert_eq!(findings("planner", &format!("{lints}[dependencies]\ntokio = \"1\"\n")).len(), 1);
        assert_eq!(findings("cost", &format!("{lints}[dependencies]\nhighs = \"1\"\n")).len(), 1);
        assert_eq!(findings("spec", "[dependencies]\n").len(), 1, "lints are missing");
        assert_eq!(findings("stranger", lints).len(), 1);
    }
}
