//! A placement file as serde reads it, and its checks against the cluster whose machines it names.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::{Assignment, LayerRange, PartialInference, Placement, RankLayout};
use crate::file::{FileError, MAX_DESCRIPTION_BYTES, Pair, Source, excerpt, nearest, parse_toml, read_text};
use crate::{COORDINATOR, Cluster, Endpoint, MachineId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlacement {
    #[expect(dead_code, reason = "checked before this struct is filled")]
    version: i64,
    model: String,
    model_layers: Spanned<u32>,
    #[serde(default)]
    machines: Vec<RawAssignment>,
    links: Option<Vec<Pair<Spanned<String>, Spanned<String>>>>,
    #[serde(default)]
    partial_inference: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAssignment {
    machine: Spanned<String>,
    start: Spanned<u32>,
    end: Spanned<u32>,
    layout: Option<Spanned<RawLayout>>,
    kv_capacity: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLayout {
    #[serde(default = "one")]
    pipeline: u32,
    #[serde(default = "one")]
    attention_tensor: u32,
    #[serde(default = "one")]
    kv: u32,
    #[serde(default = "one")]
    ffn_tensor: u32,
    #[serde(default = "one")]
    expert: u32,
}

fn one() -> u32 {
    1
}

impl Placement {
    /// Reads the placement file at a path.
    pub fn load(path: &std::path::Path, cluster: &Cluster) -> Result<Self, FileError> {
        let text = read_text(path, MAX_DESCRIPTION_BYTES)?;
        Self::parse(&Source { origin: &path.display().to_string(), text: &text }, cluster)
    }

    /// Reads a placement file for a cluster. Whether the ranges cover the model and fit the machines is not asked here:
    /// that is the planner's validator.
    pub fn parse(source: &Source<'_>, cluster: &Cluster) -> Result<Self, FileError> {
        let raw: RawPlacement = parse_toml(source)?;
        if raw.model.trim().is_empty() {
            return Err(FileError::new(source.origin, "the model has no name").help("fill in `model`"));
        }
        if *raw.model_layers.get_ref() == 0 {
            return Err(source.error_at(&raw.model_layers.span(), "model_layers is 0, it must be at least 1"));
        }
        let names = MachineNames::new(source, cluster);
        let mut placement = Self::new(&raw.model, *raw.model_layers.get_ref());
        for entry in &raw.machines {
            let id = names.machine(&entry.machine)?;
            let assignment = assignment(source, entry, cluster.machine(id).count, placement.model_layers)?;
            if placement.machines.insert(id, assignment).is_some() {
                let problem = format!("machine `{}` is given twice", entry.machine.get_ref());
                return Err(source
                    .error_at(&entry.machine.span(), problem)
                    .help("a machine holds one range of layers; keep one of them"));
            }
        }
        if raw.partial_inference {
            placement.partial_inference = PartialInference::On;
        }
        placement.links = raw.links.map(|links| names.links(&links)).transpose()?;
        Ok(placement)
    }
}

fn assignment(
    source: &Source<'_>,
    entry: &RawAssignment,
    devices: u32,
    model_layers: u32,
) -> Result<Assignment, FileError> {
    let (start, end) = (*entry.start.get_ref(), *entry.end.get_ref());
    let name = entry.machine.get_ref();
    let Some(layers) = LayerRange::new(start, end) else {
        let problem =
            format!("machine `{name}` has start {start} and end {end}, start must be less than end");
        return Err(source
            .error_at(&entry.start.span(), problem)
            .help("layers count from 0, `end` is one past the last; a machine without layers is left out"));
    };
    if end > model_layers {
        let problem = format!("machine `{name}` has end {end}, the model has {model_layers} layers");
        return Err(source
            .error_at(&entry.end.span(), problem)
            .help(format!("`end` is one past the last layer, {model_layers} at most")));
    }
    let layout = match &entry.layout {
        None => RankLayout::tensor(devices),
        Some(raw) => layout(source, name, raw, devices)?,
    };
    Ok(Assignment { layers, layout, kv_capacity: entry.kv_capacity })
}

fn layout(
    source: &Source<'_>,
    machine: &str,
    raw: &Spanned<RawLayout>,
    devices: u32,
) -> Result<RankLayout, FileError> {
    let &RawLayout { pipeline, attention_tensor, kv, ffn_tensor, expert } = raw.get_ref();
    let layout = RankLayout { pipeline, attention_tensor, kv, ffn_tensor, expert };
    let refuse = |problem: String| source.error_at(&raw.span(), problem);
    let Some(ranks) = layout.ranks() else {
        let problem = format!(
            "the layout of machine `{machine}` has {attention_tensor} × {kv} ranks in attention \
             (attention_tensor × kv) and {ffn_tensor} × {expert} in the feed-forward (ffn_tensor × expert)"
        );
        return Err(refuse(problem).help("both run on the same devices: make the products equal"));
    };
    if ranks != devices {
        let problem =
            format!("the layout of machine `{machine}` has {ranks} ranks, the machine has {devices} devices");
        return Err(refuse(problem)
            .help(format!("make pipeline × attention_tensor × kv equal {devices}, or leave `layout` out")));
    }
    Ok(layout)
}

/// The cluster's machines by name.
struct MachineNames<'a> {
    source: &'a Source<'a>,
    cluster: &'a Cluster,
    ids: BTreeMap<&'a str, MachineId>,
}

impl<'a> MachineNames<'a> {
    fn new(source: &'a Source<'a>, cluster: &'a Cluster) -> Self {
        let ids = cluster.machine_ids().map(|id| (cluster.machine(id).name.as_str(), id)).collect();
        Self { source, cluster, ids }
    }

    fn machine(&self, name: &Spanned<String>) -> Result<MachineId, FileError> {
        self.ids.get(name.get_ref().as_str()).copied().ok_or_else(|| {
            let problem =
                format!("cluster `{}` has no machine `{}`", self.cluster.name, excerpt(name.get_ref()));
            let refused = self.source.error_at(&name.span(), problem);
            match nearest(name.get_ref(), self.ids.keys().copied()) {
                Some(near) => refused.help(format!("did you mean `{near}`?")),
                None => refused.help("is the placement for another cluster?"),
            }
        })
    }

    fn endpoint(&self, name: &Spanned<String>) -> Result<Endpoint, FileError> {
        if name.get_ref() == COORDINATOR {
            Ok(Endpoint::Coordinator)
        } else {
            self.machine(name).map(Endpoint::Machine)
        }
    }

    fn links(
        &self,
        raw: &[Pair<Spanned<String>, Spanned<String>>],
    ) -> Result<Vec<(Endpoint, Endpoint)>, FileError> {
        let mut seen = BTreeSet::new();
        let mut links = Vec::with_capacity(raw.len());
        for Pair(from, to) in raw {
            let ends = (self.endpoint(from)?, self.endpoint(to)?);
            let refuse = |problem: &str| {
                let text = format!("the link from `{}` to `{}` {problem}", from.get_ref(), to.get_ref());
                self.source.error_at(&from.span(), text)
            };
            if ends.0 == ends.1 {
                return Err(refuse("leads to where it begins"));
            }
            if !seen.insert(ends) {
                return Err(refuse("is given twice").help("keep one of them"));
            }
            if self.cluster.link(ends.0, ends.1).is_none() {
                return Err(refuse("does not exist in the cluster")
                    .help("links are directed: is it the other way round?"));
            }
            links.push(ends);
        }
        Ok(links)
    }
}
