//! The cheapest maximum flow: its proof by prices, and another method (one cheapest path after the other).

use crate::networks::{Drawn, SINK, SOURCE, build, drawn};
use helix_planner::flow::{
    EdgeCost, FlowError, FlowFault, FlowNetwork, MinCostFlow, NodeId, Potential, decompose,
    min_cost_max_flow, verify_maximum, verify_min_cost,
};
use proptest::prelude::*;

/// Costs from few equal values, from pipelines as in Helix (a hop or none, picoseconds) and from a wide range.
fn cost() -> impl Strategy<Value = EdgeCost> {
    prop_oneof![
        (0..3_u32, 0..4_u64),
        (0..2_u32, 1..200_000_000_000_u64),
        (0..100_000_u32, 0..1_000_000_000_000_000_u64),
    ]
    .prop_map(|(hops, latency)| EdgeCost { hops, latency })
}

fn priced(
    nodes: std::ops::Range<u32>,
    edges: std::ops::Range<usize>,
) -> impl Strategy<Value = (Drawn, Vec<EdgeCost>)> {
    drawn(nodes, edges).prop_flat_map(|network| {
        let edges = network.edges.len();
        (Just(network), prop::collection::vec(cost(), edges))
    })
}

/// The cost of the cheapest way to a node, and its last step: the edge, and whether it is undone.
type Reached = ((i128, i128), Option<(usize, bool)>);

/// Sends flow along the cheapest residual path (Bellman and Ford) until there is none; returns (value, hops, latency).
fn path_after_path(drawn: &Drawn, costs: &[EdgeCost]) -> (u64, i128, i128) {
    let mut flow = vec![0_u64; drawn.edges.len()];
    let pair = |cost: &EdgeCost| (i128::from(cost.hops), i128::from(cost.latency));
    let (mut value, mut total) = (0, (0, 0));
    loop {
        let mut reached: Vec<Option<Reached>> = vec![None; drawn.nodes as usize];
        reached[0] = Some(((0, 0), None));
        let mut changed = true;
        while changed {
            changed = false;
            for (position, (&(from, to, capacity), cost)) in drawn.edges.iter().zip(costs).enumerate() {
                let (hops, latency) = pair(cost);
                let steps = [
                    (from, to, flow[position] < capacity, 1, false),
                    (to, from, flow[position] > 0, -1, true),
                ];
                for (from, to, open, sign, undone) in steps {
                    let Some((so_far, _)) = reached[from as usize].filter(|_| open && from != to) else {
                        continue;
                    };
                    let here = (so_far.0 + sign * hops, so_far.1 + sign * latency);
                    if reached[to as usize].is_none_or(|(known, _)| here < known) {
                        reached[to as usize] = Some((here, Some((position, undone))));
                        changed = true;
                    }
                }
            }
        }
        let Some((path_cost, _)) = reached[1] else { return (value, total.0, total.1) };
        let mut steps = Vec::new();
        let mut node = 1;
        while let Some((position, undone)) = reached[node as usize].unwrap().1 {
            steps.push((position, undone));
            let (from, to, _) = drawn.edges[position];
            node = if undone { to } else { from };
        }
        let bears = |&(position, undone): &(usize, bool)| {
            if undone { flow[position] } else { drawn.edges[position].2 - flow[position] }
        };
        let amount = steps.iter().map(bears).min().unwrap();
        for (position, undone) in steps {
            flow[position] = if undone { flow[position] - amount } else { flow[position] + amount };
        }
        value += amount;
        total = (total.0 + i128::from(amount) * path_cost.0, total.1 + i128::from(amount) * path_cost.1);
    }
}

