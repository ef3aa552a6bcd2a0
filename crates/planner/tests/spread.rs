//! The flow that requests are dealt out by: the evaluation's, over all links that can share it.

mod by_hand;

use std::collections::BTreeMap;

use by_hand::{Table, cluster, model, placement};
use helix_planner::{Evaluation, Instance, LinkFlow, evaluate, spread};
use helix_spec::{
    Bandwidth, Cluster, Endpoint, Link, MachineId, ModelShape, PartialInference, Placement, SimTime,
};
use proptest::prelude::*;

const WIDE: Bandwidth = Bandwidth(10_000_000_000);

fn at(machine: u32) -> Endpoint {
    Endpoint::Machine(MachineId(machine))
}

fn table() -> Table {
    Table(BTreeMap::from([("fast", vec![1000.0, 450.0, 280.0, 200.0]), ("slow", vec![300.0, 140.0])]))
}

/// Two stages of two slow machines each; 280 tokens/s.
fn square() -> (Cluster, ModelShape, Placement) {
    let model = model(4);
    let placed = placement(&model, &[(0, 0, 2), (1, 0, 2), (2, 2, 4), (3, 2, 4)]);
    (cluster(&["slow"; 4], WIDE), model, placed)
}

fn both(cluster: &Cluster, model: &ModelShape, placed: &Placement) -> (Evaluation, Vec<LinkFlow>) {
    let table = table();
    judged(&Instance::new(cluster, model, &table), placed).unwrap()
}

/// Nothing for a placement that cannot run.
fn judged(instance: &Instance<'_>, placed: &Placement) -> Option<(Evaluation, Vec<LinkFlow>)> {
    let evaluation = evaluate(instance, placed).ok()?;
    let links = spread(instance, placed, &evaluation).unwrap();
    Some((evaluation, links))
}

fn between(links: &[LinkFlow]) -> Vec<(Endpoint, Endpoint, f64)> {
    let inner = |link: &&LinkFlow| link.from != Endpoint::Coordinator && link.to != Endpoint::Coordinator;
    links.iter().filter(inner).map(|link| (link.from, link.to, link.flow)).collect()
}

#[test]
fn lanes_become_links_with_a_share_each_as_the_page_on_scheduling_says() {
    let page =
        include_str!("../../../docs/concepts/scheduling.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        page.contains("300 and 200 tokens/s on to two machines of 250 each become 150, 150, 100 and 100")
    );
    let rows = [("a", vec![300.0]), ("b", vec![200.0]), ("c", vec![250.0])];
    let (cluster, model, table) =
        (cluster(&["a", "b", "c", "c"], WIDE), model(2), Table(BTreeMap::from(rows)));
    let placed = placement(&model, &[(0, 0, 1), (1, 0, 1), (2, 1, 2), (3, 1, 2)]);
    let (evaluation, links) = judged(&Instance::new(&cluster, &model, &table), &placed).unwrap();
    assert_eq!(evaluation.throughput, 500.0);
    assert_eq!(between(&evaluation.links).len(), 3, "the evaluation has lanes");
    let all = [(0, 2, 150.0), (0, 3, 150.0), (1, 2, 100.0), (1, 3, 100.0)];
    assert_eq!(between(&links), all.map(|(from, to, flow)| (at(from), at(to), flow)));
}

#[test]
fn a_slower_a_missing_or_a_narrow_link_leaves_the_lanes_as_they_are() {
    let (cluster, model, placed) = square();
    let stays = |cluster: &Cluster, placed: &Placement| {
        let (evaluation, links) = both(cluster, &model, placed);
        assert_eq!(evaluation.throughput, 280.0);
        assert_eq!(between(&links), between(&evaluation.links));
    };
    let with = |link: Link| {
        let mut cluster = cluster.clone();
        cluster.network.links.insert((at(0), at(3)), link);
        cluster
    };
    let millisecond = SimTime(1_000_000_000);
    let slower = Link { bandwidth: WIDE, latency: SimTime(2 * millisecond.0) };
    stays(&with(slower), &placed);
    // 50 tokens/s of 100 bytes, where 70 were to pass.
    let narrow = Link { bandwidth: Bandwidth(50 * 100 * 8), latency: millisecond };
    stays(&with(narrow), &placed);
    let (c, mut listed) = (Endpoint::Coordinator, placed.clone());
    listed.links = Some(vec![
        (c, at(0)),
        (c, at(1)),
        (at(0), at(2)),
        (at(1), at(2)),
        (at(1), at(3)),
        (at(2), c),
        (at(3), c),
    ]);
    stays(&cluster, &listed);
}

