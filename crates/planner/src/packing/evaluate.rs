//! The exact max-flow of a plan over the problem's links.
//!
//! ```text
//! source ──source_i──> in_i ──T_i(k)──> out_i ──link_ij──> in_j ... ──sink_i──> sink
//! ```
//! Capacities are rounded down to millionths of a token/s, so that the value is never more than the plan carries.

use crate::flow::{FlowError, FlowNetwork, NodeId};
use crate::packing::{Plan, Problem, Span};

/// Units of the integer flow in one token/s.
const UNITS: f64 = 1e6;

/// Max-flow of a plan \[tokens/s\].
///
/// A link from `i` to `j` carries requests if `j` starts where `i` ends, or with partial inference if `i` ends within `j`:
/// `start_j <= end_i < end_j`.
///
/// # Errors
/// If the capacities are too many or too large for the integer flow.
pub fn evaluate(problem: &Problem, plan: &Plan) -> Result<f64, FlowError> {
    let used: Vec<(usize, Span)> = plan.used().collect();
    let node =
        |position: usize, side: usize| NodeId(u32::try_from(2 + 2 * position + side).unwrap_or(u32::MAX));
    let mut network = FlowNetwork::new(u32::try_from(2 + 2 * used.len()).map_err(|_| FlowError::Full)?);
    let (source, sink) = (NodeId(0), NodeId(1));
    for (position, &(machine, span)) in used.iter().enumerate() {
        let Some(throughput) = problem.throughput(machine, span.layers()) else { continue };
        network.add_edge(node(position, 0), node(position, 1), units(throughput))?;
        if span.start == 0 {
            network.add_edge(source, node(position, 0), units(problem.network.source[machine]))?;
        }
        if span.end == problem.layers {
            network.add_edge(node(position, 1), sink, units(problem.network.sink[machine]))?;
        }
    }
    let mut by_start: Vec<Vec<usize>> = vec![Vec::new(); problem.layers + 1];
    for (position, &(_, span)) in used.iter().enumerate() {
        let last = if problem.partial { span.end } else { span.start + 1 };
        for entry in &mut by_start[span.start..last] {
            entry.push(position);
        }
    }
    for (position, &(machine, span)) in used.iter().enumerate() {
        for &next in &by_start[span.end] {
            let capacity = units(problem.link(machine, used[next].0));
            if capacity > 0 {
                network.add_edge(node(position, 1), node(next, 0), capacity)?;
            }
        }
    }
    Ok(network.max_flow(source, sink)?.value as f64 / UNITS)
}

/// A capacity in integer units, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 2^53 by the line before"
)]
fn units(tokens_per_second: f64) -> u64 {
    let scaled = (tokens_per_second * UNITS).floor();
    if scaled >= 9e15 { u64::MAX } else { scaled.max(0.0) as u64 }
}
