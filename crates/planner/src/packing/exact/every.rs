//! Every plan of a handful of machines: the best at each depth, with links as they are.
//!
//! Links that bind, stages that share some layers only, one machine that feeds two: nothing is left out, so what is found here
//! is the truth. Machines that are alike in everything change places at no cost, so of their plans one is looked at.

use crate::packing::{Plan, Problem, Span, depth, evaluate};

/// Plans that are looked at, at most.
const MOST_PLANS: usize = 40_000;
/// Machines, at most: more of them have more plans.
const MOST_MACHINES: usize = 12;

/// The plan with the most flow at each depth.
#[derive(Debug, Clone, PartialEq)]
pub struct BestPlans {
    /// By machines in a row; `None` where no plan of just this depth carries anything.
    at: Vec<Option<(f64, Plan)>>,
}

impl BestPlans {
    /// Tries all of them; `None` if they are too many, or if stopped.
    #[must_use]
    pub fn of(problem: &Problem, should_stop: &mut dyn FnMut() -> bool) -> Option<Self> {
        if problem.machines.len() > MOST_MACHINES {
            return None;
        }
        let choices: Vec<Vec<Option<Span>>> =
            (0..problem.machines.len()).map(|machine| choices(problem, machine)).collect();
        let twins: Vec<Option<usize>> =
            (0..problem.machines.len()).map(|machine| twin(problem, machine)).collect();
        if count(&choices, &twins) > MOST_PLANS {
            return None;
        }
        let at = vec![None; problem.machines.len() + 1];
        let mut walk =
            Walk { problem, choices, twins, plan: Plan::empty(problem.machines.len()), at, tried: 0 };
        walk.extend(0, should_stop).then_some(Self { at: walk.at })
    }

    /// The best plan with at most so many machines in a row, and its max-flow; of equals the shallowest.
    #[must_use]
    pub fn within(&self, depth: usize) -> Option<(f64, &Plan)> {
        let mut best: Option<(f64, &Plan)> = None;
        for (flow, plan) in self.at.iter().take(depth.saturating_add(1)).flatten() {
            if best.is_none_or(|(most, _)| *flow > most) {
                best = Some((*flow, plan));
            }
        }
        best
    }
}

/// What a machine may hold.
fn choices(problem: &Problem, machine: usize) -> Vec<Option<Span>> {
    let table = &problem.tables[problem.machines[machine].table];
    let spans = table.entries().filter(|&(held, _)| held <= problem.layers).flat_map(|(held, _)| {
        (0..=problem.layers - held).map(move |start| Some(Span { start, end: start + held }))
    });
    let mut choices: Vec<Option<Span>> = std::iter::once(None).chain(spans).collect();
    choices.sort_unstable();
    choices
}

/// The nearest earlier machine that is alike in everything.
fn twin(problem: &Problem, machine: usize) -> Option<usize> {
    let network = &problem.network;
    let is_special =
        |machine: usize| network.special.keys().any(|&(from, to)| from == machine || to == machine);
    let is_alike = |&other: &usize| {
        problem.machines[other] == problem.machines[machine]
            && network.source[other] == network.source[machine]
            && network.sink[other] == network.sink[machine]
            && !is_special(other)
    };
    if is_special(machine) { None } else { (0..machine).rev().find(is_alike) }
}

/// How many plans there are to look at; `usize::MAX` where that does not end.
fn count(choices: &[Vec<Option<Span>>], twins: &[Option<usize>]) -> usize {
    let mut group = vec![1usize; choices.len()];
    choices.iter().enumerate().fold(1usize, |plans, (machine, choices)| {
        // Of n alike in c places: c (c + 1) … (c + n - 1) / n!, one factor a machine.
        if let Some(twin) = twins[machine] {
            group[machine] = group[twin] + 1;
        }
        let before = group[machine] - 1;
        plans.saturating_mul(choices.len() + before) / group[machine]
    })
}

