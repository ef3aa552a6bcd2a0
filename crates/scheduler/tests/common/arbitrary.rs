//! Events made of any bytes, sensible or not, for the tests and the fuzz target. Each function ends when the bytes do, or
//! after some thousand events.

use std::collections::BTreeSet;

use helix_scheduler::coordinator::{
    Action, Coordinator, CoordinatorConfig, DecodeDispatch, Event, KvEstimate, OnLoss, OnNoRoute, Routing,
};
use helix_scheduler::node::{
    BatchLimits, BatchOrder, Batching, BlockSpan, KvConfig, Node, NodeConfig, NodeEvent, Refusal, Shortfall,
};
use helix_scheduler::route::{Candidate, MaxFlow, Observation};
use helix_scheduler::{
    LinkId, Phase, RequestId, Topology, TopologyLink, TopologyMachine, TopologyParts, Work,
};
use helix_spec::{Endpoint, LayerRange, MachineId, SimTime};

type Bytes<'a> = &'a mut dyn FnMut() -> Option<u8>;

/// Mostly small, sometimes as large as can be.
fn number(bytes: Bytes<'_>) -> Option<u32> {
    let byte = bytes()?;
    Some(match byte {
        0..=199 => u32::from(byte % 40),
        200..=239 => u32::from(byte) * 7,
        240..=247 => u32::MAX - u32::from(byte),
        _ => u32::MAX,
    })
}

fn phase(bytes: Bytes<'_>) -> Option<Phase> {
    Some(if bytes()? % 2 == 0 { Phase::Prefill } else { Phase::Decode })
}

fn shortfall(bytes: Bytes<'_>) -> Option<Shortfall> {
    let request = RequestId(u64::from(bytes()? % 8));
    let attempt = u32::from(bytes()? % 3);
    let youngest = (RequestId(u64::from(bytes()? % 8)), u32::from(bytes()? % 3));
    Some(Shortfall { request, attempt, phase: phase(bytes)?, youngest })
}

fn config(bytes: Bytes<'_>) -> Option<NodeConfig> {
    let batching = match bytes()? % 3 {
        0 => Batching::WholeRange,
        kind => Batching::LayerWise { fuse: kind == 1 },
    };
    let order = [BatchOrder::Arrival, BatchOrder::PrefillFirst, BatchOrder::DecodeFirst];
    let kv = match bytes()? % 3 {
        0 => KvConfig::Counted { capacity: 100 },
        kind => KvConfig::Paged {
            blocks: u32::from(bytes()?),
            block_tokens: number(bytes)?,
            span: if kind == 1 { BlockSpan::Layer } else { BlockSpan::Range },
        },
    };
    Some(NodeConfig {
        layers: LayerRange::new(2, 2 + u32::from(bytes()? % 8))?,
        batching,
        order: order[usize::from(bytes()? % 3)],
        limits: BatchLimits {
            prefills: number(bytes)?,
            prefill_tokens: u64::from(number(bytes)?),
            decodes: number(bytes)?,
            decode_context: u64::from(number(bytes)?),
            tokens: u64::from(number(bytes)?),
            chunk: number(bytes),
        },
        kv,
        stale_for: SimTime(u64::from(number(bytes)?)),
    })
}

fn node_event(bytes: Bytes<'_>) -> Option<NodeEvent> {
    let kind = bytes()? % 8;
    let request = RequestId(u64::from(bytes()? % 8));
    let attempt = u32::from(bytes()? % 3);
    Some(match kind {
        0 | 1 => {
            let phase = phase(bytes)?;
            let tokens = if phase == Phase::Decode && bytes()? % 8 > 0 { 1 } else { number(bytes)? };
            let start = u32::from(bytes()? % 12);
            let layers = LayerRange::new(start, start + 1 + u32::from(bytes()? % 12))?;
            let (context, last) = (number(bytes)?, phase == Phase::Decode || bytes()? % 2 == 0);
            NodeEvent::Work(Work { request, attempt, phase, tokens, context, layers, last })
        }
        2 | 3 => NodeEvent::Start,
        4 => NodeEvent::BatchFinished,
        5 => NodeEvent::Cut { end: u32::from(bytes()? % 16) },
        6 => NodeEvent::Free { request, attempt, in_flight: bytes()? % 2 == 0 },
        _ => {
            let parent = RequestId(u64::from(bytes()? % 8));
            NodeEvent::Fork { parent, child: request, attempt, tokens: number(bytes)? }
        }
    })
}

