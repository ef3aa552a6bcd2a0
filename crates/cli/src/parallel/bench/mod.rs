//! `helix parallel bench`: measurements of Helix parallelism on this machine.

mod layer;
mod measure;
mod report;

use crate::exit_codes::Failure;
use crate::output::Output;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Decode steps of one DeepSeek decoder layer, its ranks as threads of this machine
    Layer(layer::Arguments),
}

/// Runs the measurement.
pub fn run(command: &Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Layer(arguments) => layer::run(arguments, output),
    }
}
