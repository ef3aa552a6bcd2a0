//! The answers that one request asked for, read as one stream of events.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use helix_runtime::service::{GenerateRequest, GenerationEvent, GenerationStream, Usage};

use crate::ApiError;
use crate::metrics::Watch;
use crate::request::Shared;
use crate::router::App;

/// Running answers; dropped, they are cancelled.
#[derive(Debug)]
pub struct Choices {
    streams: Vec<GenerationStream>,
    /// Measure each answer.
    watches: Vec<Watch>,
    done: Vec<bool>,
    /// Where the next look begins, so that no answer waits for another.
    turn: usize,
    /// An event that was looked at and not given out yet.
    first: Option<(usize, GenerationEvent)>,
    /// Tokens of all prompts, each counted once.
    prompt_tokens: u32,
    completion_tokens: u32,
}

impl Choices {
    /// Submits every prompt `n` times: the answers to the first prompt come first.
    pub fn submit(app: &App, shared: &Shared, prompts: Vec<Vec<u32>>, param: &str) -> Result<Self, ApiError> {
        let App { service, options, metrics, .. } = app;
        let wanted = prompts.len().saturating_mul(shared.n as usize);
        if wanted > options.max_choices {
            let limit = options.max_choices;
            let message =
                format!("{wanted} answers are asked for (prompts × n), allowed: {limit} a request at most");
            return Err(ApiError::parameter("n", message));
        }
        let (mut streams, mut watches) = (Vec::with_capacity(wanted), Vec::with_capacity(wanted));
        let mut prompt_tokens = 0u32;
        for prompt in prompts {
            prompt_tokens = prompt_tokens.saturating_add(u32::try_from(prompt.len()).unwrap_or(u32::MAX));
            for index in 0..shared.n {
                let mut sampling = shared.sampling.clone();
                // With one seed, all n answers would be the same.
                sampling.seed = sampling.seed.map(|seed| seed.wrapping_add(index.into()));
                let request = GenerateRequest {
                    prompt: prompt.clone(),
                    sampling,
                    max_tokens: shared.max_tokens,
                    stop: shared.stop.clone(),
                    deadline: Some(options.request_timeout),
                };
                // An error drops the streams before this one, and cancels them.
                streams.push(service.submit(request).map_err(|error| ApiError::not_taken(&error, param))?);
                watches.push(metrics.watch());
            }
        }
        let done = vec![false; streams.len()];
        Ok(Self { streams, watches, done, turn: 0, first: None, prompt_tokens, completion_tokens: 0 })
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// What has been used so far; whole after the end.
    pub fn usage(&self) -> Usage {
        Usage { prompt_tokens: self.prompt_tokens, completion_tokens: self.completion_tokens }
    }

    /// Looks at the first event, for at most `limit`: an answer that fails at once is no answer.
    pub async fn peek(&mut self, limit: Duration) -> Result<(), ApiError> {
        let first = tokio::time::timeout(limit, self.next()).await;
        match first {
            Ok(Some((_, GenerationEvent::Failed(error)))) => Err(ApiError::broken_off(&error)),
            Ok(first) => {
                self.first = first;
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// The next event and the answer that it belongs to; `None` when all have ended.
    pub async fn next(&mut self) -> Option<(usize, GenerationEvent)> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// [`Self::next`] for a body.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, GenerationEvent)>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let count = self.streams.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if self.done[index] {
                continue;
            }
            match self.streams[index].poll_next(context) {
                Poll::Ready(Some(event)) => {
                    self.watches[index].see(&event);
                    self.turn = index + 1;
                    if let GenerationEvent::Finished(finish) = &event {
                        let tokens = finish.usage.completion_tokens;
                        self.completion_tokens = self.completion_tokens.saturating_add(tokens);
                    }
                    return Poll::Ready(Some((index, event)));
                }
                Poll::Ready(None) => self.done[index] = true,
                Poll::Pending => {}
            }
        }
        if self.done.iter().all(|done| *done) { Poll::Ready(None) } else { Poll::Pending }
    }
}
