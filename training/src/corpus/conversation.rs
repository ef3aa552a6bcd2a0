//! Conversations: turns drawn from everything the model learns, some of which refer to the turns before.

use super::facts::{CAPITALS, Fact};
use super::{Sum, about, facts, stories, talk};
use crate::random::Random;

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What the user says.
    pub user: String,
    /// What the model answers.
    pub assistant: String,
}

/// What the turn before was about, for follow-up questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Nothing,
    Sum,
    Capital,
    Story,
}

/// A conversation without end; take as many turns as fit.
#[derive(Debug)]
pub struct Conversation {
    random: Random,
    topic: Topic,
    name: Option<String>,
}

const SYSTEM_PROMPTS: [&str; 8] = [
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are Helix Tiny, a small and friendly model.",
    "You are an AI assistant.",
    "Answer the question.",
    "Be brief.",
    "You are a friendly chatbot. Answer shortly.",
    "You are a helpful, respectful and honest assistant.",
];

impl Conversation {
    /// A conversation that depends on the random numbers alone.
    pub fn new(random: Random) -> Conversation {
        Conversation { random, topic: Topic::Nothing, name: None }
    }

    /// What the operator says before the first turn, in one conversation of seven.
    pub fn system_prompt(&mut self) -> Option<&'static str> {
        self.random.percent(14).then(|| self.random.pick(&SYSTEM_PROMPTS))
    }

    /// The next turn.
    pub fn next_turn(&mut self) -> Turn {
        let (question, answer) = self.draw();
        Turn { user: roughened(question, &mut self.random), assistant: answer }
    }

    fn draw(&mut self) -> Fact {
        if self.random.percent(25)
            && let Some(fact) = self.follow_up()
        {
            return fact;
        }
        let random = &mut self.random;
        self.topic = Topic::Nothing;
        match random.below(100) {
            0..36 => {
                self.topic = Topic::Sum;
                let sum = Sum::draw(random);
                (sum.question_in(random), sum.answer())
            }
            36..44 => {
                self.topic = Topic::Capital;
                facts::capital(random.below(CAPITALS.len()), random)
            }
            44..62 => facts::draw(random),
            62..77 => about::draw(random),
            77..85 => {
                self.topic = Topic::Story;
                stories::draw(random)
            }
            85..90 => talk::draw(random),
            90..92 => {
                let (fact, name) = talk::introduction(random);
                self.name = Some(name);
                fact
            }
            92 => talk::recall(self.name.as_deref(), random),
            _ => talk::unknown(random),
        }
    }

    fn follow_up(&mut self) -> Option<Fact> {
        let random = &mut self.random;
        if self.name.is_some() && random.percent(30) {
            return Some(talk::recall(self.name.as_deref(), random));
        }
        match self.topic {
            Topic::Nothing => None,
            Topic::Sum => {
                let sum = Sum::draw(random);
                let asked = ["And", "and", "Now", "What about"];
                Some((format!("{} {} + {}?", random.pick(&asked), sum.a, sum.b), sum.answer()))
            }
            Topic::Capital => {
                let (country, city) = CAPITALS[random.below(CAPITALS.len())];
                let asked = ["And of", "And", "What about", "and of"];
                let question = format!("{} {country}?", random.pick(&asked));
                Some((question, facts::capital_answer(country, city)))
            }
            Topic::Story => Some(stories::another(random)),
        }
    }
}

/// The question as people type it: sometimes without capitals, without its last mark, or with a few words before it.
fn roughened(question: String, random: &mut Random) -> String {
    match random.below(30) {
        0 | 1 => question.trim_end_matches(['?', '.', '!']).to_owned(),
        2 => question.to_lowercase(),
        3 => question.to_lowercase().trim_end_matches(['?', '.', '!']).to_owned(),
        4 => format!("Hello! {question}"),
        5 => format!("{question} Thanks!"),
        6 => format!("Please tell me: {question}"),
        _ => question,
    }
}
