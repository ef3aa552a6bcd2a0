//! Whether a placement without partial inference carries a target flow where no link binds: a sweep over the boundaries.
//!
//! Layer boundaries are nodes, machines are arcs. At every boundary where a machine ends, a set of machines starts that is
//! no larger than what can arrive there needs. The flow into all open machines together must stay at the target.

use super::Found;
use super::cover::{CoverSearch, Open, Placed};
use crate::flow::{FlowNetwork, NodeId};
use crate::packing::{Kinds, Span};

const UNITS: f64 = 1e6;

struct Sweep<'a, 'b> {
    cover: CoverSearch<'a>,
    layers: usize,
    /// Target, and throughput of each item, in integer units; throughputs rounded up, the target down.
    flow: u64,
    rates: Vec<u64>,
    arcs: Vec<(usize, Placed)>,
    should_stop: &'b mut dyn FnMut() -> bool,
    steps: u64,
}

/// Searches for machines with layers that carry `flow`. The prices must give every cover of a layer a cost of at least 1;
/// `effort` limits the steps.
pub fn flow_search(
    kinds: Kinds<'_>,
    layers: usize,
    flow: f64,
    (prices, effort): (&[f64], u64),
    should_stop: &mut dyn FnMut() -> bool,
) -> Found<Vec<Placed>> {
    let cover = CoverSearch::new(kinds, layers, flow, prices, effort);
    let rates = cover.items.iter().map(|item| units((item.rate * UNITS).ceil())).collect();
    let flow = units((flow * UNITS).floor());
    let mut sweep = Sweep { cover, layers, flow, rates, arcs: Vec::new(), should_stop, steps: 0 };
    match sweep.node(0) {
        Some(true) => Found::Yes(sweep.arcs.into_iter().map(|(_, placed)| placed).collect()),
        Some(false) => Found::No,
        None => Found::Unknown,
    }
}

impl Sweep<'_, '_> {
    /// Chooses what starts at boundary `position`, and all further ones; `None` if stopped.
    fn node(&mut self, position: usize) -> Option<bool> {
        let arriving = if position == 0 {
            self.flow
        } else {
            self.flow_into(|placed| placed.span.end == position, position).min(self.flow)
        };
        if position == self.layers {
            return Some(arriving >= self.flow);
        }
        self.start(position, arriving, 0, 0)
    }

    /// Adds one more machine at `position` from item `from` on, or goes on with those that there are.
    fn start(&mut self, position: usize, arriving: u64, from: usize, added: usize) -> Option<bool> {
        self.steps += 1;
        self.cover.effort = self.cover.effort.checked_sub(1)?;
        if self.steps.is_multiple_of(256) && (self.should_stop)() {
            return None;
        }
        let starting: u64 =
            self.arcs[self.arcs.len() - added..].iter().map(|&(item, _)| self.rates[item]).sum();
        if added > 0 && self.onward(position)? {
            return Some(true);
        }
        if starting >= arriving {
            return Some(false);
        }
        for index in from..self.rates.len() {
            let item = self.cover.items[index];
            let end = position + item.layers;
            if self.cover.free[item.kind] == 0 || end > self.layers {
                continue;
            }
            let total = starting + self.rates[index];
            let needed = self.arcs[self.arcs.len() - added..]
                .iter()
                .all(|&(other, _)| total - self.rates[other] < arriving);
            if !needed {
                continue;
            }
            self.cover.free[item.kind] -= 1;
            self.arcs.push((index, Placed { kind: item.kind, span: Span { start: position, end } }));
            let answer = self.start(position, arriving, index, added + 1);
            if answer == Some(true) {
                return answer;
            }
            self.arcs.pop();
            self.cover.free[item.kind] += 1;
            answer?;
        }
        Some(false)
    }

    /// Whether the machines chosen so far can be continued to the last layer.
    fn onward(&mut self, position: usize) -> Option<bool> {
        let crossing = |placed: &Placed| placed.span.start <= position && placed.span.end > position;
        let mut open: Vec<Open> = Vec::new();
        for &(item, placed) in self.arcs.iter().filter(|(_, placed)| crossing(placed)) {
            open.push(Open { item, left: placed.span.end - position });
        }
        if !self.cover.is_worth(position, &open) {
            return Some(false);
        }
        if self.flow_into(crossing, position + 1) < self.flow {
            return Some(false);
        }
        let Some(next) =
            self.arcs.iter().map(|(_, placed)| placed.span.end).filter(|&end| end > position).min()
        else {
            return Some(false);
        };
        if !self.cover.is_possible(position, &open)? {
            return Some(false);
        }
        self.node(next)
    }

    /// Max-flow from boundary 0 into the chosen machines that `enters` selects; only arcs that start before `before` count.
    fn flow_into(&self, enters: impl Fn(&Placed) -> bool, before: usize) -> u64 {
        let node = |position: usize| NodeId(u32::try_from(position).unwrap_or(u32::MAX));
        let sink = node(self.layers + 1);
        let mut network = FlowNetwork::new(sink.0 + 1);
        for &(item, placed) in self.arcs.iter().filter(|(_, placed)| placed.span.start < before) {
            let to = if enters(&placed) { sink } else { node(placed.span.end) };
            // Both ends are boundaries of this network.
            if network.add_edge(node(placed.span.start), to, self.rates[item]).is_err() {
                return 0;
            }
        }
        network.max_flow(node(0), sink).map_or(0, |flow| flow.value)
    }
}

/// A whole number of units.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 9e15 by the line before"
)]
fn units(value: f64) -> u64 {
    let value = value.clamp(0.0, 9e15);
    value as u64
}
