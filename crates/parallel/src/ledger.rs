//! Which rank of a KVP group owns the cache entry of which position.
//!
//! ```text
//! block = 2, KVP = 4     position  0 1 | 2 3 | 4 5 | 6 7 | 8 9 | 10 11 | 12
//!                        owner      0  |  1  |  2  |  3  |  0  |   1   |  2
//! ```
//!
//! The default rule is a pure function of the position: every rank knows every length without a message, rolling back
//! rejected tokens needs no bookkeeping, and ranks differ by one block at the most. The older rules of TensorRT-LLM are
//! kept by name for comparison.

use std::ops::Range;

/// A rule of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// `owner(p) = (p / block) % KVP` over prompt and decode tokens alike.
    ByPosition,
    /// Blocks of the prompt in turn; decode tokens in turn as well, but counted from zero again: the remainders of prompt
    /// and decode both favour low ranks.
    DecodeFromZero,
    /// The prompt in KVP contiguous chunks, every decode token on the last rank.
    ContiguousPrompt,
}

/// Why there is no such ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ledger needs blocks of at least 1 token and at least 1 rank, found {block} tokens and {kv} ranks")]
pub struct LedgerError {
    /// Tokens a block.
    pub block: u32,
    /// KVP.
    pub kv: u32,
}

/// Ownership of positions in a KVP group. Positions and lengths count tokens of one request from 0.
///
/// ```
/// use helix_parallel::{Ledger, Ownership};
/// let ledger = Ledger::new(Ownership::ByPosition, 2, 4)?;
/// let prompt = 13;
/// assert_eq!(ledger.positions(prompt, 0..13, 2).collect::<Vec<_>>(), [4, 5, 12]);
/// assert_eq!(ledger.local_len(prompt, 13, 2), 3);
/// # Ok::<(), helix_parallel::LedgerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    rule: Ownership,
    block: u32,
    kv: u32,
}

impl Ledger {
    /// A ledger of blocks of `block` tokens over `kv` ranks.
    pub fn new(rule: Ownership, block: u32, kv: u32) -> Result<Self, LedgerError> {
        if block == 0 || kv == 0 { Err(LedgerError { block, kv }) } else { Ok(Self { rule, block, kv }) }
    }

    /// Ranks of the group, KVP.
    #[must_use]
    pub fn kv(self) -> u32 {
        self.kv
    }

    /// Tokens a block.
    #[must_use]
    pub fn block(self) -> u32 {
        self.block
    }

    /// The rank that keeps the entry of `position` in a request whose prompt has `prompt` tokens.
    #[must_use]
    pub fn owner(self, prompt: u64, position: u64) -> u32 {
        match self.rule {
            Ownership::ByPosition => self.in_turn(position),
            Ownership::DecodeFromZero if position < prompt => self.in_turn(position),
            Ownership::DecodeFromZero => self.in_turn(position - prompt),
            Ownership::ContiguousPrompt if position < prompt => self.rank(position / self.chunk(prompt)),
            Ownership::ContiguousPrompt => self.kv - 1,
        }
    }

    /// How many of the first `length` positions a rank owns. Constant time.
    #[must_use]
    pub fn local_len(self, prompt: u64, length: u64, rank: u32) -> u64 {
        let (of_prompt, decoded) = (length.min(prompt), length.saturating_sub(prompt));
        match self.rule {
            Ownership::ByPosition => self.count_in_turn(length, rank),
            Ownership::DecodeFromZero => {
                self.count_in_turn(of_prompt, rank) + self.count_in_turn(decoded, rank)
            }
            Ownership::ContiguousPrompt => {
                let chunk = self.chunk(prompt);
                let before = chunk.saturating_mul(u64::from(rank));
                let own = of_prompt.saturating_sub(before).min(chunk);
                own + if rank + 1 == self.kv { decoded } else { 0 }
            }
        }
    }

    /// The positions within `range` that a rank owns, ascending: the order in which they lie in its cache.
    pub fn positions(self, prompt: u64, range: Range<u64>, rank: u32) -> impl Iterator<Item = u64> {
        range.filter(move |&position| self.owner(prompt, position) == rank)
    }

    /// Entries of a rank's cache that each row of a verify group sees: row `j` stands at position `context + j`, is
    /// written by its owner only, and sees everything up to itself. A group may straddle blocks, so ownership is by
    /// token, not by request: `cached + owned rows up to j`, on every rank.
    #[must_use]
    pub fn verify_lengths(
        self,
        prompt: u64,
        context: u64,
        rows: u64,
        rank: u32,
    ) -> impl ExactSizeIterator<Item = u64> {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        (0..rows).map(move |row| self.local_len(prompt, context + row as u64 + 1, rank))
    }

    /// How many of `blocks` blocks dealt in turn a rank holds: `blocks / KVP`, and one more for the first ranks.
    #[must_use]
    pub fn blocks(self, blocks: u64, rank: u32) -> u64 {
        let kv = u64::from(self.kv);
        blocks / kv + u64::from(u64::from(rank) < blocks % kv)
    }

    fn in_turn(self, index: u64) -> u32 {
        self.rank(index / u64::from(self.block) % u64::from(self.kv))
    }

    fn count_in_turn(self, length: u64, rank: u32) -> u64 {
        let block = u64::from(self.block);
        let round = block * u64::from(self.kv);
        let (full, rest) = (length / round, length % round);
        full * block + rest.saturating_sub(u64::from(rank) * block).min(block)
    }

    /// Tokens of the prompt on each rank but the last ones, which may have fewer.
    fn chunk(self, prompt: u64) -> u64 {
        prompt.div_ceil(u64::from(self.kv)).max(1)
    }

    fn rank(self, index: u64) -> u32 {
        debug_assert!(index < u64::from(self.kv));
        u32::try_from(index).expect("a rank is below KVP, which is a u32")
    }
}
