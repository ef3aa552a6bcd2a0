//! Throughput against depth: the best packing at every number of machines in a row.

use super::Control;
use super::honour::Honour;
use super::pool::Pool;
use crate::packing::{self, Columns, Kinds, Options, Plan, Search, lay_out, pack};

/// Depths that are tried, at most; beyond them the front is thinned out evenly. Many machines cost much each.
const MOST_DEPTHS: usize = 64;
/// The same for more than `MANY` machines.
const MOST_DEPTHS_OF_MANY: usize = 8;
const MANY: usize = 200;
/// Relative precision of each point.
const PRECISION: f64 = 1e-3;

/// Every depth's best plan over the regions, then over all machines as if they were in one, then by small changes.
pub(super) fn sweep(
    pool: &mut Pool<'_>,
    honour: &Honour<'_>,
    (bound, share): (f64, f64),
    control: &mut Control<'_>,
) {
    let depths = depths(honour);
    over_regions(pool, honour, (bound, share, &depths), control);
    blind(pool, honour, (bound, share, &depths), control);
    honour.search_depths(pool, &depths, (bound, share), control);
}

/// The depths that are tried, ascending.
fn depths(honour: &Honour<'_>) -> Vec<usize> {
    let (problem, options) = (honour.problem, honour.options);
    let longest = problem.tables.iter().map(|table| table.throughput.len()).max().unwrap_or(0);
    let count = problem.machines.len();
    if longest == 0 || count == 0 {
        return Vec::new();
    }
    let least = problem.layers.div_ceil(longest);
    let most = options.max_depth.unwrap_or(count).min(count).min(problem.layers);
    let points = if count > MANY { MOST_DEPTHS_OF_MANY } else { MOST_DEPTHS };
    let stride = (most.saturating_sub(least) / points).max(1);
    let mut depths: Vec<usize> = (least..=most).step_by(stride).collect();
    if depths.last().is_some_and(|&last| last < most) {
        depths.push(most);
    }
    depths
}

/// Chains through regions, and groups of regions side by side, until half of the time for the front is used up.
fn over_regions(
    pool: &mut Pool<'_>,
    honour: &Honour<'_>,
    (bound, share, depths): (f64, f64, &[usize]),
    control: &mut Control<'_>,
) {
    let mut found: Vec<Plan> = Vec::new();
    let half = f64::midpoint((control.used)(), share);
    let mut stop = || (control.used)() >= half;
    let options = Options { precision: PRECISION, ..Options::default() };
    packing::front(honour.problem, (options, bound), depths, &mut stop, &mut |incumbent| {
        found.push(incumbent.plan.clone());
    });
    // The best come last; what they dominate need not be judged.
    for plan in found.iter().rev() {
        honour.offer(pool, super::PACKING, plan, control);
    }
}

/// Packs at growing depth as if no link were narrow, lets the evaluator judge each packing with the links as they are, and
/// stops where more depth brings nothing, or when the budget is used up.
fn blind(
    pool: &mut Pool<'_>,
    honour: &Honour<'_>,
    (bound, share, depths): (f64, f64, &[usize]),
    control: &mut Control<'_>,
) {
    let (problem, count) = (honour.problem, honour.problem.machines.len());
    let counts: Vec<u32> =
        problem.counts().iter().map(|&count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
    let kinds = Kinds { tables: &problem.tables, counts: &counts };
    let mut below = 0.0;
    for &depth in depths {
        let mut stop = || (control.used)() >= share;
        if stop() {
            return;
        }
        let search = Search {
            layers: problem.layers,
            depth: Some(depth),
            above: bound,
            below,
            precision: PRECISION,
            columns: Columns::Stages,
            effort: 0,
        };
        let (Some(packing), _) = pack(kinds, search, &mut stop) else { continue };
        below = packing.flow;
        let mut pools = vec![Vec::new(); problem.tables.len()];
        for (machine, slot) in problem.machines.iter().enumerate() {
            pools[slot.table].push(machine);
        }
        let mut plan = Plan::empty(count);
        lay_out(&packing.columns, 0, &mut pools, &mut plan);
        honour.offer(pool, super::PACKING, &plan, control);
        if below >= bound * (1.0 - PRECISION) {
            return;
        }
    }
}
