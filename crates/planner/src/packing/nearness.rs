//! A plan made alike to a running one: machines of one kind and region change places, and stages change their order, so
//! that few layers have to be loaded. Where links do not bind neither changes what the plan carries.

use std::collections::BTreeMap;

use crate::packing::{Freedom, Plan, Problem, Slot, Span};

/// Machines of one kind and region up to which the best exchange is found exactly; it takes cubic time.
const MAX_EXACT: usize = 300;
/// Stages up to which other orders are looked at.
const MAX_STAGES: usize = 64;
/// What it costs to leave out a machine that must take part: more than any plan loads.
const NEVER: i64 = 1 << 40;

/// Layers that `span` has and `before` has not.
#[must_use]
pub fn layers_to_load(before: Option<Span>, span: Option<Span>) -> usize {
    let Some(span) = span else { return 0 };
    let kept =
        before.map_or(0, |before| span.end.min(before.end).saturating_sub(span.start.max(before.start)));
    span.layers() - kept
}

/// Plans that resemble a running one.
pub struct Nearness<'a> {
    /// The running plan.
    running: &'a Plan,
    /// Machines that may change places with each other.
    classes: Vec<Vec<usize>>,
    /// Which of them must take part.
    freedom: &'a [Freedom],
}

impl<'a> Nearness<'a> {
    /// Plans of this problem beside `running`; what is frozen stays.
    #[must_use]
    pub fn new(problem: &Problem, running: &'a Plan, freedom: &'a [Freedom]) -> Self {
        let mut classes: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for (machine, slot) in problem.machines.iter().enumerate() {
            if freedom.get(machine) != Some(&Freedom::Frozen) {
                classes.entry(*slot).or_default().push(machine);
            }
        }
        Self { running, classes: classes.into_values().collect(), freedom }
    }

    /// Layers that the machines must load.
    #[must_use]
    pub fn load(&self, plan: &Plan) -> usize {
        let pairs = self.running.spans.iter().zip(&plan.spans);
        pairs.map(|(before, span)| layers_to_load(*before, *span)).sum()
    }

    /// The same plan with machines of one kind and region exchanged so that the fewest layers are loaded.
    #[must_use]
    pub fn relabel(&self, plan: &Plan) -> Plan {
        let mut next = plan.clone();
        for class in &self.classes {
            let spans: Vec<Option<Span>> = class.iter().map(|&machine| plan.spans[machine]).collect();
            let cost = |row: usize, column: usize| -> i64 {
                let machine = class[row];
                if spans[column].is_none() && self.freedom.get(machine) == Some(&Freedom::Kept) {
                    return NEVER;
                }
                layers_to_load(self.running.spans[machine], spans[column]).try_into().unwrap_or(NEVER)
            };
            let chosen = if class.len() <= MAX_EXACT {
                assign(class.len(), cost)
            } else {
                assign_greedily(class.len(), cost)
            };
            for (row, column) in chosen.into_iter().enumerate() {
                next.spans[class[row]] = spans[column];
            }
        }
        next
    }

    /// The same stages in the order, and with the machines, that load the fewest layers, as far as changing two or moving
    /// one finds it. Stages are what lies between layers that no machine holds on both sides of.
    #[must_use]
    pub fn reorder(&self, plan: &Plan, layers: usize, should_stop: &mut dyn FnMut() -> bool) -> Plan {
        let mut best = self.relabel(plan);
        let mut load = self.load(&best);
        let stages = stages(plan, layers);
        if self.freedom.contains(&Freedom::Frozen) || stages.len() > MAX_STAGES {
            return best;
        }
        let mut order: Vec<usize> = (0..stages.len()).collect();
        let mut improved = true;
        while improved && load > 0 {
            improved = false;
            for from in 0..order.len() {
                for to in (0..order.len()).filter(|&to| to != from) {
                    if should_stop() {
                        return best;
                    }
                    let mut swapped = order.clone();
                    swapped.swap(from, to);
                    let mut moved = order.clone();
                    let stage = moved.remove(from);
                    moved.insert(to, stage);
                    for next in [swapped, moved] {
                        let candidate = self.relabel(&in_order(plan, &stages, &next));
                        let needed = self.load(&candidate);
                        if needed < load {
                            (best, load, order, improved) = (candidate, needed, next, true);
                        }
                    }
                }
            }
        }
        best
    }
}

/// The stages of a plan, first layers and ends.
fn stages(plan: &Plan, layers: usize) -> Vec<Span> {
    let mut is_crossed = vec![false; layers + 1];
    for (_, span) in plan.used() {
        is_crossed[span.start + 1..span.end].fill(true);
    }
    let borders: Vec<usize> = (0..=layers).filter(|&layer| !is_crossed[layer]).collect();
    borders.windows(2).map(|pair| Span { start: pair[0], end: pair[1] }).collect()
}

