//! Checks of this repository that no other tool makes: `cargo xtask tidy`.

mod manifests;
mod sources;
mod tree;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    if command.as_deref() != Some("tidy") {
        eprintln!("usage: cargo xtask tidy");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match tidy(&root) {
        Ok(findings) if findings.is_empty() => {
            println!("tidy: every rule of ARCHITECTURE.md that a program can check holds");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            eprintln!("tidy: {} findings", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that breaks a rule, as `file:line: what is wrong`.
fn tidy(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = manifests::check(root)?;
    for file in tree::text_files(root)? {
        sources::check(&file, &mut findings);
    }
    Ok(findings)
}
