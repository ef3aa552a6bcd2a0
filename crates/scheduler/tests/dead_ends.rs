//! A pipeline is found if there is one, whatever is full: compared with a search of all ways, on thousands of random
//! clusters under load.

mod common;

use common::{C, act, arrived, m, max_flow, token};
use helix_scheduler::coordinator::{
    Action, Coordinator, CoordinatorConfig, Event, KvEstimate, OnNoRoute, Outcome, Routing,
};
use helix_scheduler::route::{MaxFlow, RandomChoice, RoutePolicy, Swarm};
use helix_scheduler::{
    RandomSource as _, RequestId, SplitMix64, Topology, TopologyLink, TopologyMachine, TopologyParts,
};
use helix_spec::{Endpoint, LayerRange, MachineId, SimTime};

const EXPECTED: u64 = 10;

fn config(routing: Routing) -> CoordinatorConfig {
    CoordinatorConfig {
        routing,
        kv: Some(KvEstimate { high_water_mark: 1.0, expected_output: 0.0 }),
        on_no_route: OnNoRoute::Reject,
        speed: None,
        ..CoordinatorConfig::default()
    }
}

/// Up to nine machines with overlapping layers, room for one to four requests each, every link on which layers continue
/// but some; a fifth of the links carry no flow.
fn random_topology(random: &mut SplitMix64) -> Topology {
    const LAYERS: u32 = 4;
    let count = 3 + random.below(7);
    let machines: Vec<TopologyMachine> = (0..count)
        .map(|_| {
            let start = random.below(LAYERS);
            let layers = LayerRange::new(start, start + 1 + random.below(LAYERS - start)).expect("not empty");
            let rooms = u64::from(1 + random.below(4));
            TopologyMachine {
                layers: Some(layers),
                kv_capacity: rooms * EXPECTED * u64::from(layers.len()),
                max_prompt_tokens: 100,
            }
        })
        .collect();
    let held = |machine: u32| machines[machine as usize].layers.expect("all hold some");
    let mut links = Vec::new();
    let mut link = |random: &mut SplitMix64, from, to| {
        if random.below(8) > 0 {
            let flow = if random.below(5) == 0 { 0.0 } else { f64::from(1 + random.below(9)) };
            links.push(TopologyLink { from, to, flow });
        }
    };
    for a in 0..count {
        if held(a).start() == 0 {
            link(random, C, m(a));
        }
        if held(a).end() == LAYERS {
            link(random, m(a), C);
        }
        for b in 0..count {
            if a != b && held(b).contains(held(a).end()) {
                link(random, m(a), m(b));
            }
        }
    }
    Topology::new(TopologyParts { model_layers: LAYERS, machines, links }).expect("layers continue")
}

/// All ways, one after the other; `free` is each machine's cache.
fn some_way(topology: &Topology, free: &[u64], from: Endpoint, with_flow_only: bool) -> bool {
    let mut links = (0..).map(helix_scheduler::LinkId).zip(topology.links());
    links.any(|(id, link)| {
        if link.from != from || with_flow_only && link.flow == 0.0 {
            return false;
        }
        match link.to {
            Endpoint::Coordinator => true,
            Endpoint::Machine(machine) => {
                let layers = topology.machines()[machine.index()].layers.expect("all hold some");
                // Admission asks for room in all that the machine holds, whatever part the request runs.
                let room = free[machine.index()] >= EXPECTED * u64::from(layers.len());
                assert!(topology.layers_at_end(id).is_some());
                room && some_way(topology, free, link.to, with_flow_only)
            }
        }
    })
}

/// Requests come and go; the number that found a way, and those that found none though there was one.
fn missed<P: RoutePolicy>(
    mut coordinator: Coordinator<P>,
    topology: &Topology,
    (random, with_flow_only): (&mut SplitMix64, bool),
) -> (u32, u32) {
    let mut free: Vec<u64> = topology.machines().iter().map(|machine| machine.kv_capacity).collect();
    let mut there: Vec<(u64, Vec<(usize, u64)>)> = Vec::new();
    let (mut found, mut missed) = (0, 0);
    for request in 0..60 {
        if !there.is_empty() && random.below(3) == 0 {
            let (request, taken) =
                there.swap_remove(random.below(u32::try_from(there.len()).expect("few")) as usize);
            act(&mut coordinator, SimTime::ZERO, token(request, true));
            for (machine, tokens) in taken {
                free[machine] += tokens;
            }
        }
        let possible = some_way(topology, &free, C, with_flow_only);
        let actions = act(&mut coordinator, SimTime::ZERO, arrived(request, 10));
        let mut taken = Vec::new();
        for action in &actions {
            if let Action::Hop { hop, .. } = action
                && let Some((machine, layers)) = hop.machine.zip(hop.layers)
            {
                let tokens = EXPECTED * u64::from(layers.len());
                free[machine.index()] = free[machine.index()].checked_sub(tokens).expect("there was room");
                taken.push((machine.index(), tokens));
            }
        }
        if actions.iter().any(|action| matches!(action, Action::Dispatch { .. })) {
            assert!(possible, "a way where there is none");
            found += 1;
            there.push((request, taken));
        } else {
            let ended =
                Action::Ended { request: RequestId(request), outcome: Outcome::NoRoute, generated: 0 };
            assert_eq!(actions, [ended]);
            missed += u32::from(possible);
        }
    }
    (found, missed)
}

