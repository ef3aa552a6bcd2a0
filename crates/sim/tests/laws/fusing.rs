//! A batch that goes on alone through several layers is one batch for the node, and nothing is different for that: not
//! even where works enter a machine in the middle of its range at the very instant at which a layer is done.

use helix_scheduler::node::Batching;
use helix_sim::{PlannedLink, Report, Settings};
use helix_spec::{Bandwidth, Endpoint, LayerRange, MachineId, SimTime};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, SECOND, World, max_flow, offline};

/// Two first stages that end at different layers of the second. Everything takes a multiple of 2 ms, so that much happens
/// at one instant.
pub fn world() -> World {
    let mut world = World::new(2, 1, 1_000_000_000);
    world.placement.assign(MachineId(1), LayerRange::new(0, 6).expect("six layers"), 1);
    let machine = |index: u32| Endpoint::Machine(MachineId(index));
    let (home, flow) = (Endpoint::Coordinator, 100.0);
    let ways = [(home, machine(0)), (home, machine(1)), (machine(0), machine(2)), (machine(1), machine(2))];
    let ways = ways.into_iter().chain([(machine(2), home)]);
    world.links = ways.map(|(from, to)| PlannedLink { from, to, flow }).collect();
    for id in 0..3 {
        world.placement.machines.get_mut(&MachineId(id)).expect("it is placed").kv_capacity =
            Some(1_000_000_000);
    }
    let step = SimTime(2 * MILLISECOND);
    world.prompt = vec![(0, SimTime(0)), (1, step), (100_000, step)];
    world.decode = vec![(0, SimTime(0)), (1, step), (1_000, step)];
    world.cluster.network.regions.values_mut().for_each(|link| link.latency = step);
    world.set_bandwidth(Bandwidth(1_000_000_000_000_000_000));
    world
}

fn run(fuse: bool, output: u32, seed: u64) -> Report {
    let mut settings = Settings::asplos25(max_flow(), false);
    settings.batching = Batching::LayerWise { fuse };
    settings.copy_seconds_per_byte = 0.0;
    settings.window.warmup = SimTime(SECOND);
    settings.window.duration = SimTime(20 * SECOND);
    world().run(&settings, offline((1, 300), (1, output), seed, None), Vec::new(), |_| ())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn fusing_layers_changes_nothing(output in 2u32..60, seed in 0u64..1000) {
        let (fused, unfused) = (run(true, output, seed), run(false, output, seed));
        prop_assert!(fused.requests_finished > 0);
        let lines = [&fused, &unfused].map(|report| format!("{report:#?}"));
        let differ = lines[0].lines().zip(lines[1].lines()).filter(|(a, b)| a != b).take(9).collect::<Vec<_>>();
        prop_assert!(fused == unfused, "{differ:?}");
    }
}
