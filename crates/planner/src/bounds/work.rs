//! Capped work: a bound in closed form.
//!
//! At flow `F` a machine with `k` layers carries at most `min(T(k), F)`, hence does at most `k · min(T(k), F)` layer-tokens a
//! second; the model needs `L · F`. The largest `F` with `Σ_t N_t · max_k k · min(T_t(k), F) >= L · F` bounds every placement
//! over any network, with or without partial inference.

use crate::packing::Table;

/// Largest `F` with enough capped work \[tokens/s\], rounded up; zero if no machine holds a layer.
///
/// The work is concave and piecewise linear in `F` per machine, and work / F falls, so between two breakpoints the answer is
/// one division. Breakpoints: the declared throughputs.
///
/// ```
/// use helix_planner::packing::Table;
/// // Two machines that hold one layer at 10 tokens/s or two at 4; a model of three layers. Between 4 and 8 tokens/s each of
/// // them does 2 · 4 layer-tokens a second, so F = 16 / 3.
/// let table = Table { throughput: vec![Some(10.0), Some(4.0)] };
/// let bound = helix_planner::bounds::capped_work(3, &[table], &[2]);
/// assert!((bound - 16.0 / 3.0).abs() < 1e-9);
/// ```
#[must_use]
pub fn capped_work(layers: usize, tables: &[Table], counts: &[usize]) -> f64 {
    let total: f64 =
        tables.iter().zip(counts).map(|(table, &count)| count as f64 * best_work(table, f64::INFINITY)).sum();
    // Bisection on the predicate, then outward: the predicate is monotone (work(F) / F does not rise).
    let enough = |flow: f64| {
        let work: f64 =
            tables.iter().zip(counts).map(|(table, &count)| count as f64 * best_work(table, flow)).sum();
        work >= layers as f64 * flow * (1.0 - 1e-13)
    };
    let (mut low, mut high) = (0.0, total / layers as f64 * (1.0 + 1e-12));
    if high == 0.0 || enough(high) {
        return high;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if enough(middle) { low = middle } else { high = middle }
    }
    high
}

/// Layer-tokens a second that a machine can do at flow `flow`: `max_k k · min(T(k), F)`.
#[must_use]
pub fn best_work(table: &Table, flow: f64) -> f64 {
    table.entries().map(|(layers, throughput)| layers as f64 * throughput.min(flow)).fold(0.0, f64::max)
}
