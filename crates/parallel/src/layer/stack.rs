//! Several layers over pipeline stages of N ranks each: one decode step of one rank.

use std::ops::Range;

use super::attention::AttentionPart;
use super::cache::{History, LayerCache, Request};
use super::data_parallel::finish_layer;
use super::ffn::FfnPart;
use super::math::{add, rms_norm};
use super::options::{Fault, Options, TokenSplit};
use super::project::Heads;
use super::weights::LayerWeights;
use crate::layout::{Layout, LayoutError};
use crate::{
    Collective, CollectiveError, Exchange, Ledger, LedgerError, Operation, Real, Reduction, exchange,
};

/// A moment within a layer, for whoever measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A layer begins.
    Begun,
    /// Queries are computed and the new tokens appended.
    Projected,
    /// Attention is computed, exchanged and merged.
    Merged,
    /// The output projection is summed over the ranks.
    Attended,
    /// The feed-forward is summed over the ranks.
    Done,
}

/// Is told of every mark of every rank.
pub type Probe<'a> = dyn Fn(u32, Mark) + Sync + 'a;

/// Layers, the layout over which they run, and how.
#[derive(Clone, Copy)]
pub struct Stack<'a, T> {
    probe: Option<&'a Probe<'a>>,
    layers: &'a [LayerWeights<T>],
    layout: Layout,
    options: &'a Options,
    ledger: Ledger,
}

/// Why a stack cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// A layer does not divide over the ranks.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// No blocks or no ranks.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// More stages than layers.
    #[error("{stages} pipeline stages need as many layers, there are {layers}")]
    TooFewLayers {
        /// Pipeline stages.
        stages: u32,
        /// Layers.
        layers: usize,
    },
}

/// What one rank keeps from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct RankState<T> {
    requests: Vec<Request>,
    /// One for each layer of its stage.
    caches: Vec<LayerCache<T>>,
}

impl<T: Real> RankState<T> {
    /// Numbers in the rank's caches.
    #[must_use]
    pub fn cached_numbers(&self) -> u64 {
        self.caches.iter().map(LayerCache::numbers).sum()
    }
}

impl<'a, T: Real> Stack<'a, T> {
    /// Checks that the layers divide over the ranks of the layout.
    pub fn new(
        layers: &'a [LayerWeights<T>],
        layout: Layout,
        options: &'a Options,
    ) -> Result<Self, StackError> {
        let ledger = Ledger::new(options.ownership, options.block, layout.widths().kv)?;
        let stages = layout.widths().pipeline;
        if layers.len() < stages as usize {
            return Err(StackError::TooFewLayers { stages, layers: layers.len() });
        }
        for layer in layers {
            layer.shape.fits(layout)?;
        }
        Ok(Self { layers, layout, options, ledger, probe: None })
    }

    /// The same stack, watched.
    #[must_use]
    pub fn with_probe(self, probe: &'a Probe<'a>) -> Self {
        Self { probe: Some(probe), ..self }
    }

    fn mark(&self, rank: u32, mark: Mark) {
        if let Some(probe) = self.probe {
            probe(rank, mark);
        }
    }

    /// The layers of a rank's stage.
    fn held(&self, rank: u32) -> Range<usize> {
        let layers = u32::try_from(self.layers.len()).unwrap_or(u32::MAX);
        let stage = self.layout.coordinates(rank).stage;
        let held = self.layout.stage_layers(layers, stage).expect("there are as many layers as stages");
        held.start() as usize..held.end() as usize
    }

    fn served(&self, rank: u32, requests: usize) -> Range<usize> {
        self.options.tokens.served(self.layout, rank, requests)
    }

    fn heads(&self, layer: &LayerWeights<T>, rank: u32) -> Heads {
        let (query, kv) = (layer.shape.query_heads(), layer.shape.kv_heads());
        match self.options.tokens {
            TokenSplit::Replicated => Heads {
                query: self.layout.attention_heads(rank, query),
                kv: self.layout.kv_heads(rank, kv),
                output: self.layout.output_heads(rank, query),
            },
            TokenSplit::DataParallel => {
                let each = query / self.layout.widths().kv;
                let index = self.layout.coordinates(rank).kv;
                Heads { query: 0..query, kv: 0..kv, output: index * each..(index + 1) * each }
            }
        }
    }

