//! Lengths that a part of a chain reaches, by the machines in a row that it takes.

use crate::packing::lengths::{BITS, has};

/// Entry `d` holds the lengths whose least depth is `d`, as a bit set; without a depth limit all are in entry 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach(Vec<u128>);

impl Reach {
    /// The empty part: no layers, no machines; `depths` is one more than the depth limit, or 1 without one.
    pub fn start(depths: usize) -> Self {
        let mut sets = vec![0; depths.max(1)];
        sets[0] = 1;
        Self(sets)
    }

    /// From the lengths reached at each depth or below it.
    pub fn of(at_most: impl IntoIterator<Item = u128>) -> Self {
        let mut known = 0;
        let fresh = |set: u128| {
            let fresh = set & !known;
            known |= set;
            fresh
        };
        Self(at_most.into_iter().map(fresh).collect())
    }

    /// The same, but only this length.
    pub fn only(mut self, length: usize) -> Self {
        for set in &mut self.0 {
            *set &= 1 << length;
        }
        self
    }

    /// Every length reached.
    pub fn all(&self) -> u128 {
        self.0.iter().fold(0, |all, set| all | set)
    }

    /// The least depth at which a length is reached.
    pub fn depth(&self, length: usize) -> Option<usize> {
        self.0.iter().position(|&set| has(set, length))
    }

    /// Whether both parts one after the other reach exactly `layers` within the depth limit: as [`Self::plus`] would say, sooner.
    pub fn meets(&self, other: &Self, layers: usize) -> bool {
        let mut at_most = 0u128;
        self.0.iter().rev().zip(&other.0).any(|(&mine, &next)| {
            at_most |= next;
            // Bit `l` moves to bit `layers - l`.
            let wanted = at_most.reverse_bits() >> (BITS - 1 - layers);
            mine & wanted != 0
        })
    }

    /// Both parts one after the other, up to `most` layers and within the depth limit.
    pub fn plus(&self, other: &Self, most: usize) -> Self {
        let top = 1u128 << most;
        let mut sums = vec![0; self.0.len()];
        for (depth, &set) in self.0.iter().enumerate() {
            for length in bits(set & (top | (top - 1))) {
                for (sum, &next) in sums[depth..].iter_mut().zip(&other.0) {
                    *sum |= next << length;
                }
            }
        }
        Self::of(sums.into_iter().map(|sum| sum & (top | (top - 1))))
    }
}

/// The members of a bit set, ascending.
fn bits(mut set: u128) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (bit < u128::BITS).then_some(bit)
    })
}

/// A length and a depth for every part, together `layers` at the least depth.
pub(super) fn split(parts: &[&Reach], layers: usize) -> Option<Vec<(usize, usize)>> {
    let depths = parts.first().map_or(1, |part| part.0.len());
    let mut before = vec![Reach::start(depths)];
    for part in parts {
        before.push(before[before.len() - 1].plus(part, layers));
    }
    let mut rest = (layers, before[parts.len()].depth(layers)?);
    let mut chosen = vec![(0, 0); parts.len()];
    for (position, part) in parts.iter().enumerate().rev() {
        chosen[position] = (0..=rest.0).find_map(|length| {
            let depth = part.depth(length)?;
            let earlier = before[position].depth(rest.0 - length)?;
            (earlier + depth == rest.1).then_some((length, depth))
        })?;
        rest = (rest.0 - chosen[position].0, rest.1 - chosen[position].1);
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_meeting_is_what_the_sum_says(
            left in proptest::collection::vec(any::<u128>(), 1..6),
            right in proptest::collection::vec(any::<u128>(), 6),
            density in 0u32..6,
            layers in 0usize..BITS,
        ) {
            // Sparse sets, so that both answers occur.
            let thin = |set: &u128| (0..density).fold(*set, |set, turn| set & set.rotate_left(17 * turn + 1));
            let depths = left.len();
            let left = Reach::of(left.iter().map(thin));
            let right = Reach::of(right.iter().take(depths).map(thin));
            prop_assert_eq!(left.meets(&right, layers), has(left.plus(&right, layers).all(), layers));
        }
    }
}
