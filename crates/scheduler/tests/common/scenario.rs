//! Random clusters and loads from a seed.

use helix_scheduler::coordinator::{
    Coordinator, CoordinatorConfig, DecodeDispatch, Event, KvEstimate, OnLoss, OnNoRoute, Routing,
};
use helix_scheduler::node::{BatchLimits, BatchOrder, Batching, BlockSpan, KvConfig, NodeConfig};
use helix_scheduler::route::{
    HopTime, LatencyAware, MaxFlow, RandomChoice, RoutePolicy, ShortestQueue, Swarm,
};
use helix_scheduler::{
    RandomSource as _, RequestId, SplitMix64, Topology, TopologyLink, TopologyMachine, TopologyParts,
};
use helix_spec::{Endpoint, LayerRange, MachineId, SimTime};

use super::world::{Message, World};

/// What a scenario is to be hard with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    LittleMemory,
    Everything,
}

pub struct Scenario {
    seed: u64,
    trouble: Trouble,
    random: SplitMix64,
}

/// The longest request that any machine of a scenario can hold alone \[tokens\].
const LONGEST: u32 = 120;

impl Scenario {
    pub fn new(seed: u64, trouble: Trouble) -> Self {
        Self { seed, trouble, random: SplitMix64::new(seed.wrapping_mul(77).wrapping_add(trouble as u64)) }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.random.below(of) == 0
    }

    fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.random.below(most - least + 1)
    }

    /// One to four stages of one to three machines; machines may hold layers of the stage before as well, so that
    /// requests enter them inside.
    fn topology(&mut self) -> Topology {
        let stages = self.between(1, 4);
        let mut machines: Vec<(u32, LayerRange)> = Vec::new();
        let mut first = 0;
        for stage in 0..stages {
            let end = first + self.between(1, 4);
            for _ in 0..self.between(1, 3) {
                let back = if stage > 0 && self.chance(3) { self.between(0, first.min(2)) } else { 0 };
                machines.push((stage, LayerRange::new(first - back, end).expect("a stage has layers")));
            }
            first = end;
        }
        let mut links = Vec::new();
        let mut add = |from, to, flow: u32| links.push(TopologyLink { from, to, flow: f64::from(flow) });
        for (id, &(stage, _)) in (0..).zip(&machines) {
            let here = Endpoint::Machine(MachineId(id));
            if stage == 0 {
                add(Endpoint::Coordinator, here, 1 + self.random.below(9));
            }
            if stage + 1 == stages {
                add(here, Endpoint::Coordinator, 1 + self.random.below(9));
            }
            for (next, _) in (0..).zip(&machines).filter(|(_, machine)| machine.0 == stage + 1) {
                add(here, Endpoint::Machine(MachineId(next)), 1 + self.random.below(9));
            }
        }
        let machines = machines.iter().map(|&(_, layers)| TopologyMachine {
            layers: Some(layers),
            kv_capacity: u64::from(layers.len()) * u64::from(LONGEST) * 2,
            max_prompt_tokens: 1000,
        });
        let parts = TopologyParts { model_layers: first, machines: machines.collect(), links };
        Topology::new(parts).expect("stages follow each other")
    }

    fn node(&mut self, layers: LayerRange) -> NodeConfig {
        let block_tokens = self.between(1, 8);
        let span = if self.chance(2) { BlockSpan::Layer } else { BlockSpan::Range };
        let width = if span == BlockSpan::Layer { layers.len() } else { 1 };
        let longest = LONGEST.div_ceil(block_tokens) * width;
        let blocks = longest + self.between(0, longest);
        let chunk = self.chance(2).then(|| self.between(1, 20));
        let kv = if self.chance(8) {
            KvConfig::Counted { capacity: 10_000 }
        } else {
            KvConfig::Paged { blocks, block_tokens, span }
        };
        let tokens =
            u64::from(if chunk.is_some() { self.between(20, 60) } else { self.between(LONGEST, 300) });
        let batching =
            [Batching::WholeRange, Batching::LayerWise { fuse: true }, Batching::LayerWise { fuse: false }]
                [self.random.below(3) as usize];
        let order = [BatchOrder::Arrival, BatchOrder::PrefillFirst, BatchOrder::DecodeFirst];
        NodeConfig {
            layers,
            batching,
            order: order[self.random.below(3) as usize],
            limits: BatchLimits {
                prefills: self.between(1, 4),
                decodes: self.between(1, 12),
                decode_context: u64::from(self.between(LONGEST, 1000)),
                tokens,
                prefill_tokens: tokens,
                chunk,
            },
            kv,
            stale_for: SimTime(1_000_000),
        }
    }

    fn coordinator(&mut self) -> CoordinatorConfig {
        let everything = self.trouble == Trouble::Everything;
        CoordinatorConfig {
            routing: if self.chance(3) { Routing::HopByHop } else { Routing::Pipeline },
            kv: self.chance(2).then_some(KvEstimate { high_water_mark: 0.9, expected_output: 20.0 }),
            // So long that no deadline hides a wait that would not end.
            on_no_route: OnNoRoute::Queue {
                bound: 10_000,
                deadline: SimTime(if everything { 200_000 } else { 1 << 60 }),
            },
            on_loss: if self.chance(3) { OnLoss::Fail } else { OnLoss::Requeue { times: 2 } },
            decodes: if self.chance(2) { DecodeDispatch::LastStage } else { DecodeDispatch::Coordinator },
            patience: SimTime(u64::from(self.random.below(2)) * 2000),
            ..CoordinatorConfig::default()
        }
    }

    fn policy(&mut self, topology: &Topology) -> Box<dyn RoutePolicy> {
        match self.random.below(5) {
            0 => Box::new(Swarm::new(topology)),
            1 => Box::new(RandomChoice::new(SplitMix64::new(self.seed))),
            2 => Box::new(ShortestQueue),
            3 => {
                let mut time = || f64::from(self.random.below(9)) * 1e-9;
                let mut hop = || HopTime {
                    latency: time(),
                    send_per_token: time(),
                    run_fixed: time(),
                    run_per_token: time(),
                };
                let times: Vec<_> = topology.links().iter().map(|_| hop()).collect();
                Box::new(LatencyAware::new(topology, &times, SimTime(100_000)))
            }
            _ if self.chance(2) => Box::new(MaxFlow::mixing(topology)),
            _ => Box::new(MaxFlow::new(topology, 0.0)),
        }
    }

    /// What the coordinator of this scenario is made of.
    pub fn parts(mut self) -> (CoordinatorConfig, Topology, Box<dyn RoutePolicy>) {
        let topology = self.topology();
        let (config, policy) = (self.coordinator(), self.policy(&topology));
        (config, topology, policy)
    }

    pub fn build(mut self) -> World {
        let topology = self.topology();
        let (config, policy) = (self.coordinator(), self.policy(&topology));
        let nodes: Vec<_> = topology.machines().to_vec();
        let nodes: Vec<_> = nodes.iter().map(|held| self.node(held.layers.expect("all hold some"))).collect();
        let coordinator = Coordinator::new(config, topology, policy).expect("good settings");
        let mut world = World::new(coordinator, &nodes, self.seed);
        let (mut time, requests) = (0u64, self.between(1, 25));
        for request in 0..u64::from(requests) {
            time += u64::from(self.random.below(300));
            let prompt = self.between(1, 80);
            let tokens = self.between(1, LONGEST - 80);
            let doomed = self.trouble == Trouble::Everything && self.chance(6);
            let deadline = doomed.then(|| SimTime(time + u64::from(self.random.below(4000))));
            world.at(SimTime(time), Message::Arrive { request, prompt, tokens, deadline });
            if self.trouble == Trouble::Everything && self.chance(6) {
                let cancel = Message::ToCoordinator(Event::Cancel { request: RequestId(request) });
                world.at(SimTime(time + u64::from(self.random.below(5000))), cancel);
            }
        }
        if self.trouble == Trouble::Everything {
            self.break_things(&mut world, time);
        }
        world
    }

    /// The same machines and links with other weights.
    fn reweighed(&mut self, topology: &Topology) -> Topology {
        let mut parts = topology.parts().clone();
        for link in &mut parts.links {
            link.flow = f64::from(1 + self.random.below(9));
        }
        Topology::new(parts).expect("as before")
    }

    /// Machines go and return; sometimes one stays away.
    fn break_things(&mut self, world: &mut World, until: u64) {
        for epoch in 1..=u64::from(self.random.below(3)) {
            let topology = self.reweighed(world.coordinator.topology());
            let time = u64::from(self.random.below(u32::try_from(until + 2000).expect("soon")));
            world.at(SimTime(time), Message::Place(epoch, topology));
        }
        for _ in 0..self.random.below(5) {
            let machine = self.random.below(u32::try_from(world.machines.len()).expect("few")) as usize;
            let time = u64::from(self.random.below(u32::try_from(until + 2000).expect("soon")));
            let message = if self.chance(3) { Message::Drain(machine) } else { Message::Lose(machine) };
            world.at(SimTime(time), message);
            if !self.chance(10) {
                let back = time + 1000 + u64::from(self.random.below(5000));
                world.at(SimTime(back), Message::Join(machine));
            }
        }
    }
}
