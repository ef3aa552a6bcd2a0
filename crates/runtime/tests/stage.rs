//! One worker's driver with a stand-in for the engine and no sockets: windows, late messages, spoiled batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use helix_runtime::service::Sampling;
use helix_runtime::wire::{Activations, Decision, Ending, Message, Open, RouteHop, Sampled};
use helix_runtime::worker::{
    Outlet, StageEvent, StageExecutor, StageInput, StageItem, StageLimits, StageLoop, To,
};
use helix_scheduler::node::{BatchLimits, BatchOrder, Batching, BlockSpan, KvConfig, Node, NodeConfig};
use helix_spec::{LayerRange, SimTime};

const WIDTH: u32 = 2;

/// Adds one for every layer; the token after a sequence is the last number. Refuses the token 13.
#[derive(Default)]
struct Adds {
    released: Vec<u64>,
}

impl StageExecutor for Adds {
    fn run(&mut self, items: &[StageItem]) -> Result<Vec<Vec<f32>>, String> {
        let one = |item: &StageItem| {
            let numbers: Vec<f32> = match &item.input {
                StageInput::Tokens(tokens) if tokens.contains(&13) => return Err("13 is unlucky".to_owned()),
                StageInput::Tokens(tokens) => tokens.iter().flat_map(|&t| [t as f32, t as f32]).collect(),
                StageInput::Activations(numbers) => numbers.clone(),
            };
            if item.logits {
                let mut logits = vec![0.0; 64];
                logits[(item.context as usize + numbers.len() / WIDTH as usize) % 64] = 1.0;
                return Ok(logits);
            }
            let layers = f32::from(u16::try_from(item.layers.len()).unwrap());
            Ok(numbers.iter().map(|number| number + layers).collect())
        };
        items.iter().map(one).collect()
    }

    fn release(&mut self, request: u64) {
        self.released.push(request);
    }

    fn width(&self) -> u32 {
        WIDTH
    }
}

#[derive(Default)]
struct Sent(Vec<(To, Message)>);

impl Outlet for Sent {
    fn send(&mut self, to: To, message: &Message) {
        self.0.push((to, message.clone()));
    }
}

/// Machine 1 of the route 0..2, 2..4, 4..6 unless told otherwise.
fn stage(machine: u32) -> StageLoop<Adds, Sent> {
    let layers = LayerRange::new(machine * 2, machine * 2 + 2).unwrap();
    let limits = BatchLimits { tokens: 8, prefill_tokens: 8, chunk: Some(1), ..BatchLimits::UNLIMITED };
    let node = Node::new(NodeConfig {
        layers,
        batching: Batching::WholeRange,
        order: BatchOrder::DecodeFirst,
        limits,
        kv: KvConfig::Paged { blocks: 1000, block_tokens: 4, span: BlockSpan::Layer },
        stale_for: NodeConfig::STALE_FOR,
    });
    let limits = StageLimits { machine, model_layers: 6, chunk: 8, window: 16 };
    let time = Arc::new(AtomicU64::new(0));
    let clock = move || SimTime(time.fetch_add(1_000_000, Ordering::Relaxed));
    StageLoop::new(limits, node.unwrap(), (Adds::default(), Sent::default()), Box::new(clock))
}

fn open(request: u64, tokens: Vec<u32>) -> Open {
    let route = (0..3).map(|machine| RouteHop { machine, start: machine * 2, end: machine * 2 + 2 });
    Open {
        request,
        attempt: 0,
        route: route.collect(),
        sampling: Sampling::greedy(),
        max_tokens: 3,
        end_tokens: vec![63],
        tokens,
        generated: 0,
    }
}

fn run(stage: &mut StageLoop<Adds, Sent>, messages: Vec<Message>) -> Vec<(To, Message)> {
    for message in messages {
        stage.handle(StageEvent::Message(message));
    }
    while stage.step() {}
    std::mem::take(&mut stage.outlet().0)
}

