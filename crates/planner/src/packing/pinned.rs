//! Packing around machines that keep their layers.
//!
//! ```text
//!  pinned     [2 ─ 100 tok/s ─ 6)    [8 ─ 300 ─ 10)
//!  layers   0    2              6    8             10      a target of 300: the others carry 300, 200, 300 and nothing
//! ```
//! Between the ends of the pinned machines lie segments; in each the other machines carry what the pinned ones leave of the
//! target. All segments draw on the same machines: one dynamic program over machine counts, whose columns know between which
//! layers they may stand.

use crate::bounds::{Covers, covered_layers};
use crate::packing::lengths::{BITS, Lengths, Prune, Step};
use crate::packing::{Column, Kinds, Plan, Problem, Span, Worth, evaluate, lay_out, stages};

/// Columns of one segment.
const MAX_COLUMNS: usize = 4_000;
/// Targets that are tried.
const TARGETS: usize = 24;
/// Relative width at which the bisection ends.
const PRECISION: f64 = 5e-4;

/// Layers between two neighbouring ends of pinned machines.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    start: usize,
    end: usize,
    /// What the pinned machines carry over it \[tokens/s\].
    pinned: f64,
}

/// The best plan found in which these machines hold these spans, with its max-flow; at most `above`. `None` if none is found:
/// there is none, or there are too many machines to count.
pub fn pack_around(
    problem: &Problem,
    pins: &[(usize, Span)],
    above: f64,
    should_stop: &mut dyn FnMut() -> bool,
) -> Option<(f64, Plan)> {
    let segments = segments(problem, pins);
    let mut pools = vec![Vec::new(); problem.tables.len()];
    for (machine, slot) in problem.machines.iter().enumerate() {
        if pins.iter().all(|&(pinned, _)| pinned != machine) {
            pools[slot.table].push(machine);
        }
    }
    let around = Around { problem, pins, segments, pools };
    let (mut low, mut high) = (0.0, above);
    let mut best: Option<(f64, Plan)> = None;
    let mut target = high;
    for _ in 0..TARGETS {
        if should_stop() || high - low <= PRECISION * high {
            break;
        }
        match around.attempt(target, should_stop) {
            Some(plan) => {
                low = target;
                // Over narrow links it may carry less.
                let flow = evaluate(problem, &plan).map_or(0.0, |flow| flow);
                if best.as_ref().is_none_or(|(known, _)| flow > *known) {
                    best = Some((flow, plan));
                }
            }
            None => high = target,
        }
        target = if low > 0.0 { f64::midpoint(low, high) } else { high / 3.0 };
    }
    best
}

fn segments(problem: &Problem, pins: &[(usize, Span)]) -> Vec<Segment> {
    let mut ends: Vec<usize> = pins.iter().flat_map(|(_, span)| [span.start, span.end]).collect();
    ends.extend([0, problem.layers]);
    ends.sort_unstable();
    ends.dedup();
    let segment = |pair: &[usize]| {
        let (start, end) = (pair[0], pair[1]);
        let holds = pins.iter().filter(|(_, span)| span.start <= start && end <= span.end);
        let pinned = holds.filter_map(|&(machine, span)| problem.throughput(machine, span.layers())).sum();
        Segment { start, end, pinned }
    };
    ends.windows(2).map(segment).collect()
}

struct Around<'a> {
    problem: &'a Problem,
    pins: &'a [(usize, Span)],
    segments: Vec<Segment>,
    /// Machines that are not pinned, of each kind.
    pools: Vec<Vec<usize>>,
}

