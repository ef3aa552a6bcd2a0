//! From a cluster and a placement to the authors' files.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{PLAIN, PaperModel, is_plain};
use super::{export_cluster, export_run, export_tables};
use crate::{Cluster, Endpoint, MachineId, Placement, RankLayout};

/// How every `.ini` file of an export begins, by which an earlier export is known.
pub const EXPORT_MARK: &str = "# Written by Helix.";

/// Clusters up to this size are written, half a million links; the authors' largest has 42 machines.
const MAX_MACHINES: usize = 1000;

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Path below the folder of the export, with `/` between its parts.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// What came of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The files, `cluster.ini` first.
    pub files: Vec<ExportedFile>,
    /// What the authors' formats cannot say and what was left out.
    pub notes: Vec<String>,
}

/// Why something cannot be said in the authors' formats.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Every pair of machines has a section of its own.
    #[error(
        "{machines} machines are too many for the authors' format, which writes every pair of them; up to {} are \
         written",
        MAX_MACHINES
    )]
    TooLarge {
        /// What the cluster has.
        machines: usize,
    },
    /// Names become section heads and folders.
    #[error("`{name}` cannot be a name in the authors' files; {}", PLAIN)]
    Name {
        /// What was found.
        name: String,
    },
    /// Folders of profiles are machine types in lower case.
    #[error(
        "machine types `{one}` and `{other}` differ in letter case only, which the authors' folders cannot tell"
    )]
    SameFolder {
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// A value beyond the integers that a double holds.
    #[error("{value} is too large to be written exactly")]
    NotWritable {
        /// The value.
        value: String,
    },
    /// One section stands for both directions.
    #[error(
        "the link from {from} to {to} is not like the one back; a cluster file has one section for both, and no \
         placement's link carries the difference"
    )]
    Asymmetric {
        /// One end.
        from: String,
        /// The other end.
        to: String,
    },
    /// Machine profiles are by type.
    #[error(
        "{one} and {other} are both {machine_type} but have different interfaces, disks or memories; machine profiles \
         are by type, and no placement's run carries the difference"
    )]
    UnequalMachines {
        /// One of them.
        one: String,
        /// The other.
        other: String,
        /// Their type.
        machine_type: String,
    },
    /// A placement for another cluster or model.
    #[error("the placement does not fit: {problem}")]
    Placement {
        /// What does not.
        problem: String,
    },
}

/// What the parts of an export need.
pub(super) struct Exporter<'a> {
    pub(super) cluster: &'a Cluster,
    /// The model as Helix names it.
    pub(super) model: &'a str,
    /// Machines and links of the run's file, empty without one.
    pub(super) run: Run,
}

/// What a `simulator_cluster.ini` will hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// With cache capacity.
    pub(super) machines: BTreeMap<MachineId, u64>,
    /// In their order.
    pub(super) links: Vec<(Endpoint, Endpoint)>,
    pub(super) links_set: BTreeSet<(Endpoint, Endpoint)>,
}

/// Writes a cluster, the tables of a model and a placement as the authors' files: `cluster.ini`,
/// `machine_profiles.ini`, `node_limits.csv`, `profiles/MODEL/TYPE/*_bs2time.csv`, `helix_sol.ini` and
/// `simulator_cluster.ini`, as far as there is something to put into them.
///
/// # Errors
/// See [`ExportError`].
pub fn export(
    cluster: &Cluster,
    model: &str,
    placement: Option<&Placement>,
) -> Result<Exported, ExportError> {
    if cluster.machines.len() > MAX_MACHINES {
        return Err(ExportError::TooLarge { machines: cluster.machines.len() });
    }
    check_names(cluster)?;
    let mut notes = Vec::new();
    let mut exporter = Exporter { cluster, model, run: Run::default() };
    let mut run_files = Vec::new();
    if let Some(placement) = placement {
        check_placement(&exporter, placement)?;
        run_files.push(file("helix_sol.ini", export_run::solution(cluster, placement)));
        match export_run::run(&exporter, placement)? {
            Ok(run) => {
                exporter.run = run;
                run_files.push(file("simulator_cluster.ini", export_run::simulator_cluster(&exporter)?));
            }
            Err(machine) => notes.push(format!(
                "no simulator_cluster.ini: neither the placement nor a table says how much cache {machine} has"
            )),
        }
        let ours = |(id, assignment): (&MachineId, &crate::Assignment)| {
            assignment.layout != RankLayout::tensor(cluster.machine(*id).count)
        };
        if placement.machines.iter().any(ours) {
            notes.push(
                "left out: how the devices of a machine share its layers, which their files cannot say"
                    .to_owned(),
            );
        }
    }
    let mut files = vec![
        file("cluster.ini", export_cluster::cluster(&exporter)?),
        file("machine_profiles.ini", export_cluster::machine_profiles(&exporter)?),
    ];
    files.extend(run_files);
    files.extend(export_tables::tables(&exporter)?);
    notes.push("left out: names of machines and regions, devices' speeds".to_owned());
    Ok(Exported { files, notes })
}

pub(super) fn file(path: &str, text: String) -> ExportedFile {
    ExportedFile { path: path.to_owned(), text }
}

impl Exporter<'_> {
    /// The paper's model, if it is one.
    pub(super) fn paper(&self) -> Option<&'static PaperModel> {
        PaperModel::named(self.model)
    }
}

fn check_names(cluster: &Cluster) -> Result<(), ExportError> {
    let mut folders: BTreeMap<String, &str> = BTreeMap::new();
    for machine in &cluster.machines {
        let name = machine.machine_type.as_str();
        let reserved = ["SourceNode", "SinkNode", "DEFAULT"].contains(&name);
        if reserved || !is_plain(name) {
            return Err(ExportError::Name { name: name.to_owned() });
        }
        match folders.insert(name.to_lowercase(), name) {
            Some(other) if other != name => {
                return Err(ExportError::SameFolder { one: other.to_owned(), other: name.to_owned() });
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_placement(exporter: &Exporter<'_>, placement: &Placement) -> Result<(), ExportError> {
    let fail = |problem: String| Err(ExportError::Placement { problem });
    if placement.model != exporter.model {
        return fail(format!("it is for {}, the export for {}", placement.model, exporter.model));
    }
    let machines = exporter.cluster.machines.len();
    if let Some(id) = placement.machines.keys().find(|id| id.index() >= machines) {
        return fail(format!("it has machine number {}, the cluster has {machines}", id.0));
    }
    for (from, to) in placement.links.iter().flatten() {
        for end in [from, to] {
            match end {
                Endpoint::Machine(id) if !placement.machines.contains_key(id) => {
                    return fail(format!(
                        "one of its links ends at machine number {}, which holds no layers",
                        id.0
                    ));
                }
                _ => {}
            }
        }
        if exporter.cluster.link(*from, *to).is_none() {
            let name = |end: &Endpoint| exporter.cluster.endpoint_name(*end);
            return fail(format!("the cluster has no link from {} to {}", name(from), name(to)));
        }
    }
    Ok(())
}
