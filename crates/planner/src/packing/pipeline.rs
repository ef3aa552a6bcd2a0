//! One pipeline of columns through the whole model: the largest flow by bisection.

use crate::bounds::covered_layers;
use crate::packing::{Answer, Column, Kinds, Program, Worth, stages};

/// Columns kept for one program.
const MAX_COLUMNS: usize = 20_000;

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
}

/// The packing with the largest flow, or `None` if none beats `below`; and a flow that no packing of stages exceeds, which
/// is `above` where something was left undecided.
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
            (Answer::Found(_), Some(packing)) => {
                low = packing.flow.max(target);
                best = Some(packing);
            }
            (Answer::Infeasible, _) => high = target,
            _ => {
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
fn attempt(
    kinds: Kinds<'_>,
    search: &Search,
    target: f64,
    should_stop: &mut dyn FnMut() -> bool,
) -> (Answer, Option<Packing>) {
    // A hair below the target, so that a sum which is the target but for its rounding counts.
    let flow = target * (1.0 - 1e-12);
    let counts: Vec<usize> = kinds.counts.iter().map(|&count| count as usize).collect();
    let verdict = covered_layers(kinds.tables, &counts, flow, None);
    if verdict.layers < search.layers as f64 {
        return (Answer::Infeasible, None);
    }
    let slack = verdict.layers - search.layers as f64 + 1e-6;
    let worth = Worth { prices: &verdict.prices, slack };
    let Some(columns) = stages(kinds, flow, Some(worth), MAX_COLUMNS) else {
        return (Answer::Unknown, None);
    };
    let program =
        Program { layers: search.layers, counts: kinds.counts, columns: &columns, depth: search.depth };
    let answer = program.solve(should_stop);
    let packing = match &answer {
        Answer::Found(taken) => {
            let columns: Vec<Column> = taken.iter().map(|&index| columns[index].clone()).collect();
            let flow = columns.iter().map(|column| carried(kinds, column)).fold(f64::INFINITY, f64::min);
            Some(Packing { columns, flow })
        }
        _ => None,
    };
    (answer, packing)
}

/// What the machines of a stage carry together \[tokens/s\].
fn carried(kinds: Kinds<'_>, column: &Column) -> f64 {
    column.members.iter().filter_map(|member| kinds.tables[member.kind].at(member.layers)).sum()
}
