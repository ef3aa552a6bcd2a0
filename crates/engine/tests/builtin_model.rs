//! The built-in model (`models/tiny`) on the engine: sums that training never saw, facts, and a conversation.
//!
//! Every answer is decoded greedily in a batch with others, token by token, through the paged cache, so an error of the
//! cache, of the positions or of the attention shows as a wrong sum.

mod support;

use std::path::{Path, PathBuf};

use helix_engine::backends::cpu::Float;
use helix_engine::{
    ChatTemplate, Input, Item, LogitsOf, Message, Output, RequestId, Stage, StageOptions, Tokenizer,
    WeightFormat,
};
use support::range;

/// Longest answer that is waited for \[tokens\].
const LONGEST: usize = 300;

struct Tiny<T> {
    stage: Stage<T>,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    end: u32,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny")
}

impl<T: Float> Tiny<T> {
    fn load(weights: WeightFormat) -> Self {
        let options = StageOptions { weights, threads: 1, cache_blocks: 6000, isa: None };
        let tokenizer = Tokenizer::from_folder(&folder()).unwrap();
        Self {
            stage: Stage::load(&folder(), range(0..8), &options).unwrap(),
            end: tokenizer.token("<|end|>").unwrap(),
            template: ChatTemplate::from_folder(&folder()).unwrap().unwrap(),
            tokenizer,
        }
    }

    fn prompt(&self, messages: &[Message]) -> Vec<u32> {
        let text = self.template.render(messages, true).unwrap();
        self.tokenizer.encode(&text, false).unwrap()
    }

    /// One step of the batch: the likeliest token after each request's new tokens.
    fn step(&mut self, fed: &[(usize, usize, Vec<u32>)]) -> Vec<u32> {
        let layers = self.stage.layers();
        let items: Vec<_> = fed
            .iter()
            .map(|(request, position, tokens)| Item {
                request: RequestId(*request as u64),
                position: *position,
                layers,
                input: Input::Tokens(tokens),
                logits: LogitsOf::Last,
            })
            .collect();
        self.stage.forward(&items).unwrap().iter().map(likeliest).collect()
    }

    /// Greedy answers to all conversations at once, as text.
    fn answers(&mut self, conversations: &[Vec<Message>]) -> Vec<String> {
        let mut fed: Vec<_> = conversations
            .iter()
            .map(|messages| self.prompt(messages))
            .enumerate()
            .map(|(r, p)| (r, 0, p))
            .collect();
        let mut said = vec![Vec::new(); conversations.len()];
        while !fed.is_empty() {
            let next = self.step(&fed);
            let mut going_on = Vec::new();
            for ((request, position, tokens), token) in fed.into_iter().zip(next) {
                if token == self.end || said[request].len() == LONGEST {
                    self.stage.release(RequestId(request as u64));
                } else {
                    said[request].push(token);
                    going_on.push((request, position + tokens.len(), vec![token]));
                }
            }
            fed = going_on;
        }
        assert_eq!(self.stage.cache_use().used, 0, "a block leaked");
        said.iter().map(|tokens| self.tokenizer.decode(tokens).unwrap()).collect()
    }
}

fn likeliest<T: Float>(output: &Output<T>) -> u32 {
    let Output::Logits(logits) = output else { panic!("logits were asked for") };
    let best = (0..logits.len()).max_by(|a, b| logits[*a].get().total_cmp(&logits[*b].get())).unwrap();
    u32::try_from(best).unwrap()
}

fn user(text: &str) -> Message {
    Message { role: "user".to_owned(), content: text.to_owned() }
}

fn assistant(text: &str) -> Message {
    Message { role: "assistant".to_owned(), content: text.to_owned() }
}

/// The rule of `models/tiny/README.md`.
fn held_out(a: u32, b: u32) -> bool {
    (a.min(b) + 3 * a.max(b)) % 11 == 7
}

