//! Stages of one kind spread over the model instead of one after the other.
//!
//! ```text
//!   T4 T4 T4 T4 | L4 L4 | A100 A100      >      T4 A100 L4 T4 | T4 L4 A100 T4
//! ```
//! The packing program knows no order, so its plans have kind after kind: requests split up at few places, and where they do they
//! often do so in the same way, so that the same ones stay together and hold each other up (`docs/design/planner.md`). Spread
//! evenly, stages of one machine alternate with those of several, which is a better start for the search.

use std::collections::BTreeMap;

use crate::packing::{Plan, Problem, Span};

/// What lies between two borders that no machine crosses: the tables, offsets and lengths of its machines.
type Look = Vec<(usize, usize, usize)>;

/// The same stages, each kind of them spread evenly; `None` where that changes nothing.
pub(in crate::search) fn interleaved(problem: &Problem, plan: &Plan) -> Option<Plan> {
    let borders = borders(problem, plan);
    let mut kinds: BTreeMap<Look, Vec<Span>> = BTreeMap::new();
    for pair in borders.windows(2) {
        let block = Span { start: pair[0], end: pair[1] };
        kinds.entry(look(problem, plan, block)).or_default().push(block);
    }
    // Of n stages of a kind the i-th has its place at (i + 1/2) / n of the model.
    let mut order: Vec<(f64, Span)> = Vec::new();
    for blocks in kinds.values() {
        let count = blocks.len() as f64;
        order.extend(blocks.iter().enumerate().map(|(index, &block)| ((index as f64 + 0.5) / count, block)));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut next = plan.clone();
    let mut at = 0;
    for (_, block) in order {
        for (machine, span) in plan.used().filter(|(_, span)| is_in(*span, block)) {
            let start = at + span.start - block.start;
            next.spans[machine] = Some(Span { start, end: start + span.layers() });
        }
        at += block.layers();
    }
    (next != *plan).then_some(next)
}

/// Layers that no machine crosses, the ends of the model among them, ascending.
fn borders(problem: &Problem, plan: &Plan) -> Vec<usize> {
    let mut crossed = vec![false; problem.layers + 1];
    for (_, span) in plan.used() {
        crossed[span.start + 1..span.end].fill(true);
    }
    (0..=problem.layers).filter(|&layer| !crossed[layer]).collect()
}

fn is_in(span: Span, block: Span) -> bool {
    span.start >= block.start && span.end <= block.end
}

fn look(problem: &Problem, plan: &Plan, block: Span) -> Look {
    let inside = plan.used().filter(|(_, span)| is_in(*span, block));
    let mut look: Look = inside
        .map(|(machine, span)| (problem.machines[machine].table, span.start - block.start, span.layers()))
        .collect();
    look.sort_unstable();
    look
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{Network, Slot, Table};

    #[test]
    fn kinds_take_turns_and_stages_stay_together() {
        // Two machines of the first kind side by side on two layers, twice; two of the second kind, one layer each.
        let table = |layers: usize| Table { throughput: vec![Some(1.0); layers] };
        let slot = |table| Slot { table, region: 0 };
        let problem = Problem {
            layers: 6,
            tables: vec![table(2), table(1)],
            machines: [0, 0, 0, 0, 1, 1].map(slot).to_vec(),
            network: Network::unbounded(6),
            partial: false,
        };
        let span = |(start, end): (usize, usize)| Some(Span { start, end });
        let plan = Plan { spans: [(0, 2), (0, 2), (2, 4), (2, 4), (4, 5), (5, 6)].map(span).to_vec() };
        let spread = interleaved(&problem, &plan).unwrap();
        spread.validate(&problem).unwrap();
        // Places 1/4 and 3/4 for both kinds; where they are equal the earlier stage stays ahead.
        let expected = [(0, 2), (0, 2), (3, 5), (3, 5), (2, 3), (5, 6)].map(span).to_vec();
        assert_eq!(spread.spans, expected);
        assert_eq!(interleaved(&problem, &spread), None, "spread already");
    }
}