impl Around<'_> {
    /// A plan whose machines carry the target, if links do not bind.
    fn attempt(&self, target: f64, should_stop: &mut dyn FnMut() -> bool) -> Option<Plan> {
        let flow = target * (1.0 - 1e-12);
        let open: Vec<Segment> =
            self.segments.iter().copied().filter(|segment| segment.pinned < flow).collect();
        let mut plan = Plan::empty(self.problem.machines.len());
        for &(machine, span) in self.pins {
            plan.spans[machine] = Some(span);
        }
        let mut pools = self.pools.clone();
        for (column, start) in self.columns(&open, flow, should_stop)? {
            if column.uses.iter().any(|&(kind, count)| pools[kind].len() < count as usize) {
                return None;
            }
            lay_out(std::slice::from_ref(&column), start, &mut pools, &mut plan);
        }
        Some(plan)
    }

    /// Columns with their first layers that fill the open segments exactly.
    fn columns(
        &self,
        open: &[Segment],
        flow: f64,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Option<Vec<(Column, usize)>> {
        let layers: usize = open.iter().map(|segment| segment.end - segment.start).sum();
        if layers == 0 {
            return Some(Vec::new());
        }
        if layers >= BITS {
            return None;
        }
        let tables = &self.problem.tables;
        let counts: Vec<usize> = self.pools.iter().map(Vec::len).collect();
        let available: Vec<u32> =
            counts.iter().map(|&count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let kinds = Kinds { tables, counts: &available };
        let hardest = open.iter().map(|segment| flow - segment.pinned).fold(0.0, f64::max);
        let prices = covered_layers(tables, &counts, hardest, None).prices;
        let cheapest = |segment: &Segment| {
            Covers::new(tables, &counts, flow - segment.pinned).cheapest(&prices).map(|cover| cover.cost)
        };
        let costs: Vec<f64> = open.iter().map(cheapest).collect::<Option<_>>()?;
        let worth: f64 = prices.iter().zip(&counts).map(|(price, &count)| price * count as f64).sum();
        let needed: f64 =
            open.iter().zip(&costs).map(|(segment, cost)| cost * (segment.end - segment.start) as f64).sum();
        let slack = worth - needed + 1e-6 * layers as f64;
        let most = costs.iter().copied().fold(0.0, f64::max);
        if slack < 0.0 || most <= 0.0 {
            return None;
        }
        let (mut columns, mut steps, mut reached) = (Vec::new(), Vec::new(), 0);
        for (segment, cost) in open.iter().zip(&costs) {
            let length = segment.end - segment.start;
            let scaled: Vec<f64> = prices.iter().map(|price| price / cost).collect();
            let found = (0..8).find_map(|halvings| {
                let slack = slack / cost * 0.5f64.powi(halvings);
                stages(kinds, flow - segment.pinned, Some(Worth { prices: &scaled, slack }), MAX_COLUMNS)
            })?;
            for column in found.into_iter().filter(|column| column.length <= length) {
                let after = mask(reached, reached + length - column.length);
                steps.push(Step { after, length: column.length, uses: column.uses.clone() });
                columns.push((column, segment.start, reached));
            }
            reached += length;
        }
        let mut lengths = Lengths::new(&available, steps)?;
        let prices: Vec<f64> = prices.iter().map(|price| price / most).collect();
        let prune = Prune { prices: &prices, slack: slack / most, until_reached: true };
        lengths.fill(layers, Some(prune), should_stop)?;
        let (state, set) = lengths.last();
        if set >> layers & 1 == 0 {
            return None;
        }
        let mut before = layers;
        let place = |step: usize| {
            let (column, start, reached) = &columns[step];
            before -= column.length;
            (column.clone(), start + before - reached)
        };
        Some(lengths.trace(state, layers)?.into_iter().map(place).collect())
    }
}

/// The bits `first..=last`.
fn mask(first: usize, last: usize) -> u128 {
    let up_to = |bit: usize| if bit + 1 >= BITS { u128::MAX } else { (1u128 << (bit + 1)) - 1 };
    up_to(last) & !(if first == 0 { 0 } else { up_to(first - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{Network, Slot, Table};

    #[test]
    fn others_carry_what_the_pinned_machine_leaves() {
        // Three layers, machines that hold one layer at 100 or two at 40 tokens/s; number 0 is pinned to the middle layer.
        let table = Table { throughput: vec![Some(100.0), Some(40.0)] };
        let machines = vec![Slot { table: 0, region: 0 }; 6];
        let problem = Problem {
            layers: 3,
            tables: vec![table],
            network: Network::unbounded(machines.len()),
            machines,
            partial: false,
        };
        let pins = [(0, Span { start: 1, end: 2 })];
        let (flow, plan) = pack_around(&problem, &pins, 1000.0, &mut || false).expect("there is a plan");
        // Five others: two on the first layer, two on the last, one beside the pinned machine.
        assert!((flow - 200.0).abs() < 0.2, "{flow}");
        assert_eq!(plan.spans[0], Some(Span { start: 1, end: 2 }));
        plan.validate(&problem).expect("a plan of this problem");
    }

    #[test]
    fn masks_are_closed_ranges() {
        assert_eq!(mask(0, 0), 1);
        assert_eq!(mask(2, 4), 0b11100);
        assert_eq!(mask(0, 127), u128::MAX);
    }
}
