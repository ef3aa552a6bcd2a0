//! Collectives inside one process: each rank leaves its part in a slot and waits until the slot is full.
//!
//! Nobody waits for ever: as soon as every rank has either ended or waits for a part that no running rank can bring, the
//! group fails, and every rank learns why.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Collective, CollectiveError, Exchange, Operation, RankFailure, Ticket, check, resolve};
use crate::{Real, Wire};

/// What a rank is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Activity {
    Running,
    Waiting(Ticket),
    Ended,
}

/// The parts of one operation.
#[derive(Debug)]
struct Slot<T> {
    operation: Operation,
    wire: Wire,
    /// Numbers that each member gives; of the root only in a broadcast.
    length: Option<usize>,
    parts: Vec<Option<Arc<[T]>>>,
    missing: usize,
    to_take: usize,
}

#[derive(Debug)]
struct State<T> {
    slots: BTreeMap<Ticket, Slot<T>>,
    ranks: Vec<Activity>,
    failure: Option<RankFailure>,
    /// The only rank that may run, where they run one after the other.
    turn: Option<usize>,
}

/// Where the ranks of one group of threads meet.
#[derive(Debug)]
pub(super) struct Hub<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> State<T> {
    fn may_proceed(&self, rank: usize) -> bool {
        match &self.ranks[rank] {
            Activity::Running => true,
            Activity::Waiting(ticket) => self.slots.get(ticket).is_some_and(|slot| slot.missing == 0),
            Activity::Ended => false,
        }
    }

    fn has_turn(&self, rank: usize) -> bool {
        self.turn.is_none_or(|turn| turn == rank)
    }

    /// After a rank has stopped: the next one that can go on gets the turn; if none can and some wait, all fail.
    fn stopped(&mut self, rank: usize) {
        let count = self.ranks.len();
        let next = (1..=count).map(|step| (rank + step) % count).find(|&peer| self.may_proceed(peer));
        if let (Some(turn), Some(next)) = (&mut self.turn, next) {
            *turn = next;
        }
        if next.is_none() {
            self.fail_if_waiting();
        }
    }

    fn fail_if_waiting(&mut self) {
        let stuck = self.ranks.iter().enumerate().find_map(|(rank, activity)| match activity {
            Activity::Waiting(ticket) => Some((rank, ticket)),
            _ => None,
        });
        let Some((rank, ticket)) = stuck else { return };
        let slot = self.slots.get(ticket).expect("a rank waits only for a slot that it left its part in");
        let missing: Vec<String> = ticket
            .group
            .iter()
            .zip(&slot.parts)
            .filter(|(_, part)| part.is_none())
            .map(|(peer, _)| match self.ranks[*peer as usize] {
                Activity::Ended => format!("rank {peer}, which has ended"),
                _ => format!("rank {peer}, which waits for something else"),
            })
            .collect();
        let reason = format!(
            "it waits in {} number {} of group {:?} for {}",
            slot.operation.name(),
            ticket.sequence,
            ticket.group,
            missing.join(" and ")
        );
        self.fail(rank, reason);
    }

    fn fail(&mut self, rank: usize, reason: String) {
        if self.failure.is_none() {
            let rank = u32::try_from(rank).expect("ranks are numbered by u32");
            self.failure = Some(RankFailure { rank, reason });
        }
    }

    fn refuse_after_failure(&self) -> Result<(), CollectiveError> {
        match &self.failure {
            Some(RankFailure { rank, reason }) => {
                Err(CollectiveError::RankFailed { rank: *rank, reason: reason.clone() })
            }
            None => Ok(()),
        }
    }
}

