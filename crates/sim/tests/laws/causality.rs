//! Time does not go back, nothing arrives before it left, and no request is faster than an idle cluster lets it be.

use helix_scheduler::coordinator::Outcome;
use helix_sim::{Policy, Record, Settings};
use helix_spec::{Bandwidth, SimTime, TraceRequest};
use proptest::prelude::*;

use super::worlds::{MILLISECOND, SECOND, World, all_settings, online};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    #[test]
    fn causes_come_before_effects(gap in 1u64..300, seed in 1u32..1000) {
        for settings in all_settings(true) {
            let world = World::new(2, 2, 60_000);
            let request = |index: u64| TraceRequest {
                arrival: SimTime(index * gap * MILLISECOND),
                input: 1 + (seed * (u32::try_from(index).unwrap() + 7)) % 300,
                output: 1 + seed % 20,
            };
            let mut clock = SimTime::ZERO;
            let mut ended = 0;
            // Two machines of four layers, weights read in each: 2 ms a layer at least, three links of 1 ms.
            let least = (8 * 2 + 3) * MILLISECOND;
            world.run(&settings, online((0..40).map(request).collect()), Vec::new(), |record| match record {
                Record::Event { time, .. } => {
                    assert!(*time >= clock);
                    clock = *time;
                }
                Record::Transfer { start, end, .. } => assert!(end.0 - start.0 >= MILLISECOND),
                Record::Batch { start, end, batch, .. } => {
                    assert!(end.0 - start.0 >= u64::from(batch.layers.len()) * 2 * MILLISECOND);
                }
                Record::Request(request) => {
                    ended += u32::from(request.outcome == Outcome::Finished);
                    let passes = u64::from(request.output_tokens);
                    assert!(request.ended.0 - request.arrived.0 >= passes * least, "{request:?}");
                }
            });
            prop_assert!(ended > 0 && clock > SimTime::ZERO);
        }
    }
}

/// Shorter parts of a prompt do not overtake longer ones: its first token comes when all of it has travelled.
#[test]
fn a_prompt_in_parts_is_through_when_all_of_it_is() {
    for policy in [Policy::MixedFlow, Policy::Swarm] {
        let mut settings = Settings::serving(policy, true, 30.0);
        settings.window.duration = SimTime(1000 * SECOND);
        let mut world = World::new(1, 1, 60_000);
        world.set_bandwidth(Bandwidth(10_000_000));
        let request = TraceRequest { arrival: SimTime::ZERO, input: 2048 + 1520, output: 5 };
        // Others come meanwhile, whose parts take turns with those of the first.
        let other = |second| TraceRequest { arrival: SimTime(second * SECOND), input: 2200, output: 3 };
        let mut first_tokens = Vec::new();
        let requests = [request, other(1), other(2)].to_vec();
        world.run(&settings, online(requests), Vec::new(), |record| {
            if let Record::Request(request) = record {
                let took = SimTime(request.first_token.unwrap().0 - request.arrived.0);
                first_tokens.push((request.request, request.prompt_tokens, took));
            }
        });
        first_tokens.sort();
        let mut tokens = 0;
        for (request, prompt, took) in first_tokens {
            tokens += u64::from(prompt);
            // 8192 bytes a token, between the stages.
            let least = SimTime::from_seconds(f64::from(prompt) * 8192.0 * 8.0 / 10e6).unwrap();
            assert!(took >= least, "{policy:?}, {request:?}: {took:?} of at least {least:?}");
        }
        assert_eq!(tokens, 3568 + 2 * 2200);
    }
}

/// Tokens pass prompts on a link, also those that one batch sends with a part of a prompt.
#[test]
fn no_token_waits_for_a_prompt_on_a_link() {
    let mut settings = Settings::serving(Policy::MixedFlow, true, 30.0);
    settings.window.duration = SimTime(1000 * SECOND);
    let mut world = World::new(1, 1, 60_000);
    world.set_bandwidth(Bandwidth(10_000_000));
    let short = TraceRequest { arrival: SimTime::ZERO, input: 10, output: 100 };
    // 8192 bytes a token between the stages: a part of 2,047 tokens takes 13 s.
    let long = TraceRequest { arrival: SimTime(SECOND / 2), input: 6000, output: 2 };
    let mut took = Vec::new();
    world.run(&settings, online([short, long].to_vec()), Vec::new(), |record| {
        if let Record::Request(request) = record {
            took.push((request.output_tokens, SimTime(request.ended.0 - request.first_token.unwrap().0)));
        }
    });
    took.sort();
    let [(2, _), (100, tokens)] = took[..] else { panic!("{took:?}") };
    assert!(tokens < SimTime(10 * SECOND), "{tokens:?} for 99 tokens");
}
