//! The answer to one request: tokens with their text, then the end.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;

use super::handle::{RawEvent, RawToken, Slot};
use super::text::{Detokenizer, Step, TextModel};

/// A token that was considered, with its log-probability.
#[derive(Debug, Clone, PartialEq)]
pub struct TopLogprob {
    /// Its id.
    pub id: u32,
    /// Its text alone.
    pub text: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
}

/// A generated token.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Text that became certain with it: may be empty, while a character is incomplete or a stop text may begin.
    pub text: String,
    /// Its own log-probability, where asked for.
    pub logprob: Option<f32>,
    /// The most probable tokens at this place, where asked for.
    pub top: Vec<TopLogprob>,
}

/// Why an answer ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a stop text or token came.
    Stop,
    /// It reached its length.
    Length,
}

/// Tokens that a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: u32,
    /// Of the answer, the one that ended it included.
    pub completion_tokens: u32,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// Text that had been held back and belongs to the answer.
    pub text: String,
    /// The stop text that ended it.
    pub stop_text: Option<String>,
    /// What it took.
    pub usage: Usage,
}

/// Why an answer broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// A machine of its pipeline is gone.
    #[error("worker {machine} was lost while it served this request; send the request again")]
    WorkerLost {
        /// The machine's name.
        machine: String,
    },
    /// Its deadline passed.
    #[error("the request was not done within its deadline")]
    Deadline,
    /// No machine came free for it in time, or the queue is full.
    #[error("the request could not be placed: {0}")]
    NotPlaced(String),
    /// The service is ending.
    #[error("the service is shutting down")]
    ShuttingDown,
    /// A machine could not compute it.
    #[error("worker {machine} failed: {reason}")]
    WorkerFailed {
        /// The machine's name.
        machine: String,
        /// In its words.
        reason: String,
    },
}

/// What a stream gives.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerationEvent {
    /// The next token.
    Token(Token),
    /// The end; nothing follows.
    Finished(Finish),
    /// It broke off; nothing follows.
    Failed(GenerationError),
}

/// The answer to one request. Dropping it before its end cancels the request on every machine.
#[derive(Debug)]
pub struct GenerationStream {
    events: mpsc::UnboundedReceiver<RawEvent>,
    detokenizer: Detokenizer,
    text: Arc<TextModel>,
    usage: Usage,
    seed: u64,
    done: bool,
    _slot: Slot,
}

impl GenerationStream {
    pub(super) fn new(
        events: mpsc::UnboundedReceiver<RawEvent>,
        slot: Slot,
        detokenizer: Detokenizer,
        (prompt_tokens, seed): (u32, u64),
    ) -> Self {
        let text = detokenizer.model();
        let usage = Usage { prompt_tokens, completion_tokens: 0 };
        Self { events, detokenizer, text, usage, seed, done: false, _slot: slot }
    }

    /// The seed that was used.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next event; `None` after `Finished` or `Failed`.
    pub async fn next(&mut self) -> Option<GenerationEvent> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// [`Self::next`] for whoever reads several streams at once.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<GenerationEvent>> {
        if self.done {
            return Poll::Ready(None);
        }
        let event = match ready!(self.events.poll_recv(context)) {
            Some(RawEvent::Token(token)) => self.token(&token),
            Some(RawEvent::Finished { reason, end_token }) => {
                self.usage.completion_tokens += u32::from(end_token.is_some());
                let Step { text, stopped_by: stop_text } = self.detokenizer.finish();
                let reason = if stop_text.is_some() { FinishReason::Stop } else { reason };
                GenerationEvent::Finished(Finish { reason, text, stop_text, usage: self.usage })
            }
            Some(RawEvent::Failed(error)) => GenerationEvent::Failed(error),
            None => GenerationEvent::Failed(GenerationError::ShuttingDown),
        };
        self.done = !matches!(event, GenerationEvent::Token(_));
        if self.done {
            // Nothing more is wanted: a stop text ends the request on every machine, too.
            self.events.close();
        }
        Poll::Ready(Some(event))
    }

    fn token(&mut self, raw: &RawToken) -> GenerationEvent {
        self.usage.completion_tokens += 1;
        let step = self.detokenizer.push(raw.id);
        if let Some(stop_text) = step.stopped_by {
            let usage = self.usage;
            let finish =
                Finish { reason: FinishReason::Stop, text: step.text, stop_text: Some(stop_text), usage };
            return GenerationEvent::Finished(finish);
        }
        let top =
            raw.top.iter().map(|&(id, logprob)| TopLogprob { id, text: self.text.token_text(id), logprob });
        GenerationEvent::Token(Token {
            id: raw.id,
            text: step.text,
            logprob: raw.logprob,
            top: top.collect(),
        })
    }
}
