//! The command line from outside: exit codes, and what goes to which stream.

use std::process::{Command, Output};

fn helix(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helix")).args(arguments).output().expect("the built helix starts")
}

#[test]
fn help_and_completions_succeed() {
    for arguments in [&["--help"][..], &["--version"], &["completions", "bash"], &["completions", "zsh"]] {
        let output = helix(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_command_line_is_code_2_and_leaves_standard_output_empty() {
    for arguments in [
        &["no-such-command"][..],
        &["--format", "yaml", "completions", "bash"],
        &["completions", "bash", "--format", "json"],
        &[],
    ] {
        let output = helix(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}