struct Walk<'a> {
    problem: &'a Problem,
    choices: Vec<Vec<Option<Span>>>,
    twins: Vec<Option<usize>>,
    plan: Plan,
    at: Vec<Option<(f64, Plan)>>,
    tried: usize,
}

impl Walk<'_> {
    /// Gives machines from this one on every choice; `false` once stopped.
    fn extend(&mut self, machine: usize, should_stop: &mut dyn FnMut() -> bool) -> bool {
        if machine == self.choices.len() {
            self.tried += 1;
            self.judge();
            return !(self.tried.is_multiple_of(256) && should_stop());
        }
        let least = self.twins[machine].and_then(|twin| self.plan.spans[twin]);
        for index in 0..self.choices[machine].len() {
            let choice = self.choices[machine][index];
            if choice < least {
                continue;
            }
            self.plan.spans[machine] = choice;
            if !self.extend(machine + 1, should_stop) {
                return false;
            }
        }
        self.plan.spans[machine] = None;
        true
    }

    fn judge(&mut self) {
        if !self.is_whole() {
            return;
        }
        let Ok(flow) = evaluate(self.problem, &self.plan) else { return };
        let best = &mut self.at[depth(self.problem, &self.plan)];
        if flow > best.as_ref().map_or(0.0, |(most, _)| *most) {
            *best = Some((flow, self.plan.clone()));
        }
    }

    /// Whether every layer has a holder: most plans fail already here.
    fn is_whole(&self) -> bool {
        let mut reached = 0;
        while reached < self.problem.layers {
            let ends = self.plan.used().filter(|(_, span)| span.start <= reached).map(|(_, span)| span.end);
            match ends.max() {
                Some(end) if end > reached => reached = end,
                _ => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{Network, Slot, Table};

    fn problem(machines: usize, between: f64) -> Problem {
        let table = Table { throughput: vec![Some(10.0), Some(4.0)] };
        Problem {
            layers: 2,
            tables: vec![table],
            machines: vec![Slot { table: 0, region: 0 }; machines],
            network: Network { between: vec![between], ..Network::unbounded(machines) },
            partial: false,
        }
    }

    #[test]
    fn the_best_at_each_depth_by_hand() {
        let mut never = || false;
        // Three machines, two layers: alone 4 each, so 12 in one step; two steps 10, and the third alone adds 4.
        let wide = BestPlans::of(&problem(3, f64::INFINITY), &mut never).unwrap();
        assert_eq!(wide.within(1).map(|(flow, _)| flow), Some(12.0));
        assert_eq!(wide.within(2).map(|(flow, _)| flow), Some(14.0));
        assert_eq!(wide.within(0), None);
        // A link of 3 tokens/s: two steps carry 3, and with the third alone 7, which is less than one step of all.
        let narrow = BestPlans::of(&problem(3, 3.0), &mut never).unwrap();
        assert_eq!(narrow.at[2].as_ref().map(|(flow, _)| *flow), Some(7.0));
        assert_eq!(narrow.within(2).map(|(flow, _)| flow), Some(12.0));
    }

    #[test]
    fn alike_machines_count_once_and_too_many_are_refused() {
        let problem = problem(3, 1.0);
        let choices: Vec<_> = (0..3).map(|machine| choices(&problem, machine)).collect();
        let twins: Vec<_> = (0..3).map(|machine| twin(&problem, machine)).collect();
        // Nothing, 0..1, 1..2 or 0..2 for each: 4 · 5 · 6 / 3!.
        assert_eq!((count(&choices, &twins), twins), (20, vec![None, Some(0), Some(1)]));
        let many = Problem {
            layers: 40,
            machines: vec![Slot { table: 0, region: 0 }; 40],
            network: Network::unbounded(40),
            ..problem
        };
        assert_eq!(BestPlans::of(&many, &mut || false), None);
    }

    #[test]
    fn it_can_be_stopped() {
        let problem = Problem { layers: 5, ..problem(5, 1.0) };
        assert!(BestPlans::of(&problem, &mut || false).is_some());
        assert_eq!(BestPlans::of(&problem, &mut || true), None);
    }
}
