//! Maximum flow against petgraph's `dinics`, against every cut of small networks, and against itself.

use crate::networks::{Drawn, SINK, SOURCE, build, capacity, drawn, peer_value, smallest_cut};
use helix_planner::flow::{
    EdgeId, Flow, FlowError, FlowFault, FlowNetwork, MaxFlow, NodeId, cancel_circulations, decompose,
    verify_feasible, verify_maximum,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_value_is_that_of_petgraph(network in drawn(2..40, 0..300)) {
        let flow = build(&network).max_flow(SOURCE, SINK).unwrap();
        prop_assert_eq!(flow.value, peer_value(&network));
    }

    #[test]
    fn the_value_is_that_of_the_smallest_of_all_cuts(network in drawn(2..9, 0..40)) {
        let flow = build(&network).max_flow(SOURCE, SINK).unwrap();
        prop_assert_eq!(u128::from(flow.value), smallest_cut(&network));
    }

    #[test]
    fn both_cuts_prove_the_flow_and_enclose_each_other(network in drawn(2..30, 0..200)) {
        let network = build(&network);
        let flow = network.max_flow(SOURCE, SINK).unwrap();
        let (near, far) = (flow.min_cut(&network).unwrap(), flow.min_cut_near_sink(&network).unwrap());
        for cut in [&near, &far] {
            verify_maximum(&network, &flow, cut).unwrap();
            let crossing: u128 = cut.edges.iter().map(|id| u128::from(network.edges()[id.index()].capacity)).sum();
            prop_assert_eq!(crossing, u128::from(flow.value));
            prop_assert!(cut.edges.iter().all(|&id| flow.on(id) == network.edges()[id.index()].capacity));
        }
        prop_assert!(near.source_side.iter().zip(&far.source_side).all(|(near, far)| near <= far));
    }

    #[test]
    fn the_same_network_gives_the_same_flow_and_another_order_the_same_value(
        (network, order) in drawn(2..30, 1..150).prop_flat_map(|network| {
            let order = Just((0..network.edges.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(network), order)
        }),
    ) {
        let first = build(&network).max_flow(SOURCE, SINK).unwrap();
        prop_assert_eq!(&first, &build(&network).max_flow(SOURCE, SINK).unwrap());
        let edges = order.iter().map(|&position| network.edges[position]).collect();
        let shuffled = build(&Drawn { nodes: network.nodes, edges });
        prop_assert_eq!(first.value, shuffled.max_flow(SOURCE, SINK).unwrap().value);
    }

    #[test]
    fn paths_add_up_to_the_flow_without_its_circulations(network in drawn(2..30, 0..200)) {
        let network = build(&network);
        let flow = network.max_flow(SOURCE, SINK).unwrap();
        let paths = decompose(&network, &flow).unwrap();
        prop_assert!(paths.len() <= network.edges().len());
        let mut amounts = vec![0; network.edges().len()];
        for path in &paths {
            prop_assert!(path.amount > 0);
            let mut visited = vec![SOURCE];
            for edge in &path.edges {
                let edge_data = network.edges()[edge.index()];
                prop_assert_eq!(*visited.last().unwrap(), edge_data.from);
                prop_assert!(!visited.contains(&edge_data.to));
                visited.push(edge_data.to);
                amounts[edge.index()] += path.amount;
            }
            prop_assert_eq!(*visited.last().unwrap(), SINK);
        }
        prop_assert_eq!(paths.iter().map(|path| path.amount).sum::<u64>(), flow.value);
        let mut without = flow.clone();
        cancel_circulations(&network, &mut without).unwrap();
        prop_assert!(without.amounts.iter().zip(&flow.amounts).all(|(without, with)| without <= with));
        prop_assert_eq!(amounts, without.amounts);
        prop_assert_eq!(&paths, &decompose(&network, &flow).unwrap());
    }

    #[test]
    fn changed_capacities_are_solved_from_the_current_flow(
        (network, changes) in drawn(2..20, 1..100).prop_flat_map(|network| {
            let edges = network.edges.len();
            (Just(network), prop::collection::vec((0..edges, capacity()), 1..20))
        }),
    ) {
        let mut network = network;
        let mut solver = MaxFlow::new(&build(&network), SOURCE, SINK).unwrap();
        for (position, (edge, capacity)) in changes.into_iter().enumerate() {
            // Some changes come before the flow is maximal again.
            if position % 3 != 2 {
                solver.solve().unwrap();
            }
            solver.set_capacity(EdgeId(u32::try_from(edge).unwrap()), capacity).unwrap();
            network.edges[edge].2 = capacity;
            verify_feasible(&build(&network), &solver.flow()).unwrap();
        }
        let changed = build(&network);
        prop_assert_eq!(solver.solve().unwrap(), changed.max_flow(SOURCE, SINK).unwrap().value);
        let flow = solver.flow();
        verify_maximum(&changed, &flow, &flow.min_cut(&changed).unwrap()).unwrap();
        solver.clear_flow();
        prop_assert_eq!(solver.solve().unwrap(), flow.value);
    }
}

#[test]
fn the_textbook_example_carries_23() {
    let edges = [
        (0, 2, 16),
        (0, 3, 13),
        (2, 3, 10),
        (2, 4, 12),
        (3, 2, 4),
        (3, 5, 14),
        (4, 3, 9),
        (4, 1, 20),
        (5, 4, 7),
    ];
    let mut network = build(&Drawn { nodes: 6, edges: edges.to_vec() });
    network.add_edge(NodeId(5), SINK, 4).unwrap();
    assert_eq!(network.max_flow(SOURCE, SINK).unwrap().value, 23);
}

#[test]
fn a_long_chain_neither_recurses_nor_overflows() {
    let nodes = 200_000;
    let mut network = FlowNetwork::new(nodes);
    for node in 1..nodes {
        network.add_edge(NodeId(node - 1), NodeId(node), u64::MAX).unwrap();
    }
    let flow = network.max_flow(NodeId(0), NodeId(nodes - 1)).unwrap();
    assert_eq!(flow.value, u64::MAX);
    assert_eq!(decompose(&network, &flow).unwrap().len(), 1);
}

#[test]
fn a_value_above_64_bits_is_an_error_and_unlimited_edges_inside_are_none() {
    let mut network = FlowNetwork::new(3);
    network.add_edge(SOURCE, NodeId(2), u64::MAX).unwrap();
    let second = network.add_edge(SOURCE, NodeId(2), 1).unwrap();
    network.add_edge(NodeId(2), SINK, u64::MAX).unwrap();
    let out = network.add_edge(NodeId(2), SINK, u64::MAX).unwrap();
    assert_eq!(network.max_flow(SOURCE, SINK), Err(FlowError::ValueOverflow));
    network.set_capacity(second, 0).unwrap();
    assert_eq!(network.max_flow(SOURCE, SINK).unwrap().value, u64::MAX);
    let mut solver = MaxFlow::new(&network, SOURCE, SINK).unwrap();
    solver.solve().unwrap();
    solver.set_capacity(second, 1).unwrap();
    assert_eq!(solver.solve(), Err(FlowError::ValueOverflow));
    network.set_capacity(second, 7).unwrap();
    network.set_capacity(out, 0).unwrap();
    assert_eq!(network.max_flow(SOURCE, SINK).unwrap().value, u64::MAX);
}

#[test]
fn the_verifier_refuses_what_is_no_maximum_flow() {
    let network = build(&Drawn { nodes: 3, edges: vec![(0, 2, 5), (2, 1, 4), (2, 1, 3)] });
    let good = network.max_flow(SOURCE, SINK).unwrap();
    let cut = good.min_cut(&network).unwrap();
    verify_maximum(&network, &good, &cut).unwrap();
    let with = |value, amounts: &[u64]| Flow { value, amounts: amounts.to_vec(), ..good.clone() };
    assert_eq!(
        verify_feasible(&network, &with(6, &[6, 4, 2])),
        Err(FlowFault::AboveCapacity { edge: 0, amount: 6, capacity: 5 })
    );
    assert_eq!(
        verify_feasible(&network, &with(5, &[5, 4, 2])),
        Err(FlowFault::Unbalanced { node: 2, entering: 5, leaving: 6 })
    );
    assert_eq!(
        verify_feasible(&network, &with(5, &[4, 4, 0])),
        Err(FlowFault::WrongValue { claimed: 5, entering: 0, leaving: 4 })
    );
    assert_eq!(verify_feasible(&network, &with(0, &[0])), Err(FlowFault::Length { amounts: 1, edges: 3 }));
    let less = with(4, &[4, 4, 0]);
    assert_eq!(less.min_cut(&network), Err(FlowFault::NotMaximum { value: 4 }));
    assert_eq!(less.min_cut_near_sink(&network), Err(FlowFault::NotMaximum { value: 4 }));
    assert_eq!(verify_maximum(&network, &less, &cut), Err(FlowFault::ValueNotCut { value: 4, cut: 5 }));
    assert!(decompose(&network, &with(5, &[4, 4, 0])).is_err());
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let mut network = FlowNetwork::new(2);
    assert_eq!(network.add_edge(SOURCE, NodeId(2), 1), Err(FlowError::UnknownNode { node: 2, nodes: 2 }));
    assert_eq!(network.set_capacity(EdgeId(0), 1), Err(FlowError::UnknownEdge { edge: 0, edges: 0 }));
    assert_eq!(network.max_flow(SOURCE, SOURCE), Err(FlowError::SameTerminals { node: 0 }));
    assert_eq!(network.max_flow(SOURCE, NodeId(9)), Err(FlowError::UnknownNode { node: 9, nodes: 2 }));
    let mut solver = MaxFlow::new(&network, SOURCE, SINK).unwrap();
    assert_eq!(solver.solve(), Ok(0));
    assert_eq!(solver.set_capacity(EdgeId(3), 1), Err(FlowError::UnknownEdge { edge: 3, edges: 0 }));
}

#[test]
fn circulations_are_emptied_wherever_they_are() {
    // 0 -> 2 -> 1 carries 3; 2 -> 3 -> 4 -> 2 goes round with 2; 5 -> 5 is a loop; 1 -> 0 leads back.
    let edges = vec![(0, 2, 5), (2, 1, 5), (2, 3, 2), (3, 4, 2), (4, 2, 2), (5, 5, 9), (1, 0, 2)];
    let network = build(&Drawn { nodes: 6, edges });
    let mut flow = Flow { source: SOURCE, sink: SINK, value: 3, amounts: vec![5, 5, 2, 2, 2, 9, 2] };
    cancel_circulations(&network, &mut flow).unwrap();
    assert_eq!(flow.amounts, [3, 3, 0, 0, 0, 0, 0]);
    assert_eq!(flow.value, 3);
}

#[test]
fn a_circulation_behind_an_emptied_one_is_found() {
    // 2 -> 3 -> 4 -> 2 is emptied first; 3 -> 4 -> 3 goes round beside it.
    let network = build(&Drawn { nodes: 5, edges: vec![(2, 3, 1), (3, 4, 2), (4, 2, 1), (4, 3, 1)] });
    let mut flow = Flow { source: SOURCE, sink: SINK, value: 0, amounts: vec![1, 2, 1, 1] };
    cancel_circulations(&network, &mut flow).unwrap();
    assert_eq!(flow.amounts, [0, 0, 0, 0]);
}