#[test]
fn a_far_machine_of_the_next_stage_does_not_keep_the_near_ones_from_sharing() {
    let model = model(4);
    let mut cluster = cluster(&["slow"; 6], WIDE);
    let (here, there) = (cluster.coordinator.region, helix_spec::RegionId(1));
    cluster.regions.push("there".to_owned());
    cluster.machines[5].region = there;
    let far = Link { bandwidth: WIDE, latency: SimTime(5_000_000_000) };
    cluster.network.regions.extend([((here, there), far), ((there, here), far), ((there, there), far)]);
    let ranges = [(0, 0, 2), (1, 0, 2), (2, 0, 2), (3, 2, 4), (4, 2, 4), (5, 2, 4)];
    let (evaluation, links) = both(&cluster, &model, &placement(&model, &ranges));
    assert_eq!(evaluation.throughput, 420.0);
    let far = |link: &&(Endpoint, Endpoint, f64)| link.1 == at(5);
    let (planned, now) = (between(&evaluation.links), between(&links));
    assert_eq!(planned.iter().filter(far).count(), now.iter().filter(far).count());
    assert_eq!((planned.len(), now.len()), (3, 5), "one to the far machine, two to each of the near ones");
}

/// Machines with ranges of their own in two regions, 5 ms apart, with links of the given width between the regions.
fn arbitrary() -> impl Strategy<Value = (Cluster, Placement)> {
    let machines = proptest::collection::vec((any::<bool>(), any::<bool>(), 0..3u32, 2..5u32), 5..12);
    (machines, any::<bool>(), 1..2_000u64).prop_map(|(machines, partial, between)| {
        let kind = |fast: bool| if fast { "fast" } else { "slow" };
        let types: Vec<&str> = machines.iter().map(|machine| kind(machine.0)).collect();
        let mut cluster = cluster(&types, WIDE);
        let here = cluster.coordinator.region;
        let there = helix_spec::RegionId(1);
        cluster.regions.push("there".to_owned());
        let far = Link { bandwidth: Bandwidth(between * 800), latency: SimTime(5_000_000_000) };
        let inside = cluster.network.regions[&(here, here)];
        cluster.network.regions.extend([
            ((there, there), inside),
            ((here, there), far),
            ((there, here), far),
        ]);
        // Stages of two layers; with partial inference a fast machine may hold more, and be entered in the middle.
        let mut ranges = Vec::new();
        for (index, &(fast, away, stage, length)) in (0..).zip(&machines) {
            cluster.machines[index as usize].region = if away { there } else { here };
            let (start, length) = (2 * stage, if fast && partial { length } else { 2 });
            ranges.push((index, start, (start + length).min(6)));
        }
        let mut placed = placement(&model(6), &ranges);
        placed.partial_inference = if partial { PartialInference::On } else { PartialInference::Off };
        (cluster, placed)
    })
}

/// What leaves and reaches every place.
fn sums(links: &[LinkFlow]) -> BTreeMap<(Endpoint, bool), f64> {
    let mut sums = BTreeMap::new();
    for link in links {
        *sums.entry((link.from, false)).or_insert(0.0) += link.flow;
        *sums.entry((link.to, true)).or_insert(0.0) += link.flow;
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn what_passes_every_machine_and_every_border_stays((cluster, placed) in arbitrary()) {
        let (model, table) = (model(6), table());
        let found = judged(&Instance::new(&cluster, &model, &table), &placed);
        // Few draws may be without a chain through all layers, or this would say nothing.
        prop_assume!(found.as_ref().is_some_and(|(evaluation, _)| evaluation.throughput > 0.0));
        let (evaluation, links) = found.expect("assumed");
        let (before, after) = (sums(&evaluation.links), sums(&links));
        prop_assert_eq!(before.len(), after.len());
        for (place, flow) in &before {
            prop_assert!((flow - after[place]).abs() <= 1e-9 * flow.max(1.0), "{:?}", place);
        }
        let milliseconds = |links: &[LinkFlow]| -> f64 {
            let latency = |link: &LinkFlow| cluster.link(link.from, link.to).unwrap().latency.seconds();
            links.iter().map(|link| link.flow * latency(link)).sum()
        };
        let (planned, now) = (milliseconds(&evaluation.links), milliseconds(&links));
        prop_assert!((planned - now).abs() <= 1e-9 * planned.max(1.0), "{} s, {} s", planned, now);
        for link in &links {
            prop_assert!(link.flow <= link.capacity * (1.0 + 1e-12));
        }
        prop_assert!(evaluation.links.len() <= links.len());
    }
}
