//! `helix completions`: a completion script for a shell.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::exit_codes::Failure;
use crate::output::{Format, Output};

/// Which shell to complete for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  helix completions bash > /etc/bash_completion.d/helix")]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    if output.format == Format::Json {
        return Err(Failure::usage("a completion script has no JSON form; leave `--format json` out"));
    }
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::Cli::command(), "helix", &mut script);
    Ok(output.write_all(&script)?)
}