impl<T: Real> Hub<T> {
    pub(super) fn new(ranks: u32, one_after_the_other: bool) -> Self {
        let state = State {
            slots: BTreeMap::new(),
            ranks: vec![Activity::Running; ranks as usize],
            failure: None,
            turn: one_after_the_other.then_some(0),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A rank never panics while it holds the lock on purpose; if it did, its failure is recorded all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until the rank may run for the first time.
    pub(super) fn begin(&self, rank: usize) {
        let mut state = self.lock();
        while !state.has_turn(rank) && state.failure.is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The rank takes part in nothing any more.
    pub(super) fn end(&self, rank: usize, failure: Option<String>) {
        let mut state = self.lock();
        state.ranks[rank] = Activity::Ended;
        if let Some(reason) = failure {
            state.fail(rank, reason);
        }
        state.stopped(rank);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn failure(&self) -> Option<RankFailure> {
        self.lock().failure.clone()
    }

    fn leave(
        &self,
        rank: usize,
        index: usize,
        ticket: &Ticket,
        exchange: Exchange<'_, T>,
    ) -> Result<(), CollectiveError> {
        let Exchange { operation, wire, mut data, .. } = exchange;
        // What nobody else receives is not exchanged.
        if ticket.group.len() > 1 {
            for value in &mut data {
                *value = wire.round(*value);
            }
        }
        let length = match operation {
            Operation::Broadcast { root } if root != index => None,
            _ => Some(data.len()),
        };
        let members = ticket.group.len();
        let mut state = self.lock();
        state.refuse_after_failure()?;
        let slot = state.slots.entry(ticket.clone()).or_insert_with(|| Slot {
            operation,
            wire,
            length: None,
            parts: vec![None; members],
            missing: members,
            to_take: members,
        });
        let lengths_differ = matches!((slot.length, length), (Some(a), Some(b)) if a != b);
        if (slot.operation, slot.wire) != (operation, wire) || lengths_differ {
            let reason = format!(
                "its {} of {} numbers in {wire:?} meets {} of {} numbers in {:?} in group {:?}",
                operation.name(),
                data.len(),
                slot.operation.name(),
                slot.length.unwrap_or(0),
                slot.wire,
                ticket.group
            );
            state.fail(rank, reason);
            self.changed.notify_all();
            return state.refuse_after_failure();
        }
        slot.length = slot.length.or(length);
        slot.parts[index] = Some(data.into());
        slot.missing -= 1;
        if slot.missing == 0 {
            self.changed.notify_all();
        }
        Ok(())
    }

    fn collect(&self, rank: usize, ticket: &Ticket) -> Result<Vec<T>, CollectiveError> {
        let mut state = self.lock();
        state.ranks[rank] = Activity::Waiting(ticket.clone());
        if !state.may_proceed(rank) {
            state.stopped(rank);
            self.changed.notify_all();
        }
        while !(state.may_proceed(rank) && state.has_turn(rank)) {
            state.refuse_after_failure()?;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.refuse_after_failure()?;
        state.ranks[rank] = Activity::Running;
        let slot = state.slots.get_mut(ticket).expect("a slot stays until every member has taken its result");
        let operation = slot.operation;
        let parts: Vec<Arc<[T]>> = slot.parts.iter().flatten().cloned().collect();
        slot.to_take -= 1;
        if slot.to_take == 0 {
            state.slots.remove(ticket);
        }
        drop(state);
        let index = ticket.group.partition_point(|peer| (*peer as usize) < rank);
        let parts: Vec<&[T]> = parts.iter().map(AsRef::as_ref).collect();
        Ok(resolve(operation, index, &parts))
    }
}

/// One rank's connection to the other ranks of its process.
#[derive(Debug)]
pub struct InProcess<'a, T> {
    hub: &'a Hub<T>,
    rank: u32,
    /// Operations started so far, by group.
    started: BTreeMap<Vec<u32>, u64>,
    /// Operations not finished yet.
    open: Vec<Ticket>,
    ranks: u32,
}

impl<'a, T: Real> InProcess<'a, T> {
    pub(super) fn new(hub: &'a Hub<T>, rank: u32, ranks: u32) -> Self {
        Self { hub, rank, started: BTreeMap::new(), open: Vec::new(), ranks }
    }
}

impl<T: Real> Collective<T> for InProcess<'_, T> {
    fn rank(&self) -> u32 {
        self.rank
    }

    fn start(&mut self, exchange: Exchange<'_, T>) -> Result<Ticket, CollectiveError> {
        let index = check(self.rank, self.ranks as usize, &exchange)?;
        let group = exchange.group.to_vec();
        let sequence = self.started.entry(group.clone()).or_default();
        let ticket = Ticket { group, sequence: *sequence };
        *sequence += 1;
        self.hub.leave(self.rank as usize, index, &ticket, exchange)?;
        self.open.push(ticket.clone());
        Ok(ticket)
    }

    fn finish(&mut self, ticket: Ticket) -> Result<Vec<T>, CollectiveError> {
        let Some(open) = self.open.iter().position(|own| *own == ticket) else {
            return Err(CollectiveError::Refused {
                rank: self.rank,
                operation: "finish",
                group: ticket.group,
                why: format!("it has no unfinished operation number {}", ticket.sequence),
            });
        };
        self.open.swap_remove(open);
        self.hub.collect(self.rank as usize, &ticket)
    }
}
