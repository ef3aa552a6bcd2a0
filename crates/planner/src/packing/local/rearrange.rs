//! Changes of a plan that keep its flow more often than not: stages in another order, layers and machines from one stage to
//! another.
//!
//! ```text
//!   |  A  |   B   | C |        |   B   |  A  | C |       rotate: what lies between two borders changes places
//!   |  A  |   B   | C |        | A |   B   |  C  |       transfer: one stage gives layers to another, what is between moves
//!   |  A  |   B   | C |        | C |  A  |   B   |       shuffle: everything changes places
//! ```

use std::collections::BTreeMap;

use super::moves::Mover;
use crate::packing::{Plan, Span};

/// Tries for one change that fits, before giving up.
const TRIES: usize = 20;
/// Layers that one stage gives to another at once, at most.
const MOST_LAYERS: usize = 2;

impl Mover<'_> {
    /// A neighbour of the plan with its stages rearranged; `None` if none was found that fits.
    pub fn rearrange(&mut self, plan: &Plan) -> Option<Plan> {
        (0..TRIES).find_map(|_| match self.below(20) {
            0..=2 => self.swap_lengths(plan),
            3..=5 => self.rotate(plan),
            6..=9 => self.transfer(plan),
            10..=13 => self.swap(plan),
            14..=16 => self.shift_boundary(plan),
            17..=18 => self.relocate(plan),
            _ => self.stretch(plan),
        })
    }

    /// All that lies between two neighbouring borders in an order drawn at random; `None` if none was found that fits.
    pub fn shuffle(&mut self, plan: &Plan) -> Option<Plan> {
        let borders = plan.borders(self.problem.layers);
        let mut blocks: Vec<Span> =
            borders.windows(2).map(|pair| Span { start: pair[0], end: pair[1] }).collect();
        (0..TRIES).find_map(|_| {
            for last in (1..blocks.len()).rev() {
                let other = self.below(last + 1);
                blocks.swap(last, other);
            }
            let mut starts = BTreeMap::new();
            let mut at = 0;
            for block in &blocks {
                starts.insert(block.start, at);
                at += block.layers();
            }
            self.shifted(plan, |span| {
                let (from, to) = starts.range(..=span.start).next_back().unwrap_or((&0, &0));
                Span { start: span.start - from + to, end: span.end - from + to }
            })
        })
    }

    /// A border that no machine crosses, or the end of the model.
    fn border(&mut self, plan: &Plan) -> Option<usize> {
        let machine = self.any();
        let Span { start, end } = plan.spans[machine]?;
        let at = if self.below(2) == 0 { start } else { end };
        plan.used().all(|(_, span)| span.end <= at || span.start >= at).then_some(at)
    }

    /// What lies between two borders and what follows it up to a third one change places.
    fn rotate(&mut self, plan: &Plan) -> Option<Plan> {
        let mut borders = [self.border(plan)?, self.border(plan)?, self.border(plan)?];
        borders.sort_unstable();
        let [first, middle, last] = borders;
        if first == middle || middle == last {
            return None;
        }
        let (forward, back) = (last - middle, middle - first);
        self.shifted(plan, |span| {
            if span.start >= first && span.end <= middle {
                Span { start: span.start + forward, end: span.end + forward }
            } else if span.start >= middle && span.end <= last {
                Span { start: span.start - back, end: span.end - back }
            } else {
                span
            }
        })
    }

    /// A stage gives layers to another one; all between them moves along.
    fn transfer(&mut self, plan: &Plan) -> Option<Plan> {
        let (one, other) = (plan.spans[self.any()]?, plan.spans[self.any()]?);
        let (left, right) = if one.start < other.start { (one, other) } else { (other, one) };
        if left.end > right.start {
            return None;
        }
        let by = 1 + self.below(MOST_LAYERS);
        let grows = self.below(2) == 0;
        let moved = |layer: usize| if grows { Some(layer + by) } else { layer.checked_sub(by) };
        let border =
            |layer: usize| if layer >= left.end && layer <= right.start { moved(layer) } else { Some(layer) };
        let mut next = plan.clone();
        for machine in 0..plan.spans.len() {
            let Some(Span { start, end }) = plan.spans[machine] else { continue };
            let (start, end) = (border(start)?, border(end)?);
            if start >= end || !self.takes(machine, plan, Span { start, end }) {
                return None;
            }
            next.spans[machine] = Some(Span { start, end });
        }
        (next != *plan).then_some(next)
    }

    /// The plan with every span mapped; `None` if a machine cannot take its new one.
    fn shifted(&self, plan: &Plan, map: impl Fn(Span) -> Span) -> Option<Plan> {
        let mut next = plan.clone();
        for machine in 0..plan.spans.len() {
            let Some(span) = plan.spans[machine] else { continue };
            let to = map(span);
            if !self.takes(machine, plan, to) {
                return None;
            }
            next.spans[machine] = Some(to);
        }
        (next != *plan).then_some(next)
    }

    fn takes(&self, machine: usize, plan: &Plan, span: Span) -> bool {
        plan.spans[machine] == Some(span) || (!self.is_frozen(machine) && self.may_hold(machine, Some(span)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::packing::{Freedom, Network, Problem, Slot, Table};

    /// Stages of 1, 2 and 3 layers on two machines each: shuffled they come in all six orders, and every stage stays whole.
    #[test]
    fn shuffled_stages_stay_whole_and_come_in_every_order() {
        let problem = Problem {
            layers: 6,
            tables: vec![Table { throughput: vec![Some(1.0); 3] }],
            machines: vec![Slot { table: 0, region: 0 }; 6],
            network: Network::unbounded(6),
            partial: false,
        };
        let span = |(start, end): (usize, usize)| Some(Span { start, end });
        let plan = Plan { spans: [(0, 1), (0, 1), (1, 3), (1, 3), (3, 6), (3, 6)].map(span).to_vec() };
        let mut mover = Mover::new(&problem, &[], 1);
        let mut orders = BTreeSet::from([plan.clone()]);
        for _ in 0..200 {
            let next = mover.shuffle(&plan).expect("some order fits");
            next.validate(&problem).unwrap();
            for pair in next.spans.chunks(2) {
                assert_eq!(pair[0], pair[1]);
            }
            orders.insert(next);
        }
        assert_eq!(orders.len(), 6);
        // Nobody may be moved: there is no other order.
        let frozen = [Freedom::Frozen; 6];
        assert_eq!(Mover::new(&problem, &frozen, 1).shuffle(&plan), None);
    }
}