fn sent_tokens(sent: &[(To, Message)]) -> u32 {
    sent.iter().map(|(_, m)| if let Message::Activations(a) = m { a.tokens } else { 0 }).sum()
}

#[test]
fn a_prompt_goes_no_further_than_the_next_machine_has_room_for() {
    let mut first = stage(0);
    let sent = run(&mut first, vec![Message::Open(open(7, vec![5; 100]))]);
    assert_eq!(sent[0], (To::Machine(1), Message::Open(open(7, vec![5; 100]))), "who it is goes first");
    assert_eq!(sent_tokens(&sent), 16, "the window");
    // Another request has a window of its own: nobody waits for a stranger.
    let sent = run(&mut first, vec![Message::Open(open(8, vec![5; 4]))]);
    assert_eq!(sent_tokens(&sent), 4);
    let mut total = 16;
    while total < 100 {
        let sent = run(&mut first, vec![Message::Credit { request: 7, attempt: 0, tokens: 8 }]);
        assert!(sent_tokens(&sent) <= 8 && sent_tokens(&sent) > 0, "{total}: {sent:?}");
        total += sent_tokens(&sent);
        let last = sent.iter().rev().find_map(|(to, message)| match message {
            Message::Activations(activations) if *to == To::Machine(1) => Some(activations),
            _ => None,
        });
        let last = last.expect("more of the prompt");
        assert_eq!(last.last, total == 100);
        assert_eq!(last.hidden[..4], 7.0f32.to_le_bytes(), "5 and two layers");
    }
    assert_eq!(total, 100);
}

fn activations(request: u64, context: u32, tokens: u32, last: bool) -> Message {
    let hidden = vec![0; (tokens * WIDTH * 4) as usize].into();
    let (attempt, decode, width) = (0, false, WIDTH);
    Message::Activations(Activations { request, attempt, decode, last, context, tokens, width, hidden })
}

#[test]
fn a_machine_in_the_middle_gives_credit_only_for_what_it_could_pass_on() {
    let mut middle = stage(1);
    let credits = |sent: &[(To, Message)]| {
        let credit = |(to, message): &(To, Message)| match message {
            Message::Credit { tokens, .. } if *to == To::Back(0) => *tokens,
            _ => 0,
        };
        sent.iter().map(credit).sum::<u32>()
    };
    let parts = (0..4).map(|part| activations(7, part * 8, 8, part == 3)).collect::<Vec<_>>();
    let sent = run(&mut middle, [vec![Message::Open(open(7, vec![5; 32]))], parts].concat());
    assert_eq!((sent_tokens(&sent), credits(&sent)), (16, 16));
    let sent = run(&mut middle, vec![Message::Credit { request: 7, attempt: 0, tokens: 16 }]);
    assert_eq!((sent_tokens(&sent), credits(&sent)), (16, 16));
}

#[test]
fn the_last_stage_sends_tokens_to_the_first_and_to_the_coordinator_until_the_answer_is_long_enough() {
    let mut last = stage(2);
    let sent = run(&mut last, vec![Message::Open(open(7, vec![5; 4])), activations(7, 0, 4, true)]);
    let token = |to, ending| {
        let found = sent.iter().find_map(|(at, m)| match m {
            Message::Sampled(sampled) if *at == to => Some(sampled.clone()),
            _ => None,
        });
        let expected =
            Sampled { request: 7, attempt: 0, context: 4, token: 4, ending, logprob: None, top: Vec::new() };
        assert_eq!(found, Some(expected));
    };
    token(To::Machine(0), Ending::Goes);
    token(To::Coordinator, Ending::Goes);
    let decode = |context| {
        let Message::Activations(mut a) = activations(7, context, 1, true) else { unreachable!("it is one") };
        a.decode = true;
        Message::Activations(a)
    };
    run(&mut last, vec![decode(4)]);
    let sent = run(&mut last, vec![decode(5)]);
    let tokens: Vec<_> = sent.iter().filter(|(_, m)| matches!(m, Message::Sampled(_))).collect();
    assert!(
        matches!(tokens[..], [(To::Coordinator, Message::Sampled(Sampled { ending: Ending::Length, .. }))]),
        "{tokens:?}"
    );
}

