//! The KV cache: blocks of sixteen tokens of one layer, counted by reference, handed out from one pool.
//!
//! ```text
//! request ─> layer ─> table: [block 7][block 2][block 9], 40 tokens       a block may stand in several tables
//! ```
//!
//! A request keeps blocks only for layers that it visits here, so that a part of a worker's range costs a part of the
//! cache. A block in several tables is copied before it is written to.

use std::collections::BTreeMap;

use crate::backends::cpu::{BLOCK, Float};

/// A request, as the caller names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Blocks of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    /// In use by at least one request.
    pub used: usize,
    /// All there are.
    pub total: usize,
}

/// Tokens of one layer of one request.
#[derive(Debug, Clone, Default)]
struct Table {
    blocks: Vec<usize>,
    tokens: usize,
}

/// A pool of blocks and who has them.
#[derive(Debug)]
pub struct KvCache<T> {
    kv_heads: usize,
    head_dim: usize,
    /// Memory of a block, allocated when it is first used.
    blocks: Vec<Option<Box<[T]>>>,
    references: Vec<u32>,
    free: Vec<usize>,
    total: usize,
    tables: BTreeMap<(RequestId, u32), Table>,
}

impl<T: Float> KvCache<T> {
    /// A pool of at most `total` blocks.
    pub(crate) fn new(kv_heads: usize, head_dim: usize, total: usize) -> Self {
        Self {
            kv_heads,
            head_dim,
            blocks: Vec::new(),
            references: Vec::new(),
            free: Vec::new(),
            total,
            tables: BTreeMap::new(),
        }
    }

    /// Tokens of a block.
    pub const BLOCK_TOKENS: usize = BLOCK;

    /// Memory of one block \[bytes\].
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.block_numbers() * size_of::<T>()
    }

    fn block_numbers(&self) -> usize {
        2 * self.kv_heads * self.head_dim * BLOCK
    }

    /// How full the pool is.
    #[must_use]
    pub fn usage(&self) -> CacheUse {
        CacheUse { used: self.total - self.free_blocks(), total: self.total }
    }

    /// Blocks that nobody has.
    #[must_use]
    pub fn free_blocks(&self) -> usize {
        self.free.len() + (self.total - self.blocks.len())
    }

    /// Tokens that a layer keeps of a request.
    #[must_use]
    pub fn tokens(&self, request: RequestId, layer: u32) -> usize {
        self.tables.get(&(request, layer)).map_or(0, |table| table.tokens)
    }

    /// Blocks that further tokens of one layer of a request take from the pool, a copied one included.
    pub(crate) fn blocks_needed(&self, request: RequestId, layer: u32, tokens: usize) -> usize {
        let Some(table) = self.tables.get(&(request, layer)) else { return tokens.div_ceil(BLOCK) };
        let fresh = (table.tokens + tokens).div_ceil(BLOCK) - table.blocks.len();
        let shared = tokens > 0
            && !table.tokens.is_multiple_of(BLOCK)
            && table.blocks.last().is_some_and(|&block| self.references[block] > 1);
        fresh + usize::from(shared)
    }

    /// Gives a request's blocks back, those of all layers; unknown requests have none. Gives how many became free.
    pub fn release(&mut self, request: RequestId) -> usize {
        let before = self.free_blocks();
        let keys: Vec<_> =
            self.tables.range((request, 0)..=(request, u32::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            let table = self.tables.remove(&key).unwrap_or_default();
            for block in table.blocks {
                self.drop_reference(block);
            }
        }
        self.free_blocks() - before
    }

    /// Forgets a request's tokens from `tokens` on, in all layers.
    pub fn truncate(&mut self, request: RequestId, tokens: usize) {
        let mut dropped = Vec::new();
        for (_, table) in self.tables.range_mut((request, 0)..=(request, u32::MAX)) {
            if table.tokens > tokens {
                table.tokens = tokens;
                dropped.extend(table.blocks.drain(tokens.div_ceil(BLOCK)..));
            }
        }
        for block in dropped {
            self.drop_reference(block);
        }
    }

    /// Lets a new request begin with the first `tokens` tokens of another one, without copying them. Of layers that keep
    /// fewer it gets those that they keep. What the new request had is released.
    pub fn fork(&mut self, from: RequestId, to: RequestId, tokens: usize) {
        if from == to {
            return;
        }
        self.release(to);
        let tables: Vec<_> = self
            .tables
            .range((from, 0)..=(from, u32::MAX))
            .map(|((_, layer), table)| (*layer, table.clone()))
            .collect();
        for (layer, mut table) in tables {
            table.tokens = table.tokens.min(tokens);
            table.blocks.truncate(table.tokens.div_ceil(BLOCK));
            for &block in &table.blocks {
                self.references[block] += 1;
            }
            self.tables.insert((to, layer), table);
        }
    }

    fn drop_reference(&mut self, block: usize) {
        self.references[block] -= 1;
        if self.references[block] == 0 {
            self.free.push(block);
        }
    }

    fn take(&mut self) -> usize {
        let block = self.free.pop().unwrap_or_else(|| {
            assert!(
                self.blocks.len() < self.total,
                "a batch is checked against the free blocks before it runs"
            );
            self.blocks.push(None);
            self.references.push(0);
            self.blocks.len() - 1
        });
        let numbers = self.block_numbers();
        self.blocks[block].get_or_insert_with(|| vec![T::ZERO; numbers].into_boxed_slice());
        self.references[block] = 1;
        block
    }

    /// Appends one token's keys and values (`kv_heads · head_dim` numbers each) to a layer of a request.
    pub(crate) fn append(&mut self, request: RequestId, layer: u32, keys: &[T], values: &[T]) {
        let mut table = self.tables.remove(&(request, layer)).unwrap_or_default();
        let slot = table.tokens % BLOCK;
        if slot == 0 {
            table.blocks.push(self.take());
        }
        let last = table.blocks.len() - 1;
        if self.references[table.blocks[last]] > 1 {
            let (old, new) = (table.blocks[last], self.take());
            let copy = self.blocks[old].clone();
            self.blocks[new] = copy;
            self.drop_reference(old);
            table.blocks[last] = new;
        }
        let width = self.head_dim;
        let half = self.block_numbers() / 2;
        let numbers = self.blocks[table.blocks[last]].as_mut().expect("a block that was taken has memory");
        let (block_keys, block_values) = numbers.split_at_mut(half);
        for (into, key) in block_keys.iter_mut().skip(slot).step_by(BLOCK).zip(keys) {
            *into = *key;
        }
        for (into, value) in block_values.chunks_exact_mut(width * BLOCK).zip(values.chunks_exact(width)) {
            into[slot * width..][..width].copy_from_slice(value);
        }
        table.tokens += 1;
        self.tables.insert((request, layer), table);
    }

    /// For each block of a layer of a request, keys and values of one KV head.
    pub(crate) fn blocks(&self, request: RequestId, layer: u32, kv_head: usize) -> Vec<(&[T], &[T])> {
        let head = self.head_dim * BLOCK;
        let table = self.tables.get(&(request, layer));
        table
            .map_or(&[][..], |table| &table.blocks)
            .iter()
            .map(|&block| {
                let numbers = self.blocks[block].as_deref().expect("a block that was taken has memory");
                let (keys, values) = numbers.split_at(numbers.len() / 2);
                (&keys[kv_head * head..][..head], &values[kv_head * head..][..head])
            })
            .collect()
    }
}
