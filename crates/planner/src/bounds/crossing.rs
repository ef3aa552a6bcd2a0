//! The region argument: where single machines would have to hold almost every layer, one link would have to carry all
//! the flow between regions, and none does.
//!
//! Let `S_l` be the machines that compute layer `l`. Where `S_l` and `S_{l+1}` are single, different machines, the link
//! between them carries all of `F`. So layers held by single machines form runs, each inside one set of machines that are
//! connected by links of at least `F`; between two runs of different sets lies a layer that several machines share. With `j`
//! shared layers at most `j + 1` sets take part, which gives the least possible `j`. At prices `u` every single cover costs
//! at least `c_1` and every shared one at least `c_2`; if `(L - j) c_1 + j c_2 > Σ_t u_t N_t` (and `c_2 >= c_1`), then no
//! placement carries `F`.

use super::cover::Covers;
use crate::linear::LinearProgram;
use crate::packing::Problem;

/// Share by which a refutation must exceed what rounding could do.
const MARGIN: f64 = 1e-9;
/// How much more than a single cover a shared one is asked to cost, tried in turn.
const PREMIUMS: [f64; 5] = [0.02, 0.05, 0.1, 0.3, 1.0];
const MAX_ROUNDS: usize = 200;
/// Above this many machines the argument is not tried: it is about clusters where single machines hold the layers.
const MAX_MACHINES: usize = 512;

/// The least flow that the argument refutes at or above `below`, if it is less than `above` \[tokens/s\].
#[must_use]
pub fn crossing_bound(
    problem: &Problem,
    below: f64,
    above: f64,
    precision: f64,
    should_stop: &mut dyn FnMut() -> bool,
) -> f64 {
    let (mut low, mut high) = (below, above);
    if problem.machines.len() > MAX_MACHINES {
        return above;
    }
    let mut target = low * (1.0 + precision);
    while high - low > precision * high && !should_stop() {
        if refuted(problem, target) {
            high = target;
        } else {
            low = target;
        }
        target = f64::midpoint(low, high);
    }
    high
}

/// Whether the argument proves that no placement carries `flow`.
fn refuted(problem: &Problem, flow: f64) -> bool {
    let Some(shared) = shared_layers(problem, flow) else { return false };
    if shared == 0 {
        return false;
    }
    let counts = problem.counts();
    let covers = Covers::new(&problem.tables, &counts, flow);
    PREMIUMS.into_iter().any(|premium| {
        let mut program = LinearProgram::new(counts.iter().map(|&count| count as f64).collect());
        let mut prices: Vec<f64> =
            problem.tables.iter().map(|table| super::best_work(table, flow) / flow).collect();
        for round in 0..MAX_ROUNDS {
            let (single, several) = covers.cheapest_by_size(&prices);
            let cost =
                |cover: &Option<super::Cover>| cover.as_ref().map_or(f64::INFINITY, |cover| cover.cost);
            if exceeds(problem.layers, shared, (cost(&single), cost(&several)), worth(&prices, &counts)) {
                return true;
            }
            let (one, more) = (cost(&single), cost(&several));
            if let Some(cover) = single {
                program.add(1.0, cover.column());
            }
            if let Some(cover) = several {
                program.add(1.0 + premium, cover.column());
            }
            // The first prices are a guess, not an optimum.
            let settled = round > 0 && one >= 1.0 - 1e-7 && more >= (1.0 + premium) * (1.0 - 1e-7);
            let hopeless = program.objective() > problem.layers as f64 + shared as f64 * premium;
            if settled || hopeless || !program.solve() {
                return false;
            }
            prices = program.duals();
        }
        false
    })
}

fn worth(prices: &[f64], counts: &[usize]) -> f64 {
    prices.iter().zip(counts).map(|(price, &count)| price * count as f64).sum()
}

/// Whether covers of these least costs (single, shared) are worth more than all machines, with at least `shared` shared layers.
fn exceeds(layers: usize, shared: usize, (single, several): (f64, f64), worth: f64) -> bool {
    let shared = shared.min(layers);
    let least = if several <= single {
        // Then shared layers are the cheaper ones, and their number says nothing.
        layers as f64 * several
    } else {
        // Without any single cover every layer is shared; infinity times zero would not be a number.
        let alone = if shared == layers { 0.0 } else { (layers - shared) as f64 * single };
        alone + shared as f64 * several
    };
    least > worth * (1.0 + MARGIN)
}

/// The least number of layers that several machines must share; `None` if no number will do.
fn shared_layers(problem: &Problem, flow: f64) -> Option<usize> {
    let machines = problem.machines.len();
    let alone: Vec<usize> = (0..machines)
        .map(|machine| {
            let table = &problem.tables[problem.machines[machine].table];
            table
                .entries()
                .filter(|&(_, throughput)| throughput >= flow)
                .map(|(layers, _)| layers)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut set: Vec<usize> = (0..machines).collect();
    for from in (0..machines).filter(|&from| alone[from] > 0) {
        for to in (0..machines).filter(|&to| alone[to] > 0) {
            if problem.link(from, to) >= flow {
                let (a, b) = (root(&mut set, from), root(&mut set, to));
                set[a.max(b)] = a.min(b);
            }
        }
    }
    let mut totals = vec![0usize; machines];
    for machine in 0..machines {
        totals[root(&mut set, machine)] += alone[machine];
    }
    totals.sort_unstable_by(|a, b| b.cmp(a));
    let mut single = 0;
    for shared in 0..=problem.layers {
        single += totals.get(shared).copied().unwrap_or(0);
        if single + shared >= problem.layers {
            return Some(shared);
        }
    }
    None
}

/// Representative of a machine's set, with the path to it shortened.
fn root(set: &mut [usize], machine: usize) -> usize {
    let mut at = machine;
    while set[at] != at {
        set[at] = set[set[at]];
        at = set[at];
    }
    at
}
