//! Small changes of a plan.

use super::Freedom;
use crate::packing::{Plan, Problem, Span};

/// Tries for one change that fits, before giving up.
const TRIES: usize = 20;
/// Where the random numbers of seed 0 begin.
const FIRST_STATE: u64 = 0x5EED;

/// Makes changes at random, the same ones for the same seed.
pub(crate) struct Mover<'a> {
    pub(super) problem: &'a Problem,
    /// Machines that may be moved and have rows.
    free: Vec<usize>,
    freedom: &'a [Freedom],
    state: u64,
}

impl<'a> Mover<'a> {
    pub fn new(problem: &'a Problem, freedom: &'a [Freedom], seed: u64) -> Self {
        let has_rows =
            |machine: usize| problem.tables[problem.machines[machine].table].entries().next().is_some();
        let is_free = |machine: &usize| freedom.get(*machine) != Some(&Freedom::Frozen);
        let free = (0..problem.machines.len()).filter(is_free).filter(|machine| has_rows(*machine)).collect();
        Self { problem, free, freedom, state: FIRST_STATE ^ seed.rotate_right(20) }
    }

    /// Whether no machine may be moved.
    pub fn is_stuck(&self) -> bool {
        self.free.is_empty()
    }

    /// A number in 0..1 (splitmix64).
    pub fn chance(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        let remainder = self.next() % (count.max(1) as u64);
        usize::try_from(remainder).expect("invariant: less than a usize")
    }

    /// A neighbour of the plan; `None` if none was found that fits.
    pub fn step(&mut self, plan: &Plan) -> Option<Plan> {
        (0..TRIES).find_map(|_| match self.below(10) {
            0..=2 => self.swap(plan),
            3..=4 => self.swap_lengths(plan),
            5..=7 => self.shift_boundary(plan),
            8 => self.relocate(plan),
            _ => self.stretch(plan),
        })
    }

    pub(super) fn any(&mut self) -> usize {
        let index = self.below(self.free.len());
        self.free[index]
    }

    pub(super) fn may_hold(&self, machine: usize, span: Option<Span>) -> bool {
        if span.is_none() {
            return self.freedom.get(machine) != Some(&Freedom::Kept);
        }
        span.is_none_or(|span| {
            span.start < span.end
                && span.end <= self.problem.layers
                && self.problem.throughput(machine, span.layers()).is_some()
        })
    }

    /// Two machines change places.
    pub(super) fn swap(&mut self, plan: &Plan) -> Option<Plan> {
        let (a, b) = (self.any(), self.any());
        let (of_a, of_b) = (plan.spans[a], plan.spans[b]);
        if of_a == of_b || !self.may_hold(a, of_b) || !self.may_hold(b, of_a) {
            return None;
        }
        let mut next = plan.clone();
        (next.spans[a], next.spans[b]) = (of_b, of_a);
        Some(next)
    }

    /// A machine goes beside another one, on the same layers.
    pub(super) fn relocate(&mut self, plan: &Plan) -> Option<Plan> {
        let machine = self.any();
        let other = self.below(plan.spans.len());
        let span = plan.spans[other];
        if span.is_none() || span == plan.spans[machine] || !self.may_hold(machine, span) {
            return None;
        }
        let mut next = plan.clone();
        next.spans[machine] = span;
        Some(next)
    }

    /// All machines that end or begin at one layer do so a layer or two earlier or later.
    pub(super) fn shift_boundary(&mut self, plan: &Plan) -> Option<Plan> {
        let at = plan.spans[self.any()]?.end;
        let by = 1 + self.below(2);
        let to = if self.below(2) == 0 { at.checked_sub(by)? } else { at + by };
        if at == self.problem.layers || to == 0 || to >= self.problem.layers {
            return None;
        }
        let mut next = plan.clone();
        for machine in 0..plan.spans.len() {
            let Some(Span { start, end }) = plan.spans[machine] else { continue };
            if start != at && end != at {
                continue;
            }
            let span = if start == at { Span { start: to, end } } else { Span { start, end: to } };
            if self.is_frozen(machine) || !self.may_hold(machine, Some(span)) {
                return None;
            }
            next.spans[machine] = Some(span);
        }
        Some(next)
    }

    /// Two stages of different length change places: the layers between them shift.
    pub(super) fn swap_lengths(&mut self, plan: &Plan) -> Option<Plan> {
        let (first, second) = (plan.spans[self.any()]?, plan.spans[self.any()]?);
        let (left, right) = if first.start < second.start { (first, second) } else { (second, first) };
        if left.end > right.start {
            return None;
        }
        let by = |start: usize, end: usize| -> Option<Span> {
            if start == left.start && end == left.end {
                return Some(Span { start: right.end - left.layers(), end: right.end });
            }
            if start == right.start && end == right.end {
                return Some(Span { start: left.start, end: left.start + right.layers() });
            }
            if start >= left.end && end <= right.start {
                let (add, take) = (right.layers(), left.layers());
                return Some(Span { start: start + add - take, end: end + add - take });
            }
            // Across the border of what moves: then the places cannot be changed.
            (end <= left.start || start >= right.end).then_some(Span { start, end })
        };
        let mut next = plan.clone();
        for machine in 0..plan.spans.len() {
            let Some(Span { start, end }) = plan.spans[machine] else { continue };
            let span = by(start, end)?;
            if span != (Span { start, end }) {
                if self.is_frozen(machine) {
                    return None;
                }
                next.spans[machine] = Some(span);
            }
        }
        (next != *plan).then_some(next)
    }

    /// One machine holds a few layers more or less at one side.
    pub(super) fn stretch(&mut self, plan: &Plan) -> Option<Plan> {
        let machine = self.any();
        // A machine without layers goes anywhere.
        let anywhere = self.below(self.problem.layers);
        let Span { start, end } = plan.spans[machine].unwrap_or(Span { start: anywhere, end: anywhere });
        let by = 1 + self.below(4);
        let span = match self.below(4) {
            0 => Span { start: start.checked_sub(by)?, end },
            1 => Span { start: start + by, end },
            2 => Span { start, end: end.checked_sub(by)? },
            _ => Span { start, end: end + by },
        };
        if !self.may_hold(machine, Some(span)) {
            return None;
        }
        let mut next = plan.clone();
        next.spans[machine] = Some(span);
        Some(next)
    }

    pub(super) fn is_frozen(&self, machine: usize) -> bool {
        self.freedom.get(machine) == Some(&Freedom::Frozen)
    }
}
