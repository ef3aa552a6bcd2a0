//! One rank's KV cache of one layer: the tokens of every request that the ledger gives to it, rotated.

use std::ops::Range;

use helix_spec::Attention;

use super::kernel::KeyValue;
use super::math::Rotation;
use super::shape::LayerShape;
use crate::{Ledger, Real};

/// A request: its prompt, and the tokens that are cached by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Tokens of the prompt; older ownership rules count from its end.
    pub prompt: u64,
    /// Tokens cached, prompt included: the position of the next one.
    pub context: u64,
    /// A slot of the batch without a request: nothing is cached for it and its attention is 0.
    pub padding: bool,
}

impl Request {
    /// A request whose prompt has just been cached.
    #[must_use]
    pub fn new(prompt: u64) -> Self {
        Self { prompt, context: prompt, padding: false }
    }

    /// An empty slot.
    pub const PADDING: Self = Self { prompt: 0, context: 0, padding: true };
}

/// What the cache holds at the start: the unrotated key and the value of each KV head (request, position, key, value).
/// In latent attention the key is the normed latent and the shared key, and there is no value.
pub type History<'a> = dyn Fn(usize, u64, &mut [f64], &mut [f64]) + Sync + 'a;

/// Tokens of one KV head.
#[derive(Debug, Clone, PartialEq, Default)]
struct HeadCache<T> {
    keys: Vec<T>,
    values: Vec<T>,
}

/// The cache of one rank and one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerCache<T> {
    ledger: Ledger,
    rank: u32,
    /// By request, then by KV head of this rank.
    heads: Vec<Vec<HeadCache<T>>>,
    key_width: usize,
    value_width: usize,
    latent: bool,
    /// Entries that a planted double write added, by request.
    extra: Vec<u64>,
}

impl<T: Real> LayerCache<T> {
    /// Fills the part of KVP rank `rank` for the KV heads `kv_heads`.
    #[must_use]
    pub fn fill(
        shape: &LayerShape,
        (ledger, rank): (Ledger, u32),
        kv_heads: &Range<u32>,
        requests: &[Request],
        history: &History<'_>,
    ) -> Self {
        let (key_width, value_width) = (shape.key_width() as usize, shape.cached_value_width() as usize);
        let latent = matches!(shape.attention, Attention::Latent { .. });
        let all_heads = shape.kv_heads() as usize;
        let rope = shape.rope_width() as usize;
        let mut key = vec![0.0; all_heads * key_width];
        let mut value = vec![0.0; if latent { 0 } else { all_heads * value_width }];
        let rotation = Rotation::new(shape.rope, rope);
        let mut rotated = vec![T::ZERO; key_width];
        let mut caches = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            let tokens = entries(ledger.local_len(request.prompt, request.context, rank));
            let value_numbers = if latent { 0 } else { tokens * value_width };
            let mut heads: Vec<HeadCache<T>> = kv_heads
                .clone()
                .map(|_| HeadCache {
                    keys: Vec::with_capacity(tokens * key_width),
                    values: Vec::with_capacity(value_numbers),
                })
                .collect();
            for position in ledger.positions(request.prompt, 0..request.context, rank) {
                history(index, position, &mut key, &mut value);
                for (cache, head) in heads.iter_mut().zip(kv_heads.clone()) {
                    let head = head as usize;
                    for (into, &from) in rotated.iter_mut().zip(&key[head * key_width..]) {
                        *into = T::of(from);
                    }
                    rotation.turn(position, &mut rotated[key_width - rope..]);
                    cache.keys.extend_from_slice(&rotated);
                    if !latent {
                        let values = &value[head * value_width..][..value_width];
                        cache.values.extend(values.iter().map(|&value| T::of(value)));
                    }
                }
            }
            caches.push(heads);
        }
        let extra = vec![0; requests.len()];
        Self { ledger, rank, heads: caches, key_width, value_width, latent, extra }
    }

    /// Whether this rank keeps the entry of a position.
    pub(super) fn owns(&self, request: &Request, position: u64) -> bool {
        self.ledger.owner(request.prompt, position) == self.rank
    }

    /// Whether the rank before this one keeps it.
    pub(super) fn follows_owner(&self, request: &Request, position: u64) -> bool {
        (self.ledger.owner(request.prompt, position) + 1) % self.ledger.kv() == self.rank
    }

    /// Appends a token's rotated keys and its values, KV head after KV head. `stray` marks an entry beyond the ledger.
    pub(super) fn append(&mut self, request: usize, keys: &[T], values: &[T], stray: bool) {
        for (head, cache) in self.heads[request].iter_mut().enumerate() {
            cache.keys.extend_from_slice(&keys[head * self.key_width..][..self.key_width]);
            if !self.latent {
                cache.values.extend_from_slice(&values[head * self.value_width..][..self.value_width]);
            }
        }
        self.extra[request] += u64::from(stray);
    }

    /// Entries of this rank among the first `length` positions of a request.
    pub(super) fn visible(&self, index: usize, request: &Request, length: u64) -> usize {
        entries(self.ledger.local_len(request.prompt, length, self.rank) + self.extra[index])
    }

    /// The first `tokens` entries of one of this rank's KV heads.
    pub(super) fn head(&self, request: usize, head: usize, tokens: usize) -> KeyValue<'_, T> {
        let cache = &self.heads[request][head];
        let keys = &cache.keys[..tokens * self.key_width];
        let (values, value_stride) = if self.latent {
            (keys, self.key_width)
        } else {
            (&cache.values[..tokens * self.value_width], self.value_width)
        };
        KeyValue { keys, key_width: self.key_width, values, value_stride, value_width: self.value_width }
    }

    /// Numbers that are cached.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        self.heads.iter().flatten().map(|head| (head.keys.len() + head.values.len()) as u64).sum()
    }
}

fn entries(length: u64) -> usize {
    usize::try_from(length).expect("a cache in memory has no more entries than memory has bytes")
}
