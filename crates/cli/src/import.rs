//! `helix import`: clusters, measurements and placements of other systems.

mod profiles;
mod summary;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use helix_spec::asplos25::{self, Imported, ImportedModel, Inputs, Layout, PaperModel};
use helix_spec::{
    Cluster, DeviceCatalogue, FileError, MAX_DESCRIPTION_BYTES, ModelShape, Placement, Source, read_text,
};

use crate::exit_codes::Failure;
use crate::folder::Folder;
use crate::output::Output;
use summary::Summary;

/// Whose files to read.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    Asplos25(Asplos25),
}

/// Reads a cluster and a placement of the authors of the Helix paper (ASPLOS 2025)
///
/// Writes `cluster.toml` into the folder, with its cost tables beside it, and `placement.toml` where there is a
/// `--layout`. Beware of their units: `kbps`, `mbps` and `gbps` are bytes a second there. A link of `1000 * mbps` is
/// `8 Gbit/s`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helix import asplos25 --cluster cluster24.ini --machine-profiles machine_profile.ini \\
      --model llama-2-70b -o mine
  helix import asplos25 --cluster cluster24.ini --machine-profiles machine_profile.ini \\
      --profiles model_manager --limits node_limits.csv --model llama-2-70b \\
      --layout ilp/ilp_sol.ini --simulator-cluster ilp/simulator_cluster.ini -o mine
  helix plan --cluster mine/cluster.toml --model llama-2-70b --evaluate mine/placement.toml")]
struct Asplos25 {
    /// Cluster file, complete or pruned
    #[arg(long, value_name = "X.ini")]
    cluster: PathBuf,
    /// Interfaces, disk and memory of the machine types
    #[arg(long, value_name = "Y.ini")]
    machine_profiles: PathBuf,
    /// Folder of measured times, `TYPE/{prompt,decode}_bs2time.csv`, or one with such a folder for each model
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Table of declared throughputs, cache capacities and batch limits
    #[arg(long, value_name = "CSV")]
    limits: Option<PathBuf>,
    /// Preset, a name that the files have (`LLaMa70B`), or a model's folder
    #[arg(long, value_name = "NAME")]
    model: String,
    /// Placement
    #[arg(long, value_name = "Z_sol.ini")]
    layout: Option<PathBuf>,
    /// Cache capacities and links of the placement's run; its values win over the cluster's
    #[arg(long, value_name = "S.ini", requires = "layout")]
    simulator_cluster: Option<PathBuf>,
    /// Folder to write into
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Write over files that an earlier import did not write
    #[arg(long)]
    force: bool,
}

/// First words of what this command writes.
const MARK: &str = "# Imported by `helix import`";

/// Reads, checks, writes, and says what it found.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let From::Asplos25(arguments) = &arguments.from;
    let model = Model::named(&arguments.model)?;
    let imported = read(arguments, &model)?;
    let files = files(&imported)?;
    let folder = Folder { path: &arguments.output, mark: MARK, force: arguments.force };
    let written = folder.write(&files)?;
    Summary::new(&imported, arguments, &written).print(output)
}

/// A model on the command line.
pub struct Model {
    /// Preset's or folder's name, or the text itself.
    pub name: String,
    /// Its layers, where its shape is known.
    pub layers: Option<u32>,
}

impl Model {
    /// A name of the authors' files, a preset, a folder, or a name that only the files know.
    pub fn named(text: &str) -> Result<Self, FileError> {
        // A path is a folder, whatever it is called.
        if let Some(paper) = PaperModel::named(text).filter(|_| !text.contains(['/', '\\'])) {
            return Ok(Self { name: paper.preset.to_owned(), layers: Some(paper.layers) });
        }
        if ModelShape::preset(text).is_none() && !Path::new(text).exists() {
            return Ok(Self { name: text.to_owned(), layers: None });
        }
        let shape = ModelShape::named_or_folder(text)?;
        Ok(Self { name: shape.name, layers: Some(shape.layers) })
    }
}

fn read(arguments: &Asplos25, model: &Model) -> Result<Imported, FileError> {
    let (cluster, origin) = text(&arguments.cluster)?;
    let cluster = asplos25::parse_cluster(&cluster, &origin)?;
    let (machine_profiles, origin) = text(&arguments.machine_profiles)?;
    let machine_profiles = asplos25::parse_machine_profiles(&machine_profiles, &origin)?;
    let limits = match &arguments.limits {
        None => None,
        Some(path) => {
            let (text, origin) = text(path)?;
            Some(asplos25::parse_limits(&text, &origin)?)
        }
    };
    let times = match &arguments.profiles {
        None => std::collections::BTreeMap::new(),
        Some(folder) => profiles::read(folder, &model.name)?,
    };
    asplos25::import(&Inputs {
        name: &cluster_name(&arguments.cluster),
        cluster,
        machine_profiles,
        times,
        limits,
        model: ImportedModel { name: &model.name, layers: model.layers },
        layout: layout(arguments)?,
        catalogue: &DeviceCatalogue::builtin(),
    })
}

fn layout(arguments: &Asplos25) -> Result<Option<Layout>, FileError> {
    let Some(path) = &arguments.layout else { return Ok(None) };
    let (solution, origin) = text(path)?;
    let solution = asplos25::parse_solution(&solution, &origin)?;
    let simulator = match &arguments.simulator_cluster {
        None => None,
        Some(path) => {
            let (text, origin) = text(path)?;
            Some(asplos25::parse_simulator_cluster(&text, &origin, solution.offset)?)
        }
    };
    Ok(Some(Layout { solution, simulator }))
}

/// The text of a file and what messages call it.
fn text(path: &Path) -> Result<(String, String), FileError> {
    Ok((read_text(path, MAX_DESCRIPTION_BYTES)?, path.display().to_string()))
}

/// The cluster is called like its file, if that is a name for tables and pictures.
fn cluster_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().trim().to_owned());
    let plain = |name: &String| {
        !name.is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control)
    };
    stem.filter(plain).unwrap_or_else(|| "imported".to_owned())
}

/// The files to write, `cluster.toml` first. They are read back before any is written: what Helix would not read is
/// refused here, and a difference would be a defect of the writers.
fn files(imported: &Imported) -> Result<Vec<(String, String)>, Failure> {
    let Imported { cluster, placement, .. } = imported;
    let texts = cluster.to_files();
    let tables = texts.cost_tables;
    let mut files = vec![("cluster.toml".to_owned(), marked(&texts.cluster))];
    files.extend(tables.iter().map(|(name, text)| (name.clone(), marked(text))));
    let read_beside = |name: &str| {
        let found = files.iter().find(|(file, _)| file == name);
        found.cloned().ok_or_else(|| FileError::new(name, "is not one of the files to write"))
    };
    let source = Source { origin: "the imported cluster", text: &files[0].1 };
    let again = Cluster::parse(&source, &read_beside)?;
    assert!(again == *cluster, "a cluster file reads back as the cluster that was written");
    if let Some(placement) = placement {
        let text = marked(&placement.to_toml(cluster));
        let source = Source { origin: "the imported placement", text: &text };
        let again = Placement::parse(&source, cluster)?;
        assert!(again == *placement, "a placement file reads back as the placement that was written");
        files.push(("placement.toml".to_owned(), text));
    }
    Ok(files)
}

fn marked(text: &str) -> String {
    format!("{MARK}; the next import into this folder writes over it.\n{text}")
}
