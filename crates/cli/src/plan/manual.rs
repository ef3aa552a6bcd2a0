//! What a person demands of a plan on the command line: machines pinned, forbidden, required; what runs already.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use helix_planner::{DemandError, Demands};
use helix_spec::{Cluster, LayerRange, MachineId, nearest};

use crate::exit_codes::{Failure, Kind};

/// Least gain that is worth a change, unless said.
pub const MIN_GAIN: f64 = 0.01;
/// Larger least gains are a mistake in the unit.
const MOST_GAIN: f64 = 10.0;

/// Manual control of `helix plan`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manual control")]
pub struct Manual {
    /// Leave a machine at these layers; the name may have * and ? for several machines
    #[arg(long, value_name = "NAME=START..END", conflicts_with = "evaluate")]
    pin: Vec<String>,
    /// Leave these machines out
    #[arg(long, value_name = "NAME", conflicts_with = "evaluate")]
    forbid: Vec<String>,
    /// Give layers to these machines in any case
    #[arg(long, value_name = "NAME", conflicts_with = "evaluate")]
    require: Vec<String>,
    /// A placement that runs already: search from it, and load few layers to get to the new one; with --planner milp a first
    /// solution, also a `.sol` file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["evaluate", "warm_start", "no_warm_start"])]
    pub start_from: Option<PathBuf>,
    /// With --start-from: what the best plan must gain over one that loads less, 1% unless said
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "start_from")]
    pub min_gain: Option<f64>,
    /// Show what changes from this placement to the plan
    #[arg(long, value_name = "PLACEMENT")]
    pub diff: Option<PathBuf>,
}

impl Manual {
    /// The mixed-integer program knows nothing of pins, required machines and gains.
    pub fn refuse_for_milp(&self, milp: bool) -> Result<(), Failure> {
        let given = [
            ("--pin", !self.pin.is_empty()),
            ("--require", !self.require.is_empty()),
            ("--min-gain", self.min_gain.is_some()),
        ];
        match given.into_iter().find(|(_, given)| milp && *given) {
            Some((flag, _)) => {
                Err(Failure::usage(format!("{flag} is not known to --planner milp; take --planner auto")))
            }
            None => Ok(()),
        }
    }

    /// The demands, with the machines that their names stand for.
    pub fn demands(&self, cluster: &Cluster) -> Result<Demands, Failure> {
        let mut demands = Demands::NONE;
        for text in &self.pin {
            let (name, range) = pin(text).map_err(Failure::usage)?;
            for machine in machines(cluster, name, "--pin")? {
                match demands.pins.insert(machine, range) {
                    Some(first) if first != range => {
                        let machine = cluster.machine(machine).name.clone();
                        return Err(failure(&DemandError::PinnedTwice { machine, first, second: range }));
                    }
                    _ => {}
                }
            }
        }
        for (names, set, flag) in [
            (&self.forbid, &mut demands.forbidden, "--forbid"),
            (&self.require, &mut demands.required, "--require"),
        ] {
            for name in names {
                set.extend(machines(cluster, name, flag)?);
            }
        }
        Ok(demands)
    }
}

/// What cannot be demanded: contradictions are the command line's fault, the rest is the machines'.
pub fn failure(error: &DemandError) -> Failure {
    let kind = match error {
        DemandError::PinTooLarge { .. }
        | DemandError::RequiredTooSmall { .. }
        | DemandError::TooFewLeft { .. } => Kind::Infeasible,
        _ => Kind::Usage,
    };
    Failure::new(kind, error)
}

/// Reads `NAME=START..END`.
fn pin(text: &str) -> Result<(&str, LayerRange), String> {
    let wrong = || format!("--pin `{text}` is not of the form NAME=START..END, for example t4-1=0..4");
    let (name, range) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (start, end) = range.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
    let (start, end) = (number(start)?, number(end)?);
    let range = LayerRange::new(start, end).ok_or_else(|| {
        format!(
            "--pin `{text}` names no layer: START must be less than END, which is one past the last layer"
        )
    })?;
    Ok((name.trim(), range))
}

/// Reads `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    let value = number.trim().parse::<f64>().map_err(|_| "give a share like `5%` or `0.05`".to_owned())?;
    let value = value * unit;
    if (0.0..=MOST_GAIN).contains(&value) {
        Ok(value)
    } else {
        Err(format!("`{text}` is not between 0% and {:.0}%", 100.0 * MOST_GAIN))
    }
}

/// The machines that a name stands for.
fn machines(cluster: &Cluster, pattern: &str, flag: &str) -> Result<BTreeSet<MachineId>, Failure> {
    if !pattern.contains(['*', '?']) {
        return match cluster.machine_named(pattern) {
            Some(machine) => Ok(BTreeSet::from([machine])),
            None => Err(unknown(cluster, pattern, flag)),
        };
    }
    let fits = |machine: &MachineId| matches(pattern, &cluster.machine(*machine).name);
    let found: BTreeSet<MachineId> = cluster.machine_ids().filter(fits).collect();
    if found.is_empty() { Err(unknown(cluster, pattern, flag)) } else { Ok(found) }
}

fn unknown(cluster: &Cluster, name: &str, flag: &str) -> Failure {
    let names = || cluster.machines.iter().map(|machine| machine.name.as_str());
    let bare = name.replace(['*', '?'], "");
    let help = if let Some(near) = nearest(&bare, names()) {
        format!("did you mean `{near}`?")
    } else {
        let some: Vec<&str> = names().take(4).collect();
        format!("its machines are {}{}", some.join(", "), if names().count() > 4 { ", …" } else { "" })
    };
    Failure::usage(format!("{flag}: the cluster {} has no machine `{name}`; {help}", cluster.name))
}

/// Whether a name is one that a pattern with `*` (any text) and `?` (any letter) stands for.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last star was, and up to where it stands for the name.
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == name[read] => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((place, upto)) => {
                    *upto += 1;
                    (at, read) = (*place + 1, *upto);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_and_question_marks_for_a_letter() {
        for (pattern, name, fits) in [
            ("t4-*", "t4-12", true),
            ("t4-*", "l4-12", false),
            ("*-1", "t4-1", true),
            ("*-1", "t4-11", false),
            ("t4-?", "t4-1", true),
            ("t4-?", "t4-12", false),
            ("*4*1*", "t4-21", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
            ("t4", "t4-1", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        // Stars that would take exponential time if they were tried one inside the other.
        assert!(!matches(&"a*".repeat(40), &"a".repeat(39)));
    }

    #[test]
    fn pins_and_shares_are_read_or_refused_with_an_example() {
        assert_eq!(pin("a=b=3..7"), Ok(("a=b", LayerRange::new(3, 7).unwrap())));
        for wrong in ["t4-1", "t4-1=3", "t4-1=3..x", "t4-1=-1..3", "t4-1=99999999999..3"] {
            assert!(pin(wrong).unwrap_err().contains("t4-1=0..4"), "{wrong}");
        }
        assert!(pin("t4-1=4..4").unwrap_err().contains("START must be less"));
        assert_eq!((share("5%"), share("0.05"), share("0")), (Ok(0.05), Ok(0.05), Ok(0.0)));
        assert!(share("-1%").is_err() && share("NaN").is_err() && share("2000%").is_err());
    }
}