/// A node keeps its books whatever it is told, and a driver that remembers places gets the same from it.
pub fn node(bytes: Bytes<'_>) {
    let Some(Ok(mut node)) = config(bytes).map(Node::new) else { return };
    let (mut now, mut actions) = (0, Vec::new());
    // Told the same, with the places of requests as they were at some time.
    let (mut twin, mut places, mut twins_actions) = (node.clone(), [0; 8], Vec::new());
    for _ in 0..2000 {
        let Some(event) = node_event(bytes) else { break };
        now += u64::from(bytes().unwrap_or(0));
        actions.clear();
        node.handle(SimTime(now), event, &mut actions);
        node.check().unwrap_or_else(|error| panic!("after {event:?}: {error}"));
        twins_actions.clear();
        if let NodeEvent::Work(work) = event {
            let request = usize::try_from(work.request.0).expect("eight requests");
            let place = twin.arrive(SimTime(now), work, places[request], &mut twins_actions);
            places[request] = place.unwrap_or(places[request]);
        } else {
            twin.handle(SimTime(now), event, &mut twins_actions);
        }
        assert_eq!(twins_actions, actions, "after {event:?}");
    }
    for event in [NodeEvent::BatchFinished].into_iter().chain((0..8).map(|request| NodeEvent::Free {
        request: RequestId(request),
        attempt: u32::MAX,
        in_flight: true,
    })) {
        node.handle(SimTime(now), event, &mut actions);
    }
    assert_eq!((node.queued(), node.requests(), node.kv().used), (0, 0, 0));
}

fn settings(bytes: Bytes<'_>) -> Option<CoordinatorConfig> {
    let flags = bytes()?;
    Some(CoordinatorConfig {
        routing: if flags & 1 == 0 { Routing::Pipeline } else { Routing::HopByHop },
        kv: (flags & 2 == 0).then_some(KvEstimate { high_water_mark: 0.9, expected_output: 10.0 }),
        on_no_route: if flags & 4 == 0 {
            OnNoRoute::Queue { bound: u32::from(bytes()? % 4), deadline: SimTime(u64::from(bytes()?)) }
        } else {
            OnNoRoute::Reject
        },
        on_loss: if flags & 8 == 0 { OnLoss::Requeue { times: 2 } } else { OnLoss::Fail },
        decodes: if flags & 16 == 0 { DecodeDispatch::Coordinator } else { DecodeDispatch::LastStage },
        patience: SimTime(u64::from(bytes()? % 64)),
        ..CoordinatorConfig::default()
    })
}

/// Three machines before two, the second of which can be entered inside.
fn topology(bytes: Bytes<'_>) -> Option<Topology> {
    let ranges = [(0, 2), (0, 3), (0, 2), (2, 4), (1, 4)];
    let mut machines = Vec::new();
    for (start, end) in ranges {
        let layers = LayerRange::new(start, end).filter(|_| start > 0 || end < 4);
        let kv_capacity = u64::from(number(bytes)?) * 16;
        machines.push(TopologyMachine { layers, kv_capacity, max_prompt_tokens: 200 });
    }
    let machine = |id| Endpoint::Machine(MachineId(id));
    let mut links = Vec::new();
    for (from, to) in [(0, 3), (0, 4), (1, 3), (1, 4), (2, 4)] {
        links.push(TopologyLink { from: machine(from), to: machine(to), flow: f64::from(number(bytes)?) });
    }
    for id in 0..5 {
        let (from, to) =
            if id < 3 { (Endpoint::Coordinator, machine(id)) } else { (machine(id), Endpoint::Coordinator) };
        links.push(TopologyLink { from, to, flow: f64::from(number(bytes)?) });
    }
    Topology::new(TopologyParts { model_layers: 4, machines, links }).ok()
}