#[test]
fn a_way_is_found_if_there_is_one_whatever_the_policy() {
    let (mut found, mut gave_up) = ([0; 3], 0);
    for seed in 0..2000 {
        let random = &mut SplitMix64::new(seed);
        let topology = random_topology(random);
        let run = |routing: Routing, policy: usize, random: &mut SplitMix64| {
            let policies: [Box<dyn RoutePolicy>; 3] = [
                Box::new(MaxFlow::new(&topology, 0.0)),
                Box::new(Swarm::new(&topology)),
                Box::new(RandomChoice::new(SplitMix64::new(seed))),
            ];
            let policy_of = policies.into_iter().nth(policy).expect("there are three");
            let coordinator =
                Coordinator::new(config(routing), topology.clone(), policy_of).expect("good settings");
            missed(coordinator, &topology, (random, policy == 0))
        };
        for (policy, total) in found.iter_mut().enumerate() {
            let (ways, missed) = run(Routing::Pipeline, policy, random);
            assert_eq!(missed, 0, "seed {seed}, policy {policy}");
            *total += ways;
        }
        gave_up += run(Routing::ForwardOnly, 0, random).1;
    }
    println!("ways found by max-flow, swarm and chance: {found:?}; missed by the paper's rule: {gave_up}");
    assert!(found.iter().all(|found| *found > 10_000) && gave_up > 1000, "{found:?} {gave_up}");
}

/// 0 leads only to 2, which is full; the way over 1 and 3 is open. The paper's rule turns the request away, and so does any
/// rule that looks one hop ahead: 0 itself has room.
#[test]
fn a_full_machine_behind_an_open_one_turns_nobody_away() {
    let machine = |start, end, kv_capacity| TopologyMachine {
        layers: LayerRange::new(start, end),
        kv_capacity,
        max_prompt_tokens: 100,
    };
    let links = [
        (C, m(0), 90.0),
        (C, m(1), 10.0),
        (m(0), m(2), 90.0),
        (m(1), m(3), 10.0),
        (m(2), C, 90.0),
        (m(3), C, 10.0),
    ];
    let links = links.map(|(from, to, flow)| TopologyLink { from, to, flow });
    let machines = vec![machine(0, 2, 200), machine(0, 2, 200), machine(2, 4, 20), machine(2, 4, 200)];
    let topology =
        Topology::new(TopologyParts { model_layers: 4, machines, links: links.to_vec() }).expect("good");
    let ways = |routing| {
        let mut coordinator = max_flow(config(routing), &topology);
        (0..4)
            .map(|request| {
                let actions = act(&mut coordinator, SimTime::ZERO, arrived(request, 10));
                actions.iter().find_map(|action| match action {
                    Action::Hop { hop, .. } => hop.machine,
                    _ => None,
                })
            })
            .collect::<Vec<_>>()
    };
    let at = |machine| Some(MachineId(machine));
    assert_eq!(ways(Routing::ForwardOnly), [at(0), None, None, None]);
    assert_eq!(ways(Routing::Pipeline), [at(0), at(1), at(1), at(1)]);
    // What did not become a hop was not charged: with room again, the next ones go where the flow is.
    let mut coordinator = max_flow(config(Routing::Pipeline), &topology);
    for request in 0..3 {
        act(&mut coordinator, SimTime::ZERO, arrived(request, 10));
    }
    act(&mut coordinator, SimTime::ZERO, Event::Cancel { request: RequestId(0) });
    let actions = act(&mut coordinator, SimTime::ZERO, arrived(9, 10));
    assert!(matches!(actions[0], Action::Hop { hop, .. } if hop.machine == at(0)), "{actions:?}");
}
