//! One region at one target flow: its columns, and the lengths that every vector of its machines reaches.

use crate::packing::lengths::{BITS, Lengths, Step};
use crate::packing::{Column, Kinds, Problem, Table, Worth, stages};

/// Columns kept for one region.
const MAX_COLUMNS: usize = 4_000;
/// Columns of each size that are tried where the flow leaves or enters the region.
const BORDER_COLUMNS: usize = 10;

/// A region's machines by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    /// Machines of each table, ascending.
    pub pools: Vec<Vec<usize>>,
    /// How many.
    pub counts: Vec<u32>,
}

impl Region {
    /// Every region of a problem.
    pub fn all(problem: &Problem) -> Vec<Self> {
        let tables = problem.tables.len();
        let empty = Self { pools: vec![Vec::new(); tables], counts: vec![0; tables] };
        let mut regions = vec![empty; problem.network.regions];
        for (machine, slot) in problem.machines.iter().enumerate() {
            regions[slot.region].pools[slot.table].push(machine);
            regions[slot.region].counts[slot.table] += 1;
        }
        regions
    }
}

/// What one region can do at one flow.
pub(super) struct RegionPack {
    pub columns: Vec<Column>,
    /// The columns tried at the region's borders, least waste first.
    pub border: Vec<usize>,
    pub lengths: Lengths,
    pub within: Vec<u128>,
}

impl RegionPack {
    /// `None` if there are too many columns or vectors of counts, or if stopped.
    pub fn new(
        tables: &[Table],
        region: &Region,
        (layers, flow): (usize, f64),
        worth: Worth<'_>,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<Self> {
        if layers >= BITS {
            return None;
        }
        let kinds = Kinds { tables, counts: &region.counts };
        let columns = stages(kinds, flow, Some(worth), MAX_COLUMNS)?;
        let steps = columns.iter().map(|column| Step { length: column.length, uses: column.uses.clone() });
        let mut lengths = Lengths::new(&region.counts, steps.collect())?;
        lengths.fill(layers, None, should_stop)?;
        let within = lengths.within();
        let border = border(&columns, worth.prices);
        Some(Self { columns, border, lengths, within })
    }

    /// The most layers that the whole region holds.
    pub fn longest(&self) -> usize {
        self.within.last().map_or(0, |set| (BITS - 1).saturating_sub(set.leading_zeros() as usize))
    }

    /// Lengths that remain reachable beside these columns, shifted by theirs; empty if the machines do not suffice.
    pub fn beside(&self, columns: &[usize], most: usize) -> (usize, u128) {
        let mut uses = vec![0; self.lengths.kinds()];
        let mut length = 0;
        for &column in columns {
            length += self.columns[column].length;
            for &(kind, count) in &self.columns[column].uses {
                uses[kind] += count;
            }
        }
        match self.lengths.without(&uses) {
            Some(state) if length <= most => {
                let top = 1u128 << most;
                (state, (self.within[state] << length) & (top | (top - 1)))
            }
            _ => (0, 0),
        }
    }

    /// Columns for exactly `length` layers from the machines of vector `state`.
    pub fn fill(&self, state: usize, length: usize) -> Option<Vec<usize>> {
        let state = self.lengths.descend(&self.within, state, length);
        self.lengths.trace(state, length)
    }
}

/// The columns of least waste of every size: wide ones use many links, narrow ones few machines.
fn border(columns: &[Column], prices: &[f64]) -> Vec<usize> {
    let waste = |index: &usize| columns[*index].cost(prices) - columns[*index].length as f64;
    let mut by_waste: Vec<usize> = (0..columns.len()).collect();
    by_waste.sort_by(|a, b| waste(a).total_cmp(&waste(b)).then(a.cmp(b)));
    let mut taken = std::collections::BTreeMap::<usize, usize>::new();
    by_waste.retain(|&index| {
        let of_size = taken.entry(columns[index].members.len()).or_default();
        *of_size += 1;
        *of_size <= BORDER_COLUMNS
    });
    by_waste
}