fn event(bytes: Bytes<'_>) -> Option<Event> {
    let kind = bytes()? % 16;
    let request = RequestId(u64::from(bytes()? % 8));
    let attempt = u32::from(bytes()? % 3);
    let machine = MachineId(u32::from(bytes()? % 7));
    Some(match kind {
        0..=2 => Event::Arrived { request, prompt_tokens: number(bytes)?, deadline: None },
        3 => Event::Arrived {
            request,
            prompt_tokens: number(bytes)?,
            deadline: Some(SimTime(u64::from(number(bytes)?))),
        },
        4 | 5 => {
            let candidate = |link| Candidate { link: LinkId(link), open: true, free: true, waiting: 0 };
            Event::AskHop {
                request,
                attempt,
                candidates: (0..u32::from(bytes()? % 12)).map(candidate).collect(),
            }
        }
        6..=8 => Event::Token { request, attempt, last: bytes()? % 4 == 0 },
        9 => Event::Cancel { request },
        10 => Event::OutOfBlocks { machine, shortage: shortfall(bytes)? },
        11 => {
            let why = [
                Refusal::LayersNotHeld,
                Refusal::Malformed,
                Refusal::BeyondCache,
                Refusal::BeyondBatchLimits,
            ];
            Event::Refused { machine, request, attempt, why: why[usize::from(bytes()? % 4)] }
        }
        12 => {
            let factor = [0.5, 2.0, 0.0, -1.0, f64::NAN, 1e300][usize::from(bytes()? % 6)];
            Event::Observed(Observation::Speed { machine, factor })
        }
        13 => match bytes()? % 3 {
            0 => Event::MachineLost { machine },
            1 => Event::MachineDraining { machine },
            _ => Event::MachineJoined { machine },
        },
        14 => {
            let link = LinkId(u32::from(bytes()? % 16));
            let phase = if bytes()? % 2 == 0 { Phase::Prefill } else { Phase::Decode };
            let (tokens, took) = (u32::from(bytes()?), SimTime(u64::from(number(bytes)?)));
            Event::Observed(Observation::LinkTime { link, phase, tokens, took })
        }
        _ => Event::Tick,
    })
}

fn close(actions: &mut Vec<Action>, open: &mut BTreeSet<RequestId>) {
    for action in actions.drain(..) {
        if let Action::Ended { request, .. } = action {
            assert!(open.remove(&request), "{request:?} ends twice");
        }
    }
}

/// Every request that arrived ends once, and then all machines are empty.
pub fn coordinator(bytes: Bytes<'_>) {
    let Some((config, topology)) = settings(bytes).zip(topology(bytes)) else { return };
    let policy = MaxFlow::new(&topology, 0.0);
    let Ok(mut coordinator) = Coordinator::new(config, topology.clone(), policy) else { return };
    let (mut now, mut actions, mut open) = (0, Vec::new(), BTreeSet::new());
    for step in 0..2000 {
        let Some(event) = event(bytes) else { break };
        now += u64::from(bytes().unwrap_or(0) % 8);
        // What time ends, before an id is used again.
        coordinator.handle(SimTime(now), Event::Tick, &mut actions);
        if step % 500 == 499 {
            let policy = MaxFlow::new(&topology, 0.0);
            coordinator.place(SimTime(now), step, (topology.clone(), policy), &mut actions);
        }
        close(&mut actions, &mut open);
        if let Event::Arrived { request, .. } = event {
            open.insert(request);
        }
        coordinator.handle(SimTime(now), event, &mut actions);
        close(&mut actions, &mut open);
        assert_eq!(open.len(), coordinator.requests());
    }
    for request in open {
        coordinator.handle(SimTime(now), Event::Cancel { request }, &mut actions);
    }
    assert_eq!((coordinator.requests(), coordinator.waiting()), (0, 0));
    for machine in 0..5 {
        assert_eq!(coordinator.requests_on(MachineId(machine)), 0);
    }
    let used = coordinator.expected_kv_usage();
    assert!(used <= 0.0 || topology.machines().iter().any(|machine| machine.kv_capacity == 0), "{used}");
}
