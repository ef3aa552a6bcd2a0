//! A log of what both sides were told, written as JSON, read and told again, gives the same actions.

mod common;

use common::scenario::{Scenario, Trouble};
use helix_scheduler::coordinator::{Coordinator, Event};
use helix_scheduler::node::{Node, NodeConfig, NodeEvent};
use helix_spec::SimTime;

#[test]
fn a_replayed_coordinator_does_the_same() {
    let mut replayed = 0;
    for seed in 0..40 {
        let mut world = Scenario::new(seed, Trouble::LittleMemory).build();
        world.run();
        let log: Vec<String> =
            world.log.iter().map(|entry| serde_json::to_string(entry).expect("plain data")).collect();
        let (config, topology, policy) = Scenario::new(seed, Trouble::LittleMemory).parts();
        let mut again = Coordinator::new(config, topology, policy).expect("good settings");
        let mut actions = Vec::new();
        for line in &log {
            let (now, event): (SimTime, Event) = serde_json::from_str(line).expect("what was written");
            again.handle(now, event, &mut actions);
        }
        let differs = actions.iter().zip(&world.actions).find(|(again, first)| again != first);
        assert_eq!((differs, actions.len()), (None, world.actions.len()), "seed {seed}");
        replayed += actions.len();
    }
    assert!(replayed > 10_000, "{replayed}");
}

#[test]
fn a_replayed_node_does_the_same() {
    let mut replayed = 0;
    for seed in 0..40 {
        let mut world = Scenario::new(seed, Trouble::Everything).build();
        world.run();
        for machine in world.machines.iter().filter(|machine| machine.life == 0) {
            let config = serde_json::to_string(&machine.config).expect("plain data");
            let config: NodeConfig = serde_json::from_str(&config).expect("what was written");
            let mut again = Node::new(config).expect("good");
            let mut actions = Vec::new();
            for entry in &machine.log {
                let line = serde_json::to_string(entry).expect("plain data");
                let (now, event): (SimTime, NodeEvent) =
                    serde_json::from_str(&line).expect("what was written");
                again.handle(now, event, &mut actions);
            }
            assert_eq!(actions, machine.actions, "seed {seed}");
            replayed += actions.len();
        }
    }
    assert!(replayed > 10_000, "{replayed}");
}
