//! What ranks say to each other: six operations over a group, each begun and finished apart, so that work can go on
//! between.
//!
//! ```text
//! start(chunk 0) ─> compute chunk 1 ─> start(chunk 1) ─> finish(chunk 0) ─> compute chunk 2 ─> …
//! ```
//!
//! A group is a list of ranks in ascending order. Operations of a group match up by the order in which each member
//! starts them. Sums are taken in rank order, so that every rank has the same bits on every run.

mod counting;
mod hub;
mod ranks;

pub use counting::{Counting, Traffic, TrafficCount};
pub use hub::InProcess;
pub use ranks::{MAX_THREADS, RankFailure, Scheduling, run_ranks};

use crate::{Real, Wire};

/// How values of several ranks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum, in rank order.
    Sum,
    /// The largest.
    Max,
}

/// An operation over a group of n ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Everybody gives as many numbers and gets all of them reduced.
    AllReduce(Reduction),
    /// Everybody gives as many numbers and gets those of all, in rank order.
    AllGather,
    /// Everybody gives n equal parts; member i gets the sum of all parts i.
    ReduceScatter,
    /// Everybody gives n equal parts; member i gets part i of all, in rank order.
    AllToAll,
    /// Everybody gets what the member at this index of the group gives; the others give nothing.
    Broadcast {
        /// Index within the group.
        root: usize,
    },
    /// Nobody goes on before all have come.
    Barrier,
}

impl Operation {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllReduce(_) => "all-reduce",
            Self::AllGather => "all-gather",
            Self::ReduceScatter => "reduce-scatter",
            Self::AllToAll => "all-to-all",
            Self::Broadcast { .. } => "broadcast",
            Self::Barrier => "barrier",
        }
    }
}

/// One rank's part in an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange<'a, T> {
    /// What is done.
    pub operation: Operation,
    /// The ranks that do it, ascending, this one among them.
    pub group: &'a [u32],
    /// Format in which numbers travel. Each is rounded once, when it leaves its rank; sums are taken, and kept, in the
    /// precision that the ranks compute in.
    pub wire: Wire,
    /// What this rank gives.
    pub data: Vec<T>,
}

/// A started operation, to be finished once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    group: Vec<u32>,
    sequence: u64,
}

/// One rank's connection to the others.
pub trait Collective<T> {
    /// This rank.
    fn rank(&self) -> u32;

    /// Hands over this rank's part. Does not wait.
    fn start(&mut self, exchange: Exchange<'_, T>) -> Result<Ticket, CollectiveError>;

    /// Waits for the parts of the others and returns this rank's result.
    fn finish(&mut self, ticket: Ticket) -> Result<Vec<T>, CollectiveError>;
}

/// Starts an operation and waits for it.
pub fn exchange<T>(
    ranks: &mut dyn Collective<T>,
    exchange: Exchange<'_, T>,
) -> Result<Vec<T>, CollectiveError> {
    let ticket = ranks.start(exchange)?;
    ranks.finish(ticket)
}

/// Why an operation has no result. All ranks get an error, not only the one at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectiveError {
    /// The group is not a list of existing ranks in ascending order with this one among them.
    #[error("rank {rank} cannot take part in {operation} over {group:?}: {why}")]
    Refused {
        /// The rank that started it.
        rank: u32,
        /// The operation.
        operation: &'static str,
        /// The group.
        group: Vec<u32>,
        /// What is wrong.
        why: String,
    },
    /// Another rank failed, or the ranks do not fit together.
    #[error("rank {rank} failed: {reason}")]
    RankFailed {
        /// The rank at fault.
        rank: u32,
        /// What it said.
        reason: String,
    },
}

/// Checks one rank's part and returns its index within the group.
fn check<T>(rank: u32, ranks: usize, exchange: &Exchange<'_, T>) -> Result<usize, CollectiveError> {
    let Exchange { operation, group, data, .. } = exchange;
    let refuse = |why: String| {
        Err(CollectiveError::Refused { rank, operation: operation.name(), group: group.to_vec(), why })
    };
    if group.windows(2).any(|pair| pair[0] >= pair[1]) {
        return refuse("its ranks must ascend".to_owned());
    }
    if group.last().is_some_and(|last| *last as usize >= ranks) {
        return refuse(format!("there are {ranks} ranks, 0..{ranks}"));
    }
    let Ok(index) = group.binary_search(&rank) else { return refuse("it is not a member".to_owned()) };
    let (length, members) = (data.len(), group.len());
    match operation {
        Operation::ReduceScatter | Operation::AllToAll if !length.is_multiple_of(members) => {
            refuse(format!("{length} numbers do not divide into {members} equal parts"))
        }
        Operation::Broadcast { root } if *root >= members => {
            refuse(format!("its root {root} is not below its {members} members"))
        }
        Operation::Broadcast { root } if *root != index && length > 0 => {
            refuse(format!("only its root gives numbers, found {length}"))
        }
        Operation::Barrier if length > 0 => refuse(format!("a barrier carries no numbers, found {length}")),
        _ => Ok(index),
    }
}

/// The result of the member at `index`, from the parts of all in rank order.
fn resolve<T: Real>(operation: Operation, index: usize, parts: &[&[T]]) -> Vec<T> {
    let chunk = parts[index].len() / parts.len();
    match operation {
        Operation::AllReduce(reduction) => reduce(reduction, parts),
        Operation::AllGather => parts.concat(),
        Operation::ReduceScatter => {
            let own: Vec<&[T]> = parts.iter().map(|part| &part[index * chunk..][..chunk]).collect();
            reduce(Reduction::Sum, &own)
        }
        Operation::AllToAll => {
            parts.iter().flat_map(|part| &part[index * chunk..][..chunk]).copied().collect()
        }
        Operation::Broadcast { root } => parts[root].to_vec(),
        Operation::Barrier => Vec::new(),
    }
}

/// In rank order, in the precision that the ranks compute in: what is exchanged is rounded, once, and not its sum.
fn reduce<T: Real>(reduction: Reduction, parts: &[&[T]]) -> Vec<T> {
    let mut result = parts[0].to_vec();
    for part in &parts[1..] {
        for (into, &value) in result.iter_mut().zip(*part) {
            match reduction {
                Reduction::Sum => *into += value,
                // Not `max`, which would let a NaN vanish.
                Reduction::Max if *into >= value || into.get().is_nan() => {}
                Reduction::Max => *into = value,
            }
        }
    }
    result
}
