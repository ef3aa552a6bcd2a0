//! The same flow over more links: where requests could change lanes, some of them do.
//!
//! ```text
//!   a ──750──> c              a ──375──> c
//!                becomes        ╲ ╱ 375 each
//!   b ──750──> d              b ──375──> d
//! ```
//!
//! What leaves a and b, and what reaches c and d, stays as it is; so do the value of the flow, its hops and its latency. But
//! requests that passed the same machine no longer stay together.
//!
//! An evaluation takes a maximum flow with few links, which is easy to read. To route by, it is a poor one: requests that
//! are on parallel lanes meet the same others at every stage and hold each other up
//! (`docs/design/stage-order.md`).

use std::collections::BTreeMap;

use helix_spec::{Endpoint, Placement, RegionId, SimTime};

use super::{EvaluateError, Evaluation, LinkFlow, Part, placement_graph};
use crate::Instance;

/// Links of requests that have passed the same layers, from machines of one region to machines of one region: what the
/// product of senders and receivers is taken over.
type Block = (u32, RegionId, RegionId);

/// The evaluation's flow with every block of alike links filled evenly: a link carries what its sender sends into the block
/// times the share of the block that its receiver gets. A block stays as it is where a link is missing or slower in
/// latency than another, or could not carry its part. Links with flow, by sender and receiver.
///
/// Complexity: the links that the placement allows.
pub fn spread(
    instance: &Instance<'_>,
    placement: &Placement,
    evaluation: &Evaluation,
) -> Result<Vec<LinkFlow>, EvaluateError> {
    let region = |endpoint| instance.cluster.region_of(endpoint);
    let passed = |endpoint| match endpoint {
        Endpoint::Coordinator => 0,
        Endpoint::Machine(machine) => placement.layers_of(machine).map_or(0, helix_spec::LayerRange::end),
    };
    let graph = placement_graph(instance, placement)?;
    let mut blocks: BTreeMap<Block, Vec<(LinkFlow, SimTime)>> = BTreeMap::new();
    for (index, part) in graph.parts.iter().enumerate() {
        let Part::Link(from, to) = *part else { continue };
        let found = evaluation.links.binary_search_by_key(&(from, to), |link| (link.from, link.to));
        let flow = found.map_or(0.0, |found| evaluation.links[found].flow);
        let link = LinkFlow { from, to, flow, capacity: graph.capacities[index] };
        let block = blocks.entry((passed(from), region(from), region(to))).or_default();
        block.push((link, graph.latencies[index]));
    }
    let mut links: Vec<LinkFlow> = blocks.into_values().flat_map(filled).collect();
    links.retain(|link| link.flow > 0.0);
    links.sort_by_key(|link| (link.from, link.to));
    Ok(links)
}

/// One block.
fn filled(block: Vec<(LinkFlow, SimTime)>) -> Vec<LinkFlow> {
    let (mut sent, mut received, mut all) = (BTreeMap::new(), BTreeMap::new(), 0.0);
    for (link, _) in block.iter().filter(|(link, _)| link.flow > 0.0) {
        *sent.entry(link.from).or_insert(0.0) += link.flow;
        *received.entry(link.to).or_insert(0.0) += link.flow;
        all += link.flow;
    }
    let part = |link: &LinkFlow| Some(sent.get(&link.from)? * received.get(&link.to)? / all);
    let meant: Vec<_> =
        block.iter().filter_map(|(link, latency)| Some((link, *latency, part(link)?))).collect();
    let complete = meant.len() == sent.len() * received.len();
    let alike = meant.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let fits = meant.iter().all(|(link, _, flow)| *flow <= link.capacity);
    if complete && alike && fits {
        return meant.into_iter().map(|(link, _, flow)| LinkFlow { flow, ..*link }).collect();
    }
    block.into_iter().map(|(link, _)| link).collect()
}
