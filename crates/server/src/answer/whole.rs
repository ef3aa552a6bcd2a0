//! A whole answer, when everything is there.

use helix_runtime::service::{Finish, GenerationEvent, TextModel, Token};
use serde::Serialize;

use super::logprobs::{ChatLogprobs, TextLogprobs};
use super::wire::{Answer, ChatChoice, Message, TextChoice, UsageField, finish_word};
use super::{Form, Head};
use crate::ApiError;
use crate::choices::Choices;

#[derive(Default)]
struct Gathered {
    text: String,
    chat: ChatLogprobs,
    plain: TextLogprobs,
    offset: usize,
    finish_reason: Option<&'static str>,
}

impl Gathered {
    fn token(&mut self, head: &Head, text: &TextModel, token: &Token) {
        self.text.push_str(&token.text);
        // A token without a log-probability adds none.
        let _ = match (head.logprobs, head.form) {
            (false, _) => None,
            (true, Form::Chat) => self.chat.push(token, text),
            (true, Form::Completion) => self.plain.push(token, text, &mut self.offset),
        };
    }

    fn finish(&mut self, head: &Head, finish: &Finish) {
        self.text.push_str(&finish.text);
        if head.keep_stop_text {
            self.text.push_str(finish.stop_text.as_deref().unwrap_or_default());
        }
        self.finish_reason = Some(finish_word(finish.reason));
    }
}

/// Waits for the end of all answers, and writes them; an answer that breaks off cancels the others.
pub async fn whole(head: &Head, mut choices: Choices) -> Result<Vec<u8>, ApiError> {
    let mut gathered: Vec<Gathered> = (0..choices.len())
        .map(|index| Gathered { text: head.begins_with(index).to_owned(), ..Gathered::default() })
        .collect();
    while let Some((index, event)) = choices.next().await {
        match event {
            GenerationEvent::Token(token) => gathered[index].token(head, head.service.text(), &token),
            GenerationEvent::Finished(finish) => gathered[index].finish(head, &finish),
            GenerationEvent::Failed(error) => return Err(ApiError::broken_off(&error)),
        }
    }
    let usage = UsageField::Known(choices.usage().into());
    let gathered = gathered.into_iter().enumerate();
    match head.form {
        Form::Chat => {
            let choice = |(index, one): (usize, Gathered)| ChatChoice {
                index,
                message: Message { role: "assistant", content: one.text },
                logprobs: head.logprobs.then_some(one.chat),
                finish_reason: one.finish_reason.unwrap_or("stop"),
            };
            write(head, "chat.completion", &gathered.map(choice).collect::<Vec<_>>(), usage)
        }
        Form::Completion => {
            let choice = |(index, one): (usize, Gathered)| TextChoice {
                index,
                text: one.text,
                logprobs: head.logprobs.then_some(one.plain),
                finish_reason: one.finish_reason,
            };
            write(head, "text_completion", &gathered.map(choice).collect::<Vec<_>>(), usage)
        }
    }
}

fn write<C: Serialize>(
    head: &Head,
    object: &'static str,
    choices: &[C],
    usage: UsageField,
) -> Result<Vec<u8>, ApiError> {
    let model = &head.service.model().name;
    let answer = Answer { id: &head.id, object, created: head.created, model, choices, usage };
    serde_json::to_vec(&answer)
        .map_err(|error| ApiError::internal(format!("the answer cannot be written: {error}")))
}
