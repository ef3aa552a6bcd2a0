//! The flow graph of a placement: what may travel where, and how many tokens a second.
//!
//! ```text
//!              NIC out            link            NIC in         T(m,k)          NIC out           link            NIC in
//! coordinator ─────────> c.out ─────────> m.in ─────────> m.start ─────> m.end ─────────> m.out ──────> … c.in ─────────> end
//! ```
//!
//! A machine is three edges in series, so that its network interface limits all its links together and its computation
//! limits everything that passes through it. A link carries `bandwidth / bytes per token`, where a token is only its id
//! (2 bytes in the paper) between the coordinator and a machine, and its id with its activation between two machines.
//! Section 2.9 of the artifact's description.

use std::collections::BTreeMap;

use helix_spec::{Bandwidth, Endpoint, LayerRange, Link, MachineId, PartialInference, Placement, SimTime};

use crate::Instance;
use crate::flow::{EdgeCost, FlowError, FlowNetwork, NodeId};

/// Flow and capacity unit: a millionth of a token a second.
pub const UNITS_PER_TOKEN: f64 = 1e6;

/// What an edge of the graph stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A network interface, towards its owner.
    NicIn(Endpoint),
    /// A network interface, away from its owner.
    NicOut(Endpoint),
    /// The computation of a machine.
    Compute(MachineId),
    /// A directed link.
    Link(Endpoint, Endpoint),
}

/// The graph of one placement.
pub struct PlacementGraph {
    /// Nodes, edges, capacities in [`UNITS_PER_TOKEN`].
    pub network: FlowNetwork,
    /// Where requests begin.
    pub source: NodeId,
    /// Where they end.
    pub sink: NodeId,
    /// What every edge is, by edge id.
    pub parts: Vec<Part>,
    /// Propagation time of every edge, zero for all but links, by edge id.
    pub latencies: Vec<SimTime>,
    /// Capacity of every edge as it follows from the figures \[tokens/s\], before rounding to units.
    pub capacities: Vec<f64>,
}

impl PlacementGraph {
    /// What a token pays for every edge: a hop where a machine computes, and the propagation time of links.
    #[must_use]
    pub fn costs(&self) -> Vec<EdgeCost> {
        let hops = |part: &Part| u32::from(matches!(part, Part::Compute(_)));
        let cost = |(part, latency): (&Part, &SimTime)| EdgeCost { hops: hops(part), latency: latency.0 };
        self.parts.iter().zip(&self.latencies).map(cost).collect()
    }
}

/// Tokens a second through `bandwidth` at `bytes` each.
fn rate(bandwidth: Bandwidth, bytes: u64) -> f64 {
    bandwidth.bytes_per_second() / bytes as f64
}

/// Rounded down to whole units, so that no flow exceeds what the figures say.
pub(crate) fn to_units(tokens_per_second: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "f64 to u64 saturates")]
    let units = (tokens_per_second * UNITS_PER_TOKEN).floor() as u64;
    units.min(MAX_EDGE_UNITS)
}

/// Larger capacities than any network has (1e10 tokens/s) are as good as this one; sums of them stay in 63 bits.
const MAX_EDGE_UNITS: u64 = 10_000_000_000_000_000;

/// Whether a request that has passed `from` may go on to `to` under the rule for partial inference.
fn follows(partial: PartialInference, from: LayerRange, to: LayerRange) -> bool {
    match partial {
        PartialInference::Off => from.end() == to.start(),
        PartialInference::On => to.contains(from.end()),
    }
}

/// The directed links that requests may take, in a fixed order: by sender, then by receiver, or as the placement lists them.
fn allowed_links(placement: &Placement) -> Vec<(Endpoint, Endpoint)> {
    let layers = placement.model_layers;
    let range = |endpoint: Endpoint| match endpoint {
        Endpoint::Coordinator => None,
        Endpoint::Machine(id) => placement.layers_of(id),
    };
    let fits = |from: Endpoint, to: Endpoint| match (range(from), range(to)) {
        (None, None) => false,
        (None, Some(to)) => from == Endpoint::Coordinator && to.start() == 0,
        (Some(from), None) => to == Endpoint::Coordinator && from.end() == layers,
        (Some(from), Some(to)) => follows(placement.partial_inference, from, to),
    };
    if let Some(links) = &placement.links {
        return links.iter().copied().filter(|&(from, to)| fits(from, to)).collect();
    }
    // By the layer at which a range begins, so that 1,000 machines do not mean a million pairs.
    let mut by_start: BTreeMap<u32, Vec<MachineId>> = BTreeMap::new();
    for (&id, assignment) in &placement.machines {
        by_start.entry(assignment.layers.start()).or_default().push(id);
    }
    let longest = placement.machines.values().map(|a| a.layers.len()).max().unwrap_or(1);
    let mut links: Vec<(Endpoint, Endpoint)> = Vec::new();
    let starters = by_start.get(&0).into_iter().flatten();
    links.extend(starters.map(|&id| (Endpoint::Coordinator, Endpoint::Machine(id))));
    for (&id, assignment) in &placement.machines {
        let (from, end) = (Endpoint::Machine(id), assignment.layers.end());
        if end == layers {
            links.push((from, Endpoint::Coordinator));
        }
        let first = match placement.partial_inference {
            PartialInference::Off => end,
            PartialInference::On => (end + 1).saturating_sub(longest),
        };
        let mut next: Vec<MachineId> =
            by_start.range(first..=end).flat_map(|(_, ids)| ids.iter().copied()).collect();
        next.sort_unstable();
        let next = next.into_iter().map(Endpoint::Machine).filter(|&to| to != from && fits(from, to));
        links.extend(next.map(|to| (from, to)));
    }
    links
}

