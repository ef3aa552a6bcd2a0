//! Merging the partial attention of a KVP group, by three collectives that give the same result.
//!
//! Before: every rank has Q / TPA heads over its part of the sequences. After: every rank has Q / N heads over all of it.

use super::options::Combine;
use crate::{
    Base, Collective, CollectiveError, Exchange, Operation, Real, Reduction, Statistics, Ticket, Wire,
    combine, exchange,
};

/// Partial attention of some tokens.
pub(super) struct Partial<T> {
    /// Heads a token.
    pub heads: usize,
    /// Numbers a head.
    pub width: usize,
    /// Token by token, head by head, normalised.
    pub outputs: Vec<T>,
    /// Token by token, head by head.
    pub statistics: Vec<Statistics<T>>,
}

/// How a group merges.
#[derive(Clone, Copy)]
pub(super) struct Merge<'a> {
    pub combine: Combine,
    pub wire: Wire,
    /// Ranks of the KVP group.
    pub group: &'a [u32],
    /// This rank's index in it.
    pub index: usize,
    /// Whether empty shards are skipped, as they must be.
    pub guarded: bool,
}

/// A merge under way.
pub(super) struct Started<T> {
    partial: Partial<T>,
    tickets: Vec<Ticket>,
}

impl Merge<'_> {
    /// Hands over this rank's part of the first collective.
    pub(super) fn start<T: Real>(
        self,
        ranks: &mut dyn Collective<T>,
        partial: Partial<T>,
    ) -> Result<Started<T>, CollectiveError> {
        let mut start =
            |operation, wire, data| ranks.start(Exchange { operation, group: self.group, wire, data });
        let statistics_wire = self.wire.for_statistics();
        let tickets = match self.combine {
            Combine::AllToAll => {
                let outputs = self
                    .by_destination(&partial, |at| &partial.outputs[at * partial.width..][..partial.width]);
                let pairs: Vec<[T; 2]> = partial.statistics.iter().map(|s| [s.max, s.sum]).collect();
                let statistics = self.by_destination(&partial, |at| pairs[at].as_slice());
                vec![
                    start(Operation::AllToAll, self.wire, outputs)?,
                    start(Operation::AllToAll, statistics_wire, statistics)?,
                ]
            }
            Combine::GatherScatter => {
                let data = partial.statistics.iter().flat_map(|s| [s.max, s.sum]).collect();
                vec![start(Operation::AllGather, statistics_wire, data)?]
            }
            Combine::Tree => {
                let data = partial.statistics.iter().map(|s| s.max).collect();
                vec![start(Operation::AllReduce(Reduction::Max), statistics_wire, data)?]
            }
        };
        Ok(Started { partial, tickets })
    }

    /// Waits and merges: token by token, the heads of this rank.
    pub(super) fn finish<T: Real>(
        self,
        ranks: &mut dyn Collective<T>,
        started: Started<T>,
    ) -> Result<Vec<T>, CollectiveError> {
        let Started { partial, tickets } = started;
        let mut received = Vec::new();
        for ticket in tickets {
            received.push(ranks.finish(ticket)?);
        }
        match self.combine {
            Combine::AllToAll => Ok(self.merge_received(&partial, &received[0], &received[1])),
            Combine::GatherScatter => self.scatter(ranks, &partial, &received[0]),
            Combine::Tree => self.reduce(ranks, partial, &received[0]),
        }
    }

    /// Rearranges `item` of every (token, head) so that the heads of each destination lie together, token by token.
    fn by_destination<'p, T: Real>(self, partial: &Partial<T>, item: impl Fn(usize) -> &'p [T]) -> Vec<T> {
        let (heads, own) = (partial.heads, partial.heads / self.group.len());
        let tokens = partial.statistics.len() / heads;
        let mut data = Vec::new();
        for destination in 0..self.group.len() {
            for token in 0..tokens {
                for head in 0..own {
                    data.extend_from_slice(item(token * heads + destination * own + head));
                }
            }
        }
        data
    }

    fn merge_received<T: Real>(self, partial: &Partial<T>, outputs: &[T], statistics: &[T]) -> Vec<T> {
        let (width, sources) = (partial.width, self.group.len());
        let items = partial.statistics.len() / sources;
        let mut merged = vec![T::ZERO; items * width];
        for (item, into) in merged.chunks_exact_mut(width).enumerate() {
            let shards: Vec<(Statistics<T>, &[T])> = (0..sources)
                .map(|source| {
                    let at = source * items + item;
                    let statistics = Statistics { max: statistics[2 * at], sum: statistics[2 * at + 1] };
                    (statistics, &outputs[at * width..][..width])
                })
                .collect();
            if self.guarded {
                combine(Base::E, &shards, into);
            } else {
                combine_unguarded(&shards, into);
            }
        }
        merged
    }

    /// Every rank weights its own partials, and the sum of all goes where the heads go.
    fn scatter<T: Real>(
        self,
        ranks: &mut dyn Collective<T>,
        partial: &Partial<T>,
        gathered: &[T],
    ) -> Result<Vec<T>, CollectiveError> {
        let items = partial.statistics.len();
        let mut weighted = vec![T::ZERO; partial.outputs.len()];
        for (item, output) in weighted.chunks_exact_mut(partial.width).enumerate() {
            // The weight of this rank alone: every other shard with an output of 0.
            let zeros = vec![T::ZERO; partial.width];
            let own = &partial.outputs[item * partial.width..][..partial.width];
            let shards: Vec<(Statistics<T>, &[T])> = (0..self.group.len())
                .map(|source| {
                    let at = 2 * (source * items + item);
                    let values = if source == self.index { own } else { zeros.as_slice() };
                    (Statistics { max: gathered[at], sum: gathered[at + 1] }, values)
                })
                .collect();
            combine(Base::E, &shards, output);
        }
        let data = self.by_destination(partial, |at| &weighted[at * partial.width..][..partial.width]);
        exchange(
            ranks,
            Exchange { operation: Operation::ReduceScatter, group: self.group, wire: self.wire, data },
        )
    }

    /// Numerators and denominators relative to the largest maximum; this rank keeps its heads of the quotient.
    fn reduce<T: Real>(
        self,
        ranks: &mut dyn Collective<T>,
        partial: Partial<T>,
        maxima: &[T],
    ) -> Result<Vec<T>, CollectiveError> {
        let Partial { heads, width, outputs: mut numerators, statistics } = partial;
        let mut denominators = Vec::with_capacity(statistics.len());
        for ((own, &max), output) in statistics.iter().zip(maxima).zip(numerators.chunks_exact_mut(width)) {
            let weight = if own.is_empty() {
                output.fill(T::ZERO);
                T::ZERO
            } else if own.max == max {
                own.sum
            } else {
                own.sum * (own.max - max).exp()
            };
            for value in output {
                *value *= weight;
            }
            denominators.push(weight);
        }
        let sum = Operation::AllReduce(Reduction::Sum);
        let group = self.group;
        let numerators =
            exchange(ranks, Exchange { operation: sum, group, wire: self.wire, data: numerators })?;
        let wire = self.wire.for_statistics();
        let denominators = exchange(ranks, Exchange { operation: sum, group, wire, data: denominators })?;
        let own = heads / self.group.len();
        let mut merged = Vec::with_capacity(numerators.len() / self.group.len());
        for token in 0..denominators.len() / heads {
            for at in token * heads + self.index * own..token * heads + (self.index + 1) * own {
                let denominator = denominators[at];
                let values = &numerators[at * width..][..width];
                merged.extend(
                    values
                        .iter()
                        .map(|&value| if denominator == T::ZERO { T::ZERO } else { value / denominator }),
                );
            }
        }
        Ok(merged)
    }
}

/// The merge without an identity, for [`super::Fault::NoEmptyIdentity`].
fn combine_unguarded<T: Real>(shards: &[(Statistics<T>, &[T])], output: &mut [T]) {
    let max = shards.iter().map(|shard| shard.0.max).fold(T::NEG_INFINITY, |a, b| if a >= b { a } else { b });
    let weights: Vec<T> = shards.iter().map(|(s, _)| s.sum * (s.max - max).exp()).collect();
    let sum = weights.iter().fold(T::ZERO, |sum, &weight| sum + weight);
    output.fill(T::ZERO);
    for ((_, values), weight) in shards.iter().zip(weights) {
        for (out, &value) in output.iter_mut().zip(*values) {
            *out += weight / sum * value;
        }
    }
}
