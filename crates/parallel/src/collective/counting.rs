//! Counts what a rank exchanges.

use std::collections::BTreeMap;

use super::{Collective, CollectiveError, Exchange, Operation, Ticket};

/// What a rank gave to one kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficCount {
    /// Operations.
    pub operations: u64,
    /// Messages to other ranks.
    pub messages: u64,
    /// Bytes that it handed over, its own part included.
    pub payload_bytes: u64,
    /// Bytes that it sent to other ranks. An all-reduce counts as a reduce-scatter and an all-gather.
    pub sent_bytes: u64,
}

/// What a rank exchanged, by the operation's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traffic {
    by_operation: BTreeMap<&'static str, TrafficCount>,
}

impl Traffic {
    /// What it gave to operations of this name.
    #[must_use]
    pub fn of(&self, operation: &str) -> TrafficCount {
        self.by_operation.get(operation).copied().unwrap_or_default()
    }

    /// All operations, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, TrafficCount)> {
        self.by_operation.iter().map(|(name, count)| (*name, *count))
    }

    /// Bytes sent to other ranks in all operations.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.by_operation.values().map(|count| count.sent_bytes).sum()
    }

    fn add<T>(&mut self, rank: u32, exchange: &Exchange<'_, T>) {
        let Exchange { operation, group, wire, data } = exchange;
        let (members, length) = (group.len() as u64, data.len() as u64);
        let index = group.partition_point(|peer| *peer < rank) as u64;
        // Part of an all-reduce that this rank sums up and then gives to the others.
        let own = length * (index + 1) / members - length * index / members;
        let (messages, numbers) = match operation {
            Operation::AllReduce(_) => (2 * (members - 1), length - own + own * (members - 1)),
            Operation::ReduceScatter | Operation::AllToAll => (members - 1, length / members * (members - 1)),
            Operation::Broadcast { root } if *root as u64 != index => (0, 0),
            Operation::AllGather | Operation::Broadcast { .. } => (members - 1, length * (members - 1)),
            Operation::Barrier => (members - 1, 0),
        };
        let count = self.by_operation.entry(operation.name()).or_default();
        count.operations += 1;
        count.messages += messages;
        count.payload_bytes += length * wire.bytes();
        count.sent_bytes += numbers * wire.bytes();
    }
}

/// Counts what goes through it.
#[derive(Debug)]
pub struct Counting<C> {
    inner: C,
    traffic: Traffic,
}

impl<C> Counting<C> {
    /// Counts from zero.
    pub fn new(inner: C) -> Self {
        Self { inner, traffic: Traffic::default() }
    }

    /// What was counted so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

impl<T, C: Collective<T>> Collective<T> for Counting<&mut C> {
    fn rank(&self) -> u32 {
        self.inner.rank()
    }

    fn start(&mut self, exchange: Exchange<'_, T>) -> Result<Ticket, CollectiveError> {
        if exchange.group.binary_search(&self.inner.rank()).is_ok() {
            self.traffic.add(self.inner.rank(), &exchange);
        }
        self.inner.start(exchange)
    }

    fn finish(&mut self, ticket: Ticket) -> Result<Vec<T>, CollectiveError> {
        self.inner.finish(ticket)
    }
}
