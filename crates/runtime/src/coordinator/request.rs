//! A request in progress as the coordinator knows it.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::service::{EventSender, FinishReason, GenerateRequest, GenerationError, RawToken};
use crate::wire::{Ending, Open, RouteHop, Sampled};

/// A request that has not ended.
#[derive(Debug)]
pub(super) struct Active {
    request: GenerateRequest,
    events: EventSender,
    end_tokens: Vec<u32>,
    pub(super) attempt: u32,
    pub(super) route: Vec<RouteHop>,
    generated: Vec<u32>,
    ending: Option<(FinishReason, Option<u32>)>,
    pub(super) arrived: Instant,
    pub(super) first_token: Option<Instant>,
    /// All that came back, the one that ended it included.
    pub(super) tokens: usize,
    /// Why it is being ended, where the scheduler alone does not know.
    pub(super) failure: Option<GenerationError>,
    /// Dropped with this: then nobody waits any more for the client to go.
    _watch: oneshot::Sender<()>,
}

impl Active {
    pub(super) fn new(
        request: GenerateRequest,
        events: EventSender,
        model_end_tokens: &[u32],
        watch: oneshot::Sender<()>,
    ) -> Self {
        let mut end_tokens = request.stop.tokens.clone();
        if !request.stop.ignore_eos {
            end_tokens.extend(model_end_tokens);
        }
        Self {
            request,
            events,
            end_tokens,
            attempt: 0,
            route: Vec::new(),
            generated: Vec::new(),
            ending: None,
            arrived: Instant::now(),
            first_token: None,
            tokens: 0,
            failure: None,
            _watch: watch,
        }
    }

    pub(super) fn prompt_tokens(&self) -> usize {
        self.request.prompt.len()
    }

    /// What its machines must know.
    pub(super) fn open(&self, id: u64) -> Open {
        Open {
            request: id,
            attempt: self.attempt,
            route: self.route.clone(),
            sampling: self.request.sampling.clone(),
            // The service sets it; a request without would end at once instead of never.
            max_tokens: self.request.max_tokens.unwrap_or(1),
            end_tokens: self.end_tokens.clone(),
            tokens: [&self.request.prompt[..], &self.generated[..]].concat(),
            generated: u32::try_from(self.generated.len()).unwrap_or(u32::MAX),
        }
    }

    /// A token came; whether it is the last.
    pub(super) fn take(&mut self, sampled: Sampled) -> bool {
        let Sampled { token, ending, logprob, top, .. } = sampled;
        self.first_token.get_or_insert_with(Instant::now);
        self.tokens += 1;
        if ending == Ending::EndToken {
            self.ending = Some((FinishReason::Stop, Some(token)));
            return true;
        }
        self.generated.push(token);
        // A client that is gone is noticed elsewhere.
        let _ = self.events.token(RawToken { id: token, logprob, top });
        if ending == Ending::Length {
            self.ending = Some((FinishReason::Length, None));
        }
        ending == Ending::Length
    }

    /// Whether it ended as it should.
    pub(super) fn is_good(&self) -> bool {
        self.failure.is_none() && self.ending.is_some()
    }

    /// Tells the client the end. Whether it is a good one.
    pub(super) fn end(self, otherwise: GenerationError) -> bool {
        let good = self.is_good();
        let _ = match (self.failure, self.ending) {
            (None, Some((reason, end_token))) => self.events.finish(reason, end_token),
            (failure, _) => self.events.fail(failure.unwrap_or(otherwise)),
        };
        good
    }
}
