//! Layer-wise batching as the paper's simulator does it: section 2.4, a rule a test.

mod common;

use common::{decode, layers, node_config, prompt, start, tell};
use helix_scheduler::node::{BatchLimits, Batching, Node, NodeAction, NodeConfig, NodeEvent};

fn node(limits: BatchLimits) -> Node {
    Node::new(node_config(10, 13, limits)).expect("a good configuration")
}

#[test]
fn a_request_walks_through_the_layers_and_leaves_after_the_last() {
    let mut node = node(BatchLimits::UNLIMITED);
    let work = prompt(1, 100, (10, 13));
    assert_eq!(tell(&mut node, &[NodeEvent::Work(work)]), [], "nothing starts by itself");
    for layer in 10..13 {
        let (batch, requests) = start(&mut node);
        assert_eq!((batch.layers, batch.prefills, batch.prefill_tokens), (layers(layer, layer + 1), 1, 100));
        assert_eq!(batch.received_tokens, if layer == 10 { 100 } else { 0 });
        assert_eq!(requests, [1]);
        assert_eq!(tell(&mut node, &[NodeEvent::Start]), [], "one batch at a time");
        let done = tell(&mut node, &[NodeEvent::BatchFinished]);
        assert_eq!(done, if layer == 12 { vec![NodeAction::Forward(work)] } else { vec![] });
        assert_eq!(node.kv().used, u64::from(layer - 9) * 100);
    }
    assert_eq!(tell(&mut node, &[NodeEvent::Start, NodeEvent::BatchFinished]), []);
}

#[test]
fn newcomers_wait_for_the_pointer_to_come_round_and_then_batch_with_those_who_enter_inside() {
    let mut node = node(BatchLimits::UNLIMITED);
    tell(&mut node, &[NodeEvent::Work(decode(1, 5, (10, 13)))]);
    assert_eq!(start(&mut node).0.layers, layers(10, 11));
    // 2 waits in front of the first layer, 3 enters at the layer where 1 goes next and is before it in line.
    tell(&mut node, &[NodeEvent::Work(decode(2, 6, (10, 13))), NodeEvent::Work(decode(3, 7, (11, 13)))]);
    tell(&mut node, &[NodeEvent::BatchFinished]);
    let (batch, requests) = start(&mut node);
    assert_eq!((batch.layers, batch.decodes, batch.decode_context), (layers(11, 12), 2, 12));
    assert_eq!(requests, [3, 1]);
    tell(&mut node, &[NodeEvent::BatchFinished]);
    assert_eq!(start(&mut node).1, [3, 1]);
    let forwarded = tell(&mut node, &[NodeEvent::BatchFinished]);
    assert_eq!(
        forwarded,
        [NodeAction::Forward(decode(3, 7, (11, 13))), NodeAction::Forward(decode(1, 5, (10, 13)))]
    );
    let (batch, requests) = start(&mut node);
    assert_eq!((batch.layers, requests), (layers(10, 11), vec![2]));
    assert_eq!(batch.received_tokens, 2, "2 and 3, who entered inside");
}

#[test]
fn what_does_not_fit_is_overtaken_and_picked_up_when_the_pointer_returns() {
    // At most 2 prompts of 4,096 tokens together.
    let mut node = node(BatchLimits::asplos25(2, 1));
    let works = [
        prompt(1, 2000, (10, 13)),
        prompt(2, 3000, (10, 13)),
        prompt(3, 2000, (10, 13)),
        decode(4, 600, (10, 13)),
        decode(5, 600, (10, 13)),
    ];
    tell(&mut node, &works.map(NodeEvent::Work));
    assert_eq!(start(&mut node).1, [1, 3, 4]);
    tell(&mut node, &[NodeEvent::BatchFinished]);
    assert_eq!(start(&mut node).0.layers, layers(11, 12), "on to the next layer, not back to those left");
    tell(&mut node, &[NodeEvent::BatchFinished, NodeEvent::Start, NodeEvent::BatchFinished]);
    let (batch, requests) = start(&mut node);
    assert_eq!((batch.layers, requests), (layers(10, 11), vec![2, 5]));
}

#[test]
fn what_never_fits_is_refused() {
    use helix_scheduler::node::Refusal::{BeyondBatchLimits, LayersNotHeld, Malformed};
    let mut node = node(BatchLimits::asplos25(1, 1));
    let cases = [
        (prompt(1, 2049, (10, 13)), BeyondBatchLimits),
        (decode(1, 1001, (10, 13)), BeyondBatchLimits),
        (prompt(1, 5, (9, 13)), LayersNotHeld),
        (prompt(1, 5, (10, 14)), LayersNotHeld),
        (prompt(1, 0, (10, 13)), Malformed),
    ];
    for (work, why) in cases {
        assert_eq!(tell(&mut node, &[NodeEvent::Work(work)]), [NodeAction::Refuse { work, why }]);
    }
    assert_eq!((node.queued(), node.requests()), (0, 0));
}

#[test]
fn a_fused_batch_ends_where_another_waits_or_leaves_or_is_cut() {
    let limits = BatchLimits::UNLIMITED;
    let config = NodeConfig { batching: Batching::LayerWise { fuse: true }, ..node_config(0, 8, limits) };
    let mut node = Node::new(config).expect("a good configuration");
    tell(&mut node, &[NodeEvent::Work(decode(1, 5, (0, 8)))]);
    assert_eq!(start(&mut node).0.layers, layers(0, 8), "alone: all the way");
    // 2 enters at layer 5 while 1 is in front of it: the driver cuts.
    tell(&mut node, &[NodeEvent::Work(decode(2, 5, (5, 8))), NodeEvent::Cut { end: 5 }]);
    assert_eq!(node.running_layers(), Some(layers(0, 5)));
    assert_eq!(tell(&mut node, &[NodeEvent::BatchFinished]), []);
    tell(&mut node, &[NodeEvent::Work(decode(3, 5, (0, 7)))]);
    assert_eq!(start(&mut node), (start_of(5, 8, 2), vec![2, 1]));
    tell(&mut node, &[NodeEvent::BatchFinished, NodeEvent::Work(decode(4, 5, (3, 8)))]);
    assert_eq!(start(&mut node).0.layers, layers(0, 3), "4 waits in front of layer 3");
    tell(&mut node, &[NodeEvent::BatchFinished]);
    assert_eq!(start(&mut node).0.layers, layers(3, 7), "3 leaves after layer 6");
    assert_eq!(tell(&mut node, &[NodeEvent::BatchFinished]), [NodeAction::Forward(decode(3, 5, (0, 7)))]);
    assert_eq!(start(&mut node).1, [4]);
}

fn start_of(first: u32, end: u32, decodes: u32) -> helix_scheduler::node::Batch {
    helix_scheduler::node::Batch {
        layers: layers(first, end),
        prefills: 0,
        prefill_tokens: 0,
        decodes,
        decode_context: 5 * u64::from(decodes),
        received_tokens: 0,
    }
}
