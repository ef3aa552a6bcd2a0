//! A token gets the same bits however layers are split, prompts are cut, and batches are mixed; on all instructions and
//! any number of threads.

mod support;

use helix_engine::backends::cpu::{Float, Isa};
use helix_engine::{Input, Item, LogitsOf, Output, RequestId, Stage, WeightFormat};
use proptest::prelude::*;
use support::{MODELS, golden, range, run_whole, stage, with_isa};

const FORMATS: [WeightFormat; 2] = [WeightFormat::Full, WeightFormat::Q8_0];

/// A request on its way through a row of stages.
struct Journey<'a, T> {
    request: RequestId,
    tokens: &'a [u32],
    /// Tokens of each chunk, in order.
    chunks: Vec<usize>,
    done: usize,
    /// Next stage and what goes into it; at stage 0 the tokens.
    stage: usize,
    carried: Vec<T>,
    logits: Vec<T>,
}

impl<'a, T: Float> Journey<'a, T> {
    fn new(request: u64, tokens: &'a [u32], chunks: &[usize]) -> Self {
        let mut left = tokens.len();
        let mut own = Vec::new();
        for &chunk in chunks.iter().cycle() {
            if left == 0 {
                break;
            }
            own.push(chunk.min(left));
            left -= chunk.min(left);
        }
        let request = RequestId(request);
        Self { request, tokens, chunks: own, done: 0, stage: 0, carried: Vec::new(), logits: Vec::new() }
    }

    fn item(&self, stage: &Stage<T>) -> Option<Item<'_, T>> {
        let chunk = *self.chunks.first()?;
        let input = if self.stage == 0 {
            Input::Tokens(&self.tokens[self.done..self.done + chunk])
        } else {
            Input::Activations(&self.carried)
        };
        let (request, position, layers) = (self.request, self.done, stage.layers());
        Some(Item { request, position, layers, input, logits: LogitsOf::All })
    }

    fn take(&mut self, output: Output<T>) {
        match output {
            Output::Activations(numbers) => {
                self.carried = numbers;
                self.stage += 1;
            }
            Output::Logits(mut logits) => {
                self.logits.append(&mut logits);
                self.done += self.chunks.remove(0);
                self.stage = 0;
            }
        }
    }
}

/// Lets all journeys go through the stages; `turns` says who goes along in a step.
fn travel<T: Float>(stages: &mut [Stage<T>], journeys: &mut [Journey<'_, T>], turns: &[u8]) {
    let mut turn = turns.iter().cycle();
    while journeys.iter().any(|journey| !journey.chunks.is_empty()) {
        let mask = turn.next().copied().unwrap_or(u8::MAX);
        for (index, stage) in stages.iter_mut().enumerate() {
            let mut who: Vec<usize> = (0..journeys.len())
                .filter(|&j| journeys[j].stage == index && !journeys[j].chunks.is_empty())
                .collect();
            let chosen: Vec<usize> = who.iter().copied().filter(|j| mask >> (j % 8) & 1 == 1).collect();
            if !chosen.is_empty() {
                who = chosen;
            }
            let items: Vec<_> = who.iter().filter_map(|&j| journeys[j].item(stage)).collect();
            let outputs = stage.forward(&items).unwrap();
            for (j, output) in who.into_iter().zip(outputs) {
                journeys[j].take(output);
            }
        }
    }
}

fn check<T: Float>(model: &str, format: WeightFormat, cuts: &[u32], chunks: &[Vec<usize>], turns: &[u8]) {
    let golden = golden(model);
    let mut whole = stage::<T>(model, 0..3, format);
    let prompts: Vec<&[u32]> = (0..chunks.len()).map(|request| &golden.tokens[request * 3..]).collect();
    let mut bounds = vec![0];
    bounds.extend(cuts);
    bounds.push(3);
    let mut stages: Vec<Stage<T>> =
        bounds.windows(2).map(|pair| stage(model, pair[0]..pair[1], format)).collect();
    let mut journeys: Vec<_> = (0_u64..)
        .zip(&prompts)
        .zip(chunks)
        .map(|((request, prompt), chunks)| Journey::new(request, prompt, chunks))
        .collect();
    travel(&mut stages, &mut journeys, turns);
    for (journey, prompt) in journeys.iter().zip(&prompts) {
        let alone = run_whole(&mut whole, prompt, LogitsOf::All);
        assert!(journey.logits == alone, "{model} {format:?}: request {:?} differs", journey.request);
        for stage in &mut stages {
            stage.release(journey.request);
        }
    }
    assert!(stages.iter().all(|stage| stage.cache_use().used == 0), "a block leaked");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn splits_chunks_and_batches_do_not_change_a_bit(
        model in prop::sample::select(&MODELS[..]),
        format in prop::sample::select(&FORMATS[..]),
        cuts in prop::sample::subsequence(vec![1, 2], 0..=2),
        chunks in prop::collection::vec(prop::collection::vec(1_usize..24, 1..4), 1..5),
        turns in prop::collection::vec(any::<u8>(), 1..6),
    ) {
        check::<f32>(model, format, &cuts, &chunks, &turns);
        check::<f64>(model, WeightFormat::Full, &cuts, &chunks, &turns);
    }
}

#[test]
fn instructions_and_threads_do_not_change_a_bit() {
    for model in MODELS {
        let tokens = golden(model).tokens;
        for format in FORMATS {
            let expected = run_whole(&mut stage::<f32>(model, 0..3, format), &tokens, LogitsOf::All);
            for isa in Isa::available() {
                for threads in [1, 3] {
                    let mut stage = with_isa::<f32>(model, format, isa, threads);
                    let found = run_whole(&mut stage, &tokens, LogitsOf::All);
                    assert!(found == expected, "{model} {format:?} {isa:?} {threads}");
                }
            }
        }
    }
}

/// A request may use a part of a stage's layers, beside others that use all of them.
#[test]
fn items_enter_and_leave_at_different_layers() {
    for model in MODELS {
        let tokens = golden(model).tokens;
        let mut whole = stage::<f32>(model, 0..3, WeightFormat::Q8_0);
        let expected = run_whole(&mut whole, &tokens, LogitsOf::All);
        let mut first = stage::<f32>(model, 0..2, WeightFormat::Q8_0);
        let mut second = stage::<f32>(model, 1..3, WeightFormat::Q8_0);
        let (a, b) = (RequestId(1), RequestId(2));
        let enter = |request, layers| Item {
            request,
            position: 0,
            layers,
            input: Input::Tokens(&tokens),
            logits: LogitsOf::All,
        };
        // a takes layers 0..1 here and 1..3 there, b takes 0..2 and 2..3.
        let middle = first.forward(&[enter(a, range(0..1)), enter(b, range(0..2))]).unwrap();
        let [Output::Activations(of_a), Output::Activations(of_b)] = &middle[..] else {
            panic!("{middle:?}")
        };
        let go_on = |request, layers, numbers| Item {
            request,
            position: 0,
            layers,
            input: Input::Activations(numbers),
            logits: LogitsOf::All,
        };
        let last = second.forward(&[go_on(b, range(2..3), of_b), go_on(a, range(1..3), of_a)]).unwrap();
        for output in last {
            assert!(output == Output::Logits(expected.clone()), "{model}");
        }
        assert_eq!(first.cached_tokens(a, 1), 0);
        assert_eq!(second.cached_tokens(b, 1), 0);
    }
}
