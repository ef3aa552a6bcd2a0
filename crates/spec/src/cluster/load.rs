//! Clusters by path or by the name of a preset.

use std::path::Path;

use super::Cluster;
use crate::file::{FileError, MAX_DESCRIPTION_BYTES, Source, excerpt, nearest, read_text};

/// A cluster that Helix ships.
struct Preset {
    name: &'static str,
    cluster: &'static str,
    /// File name and text of its cost tables.
    cost_tables: &'static [(&'static str, &'static str)],
}

/// The declared throughputs are those of this mix of 24 machines, wherever they stand.
const COSTS_OF_24: &[(&str, &str)] =
    &[("costs-llama-2-70b.toml", include_str!("../../data/clusters/costs-llama-2-70b.toml"))];

const PRESETS: &[Preset] = &[
    Preset {
        name: "single24",
        cluster: include_str!("../../data/clusters/single24.toml"),
        cost_tables: COSTS_OF_24,
    },
    Preset {
        name: "3cluster24",
        cluster: include_str!("../../data/clusters/3cluster24.toml"),
        cost_tables: COSTS_OF_24,
    },
    Preset {
        name: "cluster42",
        cluster: include_str!("../../data/clusters/cluster42.toml"),
        cost_tables: &[],
    },
];

/// Names of the clusters that Helix ships: those of the Helix paper.
pub fn cluster_presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// Reads a cluster file and the cost tables that it names.
pub fn load_cluster(path: &Path) -> Result<Cluster, FileError> {
    let text = read_text(path, MAX_DESCRIPTION_BYTES)?;
    let origin = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    let read_beside = |file: &str| {
        let path = folder.join(file);
        Ok((path.display().to_string(), read_text(&path, MAX_DESCRIPTION_BYTES)?))
    };
    Cluster::parse(&Source { origin: &origin, text: &text }, &read_beside)
}

/// A preset by its name, else the cluster file at this path.
///
/// ```
/// let error = helix_spec::load_cluster_named("singel24").unwrap_err().to_string();
/// assert!(error.contains("did you mean `single24`?"), "{error}");
/// ```
pub fn load_cluster_named(name: &str) -> Result<Cluster, FileError> {
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) {
        return preset.load();
    }
    let path = Path::new(name);
    if path.exists() || path.extension().is_some() || path.components().count() > 1 {
        return load_cluster(path);
    }
    let presets = cluster_presets().collect::<Vec<_>>().join(", ");
    let meant =
        nearest(name, cluster_presets()).map_or(String::new(), |name| format!("did you mean `{name}`? "));
    Err(FileError::new(&excerpt(name), "is neither a file nor the name of a cluster that Helix ships")
        .help(format!("{meant}shipped are {presets}")))
}

impl Preset {
    fn load(&self) -> Result<Cluster, FileError> {
        let origin = format!("preset {}", self.name);
        let read_beside = |file: &str| {
            let table = self.cost_tables.iter().find(|(name, _)| *name == file);
            let (name, text) = table.ok_or_else(|| FileError::new(file, "is not shipped"))?;
            Ok((format!("preset {}: {name}", self.name), (*text).to_owned()))
        };
        Cluster::parse(&Source { origin: &origin, text: self.cluster }, &read_beside)
    }
}