/// Asks every `every`th sum that training never saw; gives how many end with the right sum, and how many were asked.
fn right_sums<T: Float>(weights: WeightFormat, every: usize) -> (usize, usize) {
    let mut tiny = Tiny::<T>::load(weights);
    let pairs = (10..100).flat_map(|a| (10..100).map(move |b| (a, b)));
    let asked: Vec<_> = pairs.filter(|&(a, b)| held_out(a, b)).step_by(every).collect();
    let mut right = 0;
    for some in asked.chunks(32) {
        let questions: Vec<_> =
            some.iter().map(|(a, b)| vec![user(&format!("What is {a} + {b}?"))]).collect();
        for (answer, (a, b)) in tiny.answers(&questions).iter().zip(some) {
            if answer.ends_with(&format!(" {a} + {b} = {}.", a + b)) {
                right += 1;
            } else {
                println!("{a} + {b}: {answer}");
            }
        }
    }
    (right, asked.len())
}

fn assert_sums<T: Float>(weights: WeightFormat, every: usize) {
    let (right, asked) = right_sums::<T>(weights, every);
    println!("{weights:?}: {right} of {asked} held-out sums");
    assert!(right * 100 >= asked * 95, "{weights:?}: {right} of {asked} are less than 95 %");
}

#[test]
fn a_sample_of_sums_that_training_never_saw_is_right() {
    assert_sums::<f32>(WeightFormat::Q8_0, 17);
    assert_sums::<f32>(WeightFormat::Full, 29);
}

#[test]
#[ignore = "all 737 sums in both formats; run with --release -- --ignored"]
fn at_least_95_of_100_sums_that_training_never_saw_are_right() {
    assert_sums::<f32>(WeightFormat::Q8_0, 1);
    assert_sums::<f32>(WeightFormat::Full, 1);
}

#[test]
fn facts_and_questions_that_follow_on_are_answered() {
    let mut tiny = Tiny::<f32>::load(WeightFormat::Q8_0);
    let conversations = [
        (vec![user("What is the capital of France?")], "The capital of France is Paris."),
        (vec![user("What is the opposite of hot?")], "The opposite of hot is cold."),
        (vec![user("What colour is grass?")], "Grass is green."),
        (vec![user("What day comes after Monday?")], "Tuesday comes after Monday."),
        (
            vec![
                user("Hello"),
                assistant("Hello! I am Helix Tiny. Ask me for a sum, a fact or a story."),
                user("What is 27 + 58?"),
                assistant("Ones: 7 + 8 = 15. Tens: 2 + 5 + 1 = 8. So 27 + 58 = 85."),
                user("And 44 + 93?"),
            ],
            "Ones: 4 + 3 = 7. Tens: 4 + 9 = 13. So 44 + 93 = 137.",
        ),
    ];
    let asked: Vec<_> = conversations.iter().map(|(messages, _)| messages.clone()).collect();
    let expected: Vec<_> = conversations.iter().map(|(_, answer)| (*answer).to_owned()).collect();
    assert_eq!(tiny.answers(&asked), expected);
}

#[test]
fn the_chat_template_gives_the_tokens_of_training_and_refuses_other_roles() {
    let tiny = Tiny::<f32>::load(WeightFormat::Q8_0);
    let said = [
        Message { role: "system".to_owned(), content: "Be brief.".to_owned() },
        user(" 7+5 "),
        assistant("7 + 5 = 12."),
        user("Thanks"),
    ];
    let text = tiny.template.render(&said, true).unwrap();
    let expected = "<|begin|><|system|>Be brief.<|end|><|user|>7+5<|end|><|assistant|>7 + 5 = 12.<|end|>\
                    <|user|>Thanks<|end|><|assistant|>";
    assert_eq!(text, expected);
    let tokens = tiny.tokenizer.encode(&text, false).unwrap();
    assert_eq!((tokens[0], tokens.last().copied()), (0, Some(4)));
    let tool = Message { role: "tool".to_owned(), content: String::new() };
    assert!(tiny.template.render(&[tool], true).is_err());
}