fn in_order(plan: &Plan, stages: &[Span], order: &[usize]) -> Plan {
    let mut starts = vec![0; stages.len()];
    let mut reached = 0;
    for &stage in order {
        starts[stage] = reached;
        reached += stages[stage].layers();
    }
    let place = |span: Span| {
        let stage = stages.partition_point(|stage| stage.end <= span.start);
        let start = span.start - stages[stage].start + starts[stage];
        Span { start, end: start + span.layers() }
    };
    Plan { spans: plan.spans.iter().map(|span| span.map(place)).collect() }
}

/// The cheapest one-to-one choice of a column for every row (Kuhn and Munkres, with potentials; O(n³)).
///
/// Rows in turn are brought in by the cheapest chain of exchanges; `u` and `v` are prices under which no pair is cheaper
/// than free.
fn assign(count: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<usize> {
    // Row and column 0 stand for none.
    let (mut u, mut v) = (vec![0i64; count + 1], vec![0i64; count + 1]);
    let mut row_of = vec![0usize; count + 1];
    for row in 1..=count {
        row_of[0] = row;
        let mut least = vec![i64::MAX; count + 1];
        let mut before = vec![0usize; count + 1];
        let mut is_done = vec![false; count + 1];
        let mut column = 0;
        while row_of[column] != 0 {
            is_done[column] = true;
            let from = row_of[column];
            let (mut step, mut next) = (i64::MAX, 0);
            for to in (1..=count).filter(|&to| !is_done[to]) {
                let reduced = cost(from - 1, to - 1) - u[from] - v[to];
                if reduced < least[to] {
                    (least[to], before[to]) = (reduced, column);
                }
                if least[to] < step {
                    (step, next) = (least[to], to);
                }
            }
            for at in 0..=count {
                if is_done[at] {
                    u[row_of[at]] += step;
                    v[at] -= step;
                } else if at > 0 {
                    least[at] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    let mut chosen = vec![0; count];
    for column in 1..=count {
        chosen[row_of[column] - 1] = column - 1;
    }
    chosen
}

/// The cheapest pair first.
fn assign_greedily(count: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<usize> {
    let mut chosen = vec![usize::MAX; count];
    let mut is_taken = vec![false; count];
    for (row, choice) in chosen.iter_mut().enumerate() {
        let free = (0..count).filter(|&column| !is_taken[column]);
        // What a machine holds already first, so that nobody else takes it.
        let Some(column) = free.min_by_key(|&column| (cost(row, column), column != row)) else { continue };
        (*choice, is_taken[column]) = (column, true);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{Network, Table};

    #[test]
    fn the_assignment_is_the_cheapest_of_all() {
        let costs = [[4, 1, 3, 9], [2, 0, 5, 8], [3, 2, 2, 7], [6, 4, 9, 1]];
        let mut all = vec![vec![]];
        for _ in 0..4 {
            all = all
                .into_iter()
                .flat_map(|known: Vec<usize>| {
                    let free: Vec<usize> = (0..4).filter(|column| !known.contains(column)).collect();
                    free.into_iter().map(move |column| [known.clone(), vec![column]].concat())
                })
                .collect();
        }
        let total = |chosen: &[usize]| -> i64 { (0..4).map(|row| costs[row][chosen[row]]).sum() };
        let chosen = assign(4, |row, column| costs[row][column]);
        assert_eq!(Some(total(&chosen)), all.iter().map(|chosen| total(chosen)).min());
        let greedy = assign_greedily(4, |row, column| costs[row][column]);
        assert!(total(&greedy) >= total(&chosen));
    }

    fn plan(spans: &[(usize, usize)]) -> Plan {
        let span = |&(start, end): &(usize, usize)| (start < end).then_some(Span { start, end });
        Plan { spans: spans.iter().map(span).collect() }
    }

    #[test]
    fn stages_come_back_in_the_order_of_the_running_plan() {
        let table = Table { throughput: vec![Some(9.0), Some(5.0), Some(3.0)] };
        let problem = Problem {
            layers: 6,
            tables: vec![table],
            machines: vec![Slot { table: 0, region: 0 }; 4],
            network: Network::unbounded(4),
            partial: false,
        };
        let running = plan(&[(0, 3), (3, 5), (5, 6), (0, 0)]);
        let nearness = Nearness::new(&problem, &running, &[]);
        // The same stages, turned round, on other machines.
        let other = plan(&[(0, 0), (0, 1), (1, 3), (3, 6)]);
        assert_eq!(nearness.load(&other), 6);
        assert_eq!(nearness.reorder(&other, 6, &mut || false), running);
        let kept = [Freedom::Free, Freedom::Free, Freedom::Free, Freedom::Kept];
        let kept = Nearness::new(&problem, &running, &kept).relabel(&running);
        assert!(kept.spans[3].is_some(), "who must take part holds layers");
    }
}
