//! Runs the same function once per rank, as threads or one after the other, and ends with one result or one failure.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::InProcess;
use super::hub::Hub;
use crate::Real;

/// The most ranks that run as threads of one process.
pub const MAX_THREADS: u32 = 1024;

/// How the ranks of one process run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// All at once, as the processor has cores.
    Concurrent,
    /// One at a time in rank order, the next one when one has to wait. Same results, bit for bit.
    OneAfterTheOther,
}

/// The failure that ended a group of ranks: the first one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rank {rank} failed: {reason}")]
pub struct RankFailure {
    /// The rank at fault.
    pub rank: u32,
    /// What it said.
    pub reason: String,
}

/// Runs `body` on ranks `0..ranks` and returns what each returned, in rank order.
///
/// A rank that returns an error or panics ends the group: ranks that wait for it get an error, and so does the caller.
///
/// ```
/// use helix_parallel::{Collective, CollectiveError, Exchange, Operation, Reduction, Scheduling, Wire, exchange, run_ranks};
/// let sums = run_ranks(4, Scheduling::Concurrent, |ranks| {
///     let data = vec![f64::from(ranks.rank())];
///     let operation = Operation::AllReduce(Reduction::Sum);
///     exchange(ranks, Exchange { operation, group: &[0, 1, 2, 3], wire: Wire::F64, data })
/// })?;
/// assert_eq!(sums, vec![vec![6.0]; 4]);
/// # Ok::<(), helix_parallel::RankFailure>(())
/// ```
pub fn run_ranks<T, R, E, F>(ranks: u32, scheduling: Scheduling, body: F) -> Result<Vec<R>, RankFailure>
where
    T: Real,
    R: Send,
    E: Display,
    F: Fn(&mut InProcess<'_, T>) -> Result<R, E> + Sync,
{
    if ranks > MAX_THREADS {
        let reason = format!("{ranks} ranks were asked for, {MAX_THREADS} run in one process at the most");
        return Err(RankFailure { rank: MAX_THREADS, reason });
    }
    let hub = Hub::new(ranks, scheduling == Scheduling::OneAfterTheOther);
    let results = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for rank in 0..ranks {
            let (hub, body) = (&hub, &body);
            let thread = std::thread::Builder::new().name(format!("rank {rank}"));
            match thread.spawn_scoped(scope, move || run_one(hub, rank, ranks, body)) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    hub.end(rank as usize, Some(format!("its thread did not start: {error}")));
                }
            }
        }
        let joined = threads.into_iter().map(|thread| thread.join().ok().flatten());
        joined.collect::<Option<Vec<R>>>()
    });
    match (hub.failure(), results) {
        (None, Some(results)) => Ok(results),
        (Some(failure), _) => Err(failure),
        (None, None) => unreachable!("a rank without a result has recorded its failure"),
    }
}

fn run_one<T, R, E, F>(hub: &Hub<T>, rank: u32, ranks: u32, body: &F) -> Option<R>
where
    T: Real,
    E: Display,
    F: Fn(&mut InProcess<'_, T>) -> Result<R, E>,
{
    hub.begin(rank as usize);
    let mut endpoint = InProcess::new(hub, rank, ranks);
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&mut endpoint)));
    let (result, failure) = match outcome {
        Ok(Ok(result)) => (Some(result), None),
        Ok(Err(error)) => (None, Some(error.to_string())),
        Err(panic) => (None, Some(format!("it panicked: {}", panic_message(panic.as_ref())))),
    };
    hub.end(rank as usize, failure);
    result
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a message",
    }
}
