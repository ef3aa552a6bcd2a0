//! From a plan to values of all variables, and back.

use super::formulation::Formulation;
use super::links::Node;
use crate::flow::{EdgeId, FlowError, FlowNetwork, NodeId};
use crate::packing::{Plan, Problem, Span};

/// Units of the integer flow in one token/s.
const UNITS: f64 = 1e6;

/// Tokens on a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkFlow {
    /// Sender.
    pub from: Node,
    /// Receiver.
    pub to: Node,
    /// Tokens on it \[tokens/s\].
    pub flow: f64,
}

/// What every link carries in a maximum flow of a plan over all links of the problem; links that carry nothing are left
/// out, the others come by sender and receiver. The same network as [`crate::packing::evaluate`].
pub fn carried(problem: &Problem, plan: &Plan) -> Result<Vec<LinkFlow>, FlowError> {
    let used: Vec<(usize, Span)> =
        plan.used().filter(|(machine, span)| problem.throughput(*machine, span.layers()).is_some()).collect();
    let node =
        |position: usize, side: usize| NodeId(u32::try_from(2 + 2 * position + side).unwrap_or(u32::MAX));
    let count = u32::try_from(2 + 2 * used.len()).map_err(|_| FlowError::Full)?;
    let (source, sink) = (NodeId(0), NodeId(1));
    let mut network = FlowNetwork::new(count);
    let mut ways: Vec<(EdgeId, Node, Node)> = Vec::new();
    for (position, &(machine, span)) in used.iter().enumerate() {
        let throughput = problem.throughput(machine, span.layers()).unwrap_or(0.0);
        network.add_edge(node(position, 0), node(position, 1), units(throughput))?;
        let here = Node::Machine(machine);
        if span.start == 0 {
            let edge = network.add_edge(source, node(position, 0), units(problem.network.source[machine]))?;
            ways.push((edge, Node::Source, here));
        }
        if span.end == problem.layers {
            let edge = network.add_edge(node(position, 1), sink, units(problem.network.sink[machine]))?;
            ways.push((edge, here, Node::Sink));
        }
        for (next, &(other, after)) in used.iter().enumerate() {
            let follows = if problem.partial {
                after.start <= span.end && span.end < after.end
            } else {
                span.end == after.start
            };
            let capacity = if follows { units(problem.link(machine, other)) } else { 0 };
            if capacity > 0 {
                let edge = network.add_edge(node(position, 1), node(next, 0), capacity)?;
                ways.push((edge, here, Node::Machine(other)));
            }
        }
    }
    let flow = network.max_flow(source, sink)?;
    let ways =
        ways.into_iter().map(|(edge, from, to)| LinkFlow { from, to, flow: flow.on(edge) as f64 / UNITS });
    let mut flows: Vec<LinkFlow> = ways.filter(|way| way.flow > 0.0).collect();
    flows.sort_by_key(|way| (way.from, way.to));
    Ok(flows)
}

/// A capacity in integer units, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 9e15 by the lines before"
)]
fn units(tokens_per_second: f64) -> u64 {
    // More than any machine computes is as good as no limit; sums of it stay in 63 bits.
    (tokens_per_second * UNITS).floor().clamp(0.0, 9e15) as u64
}

/// The value of every column for a plan and what its links carry; flow over links that the formulation does not have is
/// left out. `None` if the plan gives a machine a number of layers that it does not know.
///
/// Machines without layers get their smallest number at the beginning, and no switch: the formulation knows no idle ones.
#[must_use]
pub fn values_of(formulation: &Formulation, plan: &Plan, flows: &[LinkFlow]) -> Option<Vec<f64>> {
    let mut values = vec![0.0; formulation.program.columns.len()];
    let mut spans = vec![None; plan.spans.len()];
    for columns in &formulation.machines {
        let span = plan.spans.get(columns.machine).copied().flatten();
        let hold = match span {
            Some(span) => columns.holds.iter().find(|(k, _)| *k == span.layers())?,
            None => columns.holds.first()?,
        };
        let start = span.map_or(0, |span| span.start);
        values[hold.1] = 1.0;
        values[columns.start] = start as f64;
        spans[columns.machine] = Some(Span { start, end: start + hold.0 });
    }
    if plan.used().any(|(machine, span)| spans.get(machine).copied().flatten() != Some(span)) {
        return None;
    }
    for columns in &formulation.links {
        let (from, to) = (columns.link.from, columns.link.to);
        let found = flows.binary_search_by_key(&(from, to), |way| (way.from, way.to));
        if let Ok(index) = found {
            values[columns.flow] = flows[index].flow;
            values[columns.switch] = 1.0;
        }
        if let (Some((begun, ahead)), Node::Machine(from), Node::Machine(to)) = (columns.partial, from, to)
            && let (Some(before), Some(after)) = (spans[from], spans[to])
        {
            values[begun] = f64::from(after.start <= before.end);
            values[ahead] = f64::from(before.end < after.end);
        }
    }
    Some(values)
}

/// The plan that the values describe, after rounding; machines keep their layers whether or not they carry anything.
/// `None` if a machine has no number of layers, or leaves the model.
#[must_use]
pub fn plan_of(formulation: &Formulation, machines: usize, values: &[f64]) -> Option<Plan> {
    let mut plan = Plan::empty(machines);
    for columns in &formulation.machines {
        let (layers, _) = columns.holds.iter().find(|(_, column)| values[*column] > 0.5)?;
        let start = values[columns.start].round();
        if start < 0.0 || start > formulation.layers as f64 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the layers"
        )]
        let start = start as usize;
        let end = start + layers;
        if end > formulation.layers {
            return None;
        }
        plan.spans[columns.machine] = Some(Span { start, end });
    }
    Some(plan)
}
