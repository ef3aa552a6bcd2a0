//! The cache of a machine in blocks: who holds which, how often each is held, which are free.
//!
//! ```text
//! table of request 1   [ 4 7 2 ]          references  2: 1   4: 2   7: 2   9: 1
//! table of request 2   [ 4 7 9 ]          free        0 1 3 5 6 8, and what was never used
//! ```
//!
//! Two requests may share blocks (a common prefix). Before a request writes into a block that is held twice, the block
//! is copied.

use serde::{Deserialize, Serialize};

/// Index of a block in the cache of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId(pub u32);

/// The blocks of one request, in the order of its tokens: `width` of them for every `block_tokens` tokens, one for each
/// layer (or one for all).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockTable {
    /// In the order of tokens, then of layers.
    pub blocks: Vec<BlockId>,
}

/// All blocks of a machine. Memory: proportional to the most blocks ever in use at once.
#[derive(Debug, Clone)]
pub struct KvPool {
    capacity: u32,
    block_tokens: u32,
    /// By block; only for blocks that were used before.
    references: Vec<u32>,
    free: Vec<BlockId>,
    /// Blocks that are held more than once. While there are none, nobody has to look which.
    held_twice: usize,
}

/// There are not enough free blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// How many are missing.
    pub missing: u64,
}

impl KvPool {
    /// A pool of free blocks.
    #[must_use]
    pub fn new(capacity: u32, block_tokens: u32) -> Self {
        Self {
            capacity,
            block_tokens: block_tokens.max(1),
            references: Vec::new(),
            free: Vec::new(),
            held_twice: 0,
        }
    }

    /// How many blocks there are.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How many blocks nobody holds.
    #[must_use]
    pub fn available(&self) -> u32 {
        let fresh = self.capacity - u32::try_from(self.references.len()).expect("at most the capacity");
        fresh + u32::try_from(self.free.len()).expect("at most the capacity")
    }

    /// How many blocks `tokens` tokens take.
    #[must_use]
    pub fn blocks_for(&self, tokens: u64, width: u32) -> u64 {
        tokens.div_ceil(u64::from(self.block_tokens)).saturating_mul(u64::from(width))
    }

    /// How many tokens a table has blocks for.
    pub(crate) fn room(&self, table: &BlockTable, width: u32) -> u32 {
        let tokens = table.blocks.len() as u64 / u64::from(width.max(1)) * u64::from(self.block_tokens);
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }

    /// Whether no block is held twice.
    pub(crate) fn shares_nothing(&self) -> bool {
        self.held_twice == 0
    }

    /// Makes a table ready for tokens `from..to`: adds blocks up to `to`, and replaces shared ones that would be
    /// written. Calls `copy(from, to)` for each of those. Either all of it happens or nothing.
    pub fn reserve(
        &mut self,
        table: &mut BlockTable,
        (from, to): (u64, u64),
        width: u32,
        mut copy: impl FnMut(BlockId, BlockId),
    ) -> Result<(), Shortage> {
        let wanted = self.blocks_for(to, width);
        let held = table.blocks.len();
        let added = wanted.saturating_sub(held as u64);
        // Only the block that `from` lies in can hold older tokens and be written.
        let first_written = usize::try_from(from / u64::from(self.block_tokens) * u64::from(width));
        let first_written = first_written.unwrap_or(usize::MAX).min(held);
        let is_shared = |id: &BlockId| self.references[id.0 as usize] > 1;
        let shared = match self.held_twice {
            0 => 0,
            _ => table.blocks[first_written..].iter().filter(|id| is_shared(id)).count(),
        };
        let needed = added + shared as u64;
        let available = u64::from(self.available());
        if needed > available {
            return Err(Shortage { missing: needed - available });
        }
        if shared > 0 {
            for place in first_written..held {
                let old = table.blocks[place];
                if self.references[old.0 as usize] > 1 {
                    let new = self.take();
                    self.drop_one(old);
                    table.blocks[place] = new;
                    copy(old, new);
                }
            }
        }
        for _ in 0..added {
            let block = self.take();
            table.blocks.push(block);
        }
        Ok(())
    }

    /// Gives a table's blocks back.
    pub fn release(&mut self, table: &mut BlockTable) {
        while let Some(block) = table.blocks.pop() {
            if self.drop_one(block) == 0 {
                self.free.push(block);
            }
        }
    }

    /// Holds a block once less; how often it is still held.
    fn drop_one(&mut self, block: BlockId) -> u32 {
        let references = &mut self.references[block.0 as usize];
        *references -= 1;
        self.held_twice -= usize::from(*references == 1);
        *references
    }

    /// Lets `child`, which must be empty, share the blocks of `parent` that hold its first `tokens` tokens. False, and
    /// nothing happens, where the parent has fewer or the child has some.
    pub fn share(&mut self, parent: &BlockTable, child: &mut BlockTable, tokens: u64, width: u32) -> bool {
        let Ok(count) = usize::try_from(self.blocks_for(tokens, width)) else { return false };
        if !child.blocks.is_empty() || parent.blocks.len() < count {
            return false;
        }
        for &block in &parent.blocks[..count] {
            let references = &mut self.references[block.0 as usize];
            self.held_twice += usize::from(*references == 1);
            *references += 1;
            child.blocks.push(block);
        }
        true
    }

    /// How often a block is held.
    #[must_use]
    pub fn references(&self, block: BlockId) -> u32 {
        self.references.get(block.0 as usize).copied().unwrap_or(0)
    }

    fn take(&mut self) -> BlockId {
        if let Some(block) = self.free.pop() {
            self.references[block.0 as usize] = 1;
            return block;
        }
        let fresh = u32::try_from(self.references.len()).expect("at most the capacity");
        assert!(fresh < self.capacity, "blocks were counted before they were taken");
        self.references.push(1);
        BlockId(fresh)
    }
}
