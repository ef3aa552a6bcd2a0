//! `helix parallel`: Helix parallelism, the KV cache sharded along the sequence over the GPUs of one machine.

mod bench;
mod chart;
mod check;
mod inputs;
mod memory;
mod numbers;
mod oracle;
mod pareto;
mod plan;
mod progress;

pub use progress::Progress;

use crate::exit_codes::Failure;
use crate::output::Output;

/// What to do about Helix parallelism.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prove that every layout computes what one rank computes
    Check(check::Arguments),
    /// Measure on this machine
    #[command(subcommand)]
    Bench(bench::Command),
    /// Sweep layouts and baselines: the frontier between interactivity and throughput
    Pareto(pareto::Arguments),
    /// Choose the layout of a machine's GPUs for a context and a latency target
    Plan(plan::Arguments),
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments, output),
        Command::Bench(command) => bench::run(command, output),
        Command::Pareto(arguments) => pareto::run(arguments, output),
        Command::Plan(arguments) => plan::run(arguments, output),
    }
}
