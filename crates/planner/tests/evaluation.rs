//! Placements whose throughput, bottleneck and idle machines follow by hand.

mod by_hand;

use std::collections::BTreeMap;

use by_hand::{Table, cluster, model, placement};
use helix_planner::{EvaluateError, IdleReason, Instance, Part, Violation, evaluate, throughput};
use helix_spec::{Bandwidth, Endpoint, Link, MachineId, PartialInference, Placement};

/// `fast` does 1000, 450, 280, 200 tok/s with 1 to 4 layers, `slow` 300 and 140 with 1 and 2.
fn table() -> Table {
    Table(BTreeMap::from([("fast", vec![1000.0, 450.0, 280.0, 200.0]), ("slow", vec![300.0, 140.0])]))
}

const WIDE: Bandwidth = Bandwidth(10_000_000_000);

#[test]
fn a_chain_is_as_fast_as_its_slowest_machine() {
    let (cluster, model, table) = (cluster(&["fast", "slow"], WIDE), model(6), table());
    let instance = Instance::new(&cluster, &model, &table);
    let evaluation = evaluate(&instance, &placement(&model, &[(0, 0, 4), (1, 4, 6)])).unwrap();
    assert_eq!(evaluation.throughput, 140.0);
    assert_eq!((evaluation.depth(), evaluation.mean_depth()), (2, 2.0));
    assert_eq!(evaluation.bottleneck.cut.len(), 1);
    assert_eq!(evaluation.bottleneck.cut[0].part, Part::Compute(MachineId(1)));
    assert_eq!(evaluation.bottleneck.cut_near_end, None);
    // Three links: to the first machine, between the two, and back.
    assert_eq!(evaluation.pipelines[0].latency.seconds(), 0.003);
    // 1/6 of the sum of the best k·T(k): 1·1000 and 1·300.
    assert!((evaluation.compute_bound - 1300.0 / 6.0).abs() < 1e-9);
    assert_eq!(evaluation.kv_tokens_at_bottleneck(), 1000);
}

#[test]
fn machines_that_share_a_range_add_up_and_the_narrowest_layers_are_named() {
    let (cluster, model, table) = (cluster(&["fast", "slow", "slow", "slow"], WIDE), model(4), table());
    let instance = Instance::new(&cluster, &model, &table);
    // Layers 0..2: 450 tok/s. Layers 2..4: 140 + 140 tok/s; the third slow machine holds a range that nobody continues.
    let placed = placement(&model, &[(0, 0, 2), (1, 2, 4), (2, 2, 4), (3, 1, 3)]);
    let evaluation = evaluate(&instance, &placed).unwrap();
    assert_eq!(evaluation.throughput, 280.0);
    let cut: Vec<Part> = evaluation.bottleneck.cut.iter().map(|member| member.part).collect();
    assert_eq!(cut, [Part::Compute(MachineId(1)), Part::Compute(MachineId(2))]);
    assert_eq!(evaluation.idle.len(), 1);
    assert_eq!(evaluation.idle[0].reason, IdleReason::NothingBefore);
    assert_eq!(evaluation.pipelines.len(), 2);
}

#[test]
fn partial_inference_opens_ways_that_whole_ranges_do_not_have() {
    let (cluster, model, table) = (cluster(&["fast", "fast"], WIDE), model(5), table());
    let mut placed = placement(&model, &[(0, 0, 3), (1, 1, 5)]);
    let instance = Instance::new(&cluster, &model, &table);
    let without = evaluate(&instance, &placed).unwrap();
    assert_eq!(without.throughput, 0.0);
    assert_eq!(
        without.idle.iter().map(|idle| idle.reason).collect::<Vec<_>>(),
        [IdleReason::NothingAfter, IdleReason::NothingBefore]
    );
    placed.partial_inference = PartialInference::On;
    let with = evaluate(&instance, &placed).unwrap();
    assert_eq!(with.throughput, 200.0);
    let ranges = with.pipelines[0].ranges(&placed);
    assert_eq!(ranges.iter().map(ToString::to_string).collect::<Vec<_>>(), ["0..3", "3..5"]);
}

