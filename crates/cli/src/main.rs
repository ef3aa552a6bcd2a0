//! The `helix` command: a file a subcommand, each one `run(arguments, output) -> Result<(), Failure>`.

mod cluster;
mod compare;
mod completions;
mod exit_codes;
mod export;
mod files;
mod folder;
mod import;
mod large_pages;
mod output;
mod parallel;
mod picture;
mod plan;
mod serving;
mod simulate;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit_codes::Failure;
use output::{Format, Output};

/// Serves one large language model across the machines you happen to have
#[derive(Debug, Parser)]
#[command(name = "helix", version, after_help = exit_codes::help(), max_term_width = 110)]
struct Cli {
    /// How results are written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decide where the layers go, or judge a placement
    Plan(Box<plan::Arguments>),
    /// See how a placement serves requests, in virtual time
    Simulate(Box<simulate::Arguments>),
    /// Compare planners, schedulers and loads over seeds
    Compare(Box<compare::Arguments>),
    /// Helix parallelism: layouts of the GPUs inside one machine
    Parallel(parallel::Arguments),
    /// Make clusters from a seed, show clusters
    Cluster(cluster::Arguments),
    /// Serve a model from a whole cluster of processes on this machine
    Up(serving::UpArguments),
    /// Coordinate workers on other machines and offer the API
    Serve(serving::ServeArguments),
    /// Join a coordinator as one of its workers
    Worker(serving::WorkerArguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Read clusters, measurements and placements of other systems
    Import(import::Arguments),
    /// Write clusters, tables and placements in the formats of other systems
    Export(export::Arguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Plan(_) | Command::Simulate(_) | Command::Compare(_) = cli.command {
        large_pages::ask_for();
    }
    let mut output = Output::standard(cli.format);
    match run(cli.command, &mut output).and_then(|()| Ok(output.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Plan(arguments) => plan::run(&arguments, output),
        Command::Simulate(arguments) => simulate::run(&arguments, output),
        Command::Compare(arguments) => compare::run(&arguments, output),
        Command::Parallel(arguments) => parallel::run(&arguments, output),
        Command::Cluster(arguments) => cluster::run(&arguments, output),
        Command::Up(arguments) => serving::up(&arguments, output),
        Command::Serve(arguments) => serving::serve(&arguments, output),
        Command::Worker(arguments) => serving::worker(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, output),
        Command::Import(arguments) => import::run(&arguments, output),
        Command::Export(arguments) => export::run(&arguments, output),
    }
}
