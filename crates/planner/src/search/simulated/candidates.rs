//! Packings for cache: what limits the requests in flight is the layer that holds fewest of their tokens.
//!
//! The packing program packs stages whose throughputs add up to a target. Given tokens of cache a layer instead of
//! throughput it packs for cache, and given a weighted sum of both (each as a share of what packing for flow reached at
//! that depth) it finds what lies between.

use crate::Instance;
use crate::packing::{Columns, Kinds, Plan, Problem, Search, Table, lay_out, pack};
use helix_spec::MachineId;

/// Relative precision of each packing.
const PRECISION: f64 = 5e-3;
/// Weights of throughput in the sums beside packing for cache alone; the rest is that of cache.
const WEIGHTS: [f64; 2] = [0.3, 0.6];

/// Tokens of cache a layer, as a table for the packing program: by the number of layers held.
fn cache_tables(instance: &Instance<'_>, problem: &Problem) -> Vec<Table> {
    let mut tables = vec![Table::default(); problem.tables.len()];
    for (machine, slot) in problem.machines.iter().enumerate().rev() {
        let Ok(id) = u32::try_from(machine) else { continue };
        let entry = |(index, throughput): (usize, &Option<f64>)| {
            throughput.as_ref()?;
            let held = u32::try_from(index + 1).ok()?;
            let tokens = instance.capability(MachineId(id), held).ok()?.kv_capacity / u64::from(held);
            (tokens > 0).then_some(tokens as f64)
        };
        let throughput = problem.tables[slot.table].throughput.iter().enumerate().map(entry).collect();
        tables[slot.table] = Table { throughput };
    }
    tables
}

/// The sum of two tables, where both have entries.
fn mixed(flow: &Table, cache: &Table, (by_flow, by_cache): (f64, f64)) -> Table {
    let entry = |(flow, cache): (&Option<f64>, &Option<f64>)| Some((*flow)? * by_flow + (*cache)? * by_cache);
    Table { throughput: flow.throughput.iter().zip(&cache.throughput).map(entry).collect() }
}

/// Packings at each of these depths, of machines as if they were in one region; `flows` is what packing for flow reached
/// there \[tokens/s\].
pub(in crate::search) fn for_cache(
    instance: &Instance<'_>,
    problem: &Problem,
    flows: &[(usize, f64)],
    should_stop: &mut dyn FnMut() -> bool,
) -> Vec<Plan> {
    let cache = cache_tables(instance, problem);
    let mut plans = Vec::new();
    for &(depth, flow) in flows {
        let Some((tokens, plan)) = packed(problem, &cache, depth, should_stop) else { continue };
        plans.push(plan);
        for weight in WEIGHTS {
            let scale = (weight / flow, (1.0 - weight) / tokens);
            let tables: Vec<Table> =
                (problem.tables.iter().zip(&cache)).map(|(flow, cache)| mixed(flow, cache, scale)).collect();
            plans.extend(packed(problem, &tables, depth, should_stop).map(|(_, plan)| plan));
        }
        if should_stop() {
            break;
        }
    }
    plans
}

/// The packing whose least stage is largest.
fn packed(
    problem: &Problem,
    tables: &[Table],
    depth: usize,
    should_stop: &mut dyn FnMut() -> bool,
) -> Option<(f64, Plan)> {
    let counts: Vec<u32> =
        problem.counts().iter().map(|&count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
    let above = crate::bounds::capped_work(problem.layers, tables, &problem.counts());
    let search = Search {
        layers: problem.layers,
        depth: Some(depth),
        above,
        below: 0.0,
        precision: PRECISION,
        columns: Columns::Stages,
        effort: 0,
    };
    let packing = pack(Kinds { tables, counts: &counts }, search, should_stop).0?;
    let mut pools = vec![Vec::new(); tables.len()];
    for (machine, slot) in problem.machines.iter().enumerate() {
        pools[slot.table].push(machine);
    }
    let mut plan = Plan::empty(problem.machines.len());
    lay_out(&packing.columns, 0, &mut pools, &mut plan);
    Some((packing.flow, plan))
}
