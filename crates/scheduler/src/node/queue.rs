//! Work in front of a layer, in the order of arrival, with its sums: whether all of it fits is known without a look at it.

use crate::prefetch::prefetch_bytes;
use crate::{Phase, Work};

/// Work with what the node knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) work: Work,
    /// Index of its request among the residents.
    pub(crate) resident: u32,
    /// It was not in a batch here yet, and the cache is in blocks.
    pub(crate) fresh: bool,
    /// Whether its request had blocks for its tokens when it came; they may be shared.
    pub(crate) has_blocks: bool,
}

/// Sums over items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    pub(crate) prefills: u32,
    pub(crate) prefill_tokens: u64,
    pub(crate) decodes: u32,
    pub(crate) decode_context: u64,
    /// Items that were in no batch yet, and those of them that lack blocks.
    pub(crate) fresh: u32,
    pub(crate) lacking: u32,
    /// Parts of prompts: their order within their request matters.
    pub(crate) parts: u32,
    /// Items that leave before the last layer of the machine.
    pub(crate) early: u32,
}

impl Sums {
    #[inline]
    pub(crate) fn add(&mut self, item: &Item, machine_end: u32) {
        match item.work.phase {
            Phase::Prefill => {
                self.prefills += 1;
                self.prefill_tokens += u64::from(item.work.tokens);
            }
            Phase::Decode => {
                self.decodes += 1;
                self.decode_context += u64::from(item.work.context);
            }
        }
        self.fresh += u32::from(item.fresh);
        self.lacking += u32::from(item.fresh && !item.has_blocks);
        self.parts += u32::from(item.work.is_part());
        self.early += u32::from(item.work.layers.end() < machine_end);
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.prefills += other.prefills;
        self.prefill_tokens += other.prefill_tokens;
        self.decodes += other.decodes;
        self.decode_context += other.decode_context;
        self.fresh += other.fresh;
        self.lacking += other.lacking;
        self.parts += other.parts;
        self.early += other.early;
    }

    /// Tokens of prompts and decodes.
    pub(crate) fn tokens(&self) -> u64 {
        self.prefill_tokens + u64::from(self.decodes)
    }
}

/// Items and their sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    pub(crate) items: Vec<Item>,
    pub(crate) sums: Sums,
}

impl Queue {
    #[inline]
    pub(crate) fn push(&mut self, item: Item, machine_end: u32) {
        self.sums.add(&item, machine_end);
        self.items.push(item);
    }

    /// All items have been in a batch.
    pub(crate) fn age(&mut self) {
        if self.sums.fresh > 0 {
            self.items.iter_mut().for_each(|item| item.fresh = false);
            (self.sums.fresh, self.sums.lacking) = (0, 0);
        }
    }

    /// Asks memory for the places behind the last item.
    pub(crate) fn prefetch(&self) {
        let end = self.items.as_ptr().addr() + self.items.len() * size_of::<Item>();
        prefetch_bytes(end, 2 * size_of::<Item>());
    }

    /// Takes all of `other`, behind what is here.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.items.is_empty() {
            std::mem::swap(self, other);
        } else {
            self.items.append(&mut other.items);
            self.sums.append(&std::mem::take(&mut other.sums));
        }
    }

    /// Sums anew, after items were changed or taken out.
    pub(crate) fn recount(&mut self, machine_end: u32) {
        self.sums = Sums::default();
        for item in &self.items {
            self.sums.add(item, machine_end);
        }
    }
}
