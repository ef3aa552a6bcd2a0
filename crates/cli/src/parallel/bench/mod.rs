//! `helix parallel bench`: measurements of Helix parallelism on this machine.

mod layer;
mod measure;
mod report;

use crate::exit_codes::Failure;
use crate::output::Output;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Decode steps of one DeepSeek decoder layer, its ranks as threads of this machine
    Layer(layer::Arguments),
}

/// Runs the measurement.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    match &arguments.command {
        Command::Layer(arguments) => layer::run(arguments, output),
    }
}
