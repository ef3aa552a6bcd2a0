//! Column generation: a pool of blocks that are worth their price at the optimum of the linear program, and their neighbours.

use std::collections::BTreeSet;

use crate::linear::LinearProgram;
use crate::packing::blocks::{Limits, Pricer};
use crate::packing::{Column, Kinds, Member};

const MAX_ROUNDS: usize = 120;
/// Machines in series in one chain of a block, at most, without and with more effort than usual.
const SERIES: [usize; 2] = [3, 6];
/// Layers of one block, at least, with more effort than usual.
const LONG: usize = 24;
/// Pricings with prices moved a little, which give the integer program blocks to choose from.
const PERTURBED: u64 = 24;
/// How far prices are moved, at most.
const SPREAD: f64 = 0.04;

/// What blocks are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Flow that each must carry \[tokens/s\].
    pub flow: f64,
    /// Layers of one machine, at most, and so of a block without more effort than usual.
    pub longest: usize,
    /// Layers of the model.
    pub layers: usize,
    /// Whether chains may consist of blocks.
    pub nested: bool,
    /// How many more neighbours than usual, from 0; above 0 blocks are longer, too.
    pub effort: u32,
}

impl Wanted {
    fn limits(&self) -> Limits {
        let &Self { longest, layers, nested, effort, .. } = self;
        if effort == 0 {
            return Limits { longest: longest.min(layers), series: SERIES[0], nested };
        }
        Limits { longest: longest.max(LONG).min(layers), series: SERIES[1], nested }
    }
}

/// Blocks for one flow and these machines, starting from `known` columns; new columns only.
pub(super) fn generate(
    kinds: Kinds<'_>,
    wanted: &Wanted,
    known: &[Column],
    should_stop: &mut dyn FnMut() -> bool,
) -> Vec<Column> {
    let &Wanted { flow, effort, .. } = wanted;
    let pricer = Pricer::new(kinds, flow, wanted.limits());
    let mut program = LinearProgram::new(kinds.counts.iter().map(|&count| f64::from(count)).collect());
    let mut met: BTreeSet<(usize, Vec<Member>)> = BTreeSet::new();
    let mut pool: Vec<Column> = Vec::new();
    let fits = |column: &Column| column.uses.iter().all(|&(kind, count)| count <= kinds.counts[kind]);
    for column in known.iter().filter(|column| fits(column)) {
        met.insert((column.length, column.members.clone()));
        add(&mut program, column);
    }
    // Before the program has a price for every kind: what a machine could do alone.
    let mut costs: Vec<f64> =
        kinds.tables.iter().map(|table| crate::bounds::best_work(table, flow) / flow).collect();
    for round in 0..MAX_ROUNDS {
        if should_stop() {
            return pool;
        }
        if round > 0 || !met.is_empty() {
            program.solve();
            costs = program.duals();
        }
        let mut any = false;
        for column in pricer.price(&costs) {
            let better = round == 0 || column.cost(&costs) < column.length as f64 - 1e-7;
            if better && met.insert((column.length, column.members.clone())) {
                add(&mut program, &column);
                any = true;
                pool.push(column);
            }
        }
        if !any && round > 0 {
            break;
        }
    }
    let first = u64::from(effort) * PERTURBED * u64::from(effort);
    for seed in first..first + PERTURBED * u64::from(1 + 2 * effort) {
        if should_stop() {
            break;
        }
        let spread = SPREAD * (1.0 + (seed % 4) as f64);
        let moved: Vec<f64> = costs
            .iter()
            .zip(0u64..)
            .map(|(price, kind)| price * (1.0 + spread * noise(seed * 64 + kind)))
            .collect();
        for column in pricer.price(&moved) {
            if column.cost(&costs) < column.length as f64 * (1.0 + SPREAD)
                && met.insert((column.length, column.members.clone()))
            {
                pool.push(column);
            }
        }
    }
    pool.retain(|column| fits(column));
    pool
}

fn add(program: &mut LinearProgram, column: &Column) {
    let uses = column.uses.iter().map(|&(kind, count)| (kind, f64::from(count))).collect();
    program.add(column.length as f64, uses);
}

/// A fixed number between -1 and 1 for every index (splitmix64).
fn noise(index: u64) -> f64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::Table;

    #[test]
    fn more_effort_finds_chains_of_more_machines() {
        // A large machine holds ten layers, a small one two: side by side they carry 100 tokens/s if five small ones are a chain.
        let only = |layers: usize, rate: f64| Table {
            throughput: (1..=layers).map(|held| (held == layers).then_some(rate)).collect(),
        };
        let tables = [only(10, 60.0), only(2, 40.0)];
        let kinds = Kinds { tables: &tables, counts: &[1, 5] };
        let blocks = |effort: u32| {
            let wanted = Wanted { flow: 100.0, longest: 10, layers: 10, nested: false, effort };
            generate(kinds, &wanted, &[], &mut || false)
        };
        assert!(blocks(0).iter().all(|block| block.length < 10));
        let long = blocks(1).into_iter().find(|block| block.length == 10).expect("a block of all machines");
        assert_eq!((long.uses, long.depth, long.flow), (vec![(0, 1), (1, 5)], 5, 100.0));
    }
}
