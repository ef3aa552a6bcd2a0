//! Many streams at a time, for a while: every answer must be the one that the model gives alone.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::stream;
use crate::up::Up;

/// A request and, once it is known, its answer.
pub struct Question {
    pub path: &'static str,
    pub body: String,
}

/// Greedy requests of many lengths: chats that the model knows, and texts that go on to their length.
pub fn questions() -> Vec<Question> {
    let options = |extra: Value| {
        let mut body = json!({"temperature": 0, "stream": true, "stream_options": {"include_usage": true}});
        let all = body.as_object_mut().unwrap();
        all.extend(extra.as_object().unwrap().clone());
        body.to_string()
    };
    let chat = |text: String| {
        let messages = json!([{"role": "user", "content": text}]);
        Question {
            path: "/v1/chat/completions",
            body: options(json!({"messages": messages, "max_tokens": 80})),
        }
    };
    let text = |words: usize, tokens: u32| {
        let prompt = "One day a small boat sailed over the lake. ".repeat(words);
        let body = options(json!({"prompt": prompt, "max_tokens": tokens, "ignore_eos": true}));
        Question { path: "/v1/completions", body }
    };
    let sums = (0..8).map(|n| chat(format!("What is {} plus {}?", 11 + 7 * n, 13 + 5 * n)));
    let known =
        ["What is the capital of France?", "Tell me a short story."].map(|words| chat(words.to_owned()));
    let texts =
        [(1, 16), (2, 60), (4, 30), (8, 12), (12, 40), (20, 8)].map(|(words, tokens)| text(words, tokens));
    sums.chain(known).chain(texts).collect()
}

/// Each question once, one after the other.
pub fn alone(up: &Up, questions: &[Question]) -> Vec<String> {
    let answer =
        |question: &Question| stream(up, question.path, &question.body).expect("it is answered").text;
    questions.iter().map(answer).collect()
}

/// What came of a load.
#[derive(Default)]
pub struct Figures {
    pub requests: u64,
    pub tokens: u64,
    pub first_ms: Vec<f64>,
    pub whole_ms: Vec<f64>,
    /// In words; empty when all went well.
    pub wrong: Vec<String>,
}

/// `streams` clients ask until the time is over.
pub fn load(
    up: &Up,
    streams: usize,
    time: Duration,
    (questions, answers): (&[Question], &[String]),
) -> Figures {
    let (figures, until) = (Mutex::new(Figures::default()), Instant::now() + time);
    let client = |client: usize| {
        let mut turn = client * 5;
        while Instant::now() < until {
            let which = turn % questions.len();
            turn += 1;
            let found = stream(up, questions[which].path, &questions[which].body);
            let mut figures = figures.lock().unwrap();
            match found {
                Err(error) => figures.wrong.push(format!("question {which}: {error}")),
                Ok(found) if found.text != answers[which] => {
                    figures
                        .wrong
                        .push(format!("question {which}: {:?} instead of {:?}", found.text, answers[which]));
                }
                Ok(found) => {
                    figures.requests += 1;
                    figures.tokens += found.tokens;
                    figures.first_ms.push(found.first.as_secs_f64() * 1e3);
                    figures.whole_ms.push(found.whole.as_secs_f64() * 1e3);
                }
            }
            if figures.wrong.len() > 20 {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for index in 0..streams {
            scope.spawn(move || client(index));
        }
    });
    figures.into_inner().unwrap()
}

impl Figures {
    /// In one line.
    pub fn words(&self, time: Duration) -> String {
        // The value that so many percent are not above.
        let at = |times: &[f64], percent: usize| {
            let mut sorted = times.to_vec();
            sorted.sort_by(f64::total_cmp);
            let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().unwrap_or(f64::NAN)
        };
        format!(
            "{} requests, {} tokens, {:.0} tokens/s; first text after {:.0} ms (median), {:.0} ms (p99); whole answer after \
             {:.0} ms (median), {:.0} ms (p99)",
            self.requests,
            self.tokens,
            self.tokens as f64 / time.as_secs_f64(),
            at(&self.first_ms, 50),
            at(&self.first_ms, 99),
            at(&self.whole_ms, 50),
            at(&self.whole_ms, 99),
        )
    }
}