/// How many links [`placement_graph`] would look at, without listing them.
pub(super) fn count_links(placement: &Placement) -> u64 {
    if let Some(links) = &placement.links {
        return links.len() as u64;
    }
    // Machines by their first layer, and for partial inference by each of their layers.
    let mut entered: BTreeMap<u32, u64> = BTreeMap::new();
    for assignment in placement.machines.values() {
        let range = assignment.layers;
        let last = match placement.partial_inference {
            PartialInference::Off => range.start() + 1,
            PartialInference::On => range.end(),
        };
        for layer in range.start()..last {
            *entered.entry(layer).or_default() += 1;
        }
    }
    let ends = placement.machines.values().map(|assignment| assignment.layers.end());
    ends.fold(0, |links, end| links.saturating_add(1 + entered.get(&end).copied().unwrap_or(0)))
}

struct Builder {
    graph: PlacementGraph,
}

impl Builder {
    fn edge(
        &mut self,
        (from, to): (u32, u32),
        capacity: f64,
        part: Part,
        latency: SimTime,
    ) -> Result<(), FlowError> {
        let edge = self.graph.network.add_edge(NodeId(from), NodeId(to), to_units(capacity))?;
        debug_assert_eq!(edge.index(), self.graph.parts.len(), "edge ids are given in order");
        self.graph.parts.push(part);
        self.graph.latencies.push(latency);
        self.graph.capacities.push(capacity);
        Ok(())
    }
}

/// Builds the graph. The placement must be free of violations ([`crate::violations`]); machines without layers and links
/// that the network does not have are left out.
pub fn placement_graph(instance: &Instance<'_>, placement: &Placement) -> Result<PlacementGraph, FlowError> {
    let wire = instance.wire();
    let (token, activation) = (wire.token.0, wire.token.0 + wire.activation.0);
    let links: Vec<_> = allowed_links(placement)
        .into_iter()
        .filter_map(|(from, to)| instance.cluster.link(from, to).map(|link| (from, to, link)))
        .collect();

    // Nodes: 0 the beginning, 1 the coordinator's way out, 2 its way in, 3 the end, then four a machine.
    let order: BTreeMap<MachineId, u32> =
        placement.machines.keys().zip(0u32..).map(|(&id, i)| (id, 4 + 4 * i)).collect();
    let count = 4 + 4 * u32::try_from(order.len()).map_err(|_| FlowError::Full)?;
    let graph = PlacementGraph {
        network: FlowNetwork::new(count),
        source: NodeId(0),
        sink: NodeId(3),
        parts: Vec::new(),
        latencies: Vec::new(),
        capacities: Vec::new(),
    };
    let mut builder = Builder { graph };
    let (nic, owner) = (instance.cluster.coordinator.nic, Endpoint::Coordinator);
    builder.edge((0, 1), rate(nic.outbound, token), Part::NicOut(owner), SimTime::ZERO)?;
    builder.edge((2, 3), rate(nic.inbound, token), Part::NicIn(owner), SimTime::ZERO)?;
    let bare = only_peer_is_coordinator(&links);
    for (&id, &first) in &order {
        let Ok(capability) = instance.capability(id, placement.machines[&id].layers.len()) else { continue };
        let bytes = |inbound: bool| if bare.get(&(id, inbound)) == Some(&true) { token } else { activation };
        let (nic, owner) = (instance.cluster.machine(id).nic, Endpoint::Machine(id));
        let (inbound, outbound) = (rate(nic.inbound, bytes(true)), rate(nic.outbound, bytes(false)));
        let compute = capability.throughput.get();
        builder.edge((first, first + 1), inbound, Part::NicIn(owner), SimTime::ZERO)?;
        builder.edge((first + 1, first + 2), compute, Part::Compute(id), SimTime::ZERO)?;
        builder.edge((first + 2, first + 3), outbound, Part::NicOut(owner), SimTime::ZERO)?;
    }
    for (from, to, link) in links {
        let bytes =
            if from == Endpoint::Coordinator || to == Endpoint::Coordinator { token } else { activation };
        let tail = match from {
            Endpoint::Coordinator => 1,
            Endpoint::Machine(id) => order[&id] + 3,
        };
        let head = match to {
            Endpoint::Coordinator => 2,
            Endpoint::Machine(id) => order[&id],
        };
        builder.edge((tail, head), rate(link.bandwidth, bytes), Part::Link(from, to), link.latency)?;
    }
    Ok(builder.graph)
}

/// Interfaces (machine, inbound?) whose only peer is the coordinator: they carry bare token ids (section 2.9).
fn only_peer_is_coordinator(links: &[(Endpoint, Endpoint, Link)]) -> BTreeMap<(MachineId, bool), bool> {
    let mut only = BTreeMap::new();
    let mut note = |interface: Endpoint, inbound: bool, peer: Endpoint| {
        if let Endpoint::Machine(id) = interface {
            let bare = peer == Endpoint::Coordinator;
            only.entry((id, inbound)).and_modify(|only| *only &= bare).or_insert(bare);
        }
    };
    for &(from, to, _) in links {
        note(to, true, from);
        note(from, false, to);
    }
    only
}
