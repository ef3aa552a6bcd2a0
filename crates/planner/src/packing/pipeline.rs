//! One pipeline of columns through the whole model: the largest flow by bisection.

use crate::bounds::covered_layers;
use crate::packing::generate::generate;
use crate::packing::program::Generate;
use crate::packing::{Answer, Column, Kinds, Program, Worth, stages};

/// Columns kept for one program.
const MAX_COLUMNS: usize = 20_000;
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

/// The packing with the largest flow, or `None` if none beats `below`; and a flow that no packing of such columns exceeds,
/// which is `above` where something was left undecided.
pub fn pack(
    kinds: Kinds<'_>,
    search: Search,
    should_stop: &mut dyn FnMut() -> bool,
) -> (Option<Packing>, f64) {
    let (mut low, mut high) = (search.below, search.above);
    let mut proven = true;
    let mut best = None;
    // The bound itself first: it is often reached.
    let mut target = high;
    while !should_stop() {
        match attempt(kinds, &search, target, should_stop) {
            Answer::Found(columns) => {
                let flow = columns.iter().map(|column| column.flow).fold(f64::INFINITY, f64::min);
                low = flow.max(target);
                best = Some(Packing { columns, flow });
            }
            Answer::Infeasible => high = target,
            Answer::Unknown => {
                proven = false;
                high = target;
            }
        }
        if high - low <= search.precision * high {
            break;
        }
        target = f64::midpoint(low, high);
    }
    (best, if proven { high.max(low) } else { search.above })
}

/// Decides one target flow.
fn attempt(kinds: Kinds<'_>, search: &Search, target: f64, should_stop: &mut dyn FnMut() -> bool) -> Answer {
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
    let longest =
        kinds.tables.iter().map(|table| table.throughput.len()).max().unwrap_or(0).min(search.layers);
    let generate = |counts: &[u32], known: &[Column], should_stop: &mut dyn FnMut() -> bool| {
        generate(
            Kinds { tables: kinds.tables, counts },
            (flow, longest, search.columns == Columns::Nested),
            known,
            should_stop,
        )
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
