//! The cheapest among all maximum flows.
//!
//! A placement usually has many maximum flows: requests may go straight on or by way of a far region, the sum is
//! the same. Of all of them this module takes one that uses the fewest edges with a hop cost, summed over the
//! flow, and among those one with the least latency: costs are compared hops first, latency second.
//!
//! Both costs become one integer, `hops * scale + latency`, with a scale above what the latencies of any path or circle
//! can add up to. Whether a circle in the residual graph has negative cost, which is all that decides whether a flow
//! is the cheapest, is then the same question as in the ordered pairs.
//!
//! The value comes from Dinic's method ([`FlowNetwork::max_flow`]), the cheapest flow of that value from the network
//! simplex method (`simplex`). The result carries a *potential* for each node, which proves it without trusting the
//! method: see [`verify_min_cost`].

mod simplex;
mod tree;

use super::decompose::cancel_circulations;
use super::max_flow::Flow;
use super::network::{FlowError, FlowNetwork, NodeId};
use super::verify::{FlowFault, verify_feasible};
use simplex::Simplex;

/// What a unit of flow pays for an edge; ordered by hops, then by latency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeCost {
    /// Hops, in Helix 1 for an edge between machines and 0 for others.
    pub hops: u32,
    /// Latency in the caller's unit, in Helix picoseconds.
    pub latency: u64,
}

/// The price of a unit at a node, ordered by hops, then by latency. Only differences mean something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Potential {
    /// In hops.
    pub hops: i64,
    /// In the unit of the latencies.
    pub latency: i64,
}

/// A maximum flow of the least cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinCostFlow {
    /// The flow; nothing in it goes round in circles.
    pub flow: Flow,
    /// Sum of flow times hops over all edges.
    pub hops: u128,
    /// Sum of flow times latency over all edges.
    pub latency: u128,
    /// The proof: a price for each node, indexed by [`NodeId`]. Where an edge has room, its cost is at least
    /// the price at its end minus the price at its beginning; where it carries flow, at most that.
    pub potentials: Vec<Potential>,
}

/// A cheapest maximum flow; `costs` has an entry for each edge, in order. The same input gives the same flow.
///
/// ```
/// use helix_planner::flow::{EdgeCost, FlowNetwork, NodeId, min_cost_max_flow};
///
/// let mut network = FlowNetwork::new(3);
/// let [source, far, sink] = [0, 1, 2].map(NodeId);
/// network.add_edge(source, far, 9)?;
/// network.add_edge(far, sink, 4)?;
/// let direct = network.add_edge(source, sink, 5)?;
/// let also_direct = network.add_edge(source, sink, 7)?;
///
/// let costs = [(1, 5), (1, 5), (1, 80), (1, 90)].map(|(hops, latency)| EdgeCost { hops, latency });
/// let cheapest = min_cost_max_flow(&network, source, sink, &costs)?;
/// assert_eq!(cheapest.flow.value, 16);
/// assert_eq!((cheapest.hops, cheapest.latency), (4 * 2 + 5 + 7, 4 * 10 + 5 * 80 + 7 * 90));
/// # Ok::<(), helix_planner::flow::FlowError>(())
/// ```
pub fn min_cost_max_flow(
    network: &FlowNetwork,
    source: NodeId,
    sink: NodeId,
    costs: &[EdgeCost],
) -> Result<MinCostFlow, FlowError> {
    let edges = network.edges().len();
    if costs.len() != edges {
        return Err(FlowError::CostCount { costs: costs.len(), edges });
    }
    let scale = Scale::new(network, costs)?;
    let mut flow = network.max_flow(source, sink)?;
    let potentials = if flow.value == 0 {
        // No cost is negative, so equal prices prove that carrying nothing is the cheapest.
        vec![Potential::default(); network.node_count() as usize]
    } else {
        cheapen(network, &mut flow, costs, scale)
    };
    cancel(network, &mut flow);
    let hops = total(&flow, costs, |cost| u64::from(cost.hops))?;
    let latency = total(&flow, costs, |cost| cost.latency)?;
    Ok(MinCostFlow { flow, hops, latency, potentials })
}

fn cheapen(network: &FlowNetwork, flow: &mut Flow, costs: &[EdgeCost], scale: Scale) -> Vec<Potential> {
    let mut simplex = Simplex::new(network, costs.iter().map(|cost| scale.joined(*cost)));
    simplex.add_start(network.node_count(), flow, scale.forbidding());
    simplex.run();
    simplex.write_flow(flow);
    simplex.potentials().map(|price| scale.split(price)).collect()
}

