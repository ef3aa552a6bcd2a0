//! What a worker keeps of a request: its way, what waits to be computed, and how its tokens are chosen.

use std::collections::VecDeque;

use helix_engine::{History, SampleError, SamplingParameters, sample};
use helix_scheduler::Work;
use helix_spec::LayerRange;

use super::executor::StageInput;
use crate::wire::{Ending, Open, RouteHop, Sampled};

/// Inputs that came in one piece.
#[derive(Debug)]
struct Segment {
    context: u32,
    tokens: u32,
    input: StageInput,
}

/// A request at one worker.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) open: Open,
    /// Its place on the way.
    pub(super) hop: usize,
    segments: VecDeque<Segment>,
    /// Parts of the prompt that wait until the next machine has taken in what it has.
    pub(super) held: VecDeque<Work>,
    /// Tokens of the prompt that are computed here or by the next machine and not taken in by it yet.
    pub(super) outstanding: u32,
    chooser: Option<Chooser>,
}

/// Chooses tokens, at the last stage.
#[derive(Debug)]
struct Chooser {
    parameters: SamplingParameters,
    history: History,
    generated: u32,
}

impl Resident {
    /// The route must have a hop of that number.
    pub(super) fn new(open: Open, hop: usize) -> Self {
        let chooser = (hop + 1 == open.route.len()).then(|| Chooser::new(&open));
        Self { open, hop, segments: VecDeque::new(), held: VecDeque::new(), outstanding: 0, chooser }
    }

    pub(super) fn attempt(&self) -> u32 {
        self.open.attempt
    }

    /// What it runs here; checked when it came.
    pub(super) fn layers(&self) -> Option<LayerRange> {
        self.open.route.get(self.hop).and_then(|hop| LayerRange::new(hop.start, hop.end))
    }

    pub(super) fn next(&self) -> Option<RouteHop> {
        self.open.route.get(self.hop + 1).copied()
    }

    pub(super) fn previous(&self) -> Option<RouteHop> {
        self.hop.checked_sub(1).and_then(|hop| self.open.route.get(hop)).copied()
    }

    pub(super) fn first(&self) -> Option<RouteHop> {
        self.open.route.first().copied()
    }

    pub(super) fn put(&mut self, context: u32, tokens: u32, input: StageInput) {
        self.segments.push_back(Segment { context, tokens, input });
    }

    /// The inputs of work that runs now, in the order in which they came; `None` if they are not what is next.
    pub(super) fn take(&mut self, work: &Work, width: usize) -> Option<StageInput> {
        let mut found: Option<StageInput> = None;
        let (mut context, mut missing) = (work.context, work.tokens);
        while missing > 0 {
            let segment = self.segments.front_mut()?;
            if segment.context != context {
                return None;
            }
            let part = segment.tokens.min(missing);
            append(&mut found, segment.input.split_to(part as usize, width));
            (segment.context, segment.tokens) = (context + part, segment.tokens - part);
            (context, missing) = (context + part, missing - part);
            if segment.tokens == 0 {
                self.segments.pop_front();
            }
        }
        found
    }

    /// Chooses the token after `work` from its logits.
    pub(super) fn choose(&mut self, work: &Work, logits: &[f32]) -> Result<Sampled, SampleError> {
        let context = work.context + work.tokens;
        let chooser = self.chooser.get_or_insert_with(|| Chooser::new(&self.open));
        let drawn = sample(&chooser.parameters, &chooser.history, context.into(), logits)?;
        chooser.history.push(drawn.token);
        chooser.generated += 1;
        let ending = if self.open.end_tokens.contains(&drawn.token) {
            Ending::EndToken
        } else if chooser.generated >= self.open.max_tokens {
            Ending::Length
        } else {
            Ending::Goes
        };
        Ok(Sampled {
            request: self.open.request,
            attempt: self.open.attempt,
            context,
            token: drawn.token,
            ending,
            logprob: drawn.logprob,
            top: drawn.top.iter().map(|candidate| (candidate.token, candidate.logprob)).collect(),
        })
    }
}

impl Chooser {
    fn new(open: &Open) -> Self {
        let given = open.tokens.len().saturating_sub(open.generated as usize);
        let (prompt, generated) = open.tokens.split_at(given);
        let mut history = History::new(prompt);
        for &token in generated {
            history.push(token);
        }
        let sampling = &open.sampling;
        let parameters = SamplingParameters {
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            presence_penalty: sampling.presence_penalty,
            frequency_penalty: sampling.frequency_penalty,
            repetition_penalty: sampling.repetition_penalty,
            logit_bias: sampling.logit_bias.clone(),
            // The coordinator sets one for every request.
            seed: sampling.seed.unwrap_or_default(),
            logprobs: sampling.logprobs.map(u32::from),
        };
        Self { parameters, history, generated: open.generated }
    }
}

impl StageInput {
    /// The first `tokens` tokens; the others stay.
    fn split_to(&mut self, tokens: usize, width: usize) -> Self {
        fn front<T: Clone>(items: &mut Vec<T>, count: usize) -> Vec<T> {
            if count >= items.len() {
                return std::mem::take(items);
            }
            let rest = items.split_off(count);
            std::mem::replace(items, rest)
        }
        match self {
            Self::Tokens(items) => Self::Tokens(front(items, tokens)),
            Self::Activations(numbers) => Self::Activations(front(numbers, tokens * width)),
        }
    }
}

fn append(found: &mut Option<StageInput>, more: StageInput) {
    match (found.as_mut(), more) {
        (Some(StageInput::Tokens(all)), StageInput::Tokens(more)) => all.extend(more),
        (Some(StageInput::Activations(all)), StageInput::Activations(more)) => all.extend(more),
        (_, more) => *found = Some(more),
    }
}
