//! The feed-forward phase of one rank: its slice of a dense feed-forward, or its slice of its experts.

use std::ops::Range;

use super::math::{add, gate_with};
use super::options::{Fault, FfnReduction, Options};
use super::routing::route;
use super::shape::{ExpertShape, FfnShape};
use super::weights::{ExpertWeights, FfnWeights, GatedWeights, LayerWeights};
use crate::{
    Collective, CollectiveError, Exchange, Layout, Operation, Real, Reduction, exchange, shared_expert_tensor,
};

/// What one rank does in the feed-forward.
pub(super) struct FfnPart<'a, T> {
    pub weights: &'a LayerWeights<T>,
    pub options: &'a Options,
    pub layout: Layout,
    /// The rank, among all of the layout.
    pub rank: u32,
}

impl<T: Real> FfnPart<'_, T> {
    /// The feed-forward of normed hidden states `[tokens, hidden]`, summed over the ranks.
    pub(super) fn run(&self, ranks: &mut dyn Collective<T>, hidden: &[T]) -> Result<Vec<T>, CollectiveError> {
        let sum = Operation::AllReduce(Reduction::Sum);
        let wire = self.options.wire;
        let summand = self.summand(hidden);
        let by_group = self.options.reduction == FfnReduction::ByExpertGroup
            && matches!(self.weights.ffn, FfnWeights::Experts(_));
        if !by_group {
            let group = self.layout.stage_group(self.rank);
            return exchange(ranks, Exchange { operation: sum, group: &group, wire, data: summand });
        }
        let tensor_group = self.layout.expert_tensor_group(self.rank);
        let own_experts =
            exchange(ranks, Exchange { operation: sum, group: &tensor_group, wire, data: summand })?;
        let expert_group = self.layout.expert_group(self.rank);
        let operation = Operation::AllGather;
        let all = exchange(ranks, Exchange { operation, group: &expert_group, wire, data: own_experts })?;
        let mut parts = all.chunks_exact(hidden.len());
        let mut result = parts.next().map(<[T]>::to_vec).unwrap_or_default();
        for part in parts {
            add(&mut result, part);
        }
        Ok(result)
    }

    /// This rank's summand.
    pub(super) fn summand(&self, hidden: &[T]) -> Vec<T> {
        match (&self.weights.ffn, self.weights.shape.ffn) {
            (FfnWeights::Dense(dense), _) => {
                let width = u32::try_from(dense.gate.rows).expect("a width of the shape, a u32");
                gated(dense, &columns(&self.layout.dense_columns(self.shard(), width)), hidden)
            }
            (FfnWeights::Experts(experts), FfnShape::Experts(shape)) => {
                let mut summand = self.routed(experts, &shape, hidden);
                if let Some(shared) = &experts.shared {
                    add(&mut summand, &self.shared(shared, shape.shared_width, hidden));
                }
                summand
            }
            (FfnWeights::Experts(_), FfnShape::Dense { .. }) => {
                unreachable!("weights are drawn for their shape")
            }
        }
    }

    /// The rank whose slice is read: its own, but for a planted fault.
    fn shard(&self) -> u32 {
        if self.options.has(Fault::ShardZeroEverywhere) {
            self.rank - self.layout.coordinates(self.rank).within_stage
        } else {
            self.rank
        }
    }

    /// This rank's slice of its routed experts. Every rank sees all tokens and routes them itself; an expert's weights are
    /// read once for all tokens that visit it, and a token's experts add up in ascending order.
    pub(super) fn routed(&self, weights: &ExpertWeights<T>, shape: &ExpertShape, hidden: &[T]) -> Vec<T> {
        let own = columns(&self.layout.experts(self.shard(), shape.routed));
        let slice = columns(&self.layout.expert_columns(self.shard(), shape.width));
        let width = self.weights.shape.hidden as usize;
        let mut visitors: Vec<Vec<(usize, T)>> = vec![Vec::new(); own.len()];
        let logits = weights.router.apply_all(hidden);
        for (token, logits) in logits.chunks_exact(shape.routed as usize).enumerate() {
            for choice in route(shape, &weights.bias, logits) {
                if own.contains(&choice.expert) {
                    visitors[choice.expert - own.start].push((token, choice.weight));
                }
            }
        }
        let mut outputs = vec![T::ZERO; hidden.len()];
        for (expert, visitors) in own.zip(visitors).filter(|(_, visitors)| !visitors.is_empty()) {
            let tokens: Vec<T> =
                visitors.iter().flat_map(|(token, _)| &hidden[token * width..][..width]).copied().collect();
            let values = gated(&weights.held[expert % weights.held.len()], &slice, &tokens);
            for ((token, weight), values) in visitors.iter().zip(values.chunks_exact(width)) {
                for (into, &value) in outputs[token * width..][..width].iter_mut().zip(values) {
                    *into = weight.times_plus(value, *into);
                }
            }
        }
        outputs
    }

    /// This rank's slice of the shared expert; where N / shared-TP ranks hold the same slice, each counts a part of it.
    fn shared(&self, weights: &GatedWeights<T>, width: u32, hidden: &[T]) -> Vec<T> {
        let ranks = self.layout.stage_ranks();
        let tensor = shared_expert_tensor(width, self.options.shared_block, ranks);
        let slice = width / tensor;
        let index = self.layout.coordinates(self.shard()).within_stage % tensor;
        let mut output = gated(weights, &columns(&(index * slice..(index + 1) * slice)), hidden);
        if tensor < ranks {
            let part = T::of(f64::from(tensor) / f64::from(ranks));
            for value in &mut output {
                *value *= part;
            }
        }
        output
    }
}

/// A slice of the width of a gated feed-forward, from and to the whole hidden state.
pub(super) fn gated<T: Real>(weights: &GatedWeights<T>, slice: &Range<usize>, hidden: &[T]) -> Vec<T> {
    let inputs = 0..weights.gate.columns;
    let mut gate = weights.gate.apply(slice, &inputs, hidden);
    let up = weights.up.apply(slice, &inputs, hidden);
    gate_with(&mut gate, &up);
    weights.down.apply(&(0..weights.down.rows), slice, &gate)
}

fn columns(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}