    /// A rank's caches, filled with `history` (layer, then as [`History`] has it).
    pub fn state<'h>(
        &self,
        rank: u32,
        requests: &[Request],
        history: impl Fn(usize) -> Box<History<'h>>,
    ) -> RankState<T> {
        let served = self.served(rank, requests.len());
        let kv = self.layout.coordinates(rank).kv;
        let caches = self.held(rank).map(|index| {
            let layer = &self.layers[index];
            let of_layer = history(index);
            let own = |request: usize, position, key: &mut [f64], value: &mut [f64]| {
                of_layer(served.start + request, position, key, value);
            };
            let heads = self.heads(layer, rank).kv;
            LayerCache::fill(&layer.shape, (self.ledger, kv), &heads, &requests[served.clone()], &own)
        });
        RankState { caches: caches.collect(), requests: requests[served.clone()].to_vec() }
    }

    /// One decode step: `inputs` are the hidden states of the new tokens of all requests, request by request, as many for
    /// each. Only the ranks of the first stage look at them. Returns the output of the requests that this rank serves,
    /// after the last layer of its stage.
    pub fn step(
        &self,
        ranks: &mut dyn Collective<T>,
        state: &mut RankState<T>,
        inputs: &[T],
        requests: usize,
    ) -> Result<Vec<T>, CollectiveError> {
        let rank = ranks.rank();
        // Numbers of one request's new tokens.
        let rows = inputs.len().checked_div(requests).unwrap_or(0);
        let served = self.served(rank, requests);
        let mut values = inputs[served.start * rows..served.end * rows].to_vec();
        let width = self.layout.stage_ranks();
        let own_stage = self.layout.coordinates(rank).stage;
        // The residual stream is handed over as it is.
        let wire = T::WIRE;
        let operation = Operation::Broadcast { root: 0 };
        if own_stage > 0 {
            let group = [rank - width, rank];
            values = exchange(ranks, Exchange { operation, group: &group, wire, data: Vec::new() })?;
        }
        let most = (0..width).map(|peer| self.served(peer, requests).len()).max().unwrap_or(0) * rows;
        for (index, cache) in self.held(rank).zip(&mut state.caches) {
            values = self.layer(ranks, &self.layers[index], (cache, &state.requests), (values, most))?;
        }
        if own_stage + 1 < self.layout.widths().pipeline {
            let group = [rank, rank + width];
            let sent = exchange(ranks, Exchange { operation, group: &group, wire, data: values })?;
            values = sent;
        }
        let tokens = self.layers.first().map_or(0, |layer| rows / layer.shape.hidden as usize);
        for request in &mut state.requests {
            request.context += if request.padding { 0 } else { tokens as u64 };
        }
        Ok(values)
    }

    fn layer(
        &self,
        ranks: &mut dyn Collective<T>,
        weights: &LayerWeights<T>,
        (cache, requests): (&mut LayerCache<T>, &[Request]),
        (mut values, most): (Vec<T>, usize),
    ) -> Result<Vec<T>, CollectiveError> {
        let rank = ranks.rank();
        let place = self.layout.coordinates(rank);
        let heads = self.heads(weights, rank);
        let swapped = match place.within_stage {
            0 => rank + 1,
            1 => rank - 1,
            _ => rank,
        };
        let swap = self.options.has(Fault::SwappedOutputRows) && self.layout.stage_ranks() > 1;
        let projected_heads = if swap { self.heads(weights, swapped).output } else { heads.output.clone() };
        let attention = AttentionPart {
            weights,
            options: self.options,
            heads,
            group: self.layout.kv_group(rank),
            kv: place.kv as usize,
            projected_heads,
            mark: &|mark| self.mark(rank, mark),
        };
        self.mark(rank, Mark::Begun);
        let projected = attention.run(ranks, cache, requests, &values)?;
        let ffn = FfnPart { weights, options: self.options, layout: self.layout, rank };
        if self.options.tokens == TokenSplit::DataParallel {
            let most_tokens = most / weights.shape.hidden as usize;
            return finish_layer(&ffn, ranks, most_tokens, &values, projected);
        }
        let (operation, wire) = (Operation::AllReduce(Reduction::Sum), self.options.wire);
        let group = self.layout.stage_group(rank);
        add(&mut values, &exchange(ranks, Exchange { operation, group: &group, wire, data: projected })?);
        self.mark(rank, Mark::Attended);
        let normed = rms_norm(&weights.ffn_norm, weights.shape.norm_epsilon, &values);
        add(&mut values, &ffn.run(ranks, &normed)?);
        self.mark(rank, Mark::Done);
        Ok(values)
    }
}
