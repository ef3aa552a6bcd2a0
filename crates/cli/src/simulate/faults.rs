//! The file of faults: machines and links that fail, slow down and recover.
//!
//! ```toml
//! version = 1
//! faults = [
//!   { at = "60 s", machine = "l4-1", fails = true },
//!   { at = "120 s", machine = "l4-1", recovers = true },
//!   { at = "30 s", machine = "t4-2", slower = 2.0 },               # its batches take twice as long
//!   { at = "30 s", from = "a100-1", to = "l4-1", speed = 0.1 },    # a tenth of the link's speed; 0 breaks it
//! ]
//! ```

use std::path::Path;

use helix_sim::{Fault, FaultKind, PlannedLink, Window};
use helix_spec::{
    COORDINATOR, Cluster, Endpoint, FileError, MAX_DESCRIPTION_BYTES, MachineId, Placement, SimTime, Source,
    nearest, parse_toml, read_text,
};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFaults {
    #[serde(rename = "version")]
    _version: u32,
    faults: Vec<RawFault>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    at: SimTime,
    machine: Option<String>,
    fails: Option<bool>,
    recovers: Option<bool>,
    slower: Option<f64>,
    from: Option<String>,
    to: Option<String>,
    speed: Option<f64>,
}

/// Reads the file.
pub fn read(path: &Path, cluster: &Cluster, links: &[PlannedLink]) -> Result<Vec<Fault>, FileError> {
    let text = read_text(path, MAX_DESCRIPTION_BYTES)?;
    let origin = path.display().to_string();
    let raw: RawFaults = parse_toml(&Source { origin: &origin, text: &text })?;
    let fault = |(index, raw): (usize, &RawFault)| {
        let kind = kind(raw, cluster, links);
        let kind = kind.map_err(|problem| FileError::new(&origin, format!("fault {}: {problem}", index + 1)));
        Ok(Fault { at: raw.at, kind: kind? })
    };
    let mut faults = raw.faults.iter().enumerate().map(fault).collect::<Result<Vec<_>, FileError>>()?;
    faults.sort_by_key(|fault| fault.at);
    Ok(faults)
}

fn kind(raw: &RawFault, cluster: &Cluster, links: &[PlannedLink]) -> Result<FaultKind, String> {
    let what = (raw.fails, raw.recovers, raw.slower, raw.speed);
    match (&raw.machine, &raw.from, &raw.to, what) {
        (Some(name), None, None, (Some(true), None, None, None)) => {
            Ok(FaultKind::MachineFails(machine(name, cluster)?))
        }
        (Some(name), None, None, (None, Some(true), None, None)) => {
            Ok(FaultKind::MachineRecovers(machine(name, cluster)?))
        }
        (Some(name), None, None, (None, None, Some(factor), None)) => {
            if !(0.01..=1e6).contains(&factor) {
                return Err(format!("`slower` is {factor}, 0.01 to 1e6 are allowed"));
            }
            Ok(FaultKind::MachineSlows(machine(name, cluster)?, factor))
        }
        (None, Some(from), Some(to), (None, None, None, Some(share))) => {
            if !(0.0..=1000.0).contains(&share) {
                return Err(format!("`speed` is {share}, 0 to 1000 times the link's own are allowed"));
            }
            let ends = (endpoint(from, cluster)?, endpoint(to, cluster)?);
            let found = links.iter().position(|link| (link.from, link.to) == ends);
            let found = found.and_then(|index| u32::try_from(index).ok());
            let link = found.ok_or_else(|| format!("no request can take a link from `{from}` to `{to}`"))?;
            Ok(FaultKind::LinkSpeed(link, share))
        }
        _ => Err("give `machine` with one of `fails = true`, `recovers = true`, `slower = 2.0`, or `from`, `to` and \
                  `speed = 0.5`"
            .to_owned()),
    }
}

fn endpoint(name: &str, cluster: &Cluster) -> Result<Endpoint, String> {
    if name == COORDINATOR {
        Ok(Endpoint::Coordinator)
    } else {
        machine(name, cluster).map(Endpoint::Machine)
    }
}

fn machine(name: &str, cluster: &Cluster) -> Result<MachineId, String> {
    cluster.machine_named(name).ok_or_else(|| {
        let near = nearest(name, cluster.machines.iter().map(|machine| machine.name.as_str()));
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        format!("the cluster has no machine `{name}`{hint}")
    })
}

/// What is to be said of them: when no machine is left for some layers, and which the run does not live to see.
pub fn notes(faults: &[Fault], window: &Window, (cluster, placement): (&Cluster, &Placement)) -> Vec<String> {
    let end = SimTime(window.warmup.0.saturating_add(window.duration.0));
    let seen = faults.partition_point(|fault| window.drain || fault.at <= end);
    let mut notes = layers_without_holder(&faults[..seen], cluster, placement);
    if let [first, others @ ..] = &faults[seen..] {
        let more =
            if others.is_empty() { String::new() } else { format!(" (and {} after it)", others.len()) };
        notes.push(format!(
            "the fault at {}{more} never happens: the run ends at {end}; give a longer `--duration`",
            first.at
        ));
    }
    notes
}

/// From when on some layers have no machine left, if that happens.
fn layers_without_holder(faults: &[Fault], cluster: &Cluster, placement: &Placement) -> Vec<String> {
    let mut lost = vec![false; cluster.machines.len()];
    let mut notes = Vec::new();
    for fault in faults {
        match fault.kind {
            FaultKind::MachineFails(machine) => lost[machine.index()] = true,
            FaultKind::MachineRecovers(machine) => lost[machine.index()] = false,
            FaultKind::MachineSlows(..) | FaultKind::LinkSpeed(..) => continue,
        }
        let held = |layer: u32| {
            let mut holders = placement.machines.iter();
            holders.any(|(id, held)| !lost[id.index()] && held.layers.contains(layer))
        };
        let bare: Vec<u32> = (0..placement.model_layers).filter(|&layer| !held(layer)).collect();
        if let (Some(first), Some(last)) = (bare.first(), bare.last()) {
            notes.push(format!(
                "from {} on no machine is left for {} of the layers {first}..{}: nothing gets through until one recovers",
                fault.at,
                bare.len(),
                last + 1
            ));
        }
    }
    notes
}