fn solve(network: &FlowNetwork, costs: &[EdgeCost]) -> MinCostFlow {
    min_cost_max_flow(network, SOURCE, SINK, costs).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_is_maximal_and_its_prices_prove_it_the_cheapest((network, costs) in priced(2..40, 0..250)) {
        let network = build(&network);
        let cheapest = solve(&network, &costs);
        let any = network.max_flow(SOURCE, SINK).unwrap();
        prop_assert_eq!(cheapest.flow.value, any.value);
        verify_maximum(&network, &cheapest.flow, &cheapest.flow.min_cut(&network).unwrap()).unwrap();
        verify_min_cost(&network, &costs, &cheapest).unwrap();
        prop_assert_eq!(&cheapest, &solve(&network, &costs));
    }

    #[test]
    fn it_costs_what_another_method_says((network, costs) in priced(2..10, 0..40)) {
        let cheapest = solve(&build(&network), &costs);
        let found = (cheapest.flow.value, cheapest.hops, cheapest.latency);
        let (value, hops, latency) = path_after_path(&network, &costs);
        prop_assert_eq!(found, (value, u128::try_from(hops).unwrap(), u128::try_from(latency).unwrap()));
    }

    #[test]
    fn nothing_in_it_goes_round((network, costs) in priced(2..20, 0..100), free in any::<bool>()) {
        let costs = if free { vec![EdgeCost::default(); costs.len()] } else { costs };
        let network = build(&network);
        let cheapest = solve(&network, &costs);
        let mut amounts = vec![0; network.edges().len()];
        for path in decompose(&network, &cheapest.flow).unwrap() {
            for edge in path.edges {
                amounts[edge.index()] += path.amount;
            }
        }
        prop_assert_eq!(amounts, cheapest.flow.amounts);
    }
}

#[test]
fn hops_weigh_more_than_any_latency() {
    let edges = vec![(0, 2, 5), (2, 1, 5), (0, 1, 5), (2, 3, 5), (3, 1, 5)];
    let network = build(&Drawn { nodes: 4, edges });
    let cost = |hops, latency| EdgeCost { hops, latency };
    let long_way = [cost(1, 0), cost(1, 1_000_000_000_000), cost(2, 7), cost(1, 0), cost(1, 0)];
    let cheapest = solve(&network, &long_way);
    assert_eq!(cheapest.flow.amounts, [5, 5, 5, 0, 0]);
    assert_eq!((cheapest.hops, cheapest.latency), (5 + 5 + 10, 5 * 1_000_000_000_000 + 35));
}

#[test]
fn the_verifier_refuses_dearer_flows_and_wrong_sums() {
    let network = build(&Drawn { nodes: 3, edges: vec![(0, 2, 2), (2, 1, 1), (2, 1, 1), (2, 1, 2)] });
    let costs = [0, 3, 1, 2].map(|latency| EdgeCost { hops: 0, latency });
    let cheapest = solve(&network, &costs);
    assert_eq!(cheapest.flow.amounts, [2, 0, 1, 1]);
    verify_min_cost(&network, &costs, &cheapest).unwrap();
    let mut dearer = cheapest.clone();
    dearer.flow.amounts = vec![2, 1, 1, 0];
    assert_eq!(
        verify_min_cost(&network, &costs, &dearer),
        Err(FlowFault::WrongCost { claimed: (0, 3), found: (0, 4) })
    );
    dearer.latency = 4;
    assert!(matches!(verify_min_cost(&network, &costs, &dearer), Err(FlowFault::NotCheapest { .. })));
    // Prices under which every edge in use is worth it cannot hide that an unused one is cheaper, nor the other way round.
    let price = |latency| Potential { hops: 0, latency };
    dearer.potentials = [0, 3, 0].map(price).to_vec();
    assert_eq!(verify_min_cost(&network, &costs, &dearer), Err(FlowFault::NotCheapest { edge: 3 }));
    dearer.potentials = [0, 2, 0].map(price).to_vec();
    assert_eq!(verify_min_cost(&network, &costs, &dearer), Err(FlowFault::NotCheapest { edge: 1 }));
}

#[test]
fn costs_that_do_not_fit_are_refused() {
    let network = build(&Drawn { nodes: 3, edges: vec![(0, 2, u64::MAX), (2, 1, u64::MAX)] });
    let solve = |costs: &[EdgeCost]| min_cost_max_flow(&network, SOURCE, SINK, costs);
    assert_eq!(solve(&[]), Err(FlowError::CostCount { costs: 0, edges: 2 }));
    let limit = (1 << 60) / 4;
    let cost = |latency| EdgeCost { hops: u32::MAX, latency };
    assert_eq!(
        solve(&[cost(limit + 1); 2]),
        Err(FlowError::CostTooLarge { value: limit + 1, limit, nodes: 3 })
    );
    let largest = solve(&[cost(limit); 2]).unwrap();
    assert_eq!(largest.latency, u128::from(u64::MAX) * u128::from(limit) * 2);
    verify_min_cost(&network, &[cost(limit); 2], &largest).unwrap();
    assert_eq!(
        min_cost_max_flow(&network, SOURCE, NodeId(5), &[cost(1); 2]),
        Err(FlowError::UnknownNode { node: 5, nodes: 3 })
    );
}
