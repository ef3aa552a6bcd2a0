//! What a plan lacks at a target flow.
//!
//! ```text
//!  virtual layers   0 ──2──> 1 ──2──> 2 ──2──> 3      a unit of flow pays 2 a layer here,
//!                   │1       ↑1       │1               and 1 to leave a machine for them or to enter one from them,
//!                   v        │        v                so that going around a link costs as much as a layer
//!                  [machine 0..1]    [machine 2..3]
//! ```

use crate::flow::{EdgeCost, FlowError, FlowNetwork, NodeId, min_cost_max_flow};
use crate::packing::{Plan, Problem, Span};

/// Units of the integer flow in the target: coarse, since this is only a guide.
const UNITS: f64 = 1e6;
/// Cost of a virtual layer; going around a link costs as much.
const LAYER: u32 = 2;

/// The least share of the target, summed over layers, that machines and links leave to virtual layers; 0 exactly when the
/// plan carries the target (but for rounding). Infinite where it cannot be computed.
#[must_use]
pub fn penalty(problem: &Problem, plan: &Plan, target: f64) -> f64 {
    build(problem, plan, target)
        .and_then(|(network, costs, [source, sink])| min_cost_max_flow(&network, source, sink, &costs))
        .map_or(f64::INFINITY, |cheapest| cheapest.hops as f64 / f64::from(LAYER) / UNITS)
}

type Graph = (FlowNetwork, Vec<EdgeCost>, [NodeId; 2]);

fn build(problem: &Problem, plan: &Plan, target: f64) -> Result<Graph, FlowError> {
    let used: Vec<(usize, Span)> = plan.used().collect();
    let number = |index: usize| u32::try_from(index).map(NodeId).map_err(|_| FlowError::Full);
    let line = |layer: usize| number(2 + layer);
    let node = |position: usize, side: usize| number(3 + problem.layers + 2 * position + side);
    let (source, sink) = (NodeId(0), NodeId(1));
    let mut network = FlowNetwork::new(number(3 + problem.layers + 2 * used.len())?.0);
    let mut costs = Vec::new();
    let mut add = |from: NodeId, to: NodeId, capacity: f64, hops: u32| -> Result<(), FlowError> {
        let units = units(capacity / target);
        if units > 0 {
            network.add_edge(from, to, units)?;
            costs.push(EdgeCost { hops, latency: 0 });
        }
        Ok(())
    };
    // The source's own edge limits the flow to the target: a virtual way always has room for it.
    add(source, line(0)?, target, 0)?;
    add(line(problem.layers)?, sink, target, 0)?;
    for layer in 0..problem.layers {
        add(line(layer)?, line(layer + 1)?, target, LAYER)?;
    }
    let mut by_start: Vec<Vec<usize>> = vec![Vec::new(); problem.layers + 1];
    for (position, &(machine, span)) in used.iter().enumerate() {
        let (inside, outside) = (node(position, 0)?, node(position, 1)?);
        let Some(throughput) = problem.throughput(machine, span.layers()) else { continue };
        add(inside, outside, throughput, 0)?;
        let entries = if problem.partial { span.start..span.end } else { span.start..span.start + 1 };
        for entry in entries {
            by_start[entry].push(position);
            if entry == 0 {
                add(line(0)?, inside, problem.network.source[machine], 0)?;
            }
            add(line(entry)?, inside, target, LAYER / 2)?;
        }
        if span.end == problem.layers {
            add(outside, line(problem.layers)?, problem.network.sink[machine], 0)?;
        }
        add(outside, line(span.end)?, target, LAYER / 2)?;
    }
    for (position, &(machine, span)) in used.iter().enumerate() {
        for &next in &by_start[span.end] {
            add(node(position, 1)?, node(next, 0)?, problem.link(machine, used[next].0), 0)?;
        }
    }
    Ok((network, costs, [source, sink]))
}

/// A share of the target in integer units; more than all of it never matters.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the units of a target by the line before"
)]
fn units(share: f64) -> u64 {
    let scaled = (share * UNITS).clamp(0.0, UNITS);
    scaled.floor() as u64
}
