//! `--record`: what was served, for `helix simulate --replay`; the format is in `docs/recording.md`.

use std::path::Path;

use helix_runtime::Recorder;
use helix_spec::{Cluster, Placement};

use crate::exit_codes::{Failure, Kind};

/// What a header says: all that a replay needs but the model's shape, which is read from its folder.
pub fn header(cluster: &Cluster, placement: &Placement, folder: &Path) -> String {
    let files = cluster.to_files();
    let beside: serde_json::Map<String, serde_json::Value> =
        files.cost_tables.into_iter().map(|(name, text)| (name, text.into())).collect();
    serde_json::json!({
        "version": 1,
        "kind": "helix recording",
        "scheduler": "max-flow",
        "model": placement.model,
        "model_folder": folder.display().to_string(),
        "placement": placement.to_toml(cluster),
        "cluster": files.cluster,
        "cluster_beside": beside,
    })
    .to_string()
}

/// Begins a recording where one is wanted.
pub fn recorder(
    path: Option<&Path>,
    (cluster, placement): (&Cluster, &Placement),
    folder: &Path,
) -> Result<Option<Recorder>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let header = header(cluster, placement, folder);
    let fail = |error: std::io::Error| {
        Failure::new(Kind::Other, format!("{} cannot be written: {error}", path.display()))
    };
    Recorder::create(path, &header).map(Some).map_err(fail)
}
