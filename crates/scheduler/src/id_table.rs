//! Finds the place of a request in a list: open addressing, no iteration, so no order that could leak out.
//!
//! A cell holds a place and half of the spread id, eight bytes in all; who is at the place says whether it is the one. Large
//! simulations look here for every token at every machine and wait for memory, not for arithmetic.

use crate::RequestId;
use crate::prefetch::prefetch;

const FREE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Cell {
    /// The high half of the id's product with 2^64 / φ; the highest bits of it are where it would like to be.
    tag: u32,
    place: u32,
}

/// Maps ids to places (below `u32::MAX`). Memory: proportional to the most entries it held at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdTable {
    /// A power of two of them, at most half in use.
    cells: Vec<Cell>,
    used: usize,
}

fn tag_of(id: RequestId) -> u32 {
    u32::try_from(id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).expect("half of the bits")
}

impl IdTable {
    fn home(&self, tag: u32) -> usize {
        let spread = tag >> (32 - self.cells.len().trailing_zeros());
        usize::try_from(spread).expect("an index below the length of a vector")
    }

    fn mask(&self) -> usize {
        self.cells.len() - 1
    }

    /// The cell of an id, if it is there; `is` says whether the id's request is at a place.
    fn cell_of(&self, id: RequestId, is: impl Fn(u32) -> bool) -> Option<usize> {
        if self.used == 0 {
            return None;
        }
        let tag = tag_of(id);
        let mut cell = self.home(tag);
        loop {
            let Cell { tag: found, place } = self.cells[cell];
            if place == FREE {
                return None;
            }
            if found == tag && is(place) {
                return Some(cell);
            }
            cell = (cell + 1) & self.mask();
        }
    }

    /// Asks memory for the cell of an id.
    pub(crate) fn prefetch(&self, id: RequestId) {
        if !self.cells.is_empty() {
            prefetch(&self.cells[self.home(tag_of(id))]);
        }
    }

    /// The place of an id; `is` says whether the id's request is at a place.
    pub(crate) fn get(&self, id: RequestId, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.cell_of(id, is).map(|cell| self.cells[cell].place)
    }

    /// Adds an id that is not there.
    pub(crate) fn add(&mut self, id: RequestId, place: u32) {
        if (self.used + 1) * 2 > self.cells.len() {
            let larger = vec![Cell { tag: 0, place: FREE }; (self.cells.len() * 2).max(16)];
            for cell in std::mem::replace(&mut self.cells, larger) {
                if cell.place != FREE {
                    self.put(cell);
                }
            }
        }
        self.used += 1;
        self.put(Cell { tag: tag_of(id), place });
    }

    fn put(&mut self, cell: Cell) {
        let mut at = self.home(cell.tag);
        while self.cells[at].place != FREE {
            at = (at + 1) & self.mask();
        }
        self.cells[at] = cell;
    }

    /// Takes an id out; its place, if it was there.
    pub(crate) fn remove(&mut self, id: RequestId, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut hole = self.cell_of(id, is)?;
        let Cell { place, .. } = self.cells[hole];
        self.used -= 1;
        // Move back what could no longer be found across the hole.
        let mut next = hole;
        loop {
            next = (next + 1) & self.mask();
            let found = self.cells[next];
            if found.place == FREE {
                break;
            }
            let displaced = next.wrapping_sub(self.home(found.tag)) & self.mask();
            let distance = next.wrapping_sub(hole) & self.mask();
            if displaced >= distance {
                self.cells[hole] = found;
                hole = next;
            }
        }
        self.cells[hole].place = FREE;
        Some(place)
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

    /// An id that mostly has the same tag: the products differ by one.
    fn alike(id: u64) -> u64 {
        // 0x9E37_79B9_7F4A_7C15 × 0xF1DE_83E1_9937_733D = 1 (mod 2^64).
        id.wrapping_add(0xF1DE_83E1_9937_733D)
    }

    #[test]
    fn it_does_what_an_ordered_map_does() {
        let mut random = SplitMix64::new(1);
        let (mut ours, mut theirs) = (IdTable::default(), BTreeMap::new());
        // Who is where.
        let mut places: Vec<RequestId> = Vec::new();
        for _ in 0..200_000u32 {
            // Few keys, some with equal tags and some with equal high bits, so that runs of cells form and break.
            let small = u64::from(random.below(300));
            let key = RequestId([small, small << 40, alike(small)][random.below(3) as usize]);
            let is = |place: u32| places[place as usize] == key;
            match random.below(3) {
                0 if !theirs.contains_key(&key) => {
                    let place = u32::try_from(places.len()).unwrap();
                    places.push(key);
                    ours.add(key, place);
                    theirs.insert(key, place);
                }
                1 => assert_eq!(ours.remove(key, is), theirs.remove(&key)),
                _ => assert_eq!(ours.get(key, is), theirs.get(&key).copied()),
            }
            assert_eq!(ours.len(), theirs.len());
        }
        assert!(ours.cells.len() <= 2048, "memory follows the number of entries");
        let equal = (0..300).filter(|&id| tag_of(RequestId(id)) == tag_of(RequestId(alike(id)))).count();
        assert!(equal > 250, "{equal} pairs with equal tags");
    }
}
