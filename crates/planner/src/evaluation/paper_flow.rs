//! The flow that the authors' code would pick for a placement.

use helix_spec::{Endpoint, MachineId, Placement};

use super::{EvaluateError, LinkFlow, Part, placement_graph};
use crate::Instance;
use crate::flow::{FloatEdge, preflow_push};
use crate::validate::violations;

/// The flow on every link that the placement may use, those without flow included, in the placement's order of links: the
/// maximum flow by [`preflow_push`] with the edges in the order of the authors' code (section 2.9 of the description of
/// their simulator): by sender, each one's links in the placement's order.
pub fn paper_flow(instance: &Instance<'_>, placement: &Placement) -> Result<Vec<LinkFlow>, EvaluateError> {
    let found = violations(instance, placement);
    if !found.is_empty() {
        return Err(EvaluateError::Invalid(found));
    }
    let graph = placement_graph(instance, placement)?;
    // Where an edge comes in their order: the parts of an owner in a row, its links behind them; the sort keeps the order
    // of those.
    let owner = |endpoint: Endpoint| match endpoint {
        Endpoint::Coordinator => 0,
        Endpoint::Machine(MachineId(id)) => u64::from(id) + 1,
    };
    let key = |part: &Part| match *part {
        Part::NicOut(Endpoint::Coordinator) => (0, 0),
        // The coordinator's way out precedes its way in.
        Part::Link(Endpoint::Coordinator, _) => (0, 1),
        Part::NicIn(Endpoint::Coordinator) => (0, 2),
        Part::NicIn(machine) => (owner(machine), 0),
        Part::Compute(machine) => (owner(Endpoint::Machine(machine)), 1),
        Part::NicOut(machine) => (owner(machine), 2),
        Part::Link(from, _) => (owner(from), 3),
    };
    let mut order: Vec<usize> = (0..graph.parts.len()).collect();
    order.sort_by_key(|&edge| key(&graph.parts[edge]));
    let edges: Vec<FloatEdge> = order
        .iter()
        .map(|&edge| {
            let ends = graph.network.edges()[edge];
            (ends.from.index(), ends.to.index(), graph.capacities[edge])
        })
        .collect();
    let nodes = 4 + 4 * placement.machines.len();
    let flows = preflow_push(nodes, &edges, graph.source.index(), graph.sink.index());
    let mut by_edge = vec![0.0; graph.parts.len()];
    for (&edge, flow) in order.iter().zip(flows) {
        by_edge[edge] = flow;
    }
    let links = graph.parts.iter().enumerate().filter_map(|(edge, part)| match *part {
        Part::Link(from, to) => {
            Some(LinkFlow { from, to, flow: by_edge[edge], capacity: graph.capacities[edge] })
        }
        _ => None,
    });
    Ok(links.collect())
}
