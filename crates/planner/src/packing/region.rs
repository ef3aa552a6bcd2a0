//! One region at one target flow: its columns, and the lengths that every vector of its machines reaches.

use crate::packing::generate::{Wanted, generate};
use crate::packing::lengths::{BITS, Lengths, Prune, Step};
use crate::packing::reach::Reach;
use crate::packing::{Column, Kinds, Problem, Table, Worth, stages};

/// Columns kept for one region.
const MAX_COLUMNS: usize = 4_000;
/// Columns tried on vectors of counts, at most.
const MAX_WORK: usize = 100_000_000;
/// Columns kept however many vectors there are.
const MIN_COLUMNS: usize = 40;
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
    /// All regions as one.
    pub fn merged(regions: &[Self]) -> Self {
        let mut all = Self { pools: Vec::new(), counts: Vec::new() };
        for region in regions {
            all.pools.resize(region.pools.len(), Vec::new());
            all.counts.resize(region.counts.len(), 0);
            for (kind, pool) in region.pools.iter().enumerate() {
                all.pools[kind].extend(pool);
                all.counts[kind] += region.counts[kind];
            }
        }
        for pool in &mut all.pools {
            pool.sort_unstable();
        }
        all
    }

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

/// What is asked of every region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub tables: &'a [Table],
    pub layers: usize,
    pub flow: f64,
    pub worth: Worth<'a>,
    /// Blocks beside the stages.
    pub wanted: Option<Wanted>,
    /// Machines in a row over all regions, at most.
    pub depth: Option<usize>,
}

/// What one region can do at one flow.
pub(super) struct RegionPack {
    pub columns: Vec<Column>,
    /// The columns tried at the region's borders, least waste first.
    pub border: Vec<usize>,
    pub lengths: Lengths,
    pub within: Vec<u128>,
    /// The depth limit, which is one more kind of machine, of which every column uses its depth.
    depth: Option<usize>,
}

impl RegionPack {
    /// Whether every vector of the region's machines can be looked at.
    pub fn is_countable(region: &Region, depth: Option<usize>) -> bool {
        states(&with_depth(&region.counts, depth)).is_some_and(|states| states <= MAX_WORK / MIN_COLUMNS)
    }

    /// `None` if there are too many vectors of counts, or if stopped.
    pub fn new(
        region: &Region,
        request: &Request<'_>,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<Self> {
        let &Request { tables, layers, flow, worth, wanted, depth } = request;
        if layers >= BITS {
            return None;
        }
        let kinds = Kinds { tables, counts: &region.counts };
        // Where there are too many stages, those that waste least.
        let slack = |halvings: i32| Worth { slack: worth.slack * 0.5f64.powi(halvings), ..worth };
        let mut columns =
            (0..8).find_map(|halvings| stages(kinds, flow, Some(slack(halvings)), MAX_COLUMNS))?;
        if let Some(wanted) = wanted {
            let blocks = generate(kinds, &wanted, &columns, should_stop);
            columns.extend(blocks);
        }
        let waste = |column: &Column| column.cost(worth.prices) - column.length as f64;
        columns.sort_by(|a, b| waste(a).total_cmp(&waste(b)));
        let counts = with_depth(&region.counts, depth);
        let states = states(&counts)?;
        columns.truncate((MAX_WORK / states).max(MIN_COLUMNS));
        let steps = columns.iter().map(|column| Step {
            after: u128::MAX,
            length: column.length,
            uses: uses(column, depth.map(|_| region.counts.len())),
        });
        let mut lengths = Lengths::new(&counts, steps.collect())?;
        // What wastes more than the whole may waste cannot be part of it.
        let prune = Prune { prices: worth.prices, slack: worth.slack, until_reached: false };
        lengths.fill(layers, Some(prune), should_stop)?;
        let within = lengths.within();
        let border = border(&columns, worth.prices);
        Some(Self { columns, border, lengths, within, depth })
    }

    /// The most layers that the whole region holds.
    pub fn longest(&self) -> usize {
        self.within.last().map_or(0, |set| (BITS - 1).saturating_sub(set.leading_zeros() as usize))
    }

    /// Lengths that remain reachable beside these columns, shifted by theirs, and for every depth the vector of machines and
    /// depth that is left; empty if they do not suffice.
    pub fn beside(&self, columns: &[usize], most: usize) -> (Vec<usize>, Reach) {
        let mut taken = vec![0; self.lengths.kinds()];
        let row = self.depth.map(|_| taken.len() - 1);
        let mut length = 0;
        for &column in columns {
            length += self.columns[column].length;
            for (kind, count) in uses(&self.columns[column], row) {
                taken[kind] += count;
            }
        }
        let full = if most + 1 < BITS { (1u128 << (most + 1)) - 1 } else { u128::MAX };
        let limit = self.depth.unwrap_or(0);
        let at_most = |depth: usize| {
            let mut taken = taken.clone();
            if let Some(row) = row {
                taken[row] += as_count(limit - depth);
            }
            match self.lengths.without(&taken) {
                Some(state) if length <= most => (state, (self.within[state] << length) & full),
                _ => (0, 0),
            }
        };
        let (states, sets): (Vec<usize>, Vec<u128>) = (0..=limit).map(at_most).unzip();
        (states, Reach::of(sets))
    }

    /// Columns for exactly `length` layers from the machines of vector `state`.
    pub fn fill(&self, state: usize, length: usize) -> Option<Vec<usize>> {
        let state = self.lengths.descend(&self.within, state, length);
        self.lengths.trace(state, length)
    }
}

/// How many vectors of counts there are.
fn states(counts: &[u32]) -> Option<usize> {
    counts.iter().try_fold(1usize, |states, &count| states.checked_mul(count as usize + 1))
}

/// Machines by kind, and the depth limit as one more kind.
fn with_depth(counts: &[u32], depth: Option<usize>) -> Vec<u32> {
    counts.iter().copied().chain(depth.map(as_count)).collect()
}

/// What a column uses; of the depth, where it has a row.
fn uses(column: &Column, row: Option<usize>) -> Vec<(usize, u32)> {
    let depth = row.map(|row| (row, as_count(column.depth)));
    column.uses.iter().copied().chain(depth).collect()
}

fn as_count(depth: usize) -> u32 {
    u32::try_from(depth).unwrap_or(u32::MAX)
}

/// The columns of least waste of every size: wide ones use many links, narrow ones few machines.
fn border(columns: &[Column], prices: &[f64]) -> Vec<usize> {
    let waste = |index: &usize| columns[*index].cost(prices) - columns[*index].length as f64;
    let mut by_waste: Vec<usize> = (0..columns.len()).collect();
    by_waste.sort_by(|a, b| waste(a).total_cmp(&waste(b)).then(a.cmp(b)));
    let mut taken = std::collections::BTreeMap::<usize, usize>::new();
    by_waste.retain(|&index| {
        // The ends of a block are not all at its end.
        if columns[index].members.iter().any(|member| member.layers != columns[index].length) {
            return false;
        }
        let of_size = taken.entry(columns[index].members.len()).or_default();
        *of_size += 1;
        *of_size <= BORDER_COLUMNS
    });
    by_waste
}
