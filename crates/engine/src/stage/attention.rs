//! The attention of one layer for several requests, each over its own blocks of the cache.

use crate::backends::cpu::{AttentionUnit, Float, attend, rms_norm};
use crate::block::GroupedAttention;
use crate::config::ModelConfig;
use crate::kv::{KvCache, RequestId};
use crate::linear::Cpu;
use crate::scratch::Scratch;

/// Queries of one KV head that one thread takes at a time.
const UNIT: usize = 64;

/// What all items of a layer share.
pub(super) struct Context<'a> {
    pub cpu: &'a Cpu,
    pub config: &'a ModelConfig,
    pub layer: u32,
    /// Request, position of the first token, tokens.
    pub sequences: &'a [(RequestId, usize, usize)],
}

impl<T: Float> GroupedAttention<T> {
    /// Leaves what is added to the activations in `scratch.results`; reads `scratch.normed`.
    pub(super) fn apply(&self, context: &Context<'_>, cache: &mut KvCache<T>, scratch: &mut Scratch<T>) {
        self.qkv.multiply(context.cpu, &scratch.normed, &mut scratch.results);
        self.rotate_and_cache(context, cache, scratch);
        self.attend(context, cache, scratch);
        let config = context.config;
        let (width, kv_heads) = (config.head_dim, config.kv_heads);
        let group = config.query_heads / kv_heads;
        let row_width = config.query_heads * width;
        scratch.wide.resize(scratch.rows.len() * row_width, T::ZERO);
        let mut attended = scratch.attended.chunks_exact(group * width);
        let mut first = 0;
        for &(_, _, tokens) in context.sequences {
            for head in 0..kv_heads {
                for token in 0..tokens {
                    let into = &mut scratch.wide[(first + token) * row_width + head * group * width..];
                    let from = attended.next().expect("a group for each token and KV head");
                    into[..group * width].copy_from_slice(from);
                }
            }
            first += tokens;
        }
        self.output.multiply(context.cpu, &scratch.wide, &mut scratch.results);
    }

    /// Normalises and rotates queries and keys; puts keys and values into the cache, queries where they are attended from.
    fn rotate_and_cache(&self, context: &Context<'_>, cache: &mut KvCache<T>, scratch: &mut Scratch<T>) {
        let config = context.config;
        let (width, kv_heads) = (config.head_dim, config.kv_heads);
        let group = config.query_heads / kv_heads;
        let epsilon = T::of(config.norm_epsilon);
        let mut queries = vec![T::ZERO; config.query_heads * width];
        let mut keys = vec![T::ZERO; kv_heads * width];
        let mut values = vec![T::ZERO; kv_heads * width];
        let mut normed = vec![T::ZERO; width];
        scratch.queries.resize(scratch.rows.len() * queries.len(), T::ZERO);
        let mut first = 0;
        for &(request, _, tokens) in context.sequences {
            for token in 0..tokens {
                let result = first + token;
                scratch.results.copy_row(result, self.qkv.first_panel(0), &mut queries);
                scratch.results.copy_row(result, self.qkv.first_panel(1), &mut keys);
                scratch.results.copy_row(result, self.qkv.first_panel(2), &mut values);
                let rotation = &scratch.rotations[scratch.rows[result] * width..][..width];
                let norms = self.qk_norms.as_ref().map(|(q, k)| (q.as_slice(), k.as_slice()));
                for (heads, weight) in
                    [(&mut queries, norms.map(|norms| norms.0)), (&mut keys, norms.map(|norms| norms.1))]
                {
                    for head in heads.chunks_exact_mut(width) {
                        if let Some(weight) = weight {
                            rms_norm(context.cpu.isa, head, weight, epsilon, &mut normed);
                            head.copy_from_slice(&normed);
                        }
                        rotate(head, rotation);
                    }
                }
                for (head, query) in queries.chunks_exact(group * width).enumerate() {
                    let at = (first * kv_heads + head * tokens + token) * group * width;
                    scratch.queries[at..][..group * width].copy_from_slice(query);
                }
                cache.append(request, context.layer, &keys, &values);
            }
            first += tokens;
        }
    }

    fn attend(&self, context: &Context<'_>, cache: &KvCache<T>, scratch: &mut Scratch<T>) {
        let config = context.config;
        let (width, kv_heads) = (config.head_dim, config.kv_heads);
        let group = config.query_heads / kv_heads;
        scratch.attended.resize(scratch.queries.len(), T::ZERO);
        scratch.log_sums.resize(scratch.queries.len() / width, T::ZERO);
        let scale = T::ONE / T::of(width as f64).sqrt();
        let blocks: Vec<_> = context
            .sequences
            .iter()
            .flat_map(|&(request, ..)| (0..kv_heads).map(move |head| (request, head)))
            .map(|(request, head)| cache.blocks(request, context.layer, head))
            .collect();
        let mut units = Vec::new();
        let (mut queries, mut outputs) = (scratch.queries.as_slice(), scratch.attended.as_mut_slice());
        let mut log_sums = scratch.log_sums.as_mut_slice();
        for (index, blocks) in blocks.iter().enumerate() {
            let (_, position, tokens) = context.sequences[index / kv_heads];
            for first in (0..tokens * group).step_by(UNIT) {
                let count = UNIT.min(tokens * group - first);
                units.push(AttentionUnit {
                    queries: queries.split_off(..count * width).expect("as many queries as were written"),
                    position: position + first / group,
                    offset: first % group,
                    group,
                    blocks,
                    window: self.window,
                    scale,
                    outputs: outputs.split_off_mut(..count * width).expect("as many outputs as queries"),
                    log_sums: log_sums.split_off_mut(..count).expect("a log-sum for each query"),
                });
            }
        }
        context.cpu.threads.each(units, |mut unit| attend(context.cpu.isa, &mut unit));
    }
}

/// Turns each pair (i, i + half) of a head by its angle; `rotation` holds cosines, then sines.
fn rotate<T: Float>(head: &mut [T], rotation: &[T]) {
    let half = head.len() / 2;
    let (cosines, sines) = rotation.split_at(half);
    let (left, right) = head.split_at_mut(half);
    for (((left, right), &cosine), &sine) in left.iter_mut().zip(right).zip(cosines).zip(sines) {
        let (a, b) = (*left, *right);
        *left = a * cosine - b * sine;
        *right = b * cosine + a * sine;
    }
}
