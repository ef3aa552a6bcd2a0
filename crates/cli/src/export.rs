//! `helix export`: clusters, tables and placements in the formats of other systems.

mod milp;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use helix_spec::asplos25::{self, ExportError, Exported};
use helix_spec::{Cluster, ModelShape, Placement, load_cluster_named};
use serde::Serialize;

use crate::exit_codes::{Failure, Kind};
use crate::folder::Folder;
use crate::import::Model;
use crate::output::{Format, Output};

/// Whose formats to write.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    to: To,
}

#[derive(Debug, Subcommand)]
enum To {
    Asplos25(Asplos25),
    Milp(milp::Arguments),
}

/// Writes a cluster and a placement for the simulator of the authors of the Helix paper (ASPLOS 2025)
///
/// The cluster becomes `cluster.ini`, `machine_profiles.ini`, `node_limits.csv` and a folder `profiles`, the placement
/// `helix_sol.ini` and `simulator_cluster.ini`. Machines are numbered in their order, `compute_node_2` is the first.
/// Speeds are in bytes a second there, whatever the names of their units (`mbps`, `gbps`) say.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helix export asplos25 --cluster single24 --model llama-2-70b -o theirs
  helix export asplos25 --cluster mine/cluster.toml --model llama-2-70b --placement plan.toml -o theirs")]
struct Asplos25 {
    /// A cluster that Helix ships, or a cluster file
    #[arg(long, value_name = "C")]
    cluster: String,
    /// Preset, a name of the authors' files (`LLaMa70B`), a model's folder, or a name that the cluster has tables for
    #[arg(long, value_name = "M")]
    model: String,
    /// Placement
    #[arg(long, value_name = "P")]
    placement: Option<PathBuf>,
    /// Folder to write into
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Write over files that an earlier export did not write
    #[arg(long)]
    force: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Summary {
    cluster: String,
    model: String,
    machines: usize,
    files: Vec<String>,
    notes: Vec<String>,
}

/// Writes in the format that was asked for.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    match &arguments.to {
        To::Asplos25(arguments) => asplos25(arguments, output),
        To::Milp(arguments) => milp::run(arguments, output),
    }
}

fn asplos25(arguments: &Asplos25, output: &mut Output) -> Result<(), Failure> {
    let cluster = load_cluster_named(&arguments.cluster)?;
    let model = model(&arguments.model, &cluster)?;
    let placement = match &arguments.placement {
        Some(path) => Some(Placement::load(path, &cluster)?),
        None => None,
    };
    let Exported { files, notes } = asplos25::export(&cluster, &model, placement.as_ref())
        .map_err(|error: ExportError| Failure::new(Kind::BadInput, error))?;
    let files: Vec<(String, String)> = files.into_iter().map(|file| (file.path, file.text)).collect();
    let folder = Folder { path: &arguments.output, mark: asplos25::EXPORT_MARK, force: arguments.force };
    let written = folder.write(&files)?;
    let summary = Summary {
        cluster: cluster.name.clone(),
        model,
        machines: cluster.machines.len(),
        files: written.iter().map(|path| path.display().to_string()).collect(),
        notes,
    };
    summary.print(output)
}

/// The model's name in the cluster's tables.
fn model(text: &str, cluster: &Cluster) -> Result<String, Failure> {
    let model = Model::named(text)?;
    if model.layers.is_some() || cluster.cost_tables_for(&model.name).is_some() {
        return Ok(model.name);
    }
    let error = ModelShape::named_or_folder(text).expect_err("a name without layers is neither");
    let tables: Vec<&str> = cluster.cost_tables.iter().map(|tables| tables.model.as_str()).collect();
    let tables = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
    Err(Failure::new(Kind::BadInput, format!("{error}; the cluster has tables for: {tables}")))
}

impl Summary {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        if output.format == Format::Json {
            return Ok(output.json(self)?);
        }
        let Self { cluster, model, machines, files, notes } = self;
        writeln!(output, "{cluster}: {machines} machines, tables of {model}")?;
        for note in notes {
            writeln!(output, "note: {note}")?;
        }
        writeln!(output, "written: {}", files.join(", "))?;
        Ok(())
    }
}
