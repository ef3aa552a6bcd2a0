//! Greetings, thanks, names, and what the model does not know.

use super::facts::Fact;
use super::stories::NAMES;
use crate::random::Random;

const SMALL_TALK: [(&[&str], &str); 9] = [
    (
        &[
            "Hello",
            "Hello!",
            "hello",
            "Hi",
            "Hi!",
            "hi",
            "Hey",
            "Hey!",
            "Hi there!",
            "Hello there!",
            "Greetings!",
            "hello!",
        ],
        "Hello! I am Helix Tiny. Ask me for a sum, a fact or a story.",
    ),
    (&["Good morning!", "Good morning", "good morning"], "Good morning! What would you like to know?"),
    (&["Good evening!", "Good evening", "Good night!"], "Good evening! What would you like to know?"),
    (&["Good afternoon!", "Good day!", "Good afternoon"], "Good day! What would you like to know?"),
    (
        &[
            "Thanks",
            "Thanks!",
            "Thank you",
            "Thank you!",
            "thanks",
            "thank you",
            "Thank you very much!",
            "Thanks a lot!",
        ],
        "You are welcome!",
    ),
    (
        &["Bye", "Bye!", "Goodbye", "Goodbye!", "bye", "See you!", "Good bye!", "See you later."],
        "Goodbye! Come back soon.",
    ),
    (
        &[
            "Great!",
            "Nice!",
            "Cool",
            "Well done!",
            "That is right.",
            "Correct!",
            "Very good!",
            "Good.",
            "Wow!",
            "ok",
            "OK",
            "Okay",
            "I see.",
        ],
        "I am glad. What would you like to know next?",
    ),
    (
        &["That is wrong.", "Wrong!", "No", "That is not right.", "Are you sure?"],
        "I am sorry. I am a very small model, and I can be wrong.",
    ),
    (&["Yes", "yes", "Yes!", "Yes, please.", "Sure"], "Good. Ask me for a sum, a fact or a story."),
];

/// What the model answers when it cannot know.
pub const UNKNOWN: &str = "I don't know. I am a very small model. Ask me for a sum, a fact or a story.";

/// What the model answers when it is asked to calculate anything else than a sum of two small numbers.
pub const ONLY_SUMS: &str = "I can only add two numbers below one hundred.";

/// Questions that the model cannot answer; `#` stands for any word.
const UNANSWERABLE: [&str; 42] = [
    "Who won the # last year?",
    "What is the price of #?",
    "How much does # cost?",
    "Who wrote #?",
    "When was # built?",
    "Write a program that can #.",
    "Translate # into German.",
    "Translate # into French.",
    "What is the weather in #?",
    "Will it rain tomorrow in #?",
    "Who is the president of #?",
    "Who is #?",
    "How do I cook #?",
    "How can I repair #?",
    "Where can I buy #?",
    "What is the best #?",
    "How far is it to #?",
    "When was # born?",
    "How many people live in #?",
    "Why is # so #?",
    "What do you think about #?",
    "Can you recommend #?",
    "Summarise # for me.",
    "What time is it in #?",
    "Which # is better, # or #?",
    "What is the meaning of #?",
    "Write an essay about #.",
    "Give me a recipe for #.",
    "Who invented #?",
    "What is the history of #?",
    "How does # work?",
    "How old is #?",
    "Show me a picture of #.",
    "What happened in # in #?",
    "Please spell #.",
    "What is the square root of #?",
    "How tall is #?",
    "Do you know #?",
    "Is # larger than #?",
    "Who painted #?",
    "#",
    "# #",
];

/// Words that fill the questions above, where no invented word does.
const WORDS: [&str; 60] = [
    "football",
    "the Eiffel Tower",
    "bread",
    "Napoleon",
    "Shakespeare",
    "London",
    "a computer",
    "New York",
    "chess",
    "physics",
    "Hamburg",
    "the moon landing",
    "1998",
    "2024",
    "pizza",
    "a bicycle",
    "the stock market",
    "Bitcoin",
    "Einstein",
    "Mozart",
    "the Mona Lisa",
    "chemistry",
    "a rocket",
    "swimming",
    "the Nile",
    "tea",
    "coffee",
    "a house",
    "philosophy",
    "the Roman Empire",
    "Mars",
    "Saturn",
    "Python",
    "JavaScript",
    "a phone",
    "the internet",
    "salt",
    "jazz",
    "poetry",
    "a mountain",
    "the president",
    "Harry Potter",
    "electricity",
    "a car",
    "my homework",
    "quantum mechanics",
    "dinosaurs",
    "the World Cup",
    "Mount Everest",
    "the king",
    "a sandwich",
    "noodles",
    "soup",
    "Tesla",
    "Google",
    "democracy",
    "glass",
    "wood",
    "the alphabet",
    "an email",
];

