//! Layers run one by one and fused: the same work leaves at the same time in the same order.

mod common;

use common::{decode, node_config, prompt};
use helix_scheduler::node::{
    Batch, BatchLimits, Batching, BlockSpan, KvConfig, Node, NodeAction, NodeConfig, NodeEvent,
};
use helix_scheduler::{RandomSource as _, SplitMix64, Work};
use helix_spec::{LayerRange, SimTime};

/// Thousands; each work arrives with a remainder of its own by thousand, so that nothing happens at once.
fn layer_time(batch: &Batch) -> u64 {
    1000 * (1 + batch.prefill_tokens % 7 + u64::from(batch.decodes))
}

#[derive(Debug, PartialEq)]
struct Seen {
    forwarded: Vec<(u64, Work)>,
    batches: u32,
    /// Tokens charged to batches of the first layer, with their time.
    received: Vec<(u64, u64)>,
}

/// Runs the arrivals through one machine.
fn run(config: NodeConfig, arrivals: &[(u64, Work)]) -> Seen {
    let mut node = Node::new(config).expect("good");
    let mut seen = Seen { forwarded: Vec::new(), batches: 0, received: Vec::new() };
    let mut running: Option<(u64, LayerRange, u64)> = None;
    let mut arrivals = arrivals.iter().peekable();
    loop {
        let ends = running.map(|(start, layers, time)| start + u64::from(layers.len()) * time);
        let arrives = arrivals.peek().map(|(time, _)| *time);
        let Some(now) = ends.into_iter().chain(arrives).min() else { break };
        let mut actions = Vec::new();
        if arrives == Some(now) {
            let (_, work) = arrivals.next().expect("it was peeked");
            if let Some((start, layers, time)) = running {
                let at = layers.start() + u32::try_from((now - start) / time).expect("few layers");
                if work.layers.start() > at && work.layers.start() < layers.end() {
                    let end = work.layers.start();
                    node.handle(SimTime(now), NodeEvent::Cut { end }, &mut actions);
                    running = LayerRange::new(layers.start(), end).map(|shorter| (start, shorter, time));
                }
            }
            node.handle(SimTime(now), NodeEvent::Work(*work), &mut actions);
        } else {
            running = None;
            node.handle(SimTime(now), NodeEvent::BatchFinished, &mut actions);
        }
        node.handle(SimTime(now), NodeEvent::Start, &mut actions);
        for action in actions {
            match action {
                NodeAction::Forward(work) => seen.forwarded.push((now, work)),
                NodeAction::Run(batch) => {
                    running = Some((now, batch.layers, layer_time(&batch)));
                    seen.batches += 1;
                    if batch.received_tokens > 0 {
                        seen.received.push((now, batch.received_tokens));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
    seen
}

#[test]
fn fusing_changes_nothing_but_the_number_of_batches() {
    let mut random = SplitMix64::new(11);
    let (mut single, mut fused) = (0, 0);
    for case in 0..400 {
        let layers = 1 + random.below(12);
        let mut time = 0;
        let arrivals: Vec<_> = (0..60)
            .map(|request| {
                time += u64::from(random.below(20)) * 1000;
                let start = if random.below(4) == 0 { random.below(layers) } else { 0 };
                let end =
                    if random.below(6) == 0 { start + 1 + random.below(layers - start) } else { layers };
                let tokens = 1 + random.below(30);
                let work = match random.below(2) {
                    0 => prompt(request, tokens, (start, end)),
                    _ => decode(request, tokens, (start, end)),
                };
                (time + request, work)
            })
            .collect();
        let limits = if case % 2 == 0 {
            BatchLimits::UNLIMITED
        } else {
            BatchLimits { prefills: 2, prefill_tokens: 40, decodes: 3, ..BatchLimits::UNLIMITED }
        };
        let kv = match case % 3 {
            0 => KvConfig::Counted { capacity: 1 },
            _ => KvConfig::Paged { blocks: 5000, block_tokens: 4, span: BlockSpan::Layer },
        };
        let config = NodeConfig { kv, ..node_config(0, layers, limits) };
        let plain = run(config, &arrivals);
        let quick = run(NodeConfig { batching: Batching::LayerWise { fuse: true }, ..config }, &arrivals);
        (single, fused) = (single + plain.batches, fused + quick.batches);
        let differs = plain.forwarded.iter().zip(&quick.forwarded).find(|(plain, quick)| plain != quick);
        assert_eq!((plain.forwarded.len(), quick.forwarded.len(), differs), (60, 60, None), "case {case}");
        assert_eq!(plain.received, quick.received, "case {case}");
    }
    assert!(fused * 5 < single * 4, "{fused} of {single}");
}
