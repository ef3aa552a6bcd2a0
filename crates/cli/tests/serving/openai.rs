//! The official openai client for Python against a real cluster: the script that the API's stand-in passes, too.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::up::Up;

const PACKAGE: &str = "openai==3.52.0";

/// Python with the client, in a virtual environment of the build folder that the tests of `helix-server` use as well; the
/// reason when this machine cannot have one.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openai-3.52.0");
    let python = folder.join("bin/python");
    let has_client = |python: &Path| {
        let imported = Command::new(python).args(["-c", "import openai"]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    if has_client(&python) {
        return Ok(python);
    }
    let run = |command: &mut Command, what: &str| {
        let output = command.output().map_err(|error| format!("{what}: {error}"))?;
        if output.status.success() { Ok(()) } else { Err(format!("{what}: {}", last_line(&output))) }
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), "python3 -m venv")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", PACKAGE];
    run(Command::new(&python).args(pip), "pip install openai")?;
    Ok(python)
}

fn last_line(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

#[test]
fn the_official_client_works_unchanged_against_helix_up() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            // Where the package can be had, a silent pass would be a lie: whoever has it says so.
            let required = std::env::var_os("HELIX_REQUIRE_OPENAI").is_some_and(|value| !value.is_empty());
            assert!(!required, "HELIX_REQUIRE_OPENAI is set, but there is no openai client: {reason}");
            println!("skipped: no openai client on this machine ({reason})");
            return;
        }
    };
    let up = Up::start(4);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/openai_client.py");
    let output = Command::new(python).arg(script).arg(format!("http://{}", up.address)).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text, "ok\n");
    up.until("/cluster", |_, body| body.contains(r#""running":0"#) && body.contains(r#""failed":0"#));
}