#[test]
fn a_narrow_link_is_the_bottleneck_and_says_so() {
    // 800 kbit/s are 100,000 bytes/s: 1,000 tokens/s of 100 bytes between machines, 50,000 of 2 bytes elsewhere.
    let (mut cluster, model, table) = (cluster(&["fast", "fast"], WIDE), model(2), table());
    let link = cluster.network.regions.values_mut().next().unwrap();
    link.bandwidth = Bandwidth(160_000);
    let instance = Instance::new(&cluster, &model, &table);
    let evaluation = evaluate(&instance, &placement(&model, &[(0, 0, 1), (1, 1, 2)])).unwrap();
    assert_eq!(evaluation.throughput, 200.0);
    let (first, second) = (Endpoint::Machine(MachineId(0)), Endpoint::Machine(MachineId(1)));
    assert_eq!(evaluation.bottleneck.cut[0].part, Part::Link(first, second));
}

#[test]
fn an_interface_is_shared_by_all_its_links() {
    // 100 bytes a token through 320 kbit/s = 400 tok/s out of the first machine, although each of its links has 10 Gbit/s.
    let (mut cluster, model, table) = (cluster(&["fast", "fast", "fast"], WIDE), model(2), table());
    cluster.machines[0].nic.outbound = Bandwidth(320_000);
    let instance = Instance::new(&cluster, &model, &table);
    let evaluation = evaluate(&instance, &placement(&model, &[(0, 0, 1), (1, 1, 2), (2, 1, 2)])).unwrap();
    assert_eq!(evaluation.throughput, 400.0);
    assert_eq!(evaluation.bottleneck.cut[0].part, Part::NicOut(Endpoint::Machine(MachineId(0))));
}

#[test]
fn among_equal_flows_the_shorter_way_is_taken() {
    // 0..2 directly (450 tok/s) or by two machines with a layer each; the last machine takes 280.
    let (cluster, model, table) = (cluster(&["fast", "fast", "fast", "fast"], WIDE), model(5), table());
    let instance = Instance::new(&cluster, &model, &table);
    let placed = placement(&model, &[(0, 0, 1), (1, 1, 2), (2, 0, 2), (3, 2, 5)]);
    let evaluation = evaluate(&instance, &placed).unwrap();
    assert_eq!(evaluation.throughput, 280.0);
    assert_eq!(evaluation.mean_depth(), 2.0);
    assert_eq!(
        evaluation.idle.iter().map(|idle| idle.reason).collect::<Vec<_>>(),
        [IdleReason::NotNeeded; 2]
    );
}

#[test]
fn among_equally_many_hops_the_quicker_links_are_taken() {
    let (mut cluster, model, table) = (cluster(&["fast", "fast", "fast"], WIDE), model(5), table());
    // The first two machines hold the same layers; the link from the first one to the third takes 50 ms instead of 1 ms.
    let (first, third) = (Endpoint::Machine(MachineId(0)), Endpoint::Machine(MachineId(2)));
    let slow = Link { bandwidth: WIDE, latency: "50 ms".parse().unwrap() };
    cluster.network.links.insert((first, third), slow);
    let instance = Instance::new(&cluster, &model, &table);
    let evaluation = evaluate(&instance, &placement(&model, &[(0, 0, 2), (1, 0, 2), (2, 2, 5)])).unwrap();
    assert_eq!(evaluation.throughput, 280.0);
    assert_eq!(evaluation.pipelines.len(), 1);
    assert_eq!(evaluation.pipelines[0].stages, [MachineId(1), MachineId(2)]);
    assert_eq!(evaluation.pipelines[0].latency.seconds(), 0.003);
}