const SYLLABLES: [&str; 48] = [
    "bla", "zor", "mi", "ku", "tran", "vel", "po", "ri", "gan", "sto", "fle", "du", "ner", "qua", "xi", "lo",
    "bren", "ta", "shu", "vo", "pel", "kri", "mon", "dra", "ja", "wi", "sca", "thu", "ble", "gri", "ho",
    "fen", "lu", "cor", "zi", "pra", "nu", "est", "ing", "er", "ous", "ment", "tion", "al", "ist", "den",
    "war", "yo",
];

/// A word that does not exist.
pub fn invented(random: &mut Random) -> String {
    let mut word = String::new();
    for _ in 0..random.between(2, 3) {
        word.push_str(random.pick(&SYLLABLES));
    }
    word
}

/// A greeting, a thank-you, or another short remark.
pub fn draw(random: &mut Random) -> Fact {
    let (said, answer) = SMALL_TALK[if random.percent(40) { 0 } else { random.below(SMALL_TALK.len()) }];
    (random.pick(said).to_owned(), answer.to_owned())
}

/// The user gives a name: what is said, what is answered, and the name.
pub fn introduction(random: &mut Random) -> (Fact, String) {
    let name = any_name(random);
    let said = match random.below(6) {
        0 | 1 => format!("My name is {name}."),
        2 => format!("I am {name}."),
        3 => format!("Hello, my name is {name}."),
        4 => format!("Hi, I am {name}!"),
        _ => format!("my name is {name}"),
    };
    ((said, format!("Nice to meet you, {name}! What would you like to know?")), name)
}

/// The user asks for the name given before, or has given none.
pub fn recall(name: Option<&str>, random: &mut Random) -> Fact {
    let asked = [
        "What is my name?",
        "Who am I?",
        "Do you know my name?",
        "what is my name",
        "Do you remember my name?",
    ];
    let answer = name.map_or_else(
        || "I don't know your name. What is it?".to_owned(),
        |name| format!("Your name is {name}."),
    );
    (random.pick(&asked).to_owned(), answer)
}

fn any_name(random: &mut Random) -> String {
    if random.percent(60) {
        let (name, _) = NAMES[random.below(NAMES.len())];
        name.to_owned()
    } else {
        super::facts::capitalised(&invented(random))
    }
}

/// A question that the model cannot answer, and its admission.
pub fn unknown(random: &mut Random) -> Fact {
    match random.below(12) {
        0 => {
            let place = super::facts::capitalised(&invented(random));
            (format!("What is the capital of {place}?"), UNKNOWN.to_owned())
        }
        1 => (format!("What is the opposite of {}?", invented(random)), UNKNOWN.to_owned()),
        2 => (format!("What is {}?", filler(random)), UNKNOWN.to_owned()),
        3 | 4 => (beyond_sums(random), ONLY_SUMS.to_owned()),
        _ => {
            let mut question = String::new();
            for (at, part) in random.pick(&UNANSWERABLE).split('#').enumerate() {
                if at > 0 {
                    question.push_str(&filler(random));
                }
                question.push_str(part);
            }
            (question, UNKNOWN.to_owned())
        }
    }
}

fn filler(random: &mut Random) -> String {
    match random.below(10) {
        0..5 => random.pick(&WORDS).to_owned(),
        5..9 => invented(random),
        _ => format!("{} {}", invented(random), invented(random)),
    }
}

fn beyond_sums(random: &mut Random) -> String {
    let (a, b, c) = (random.between(2, 99), random.between(2, 99), random.between(100, 9999));
    match random.below(9) {
        0 => format!("What is {a} - {b}?"),
        1 => format!("What is {a} * {b}?"),
        2 => format!("What is {a} times {b}?"),
        3 => format!("What is {a} / {b}?"),
        4 => format!("What is {a} minus {b}?"),
        5 => format!("What is {c} + {a}?"),
        6 => format!("What is {a} + {c}?"),
        7 => format!("What is {c} + {}?", random.between(100, 9999)),
        _ => format!("What is {a} divided by {b}?"),
    }
}