/// Takes out what goes round in circles: it costs nothing, or the flow would not be the cheapest, and helps nobody.
fn cancel(network: &FlowNetwork, flow: &mut Flow) {
    cancel_circulations(network, flow).expect("invariant: the simplex method keeps a flow a flow");
}

/// How hops and latency become one number.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// What a hop is worth in latency.
    hop: i128,
    /// Above the hops of every path.
    forbidding_hops: i128,
}

impl Scale {
    /// Refuses costs whose sums along a path could leave the 64-bit halves of a potential. What it lets through keeps
    /// every price, a forbidding arc and a path, below 2^124.
    fn new(network: &FlowNetwork, costs: &[EdgeCost]) -> Result<Self, FlowError> {
        let nodes = network.node_count();
        // A path has fewer edges than there are nodes; the factor 4 below keeps apart the differences of two paths, too.
        let limit = (1_u64 << 60) / (u64::from(nodes) + 1);
        let hops = costs.iter().map(|cost| u64::from(cost.hops)).max().unwrap_or(0);
        let latency = costs.iter().map(|cost| cost.latency).max().unwrap_or(0);
        if let Some(&value) = [hops, latency].iter().find(|value| **value > limit) {
            return Err(FlowError::CostTooLarge { value, limit, nodes });
        }
        let paths = i128::from(nodes) + 1;
        Ok(Self { hop: 4 * paths * i128::from(latency) + 1, forbidding_hops: paths * i128::from(hops) + 1 })
    }

    /// More than any path costs.
    fn forbidding(self) -> i128 {
        self.forbidding_hops * self.hop
    }

    fn joined(self, cost: EdgeCost) -> i128 {
        i128::from(cost.hops) * self.hop + i128::from(cost.latency)
    }

    /// The pair of sums that a sum of joined costs stands for: the latencies are below half of a hop's worth.
    fn split(self, price: i128) -> Potential {
        let hops = (price + self.hop / 2).div_euclid(self.hop);
        let in_bounds = "invariant: `Scale::new` bounds the costs of a path to 64 bits";
        Potential {
            hops: i64::try_from(hops).expect(in_bounds),
            latency: i64::try_from(price - hops * self.hop).expect(in_bounds),
        }
    }
}

/// Sum of flow times cost.
fn total(flow: &Flow, costs: &[EdgeCost], part: impl Fn(&EdgeCost) -> u64) -> Result<u128, FlowError> {
    let mut terms = flow.amounts.iter().zip(costs);
    terms
        .try_fold(0_u128, |sum, (&amount, cost)| sum.checked_add(u128::from(amount) * u128::from(part(cost))))
        .ok_or(FlowError::CostOverflow)
}

/// Checks that a flow is legal, that its stated costs are right, and that the prices prove it the cheapest of its value.
///
/// The proof is linear programming duality: if no residual arc is cheaper than the difference of the prices
/// at its ends, then around any circle of residual arcs the costs add up to at least 0, so that no rerouting saves.
pub fn verify_min_cost(
    network: &FlowNetwork,
    costs: &[EdgeCost],
    cheapest: &MinCostFlow,
) -> Result<(), FlowFault> {
    let flow = &cheapest.flow;
    verify_feasible(network, flow)?;
    if costs.len() != network.edges().len() {
        return Err(FlowError::CostCount { costs: costs.len(), edges: network.edges().len() }.into());
    }
    let hops = total(flow, costs, |cost| u64::from(cost.hops))?;
    let latency = total(flow, costs, |cost| cost.latency)?;
    if (hops, latency) != (cheapest.hops, cheapest.latency) {
        let claimed = (cheapest.hops, cheapest.latency);
        return Err(FlowFault::WrongCost { claimed, found: (hops, latency) });
    }
    let price = |node: NodeId| {
        let price = cheapest.potentials.get(node.index()).copied().unwrap_or_default();
        (i128::from(price.hops), i128::from(price.latency))
    };
    for (((id, edge), cost), &amount) in network.edges_with_ids().zip(costs).zip(&flow.amounts) {
        let (from, to) = (price(edge.from), price(edge.to));
        let reduced = (i128::from(cost.hops) + from.0 - to.0, i128::from(cost.latency) + from.1 - to.1);
        let cheaper = amount < edge.capacity && reduced < (0, 0);
        let dearer = amount > 0 && reduced > (0, 0);
        if cheaper || dearer {
            return Err(FlowFault::NotCheapest { edge: id.0 });
        }
    }
    Ok(())
}
