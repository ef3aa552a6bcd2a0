//! An answer piece by piece: server-sent events, as a body that reads the running answers when the client takes more.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use helix_runtime::service::{Finish, GenerationEvent, Token};
use http_body::Frame;
use serde::Serialize;
use tokio::time::{Instant, Sleep};

use super::logprobs::{ChatLogprobs, TextLogprobs};
use super::wire::{Answer, ChatChunk, Delta, TextChoice, UsageField, finish_word};
use super::{Form, Head};
use crate::ApiError;
use crate::choices::Choices;

/// Events that are there at once go out together, up to this size \[bytes\].
const FRAME_BYTES: usize = 16 << 10;

/// The body of a streamed answer. Dropping it cancels what still runs.
#[derive(Debug)]
pub struct Events {
    head: Head,
    /// `None` when nothing follows.
    choices: Option<Choices>,
    /// Characters before the next token of each answer.
    offsets: Vec<usize>,
    begun: bool,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    written: BytesMut,
}

impl Events {
    /// Streams `choices`, with a comment after each `keep_alive` of silence.
    pub fn new(head: Head, choices: Choices, keep_alive: Duration) -> Self {
        let offsets = (0..choices.len()).map(|index| head.begins_with(index).chars().count()).collect();
        let silence = Box::pin(tokio::time::sleep(keep_alive));
        let written = BytesMut::new();
        Self { head, choices: Some(choices), offsets, begun: false, keep_alive, silence, written }
    }

    fn begin(&mut self, count: usize) {
        self.begun = true;
        for index in 0..count {
            match self.head.form {
                Form::Chat => {
                    let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
                    self.chat(ChatChunk { index, delta, logprobs: None, finish_reason: None });
                }
                Form::Completion if self.head.begins_with(index).is_empty() => {}
                Form::Completion => {
                    let text = self.head.begins_with(index).to_owned();
                    self.text(TextChoice { index, text, logprobs: None, finish_reason: None });
                }
            }
        }
    }

    fn event(&mut self, index: usize, event: GenerationEvent) {
        match event {
            GenerationEvent::Token(token) => self.token(index, token),
            GenerationEvent::Finished(finish) => self.finish(index, finish),
            GenerationEvent::Failed(error) => {
                // No `[DONE]` behind it: this answer is not done.
                self.put(&ApiError::broken_off(&error).json());
                self.choices = None;
            }
        }
    }

    fn token(&mut self, index: usize, token: Token) {
        let (text, wanted) = (self.head.service.text(), self.head.logprobs);
        match self.head.form {
            Form::Chat => {
                let logprobs = wanted.then(|| ChatLogprobs::of(&token, text)).flatten();
                if token.text.is_empty() && logprobs.is_none() {
                    return;
                }
                let delta = Delta { role: None, content: Some(token.text) };
                self.chat(ChatChunk { index, delta, logprobs, finish_reason: None });
            }
            Form::Completion => {
                let offset = &mut self.offsets[index];
                let logprobs = wanted.then(|| TextLogprobs::of(&token, text, offset)).flatten();
                if token.text.is_empty() && logprobs.is_none() {
                    return;
                }
                self.text(TextChoice { index, text: token.text, logprobs, finish_reason: None });
            }
        }
    }

    fn finish(&mut self, index: usize, finish: Finish) {
        let mut text = finish.text;
        if self.head.keep_stop_text {
            text.push_str(finish.stop_text.as_deref().unwrap_or_default());
        }
        let finish_reason = Some(finish_word(finish.reason));
        match self.head.form {
            Form::Chat => {
                if !text.is_empty() {
                    let delta = Delta { role: None, content: Some(text) };
                    self.chat(ChatChunk { index, delta, logprobs: None, finish_reason: None });
                }
                self.chat(ChatChunk { index, delta: Delta::default(), logprobs: None, finish_reason });
            }
            Form::Completion => self.text(TextChoice { index, text, logprobs: None, finish_reason }),
        }
    }

    fn end(&mut self, choices: &Choices) {
        if self.head.include_usage {
            let usage = UsageField::Known(choices.usage().into());
            match self.head.form {
                Form::Chat => self.chunk::<ChatChunk>("chat.completion.chunk", &[], usage),
                Form::Completion => self.chunk::<TextChoice>("text_completion", &[], usage),
            }
        }
        self.put(b"[DONE]");
    }

    fn chat(&mut self, choice: ChatChunk) {
        self.chunk("chat.completion.chunk", &[choice], self.no_usage());
    }

    fn text(&mut self, choice: TextChoice) {
        self.chunk("text_completion", &[choice], self.no_usage());
    }

    fn no_usage(&self) -> UsageField {
        if self.head.include_usage { UsageField::Null } else { UsageField::Absent }
    }

    fn chunk<C: Serialize>(&mut self, object: &'static str, choices: &[C], usage: UsageField) {
        let (id, created) = (&self.head.id, self.head.created);
        let model = &self.head.service.model().name;
        let answer = Answer { id, object, created, model, choices, usage };
        let json = serde_json::to_vec(&answer).expect("keys are strings and numbers are finite");
        self.put(&json);
    }

    fn put(&mut self, data: &[u8]) {
        self.written.put_slice(b"data: ");
        self.written.put_slice(data);
        self.written.put_slice(b"\n\n");
    }

    /// Writes what is there, until it waits or has enough.
    fn fill(&mut self, context: &mut Context<'_>) {
        while let Some(mut choices) = self.choices.take() {
            if !self.begun {
                self.begin(choices.len());
            }
            if self.written.len() >= FRAME_BYTES {
                self.choices = Some(choices);
                return;
            }
            match choices.poll_next(context) {
                Poll::Ready(Some((index, event))) => {
                    let failed = matches!(event, GenerationEvent::Failed(_));
                    self.event(index, event);
                    self.choices = (!failed).then_some(choices);
                }
                Poll::Ready(None) => self.end(&choices),
                Poll::Pending => {
                    self.choices = Some(choices);
                    return;
                }
            }
        }
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.fill(context);
        if self.written.is_empty() {
            if self.choices.is_none() {
                return Poll::Ready(None);
            }
            if self.silence.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.written.put_slice(b": still working\n\n");
        }
        let next = Instant::now() + self.keep_alive;
        self.silence.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(self.written.split().freeze()))))
    }
}