#[test]
fn what_was_freed_stays_dead_when_late_words_come() {
    let mut middle = stage(1);
    let free = |in_flight| Message::Free { request: 7, attempt: 0, in_flight };
    // The coordinator's word is faster than the upstream machine's.
    let sent =
        run(&mut middle, vec![free(true), Message::Open(open(7, vec![5; 8])), activations(7, 0, 8, true)]);
    assert!(!sent.iter().any(|(to, _)| matches!(to, To::Machine(_))), "{sent:?}");
    assert_eq!((middle.status().blocks_used, middle.status().requests), (0, 0));
    let again = Open { attempt: 1, ..open(7, vec![5; 8]) };
    let sent = run(&mut middle, vec![Message::Open(again), activations(7, 0, 8, true)]);
    assert_eq!(sent_tokens(&sent), 0, "activations of the old attempt");
    assert_eq!(middle.status().requests, 1);
    // They are not taken for those of the new one: ones go in, and two layers make threes of them.
    let Message::Activations(mut new) = activations(7, 0, 8, true) else { unreachable!("they are") };
    (new.attempt, new.hidden) = (1, 1.0f32.to_le_bytes().repeat(8 * WIDTH as usize).into());
    let sent = run(&mut middle, vec![Message::Activations(new)]);
    let passed = sent.iter().find_map(|(_, message)| match message {
        Message::Activations(activations) => Some(activations),
        _ => None,
    });
    assert_eq!(passed.expect("they go on").hidden[..4], 3.0f32.to_le_bytes());
    let sent = run(&mut middle, vec![Message::Free { request: 7, attempt: 1, in_flight: false }]);
    let Some((To::Coordinator, Message::Status(status))) = sent.last() else { panic!("{sent:?}") };
    assert_eq!((status.blocks_used, status.requests), (0, 0));
}

#[test]
fn one_request_that_cannot_be_computed_spoils_no_other() {
    let mut first = stage(0);
    let opens = [open(1, vec![5]), open(2, vec![13]), open(3, vec![6])].map(Message::Open).to_vec();
    let sent = run(&mut first, opens);
    let failed: Vec<_> = sent
        .iter()
        .filter_map(|(_, m)| match m {
            Message::Decided { request, decision, .. } => Some((*request, decision.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(2, Decision::Failed("13 is unlucky".to_owned()))]);
    assert_eq!(sent_tokens(&sent), 2);
}

#[test]
fn nonsense_of_a_peer_fails_its_request_only() {
    let mut middle = stage(1);
    let mut elsewhere = open(1, vec![5]);
    elsewhere.route[1] = RouteHop { machine: 1, start: 1, end: 4 };
    let mut nowhere = open(2, vec![5]);
    nowhere.route.clear();
    let Message::Activations(mut wide) = activations(3, 0, 1, true) else { unreachable!("it is one") };
    (wide.width, wide.hidden) = (3, vec![0; 12].into());
    let messages = vec![
        Message::Open(elsewhere),
        Message::Open(nowhere),
        Message::Open(open(3, vec![5])),
        Message::Activations(wide),
        activations(99, 0, 1, true),
        Message::Credit { request: 99, attempt: 0, tokens: u32::MAX },
        activations(3, u32::MAX, 1, true),
    ];
    let sent = run(&mut middle, messages);
    let failed: Vec<u64> = sent
        .iter()
        .filter_map(|(_, m)| if let Message::Decided { request, .. } = m { Some(*request) } else { None })
        .collect();
    assert_eq!(failed, [1, 2, 3, 3], "{sent:?}");
}
