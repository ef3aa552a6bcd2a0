//! A small map from request ids to indices: open addressing, no iteration, so no order that could leak out.

use crate::RequestId;

const FREE: u32 = u32::MAX;

/// Maps ids to indices (below `u32::MAX`). Memory: proportional to the most entries it held at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdTable {
    /// A power of two of them, at most half in use.
    cells: Vec<(u64, u32)>,
    used: usize,
}

impl IdTable {
    /// Where a key would like to be: the high bits of its product with 2^64 / φ.
    fn home(&self, key: u64) -> usize {
        let spread = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - self.cells.len().trailing_zeros());
        usize::try_from(spread).expect("an index below the length of a vector")
    }

    fn mask(&self) -> usize {
        self.cells.len() - 1
    }

    /// The cell that holds the key, or the free one where it would be put. There must be cells.
    fn cell_of(&self, key: u64) -> usize {
        let mut cell = self.home(key);
        while self.cells[cell].1 != FREE && self.cells[cell].0 != key {
            cell = (cell + 1) & self.mask();
        }
        cell
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let (_, value) = self.cells[self.cell_of(id.0)];
        (value != FREE).then_some(value)
    }

    /// Inserts or replaces.
    pub(crate) fn insert(&mut self, id: RequestId, value: u32) {
        if (self.used + 1) * 2 > self.cells.len() {
            let larger = vec![(0, FREE); (self.cells.len() * 2).max(16)];
            for (key, value) in std::mem::replace(&mut self.cells, larger) {
                if value != FREE {
                    let cell = self.cell_of(key);
                    self.cells[cell] = (key, value);
                }
            }
        }
        let cell = self.cell_of(id.0);
        if self.cells[cell].1 == FREE {
            self.used += 1;
        }
        self.cells[cell] = (id.0, value);
    }

    pub(crate) fn remove(&mut self, id: RequestId) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let mut hole = self.cell_of(id.0);
        let (_, value) = self.cells[hole];
        if value == FREE {
            return None;
        }
        self.used -= 1;
        // Move back what could no longer be found across the hole.
        let mut next = hole;
        loop {
            next = (next + 1) & self.mask();
            let (key, found) = self.cells[next];
            if found == FREE {
                break;
            }
            let displaced = next.wrapping_sub(self.home(key)) & self.mask();
            let distance = next.wrapping_sub(hole) & self.mask();
            if displaced >= distance {
                self.cells[hole] = self.cells[next];
                hole = next;
            }
        }
        self.cells[hole].1 = FREE;
        Some(value)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::{RandomSource as _, SplitMix64};

    #[test]
    fn it_does_what_an_ordered_map_does() {
        let mut random = SplitMix64::new(1);
        let (mut ours, mut theirs) = (IdTable::default(), BTreeMap::new());
        for step in 0..200_000u32 {
            // Few keys, and keys with equal high bits after spreading, so that runs of cells form and break.
            let key = RequestId(u64::from(random.below(300)) * [1, 1 << 40][random.below(2) as usize]);
            match random.below(3) {
                0 => {
                    ours.insert(key, step);
                    theirs.insert(key, step);
                }
                1 => assert_eq!(ours.remove(key), theirs.remove(&key)),
                _ => assert_eq!(ours.get(key), theirs.get(&key).copied()),
            }
            assert_eq!(ours.len(), theirs.len());
        }
        assert!(ours.cells.len() <= 2048, "memory follows the number of entries");
    }
}
