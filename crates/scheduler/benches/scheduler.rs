//! Decisions a second: a coordinator before 1,000 machines, and one machine's node.

use divan::Bencher;
use helix_scheduler::coordinator::{Action, Coordinator, CoordinatorConfig, Event};
use helix_scheduler::node::{
    BatchLimits, BatchOrder, Batching, BlockSpan, KvConfig, Node, NodeAction, NodeConfig, NodeEvent,
};
use helix_scheduler::route::MaxFlow;
use helix_scheduler::{Phase, RequestId, Topology, TopologyLink, TopologyMachine, TopologyParts, Work};
use helix_spec::{Endpoint, LayerRange, MachineId, SimTime};

/// Counts allocations: a step should make none.
#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// So many stages of so many machines, all linked to all of the next stage, with unequal flows.
fn cluster(stages: u32, width: u32) -> Topology {
    let machine = |stage: u32, index: u32| Endpoint::Machine(MachineId(stage * width + index));
    let mut links = Vec::new();
    let mut add = |from, to| {
        let flow = 1.0 + f64::from(u32::try_from(links.len() % 17).expect("small"));
        links.push(TopologyLink { from, to, flow });
    };
    for index in 0..width {
        add(Endpoint::Coordinator, machine(0, index));
        add(machine(stages - 1, index), Endpoint::Coordinator);
        for stage in 1..stages {
            (0..width).for_each(|next| add(machine(stage - 1, index), machine(stage, next)));
        }
    }
    let machines = (0..stages * width).map(|id| TopologyMachine {
        layers: LayerRange::new(id / width * 4, (id / width + 1) * 4),
        kv_capacity: 1_000_000,
        max_prompt_tokens: 100_000,
    });
    let parts = TopologyParts { model_layers: stages * 4, machines: machines.collect(), links };
    Topology::new(parts).expect("stages follow each other")
}

/// A request comes, gets its pipeline of 20 hops among 1,000 machines, and is gone with its first token.
#[divan::bench(args = [(20, 50), (4, 250)])]
fn requests_routed(bencher: Bencher, (stages, width): (u32, u32)) {
    let topology = cluster(stages, width);
    let policy = MaxFlow::new(&topology, 0.0);
    let mut coordinator =
        Coordinator::new(CoordinatorConfig::default(), topology, policy).expect("good settings");
    let (mut request, mut actions) = (0, Vec::<Action>::new());
    bencher.counter(divan::counter::ItemsCount::new(1u32)).bench_local(|| {
        actions.clear();
        request += 1;
        let id = RequestId(request);
        let event = Event::Arrived { request: id, prompt_tokens: 750, deadline: None };
        coordinator.handle(SimTime(request), event, &mut actions);
        let event = Event::Token { request: id, attempt: 0, last: true };
        coordinator.handle(SimTime(request), event, &mut actions);
        actions.len()
    });
}

/// A token comes back to the coordinator and goes on its next round, one of 10,000 requests on 1,000 machines.
#[divan::bench]
fn tokens_sent_on(bencher: Bencher) {
    let topology = cluster(20, 50);
    let policy = MaxFlow::new(&topology, 0.0);
    let config = CoordinatorConfig { kv: None, ..CoordinatorConfig::default() };
    let mut coordinator = Coordinator::new(config, topology, policy).expect("good settings");
    let mut actions = Vec::new();
    for request in 0..10_000 {
        let request = RequestId(request);
        coordinator.handle(
            SimTime::ZERO,
            Event::Arrived { request, prompt_tokens: 750, deadline: None },
            &mut actions,
        );
    }
    let mut next = 0;
    bencher.counter(divan::counter::ItemsCount::new(1u32)).bench_local(|| {
        actions.clear();
        next = (next + 7919) % 10_000;
        let event = Event::Token { request: RequestId(next), attempt: 0, last: false };
        coordinator.handle(SimTime::ZERO, event, &mut actions);
        actions.len()
    });
}

fn node(batching: Batching, kv: KvConfig) -> Node {
    let config = NodeConfig {
        layers: LayerRange::new(0, 10).expect("ten layers"),
        batching,
        order: BatchOrder::Arrival,
        limits: BatchLimits::asplos25(10, 500),
        kv,
        stale_for: NodeConfig::STALE_FOR,
    };
    Node::new(config).expect("a good configuration")
}

const COUNTED: KvConfig = KvConfig::Counted { capacity: 1 << 40 };
const PAGED: KvConfig = KvConfig::Paged { blocks: 1 << 20, block_tokens: 16, span: BlockSpan::Range };

/// 50 requests decode on a machine of ten layers; one step is a batch from its start to its end.
#[divan::bench(args = [
    ("layer by layer, counted", Batching::LayerWise { fuse: false }, COUNTED),
    ("layers fused, counted", Batching::LayerWise { fuse: true }, COUNTED),
    ("whole range, paged", Batching::WholeRange, PAGED),
])]
fn node_steps(bencher: Bencher, (_, batching, kv): (&str, Batching, KvConfig)) {
    let mut node = node(batching, kv);
    let layers = node.config().layers;
    let decode = |request, context| {
        let request = RequestId(request);
        Work { request, attempt: 0, phase: Phase::Decode, tokens: 1, context, layers, last: true }
    };
    let (mut actions, mut now) = (Vec::new(), 0);
    for request in 0..50 {
        node.handle(SimTime::ZERO, NodeEvent::Work(decode(request, 500)), &mut actions);
    }
    let mut forwarded = Vec::new();
    bencher.counter(divan::counter::ItemsCount::new(1u32)).bench_local(|| {
        now += 1;
        node.handle(SimTime(now), NodeEvent::Start, &mut actions);
        node.handle(SimTime(now), NodeEvent::BatchFinished, &mut actions);
        forwarded.clear();
        forwarded.extend(actions.drain(..).filter_map(|action| match action {
            NodeAction::Forward(work) => Some(work),
            _ => None,
        }));
        for work in &forwarded {
            let context = 500 + (work.context + 1) % 400;
            node.handle(SimTime(now), NodeEvent::Work(decode(work.request.0, context)), &mut actions);
        }
    });
}
