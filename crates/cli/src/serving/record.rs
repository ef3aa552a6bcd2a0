//! `--record`: what was served, for `helix simulate --replay`; the format is in `docs/recording.md`.

use std::path::Path;

use clap::ValueEnum;
use helix_runtime::{Recorder, Routes};
use helix_spec::{Cluster, Placement};

use crate::exit_codes::{Failure, Kind};
use crate::simulate::name_of;

/// Who chooses the ways of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// In proportion to the plan's flow, in strict turns.
    MaxFlow,
    /// In proportion to the plan's flow over all links that can share it, with turns that vary a little: requests mix.
    MixedFlow,
    /// Mixed flow, but while there is flow to spare the way on which a prompt is through first.
    LatencyAware,
}

impl From<Scheduler> for Routes {
    fn from(scheduler: Scheduler) -> Self {
        match scheduler {
            Scheduler::MaxFlow => Self::MaxFlow,
            Scheduler::MixedFlow => Self::MixedFlow,
            Scheduler::LatencyAware => Self::LatencyAware,
        }
    }
}

/// What a header says: all that a replay needs but the model's shape, which is read from its folder.
fn header(cluster: &Cluster, placement: &Placement, folder: &Path, scheduler: &str) -> String {
    let files = cluster.to_files();
    let beside: serde_json::Map<String, serde_json::Value> =
        files.cost_tables.into_iter().map(|(name, text)| (name, text.into())).collect();
    serde_json::json!({
        "version": 1,
        "kind": "helix recording",
        "scheduler": scheduler,
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
    scheduler: Scheduler,
) -> Result<Option<Recorder>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let header = header(cluster, placement, folder, &name_of(&scheduler));
    let fail = |error: std::io::Error| {
        Failure::new(Kind::Other, format!("{} cannot be written: {error}", path.display()))
    };
    Recorder::create(path, &header).map(Some).map_err(fail)
}
