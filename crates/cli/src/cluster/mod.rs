//! `helix cluster`: clusters made from a seed, and a cluster at a glance.

mod devices;
mod generate;
mod summary;
mod text;

use clap::{Args, Subcommand};

use crate::exit_codes::Failure;
use crate::output::{Format, Output};
use summary::Summary;

/// What to do with clusters.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a cluster from a seed, as the generators of the Helix paper's artifact do
    Generate(generate::Arguments),
    /// Show a cluster at a glance: regions, machines, links, tables
    Show(Show),
    /// List the devices that a cluster file may name
    Devices,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helix cluster show single24
  helix cluster show my-cluster.toml --format json")]
struct Show {
    /// Cluster file, or the name of one that Helix ships: single24, 3cluster24, cluster42
    cluster: String,
}

/// Runs the action.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    match &arguments.action {
        Action::Generate(arguments) => generate::run(arguments, output),
        Action::Devices => devices::run(output),
        Action::Show(show) => write_summary(&helix_spec::load_cluster_named(&show.cluster)?, output),
    }
}

fn write_summary(cluster: &helix_spec::Cluster, output: &mut Output) -> Result<(), Failure> {
    let summary = Summary::of(cluster);
    match output.format {
        Format::Text => text::write(output, &summary)?,
        Format::Json => output.json(&summary)?,
    }
    Ok(())
}
