//! Stages in an order in which requests part as often and as differently as they can.
//!
//! ```text
//!   T T T T T L L L L A A A A      >      T T A L L A T T A L L A T        (stages; T and L two machines, A one)
//! ```
//! Where a stage of several machines follows a single one, or the coordinator, every request is given one of them. Routers that
//! deal requests out in turn do so alike where the machines are alike; then the same requests stay together for ever and hold each other
//! up (`docs/design/stage-order.md`). The packing program knows no order, so its plans have kind after kind. Here single
//! machines are spread over the model, and the stages behind them take turns in kind, which is a better start for the search.

use std::collections::{BTreeMap, VecDeque};

use crate::packing::{Plan, Problem, Span};

/// What lies between two borders that no machine crosses: the tables, offsets and lengths of its machines.
type Look = Vec<(usize, usize, usize)>;
/// Like blocks, in the order of the plan.
type Kinds = BTreeMap<Look, VecDeque<Span>>;

/// The same stages in that order; `None` where that changes nothing.
pub(in crate::search) fn interleaved(problem: &Problem, plan: &Plan) -> Option<Plan> {
    let borders = plan.borders(problem.layers);
    let (mut single, mut wide) = (Kinds::new(), Kinds::new());
    for pair in borders.windows(2) {
        let block = Span { start: pair[0], end: pair[1] };
        let look = look(problem, plan, block);
        let first = look.iter().filter(|(_, offset, _)| *offset == 0).count();
        let kinds = if first > 1 { &mut wide } else { &mut single };
        kinds.entry(look).or_default().push_back(block);
    }
    let mut next = plan.clone();
    let mut at = 0;
    for block in ordered(spread(single), wide) {
        for (machine, span) in plan.used().filter(|(_, span)| is_in(*span, block)) {
            let start = at + span.start - block.start;
            next.spans[machine] = Some(Span { start, end: start + span.layers() });
        }
        at += block.layers();
    }
    (next != *plan).then_some(next)
}

/// Wide blocks behind the coordinator and behind single ones: kinds take turns in the first places, what is left follows.
fn ordered(single: Vec<Span>, mut wide: Kinds) -> Vec<Span> {
    let groups = single.len() + 1;
    let heads = groups.min(wide.values().map(VecDeque::len).sum());
    let mut members: Vec<Vec<Span>> = vec![Vec::new(); groups];
    let mut last = None;
    for head in 0..heads {
        // The kind of which most are left, but not the one before if there is another.
        let left = wide.iter().filter(|(_, blocks)| !blocks.is_empty());
        let most = left.max_by_key(|(look, blocks)| (last.as_ref() != Some(*look), blocks.len()));
        last = most.map(|(look, _)| look.clone());
        let block = last.as_ref().and_then(|look| wide.get_mut(look)).and_then(VecDeque::pop_front);
        members[head * groups / heads].extend(block);
    }
    for (index, block) in spread(wide).into_iter().enumerate() {
        members[index % groups].push(block);
    }
    let mut single = single.into_iter();
    members.into_iter().flat_map(|group| group.into_iter().chain(single.next()).collect::<Vec<_>>()).collect()
}

/// Kinds spread evenly: of n blocks of a kind the i-th has its place at (i + 1/2) / n.
fn spread(kinds: Kinds) -> Vec<Span> {
    let mut order: Vec<(f64, Span)> = Vec::new();
    for blocks in kinds.into_values() {
        let count = blocks.len() as f64;
        order.extend(blocks.iter().enumerate().map(|(index, &block)| ((index as f64 + 0.5) / count, block)));
    }
    // Of equal places the first kind's comes first: whatever order they came in.
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    order.into_iter().map(|(_, block)| block).collect()
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

    /// Machines of a kind, so many side by side on so many layers, one stage after the other.
    fn stages(stages: &[(usize, usize, usize)]) -> (Problem, Plan) {
        let (mut machines, mut spans, mut at) = (Vec::new(), Vec::new(), 0);
        for &(table, width, layers) in stages {
            machines.extend(vec![Slot { table, region: 0 }; width]);
            spans.extend(vec![Some(Span { start: at, end: at + layers }); width]);
            at += layers;
        }
        let tables = vec![Table { throughput: vec![Some(1.0); at] }; 3];
        let problem =
            Problem { layers: at, tables, machines, network: Network::unbounded(at), partial: false };
        (problem, Plan { spans })
    }

    /// The tables of the stages, in order.
    fn order(problem: &Problem, plan: &Plan) -> String {
        let mut starts: Vec<(usize, usize)> =
            plan.used().map(|(machine, span)| (span.start, problem.machines[machine].table)).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.into_iter().map(|(_, table)| ["T", "L", "A"][table]).collect()
    }

    #[test]
    fn kinds_take_turns_where_requests_part_and_stages_stay_together() {
        let (t, l, a) = ((0, 2, 4), (1, 2, 6), (2, 1, 9));
        let kinds =
            |counts: [usize; 3]| [vec![t; counts[0]], vec![l; counts[1]], vec![a; counts[2]]].concat();
        let cases = [
            ([5, 4, 4], "TTALLATTALLAT"),
            ([5, 4, 1], "TTTTTALLLL"),
            ([2, 0, 5], "TAAATAA"),
            ([0, 0, 4], "AAAA"),
            ([3, 2, 0], "TTLTL"),
        ];
        for (counts, expected) in cases {
            let (problem, plan) = stages(&kinds(counts));
            let spread = interleaved(&problem, &plan);
            let spread = spread.as_ref().unwrap_or(&plan);
            spread.validate(&problem).unwrap();
            assert_eq!(order(&problem, spread), expected, "{counts:?}");
            assert_eq!(spread.used().count(), plan.used().count());
            let again = interleaved(&problem, spread);
            let again = again.as_ref().unwrap_or(spread);
            assert_eq!(order(&problem, again), expected, "in that order already");
        }
    }
}