#[test]
fn listed_links_are_the_only_ones() {
    let (cluster, model, table) = (cluster(&["fast", "fast", "fast"], WIDE), model(2), table());
    let instance = Instance::new(&cluster, &model, &table);
    let mut placed = placement(&model, &[(0, 0, 1), (1, 1, 2), (2, 1, 2)]);
    assert_eq!(throughput(&instance, &placed).unwrap(), 1000.0);
    let machine = |index| Endpoint::Machine(MachineId(index));
    placed.links = Some(vec![(Endpoint::Coordinator, machine(0)), (machine(0), machine(2))]);
    assert_eq!(throughput(&instance, &placed).unwrap(), 0.0, "no way back to the coordinator is listed");
    placed.links.as_mut().unwrap().push((machine(2), Endpoint::Coordinator));
    assert_eq!(throughput(&instance, &placed).unwrap(), 1000.0);
}

fn violations_of(placed: &Placement) -> Vec<Violation> {
    let (cluster, model, table) = (cluster(&["fast", "slow"], WIDE), model(6), table());
    let instance = Instance::new(&cluster, &model, &table);
    match evaluate(&instance, placed) {
        Err(EvaluateError::Invalid(violations)) => violations,
        other => panic!("expected violations, got {other:?}"),
    }
}

#[test]
fn what_cannot_run_is_refused_with_all_its_reasons() {
    let model = model(6);
    let words = |placed: &Placement| {
        violations_of(placed).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let gap = words(&placement(&model, &[(0, 0, 2), (1, 3, 5)]));
    assert_eq!(gap, "no machine holds layers 2..3, layers 5..6");
    let outside = words(&placement(&model, &[(0, 0, 4), (1, 4, 8)]));
    assert!(outside.contains("slow-1 holds layers 4..8, the model ends at 6"), "{outside}");
    let large = words(&placement(&model, &[(0, 0, 3), (1, 3, 6)]));
    assert!(large.contains("slow-1 cannot hold layers 3..6: 3 layers need"), "{large}");
    let stranger = words(&placement(&model, &[(0, 0, 4), (7, 4, 6)]));
    assert!(stranger.contains("machine number 7, the cluster has 2"), "{stranger}");
    let mut other = placement(&model, &[(0, 0, 4), (1, 4, 6)]);
    other.model = "another".to_owned();
    assert!(words(&other).contains("for another with 6 layers"), "{}", words(&other));
}

#[test]
fn a_model_that_fits_nowhere_says_how_much_is_missing() {
    let (cluster, model, table) = (cluster(&["fast", "slow"], WIDE), model(9), table());
    let instance = Instance::new(&cluster, &model, &table);
    let error = instance.check_capacity().unwrap_err();
    assert_eq!(error.holds, 6);
    assert_eq!(error.missing.0, 3 * model.heaviest_layer_bytes().0);
}

/// Two stages of one layer with so many machines each: every machine of the first is linked to every one of the second.
fn two_stages(of_each: u32) -> Result<(f64, f64), EvaluateError> {
    let types = vec!["slow"; 2 * of_each as usize];
    let (cluster, model, table) = (cluster(&types, WIDE), model(2), table());
    let instance = Instance::new(&cluster, &model, &table);
    let layer = |machine: u32| u32::from(machine >= of_each);
    let machines: Vec<(u32, u32, u32)> =
        (0..2 * of_each).map(|machine| (machine, layer(machine), layer(machine) + 1)).collect();
    let placed = placement(&model, &machines);
    Ok((evaluate(&instance, &placed)?.throughput, throughput(&instance, &placed)?))
}

#[test]
fn very_many_links_are_evaluated_roughly_and_too_many_are_refused() {
    // 490,000 links are more than are compared by hops and latency; the flow is exact all the same.
    assert_eq!(two_stages(700), Ok((210_000.0, 210_000.0)));
    let error = two_stages(2500).unwrap_err();
    assert_eq!(error, EvaluateError::TooManyLinks { links: 2500 * 2500 + 5000 });
    assert!(error.to_string().contains("at most 6000000 can be evaluated"), "{error}");
}
