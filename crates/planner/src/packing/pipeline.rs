//! One pipeline of columns through the whole model: the largest flow by bisection.

use std::cell::RefCell;

use crate::bounds::covered_layers;
use crate::packing::generate::{Wanted, generate};
use crate::packing::program::Generate;
use crate::packing::{Answer, Column, Kinds, Program, Worth, stages};

/// Columns kept for one program.
const MAX_COLUMNS: usize = 20_000;
/// With a depth limit, the share of the bound below which no packing is looked for.
const LEAST_OF_INTEREST: f64 = 1e-3;
/// Stages that are enumerated beside generated blocks.
const MAX_COLUMNS_BESIDE: usize = 1_500;

/// Columns that cover the model once, in order, and the flow that all of them carry.
#[derive(Debug, Clone, PartialEq)]
pub struct Packing {
    /// In the order of the layers.
    pub columns: Vec<Column>,
    /// Tokens/s.
    pub flow: f64,
}

impl Packing {
    /// Machines that a request passes at most.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.columns.iter().map(|column| column.depth).sum()
    }
}

/// Limits of one search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Layers to cover.
    pub layers: usize,
    /// Machines that a request may pass, at most.
    pub depth: Option<usize>,
    /// A flow that is known to be out of reach \[tokens/s\].
    pub above: f64,
    /// Only packings with more flow than this are of interest \[tokens/s\].
    pub below: f64,
    /// Relative width at which the bisection ends.
    pub precision: f64,
    /// What the packing is made of.
    pub columns: Columns,
    /// How many more columns than usual are generated, from 0.
    pub effort: u32,
}

/// What a packing is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Machines that share one interval; where there are not too many, all of them.
    Stages,
    /// Parallel chains of machines, as far as they are found.
    Blocks,
    /// Parallel chains of blocks, as far as they are found.
    Nested,
}

/// The packing with the largest flow, or `None` if none beats `below`; and a flow that packings of such columns hardly
/// exceed: proven where all columns are known, else what the linear program says of those that were found.
pub fn pack(
    kinds: Kinds<'_>,
    search: Search,
    should_stop: &mut dyn FnMut() -> bool,
) -> (Option<Packing>, f64) {
    let (mut low, mut high, mut limit) = (search.below, search.above, search.above);
    let mut best = None;
    // With a depth limit there may be no packing at all, however little it carries.
    let least = search.depth.map_or(0.0, |_| LEAST_OF_INTEREST * high);
    // Blocks that carry a higher target serve the lower ones too.
    let pool = RefCell::new(Vec::new());
    // The bound itself first: it is often reached.
    let mut target = high;
    while !should_stop() {
        match attempt(kinds, &search, (target, &pool), should_stop) {
            Answer::Found(columns) => {
                let flow = columns.iter().map(|column| column.flow).fold(f64::INFINITY, f64::min);
                low = flow.max(target);
                best = Some(Packing { columns, flow });
            }
            Answer::Infeasible | Answer::Short => (high, limit) = (target, target),
            Answer::Unknown => high = target,
        }
        if high - low <= search.precision * high || high < least {
            break;
        }
        target = f64::midpoint(low, high);
    }
    (best, limit.max(low))
}

/// Decides one target flow.
fn attempt(
    kinds: Kinds<'_>,
    search: &Search,
    (target, pool): (f64, &RefCell<Vec<Column>>),
    should_stop: &mut dyn FnMut() -> bool,
) -> Answer {
    // A hair below the target, so that a sum which is the target but for its rounding counts.
    let flow = target * (1.0 - 1e-12);
    let counts: Vec<usize> = kinds.counts.iter().map(|&count| count as usize).collect();
    let verdict = covered_layers(kinds.tables, &counts, flow, None);
    if verdict.layers < search.layers as f64 {
        return Answer::Infeasible;
    }
    let slack = verdict.layers - search.layers as f64 + 1e-6;
    let worth = Worth { prices: &verdict.prices, slack };
    let columns = stages(kinds, flow, Some(worth), MAX_COLUMNS);
    let longest = kinds.tables.iter().map(|table| table.throughput.len()).max().unwrap_or(0);
    let generate = |counts: &[u32], known: &[Column], should_stop: &mut dyn FnMut() -> bool| {
        let nested = search.columns == Columns::Nested;
        let wanted = Wanted { flow, longest, layers: search.layers, nested, effort: search.effort };
        let more = generate(Kinds { tables: kinds.tables, counts }, &wanted, known, should_stop);
        pool.borrow_mut().extend_from_slice(&more);
        more
    };
    match (search.columns, columns) {
        (Columns::Stages, None) => Answer::Unknown,
        (Columns::Stages, Some(columns)) => Program {
            layers: search.layers,
            counts: kinds.counts,
            columns: &columns,
            depth: search.depth,
            generate: None,
        }
        .solve(should_stop),
        (Columns::Blocks | Columns::Nested, columns) => {
            let columns = columns.filter(|columns| columns.len() <= MAX_COLUMNS_BESIDE).unwrap_or_default();
            let pool = pool.borrow().iter().filter(|column| column.flow >= flow).cloned().collect::<Vec<_>>();
            let columns = [columns, pool].concat();
            let generate = Some(&generate as &Generate<'_>);
            Program {
                layers: search.layers,
                counts: kinds.counts,
                columns: &columns,
                depth: search.depth,
                generate,
            }
            .solve(should_stop)
        }
    }
}
