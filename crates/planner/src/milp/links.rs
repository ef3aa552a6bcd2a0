//! Which directed links the program knows: all, or each machine's fastest.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

use helix_spec::TokensPerSecond;

use super::MilpError;
use crate::packing::Problem;

/// Links that a program may have; beyond, HiGHS would not end its first relaxation within any budget.
pub const MAX_LINKS: usize = 300_000;
/// Machines that a program may have.
pub const MAX_MILP_MACHINES: usize = 2_000;

/// An end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The coordinator, where requests begin.
    Source,
    /// A machine, by its index.
    Machine(usize),
    /// The coordinator, where requests end.
    Sink,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Machine(index) => write!(f, "{index}"),
            Self::Sink => f.write_str("sink"),
        }
    }
}

/// A directed link that carries something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Sender.
    pub from: Node,
    /// Receiver.
    pub to: Node,
    /// What it carries at most, possibly without limit \[tokens/s\].
    pub capacity: f64,
}

/// The links of the program and how many were left out.
///
/// Links with the coordinator always stay. Of a machine's links to others the `prune` fastest stay (all with `None`), and
/// those in `keep`, which a warm start uses. Among equally fast ones the receivers that follow the sender in the cluster's
/// order come first, around its end: so as many links end at each machine as begin there.
pub fn links(
    problem: &Problem,
    prune: Option<usize>,
    keep: &BTreeSet<(usize, usize)>,
) -> Result<(Vec<Link>, usize), MilpError> {
    let machines = problem.machines.len();
    if machines > MAX_MILP_MACHINES {
        return Err(MilpError::TooLarge { what: "machines", found: machines, most: MAX_MILP_MACHINES });
    }
    let holds: Vec<bool> = (0..machines)
        .map(|machine| (1..=problem.layers).any(|k| problem.throughput(machine, k).is_some()))
        .collect();
    let (mut chosen, mut pruned) = (Vec::new(), 0);
    for from in (0..machines).filter(|&from| holds[from]) {
        let source = problem.network.source[from];
        chosen.push(Link { from: Node::Source, to: Node::Machine(from), capacity: source });
        let around = (1..machines).map(|step| (from + step) % machines).filter(|&to| holds[to]);
        let mut out: Vec<(usize, f64)> =
            around.map(|to| (to, problem.link(from, to))).filter(|(_, capacity)| *capacity > 0.0).collect();
        out.sort_by_key(|(_, capacity)| Reverse(TokensPerSecond::new(capacity.min(1e300))));
        for (rank, (to, capacity)) in out.into_iter().enumerate() {
            if prune.is_none_or(|most| rank < most) || keep.contains(&(from, to)) {
                chosen.push(Link { from: Node::Machine(from), to: Node::Machine(to), capacity });
            } else {
                pruned += 1;
            }
        }
        chosen.push(Link { from: Node::Machine(from), to: Node::Sink, capacity: problem.network.sink[from] });
        if chosen.len() > MAX_LINKS {
            return Err(MilpError::TooLarge { what: "links", found: chosen.len() + pruned, most: MAX_LINKS });
        }
    }
    chosen.retain(|link| link.capacity > 0.0);
    Ok((chosen, pruned))
}
