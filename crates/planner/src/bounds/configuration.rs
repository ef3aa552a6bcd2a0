//! The configuration linear program: a bound from how layers can be covered at all.
//!
//! At flow `F` every layer is held by machines whose throughputs sum to at least `F`, and a machine that holds `k` layers
//! gives each of them `1/k` of itself: `max Σ_c y_c` subject to `Σ_c y_c Σ_k a_ctk / k <= N_t`. If the optimum is below `L`,
//! no placement carries `F`, over whatever network, with or without partial inference.
//!
//! The simplex only proposes prices `u >= 0`. The proof is weak duality: every cover costs at least `c(u)` (the dynamic
//! program of `cover.rs`), so `L` layers cost at least `L · c(u)`; if that exceeds `Σ_t u_t N_t`, then `F` is refuted.

use super::capped_work;
use super::cover::Covers;
use crate::linear::LinearProgram;
use crate::packing::Table;

/// Share by which a refutation must exceed what rounding could do.
const MARGIN: f64 = 1e-9;
/// Covers priced for one target.
const MAX_ROUNDS: usize = 400;

/// What the linear program says about one target flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The best proof found: `Σ u N / c(u)`, an upper bound on the layers that can be covered at this flow.
    pub layers: f64,
    /// The prices of that proof, scaled so that the cheapest cover costs 1.
    pub prices: Vec<f64>,
}

/// Upper bound on the layers that can be covered at flow `flow`, with prices that prove it. With `enough`, stops once fewer
/// are proven or as many can be covered; else goes on to the optimum.
#[must_use]
pub fn covered_layers(tables: &[Table], counts: &[usize], flow: f64, enough: Option<usize>) -> Verdict {
    let covers = Covers::new(tables, counts, flow);
    let mut program = LinearProgram::new(counts.iter().map(|&count| count as f64).collect());
    let worth = |prices: &[f64]| -> f64 {
        prices.iter().zip(counts).map(|(price, &count)| price * count as f64).sum()
    };
    // The first prices: what a machine can do at this flow.
    let mut prices: Vec<f64> = tables.iter().map(|table| super::best_work(table, flow) / flow).collect();
    let mut best = Verdict { layers: f64::INFINITY, prices: prices.clone() };
    for _ in 0..MAX_ROUNDS {
        let Some(cover) = covers.cheapest(&prices) else {
            return Verdict { layers: 0.0, prices };
        };
        if cover.cost > 0.0 {
            let proven = worth(&prices) / cover.cost * (1.0 + MARGIN);
            if proven < best.layers {
                let prices = prices.iter().map(|price| price / cover.cost).collect();
                best = Verdict { layers: proven, prices };
            }
        }
        program.add(1.0, cover.column());
        let optimal = program.solve();
        let reached = program.objective();
        let decided = enough.is_some_and(|enough| best.layers < enough as f64 || reached >= enough as f64);
        if decided || !optimal || best.layers <= reached * (1.0 + 1e-6) {
            break;
        }
        prices = program.duals();
    }
    best
}

/// Upper bound on the flow of every placement \[tokens/s\]: bisection on the targets that the program refutes.
#[must_use]
pub fn configuration_bound(
    layers: usize,
    tables: &[Table],
    counts: &[usize],
    precision: f64,
    should_stop: &mut dyn FnMut() -> bool,
) -> f64 {
    let mut high = capped_work(layers, tables, counts);
    // Below the least throughput every machine counts in full: what is refuted there is refuted for any flow.
    let least = least_throughput(tables, counts);
    if covered_layers(tables, counts, least, Some(layers)).layers < layers as f64 {
        return 0.0;
    }
    let mut low = least.min(high);
    // Often nothing is gained below the closed form: look just under it first.
    let mut target = high * (1.0 - precision);
    while high - low > precision * high && !should_stop() {
        if covered_layers(tables, counts, target, Some(layers)).layers < layers as f64 {
            high = target;
        } else {
            low = target;
        }
        target = f64::midpoint(low, high);
    }
    high
}

/// The least throughput that any machine may have \[tokens/s\]; infinite without machines.
#[must_use]
pub fn least_throughput(tables: &[Table], counts: &[usize]) -> f64 {
    let rates =
        tables.iter().zip(counts).filter(|&(_, &count)| count > 0).flat_map(|(table, _)| table.entries());
    rates.map(|(_, rate)| rate).fold(f64::INFINITY, f64::min)
}
