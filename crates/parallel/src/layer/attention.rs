//! The attention phase of one rank, with HOP-B: requests pass in chunks, each exchanged while the next is computed.

use std::ops::Range;

use helix_spec::Attention;

use super::cache::{LayerCache, Request};
use super::exchange::{Merge, Partial, Started};
use super::kernel::attend;
use super::math::rms_norm;
use super::options::{Expansion, Fault, Options};
use super::project::{Heads, Projected, numbers, project};
use super::stack::Mark;
use super::weights::{AttentionWeights, LayerWeights};
use crate::{Collective, CollectiveError, Real, Statistics, chunk_bounds};

/// What one rank does in attention.
pub(super) struct AttentionPart<'a, T> {
    pub weights: &'a LayerWeights<T>,
    pub options: &'a Options,
    pub heads: Heads,
    /// Ranks of its KVP group.
    pub group: Vec<u32>,
    /// Its index in the group.
    pub kv: usize,
    /// Heads of the output projection that it reads; its own, but for a planted fault.
    pub projected_heads: Range<u32>,
    /// Is told when queries are ready and when attention is merged.
    pub mark: &'a dyn Fn(Mark),
}

impl<T: Real> AttentionPart<'_, T> {
    /// This rank's summand of the output projection, for `rows` new tokens of every request: `[tokens, hidden]`.
    pub(super) fn run(
        &self,
        ranks: &mut dyn Collective<T>,
        cache: &mut LayerCache<T>,
        requests: &[Request],
        inputs: &[T],
    ) -> Result<Vec<T>, CollectiveError> {
        let shape = &self.weights.shape;
        let rows =
            if requests.is_empty() { 0 } else { inputs.len() / shape.hidden as usize / requests.len() };
        if rows == 0 {
            return Ok(Vec::new());
        }
        let hidden = rms_norm(&self.weights.attention_norm, shape.norm_epsilon, inputs);
        let positions = self.positions(cache, requests, rows);
        let projected = project(shape, &self.weights.attention, &self.heads, &hidden, &positions);
        self.append(cache, requests, rows, &projected);
        (self.mark)(Mark::Projected);
        let heads = self.attend_and_exchange(ranks, cache, requests, (&projected.queries, rows))?;
        (self.mark)(Mark::Merged);
        let columns = numbers(&self.projected_heads, shape.value_width());
        Ok(self.weights.output.apply(&(0..shape.hidden as usize), &columns, &heads))
    }

    fn positions(&self, cache: &LayerCache<T>, requests: &[Request], rows: usize) -> Vec<u64> {
        let mut positions = Vec::with_capacity(requests.len() * rows);
        for (index, request) in requests.iter().enumerate() {
            for row in 0..rows as u64 {
                let position = request.context + row;
                let local = self.options.has(Fault::LocalRopePosition);
                positions.push(if local { cache.visible(index, request, position) as u64 } else { position });
            }
        }
        positions
    }

    /// Appends the tokens that this rank owns.
    fn append(&self, cache: &mut LayerCache<T>, requests: &[Request], rows: usize, projected: &Projected<T>) {
        let tokens = requests.len() * rows;
        let (keys, values) = (projected.keys.len() / tokens, projected.values.len() / tokens);
        for (index, request) in requests.iter().enumerate().filter(|(_, request)| !request.padding) {
            for row in 0..rows {
                let (token, position) = (index * rows + row, request.context + row as u64);
                let owned = cache.owns(request, position);
                let stray =
                    !owned && self.options.has(Fault::DoubleWrite) && cache.follows_owner(request, position);
                if owned || stray {
                    let keys = &projected.keys[token * keys..][..keys];
                    cache.append(index, keys, &projected.values[token * values..][..values], stray);
                }
            }
        }
    }

    /// Merged output of this rank's heads, expanded to value heads: `[tokens, Q / N, value width]`.
    fn attend_and_exchange(
        &self,
        ranks: &mut dyn Collective<T>,
        cache: &LayerCache<T>,
        requests: &[Request],
        (queries, rows): (&[T], usize),
    ) -> Result<Vec<T>, CollectiveError> {
        let merge = Merge {
            combine: self.options.combine,
            wire: self.options.wire,
            group: &self.group,
            index: self.kv,
            guarded: !self.options.has(Fault::NoEmptyIdentity),
        };
        let mut merged = Vec::new();
        let mut under_way: Option<Started<T>> = None;
        for chunk in chunk_bounds(requests.len(), self.options.chunks) {
            let partial = self.partial(cache, requests, chunk, (queries, rows));
            let started = merge.start(ranks, partial)?;
            if let Some(previous) = under_way.replace(started) {
                merged.extend(merge.finish(ranks, previous)?);
            }
        }
        if let Some(last) = under_way {
            merged.extend(merge.finish(ranks, last)?);
        }
        match self.expansion() {
            Some(Expansion::AfterExchange) => Ok(self.expand(&self.heads.output, &merged)),
            _ => Ok(merged),
        }
    }

    fn expansion(&self) -> Option<Expansion> {
        let latent = matches!(self.weights.shape.attention, Attention::Latent { .. });
        latent.then_some(self.options.expansion)
    }

    /// Attention of a chunk of requests over this rank's part of them.
    fn partial(
        &self,
        cache: &LayerCache<T>,
        requests: &[Request],
        chunk: Range<usize>,
        (queries, rows): (&[T], usize),
    ) -> Partial<T> {
        let shape = &self.weights.shape;
        let (heads, width) = (self.heads.query.len(), shape.cached_value_width() as usize);
        let per_token = heads * shape.key_width() as usize;
        let tokens = chunk.len() * rows;
        let mut outputs = vec![T::ZERO; tokens * heads * width];
        let mut statistics = vec![Statistics::EMPTY; tokens * heads];
        let per_token_results =
            outputs.chunks_exact_mut(heads * width).zip(statistics.chunks_exact_mut(heads));
        for (at, (outputs, statistics)) in per_token_results.enumerate() {
            let (index, row) = (chunk.start + at / rows, at % rows);
            let request = &requests[index];
            if !request.padding {
                let visible = cache.visible(index, request, request.context + row as u64 + 1);
                let queries = &queries[(index * rows + row) * per_token..][..per_token];
                self.attend_token(cache, (index, visible), queries, (outputs, statistics));
            }
        }
        self.plant_faults(&mut outputs, &mut statistics);
        let (width, outputs) = match self.expansion() {
            Some(Expansion::BeforeExchange) => {
                (shape.value_width() as usize, self.expand(&self.heads.query, &outputs))
            }
            _ => (width, outputs),
        };
        Partial { heads, width, outputs, statistics }
    }

    /// Attention of one token: consecutive query heads with the same KV head together.
    fn attend_token(
        &self,
        cache: &LayerCache<T>,
        (request, visible): (usize, usize),
        queries: &[T],
        (outputs, statistics): (&mut [T], &mut [Statistics<T>]),
    ) {
        let shape = &self.weights.shape;
        let (key_width, value_width) = (shape.key_width() as usize, shape.cached_value_width() as usize);
        let group = shape.query_heads() / shape.kv_heads();
        let scale = T::of(shape.softmax_scale());
        for kv in self.heads.kv.clone() {
            let first = (kv * group).max(self.heads.query.start) - self.heads.query.start;
            let end = ((kv + 1) * group).min(self.heads.query.end) - self.heads.query.start;
            let (first, end) = (first as usize, end as usize);
            let entries = cache.head(request, (kv - self.heads.kv.start) as usize, visible);
            attend(
                &queries[first * key_width..end * key_width],
                &entries,
                scale,
                &mut outputs[first * value_width..end * value_width],
                &mut statistics[first..end],
            );
        }
    }

    /// `W_UV`: latent outputs of `heads`, token by token, to value heads.
    fn expand(&self, heads: &Range<u32>, latents: &[T]) -> Vec<T> {
        let AttentionWeights::Latent { value_up, .. } = &self.weights.attention else {
            unreachable!("only latent attention is expanded")
        };
        let value_width = self.weights.shape.value_width();
        let mut values = Vec::new();
        for token in latents.chunks_exact(value_up.columns * heads.len()) {
            for (head, latent) in heads.clone().zip(token.chunks_exact(value_up.columns)) {
                values.extend(value_up.apply(
                    &numbers(&(head..head + 1), value_width),
                    &(0..value_up.columns),
                    latent,
                ));
            }
        }
        values
    }

    fn plant_faults(&self, outputs: &mut [T], statistics: &mut [Statistics<T>]) {
        let last = self.group.len() > 1 && self.kv + 1 == self.group.len();
        if self.options.has(Fault::DroppedShard) && last {
            statistics.fill(Statistics::EMPTY);
        }
        if self.options.has(Fault::NoEmptyIdentity) {
            let width = outputs.len() / statistics.len();
            for (output, _) in outputs.chunks_exact_mut(width).zip(statistics).filter(|(_, s)| s.is_empty()) {
                output.fill(T::of(f64::NAN));
            }
        }
    }
}
