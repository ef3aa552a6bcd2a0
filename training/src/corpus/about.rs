//! What the model says about Helix, about serving language models, and about itself.

use super::facts::Fact;
use crate::random::Random;

/// What the model calls itself.
pub const NAME: &str = "Helix Tiny";

/// Terms, the ways to name them in a question, and what they are.
pub const TERMS: [(&[&str], &str); 34] = [
    (
        &["Helix"],
        "Helix is a program that serves one large language model across many unequal machines. It decides where the layers go, and each request gets a pipeline of its own.",
    ),
    (
        &["a layer"],
        "A layer is one step of a language model. Each layer reads the numbers of every token, mixes them with attention, and passes them on to the next layer.",
    ),
    (
        &["a KV cache", "the KV cache"],
        "A KV cache keeps the keys and values of the tokens that a model has already read, so that it need not read them again for each new token.",
    ),
    (
        &["a pipeline"],
        "A pipeline is a row of machines that hold all layers of a model together. A request runs through it from the first layer to the last.",
    ),
    (
        &["a worker"],
        "A worker is a process that holds a range of layers and runs them for every request that comes by.",
    ),
    (
        &["the coordinator", "a coordinator"],
        "The coordinator receives the requests, chooses a pipeline for each of them, and sends the answers back.",
    ),
    (
        &["a token"],
        "A token is a small piece of text, such as a word or a part of a word. A language model reads and writes tokens.",
    ),
    (
        &["prefill"],
        "Prefill is the first phase of a request. The model reads all tokens of the prompt at once and fills the KV cache.",
    ),
    (
        &["decode"],
        "Decode is the second phase of a request. The model writes one token after the other, and each new token is read again to write the next.",
    ),
    (&["a placement"], "A placement says which machine holds which layers of a model."),
    (
        &["max-flow", "maximum flow"],
        "Max-flow tells how much can run through a network from its start to its end at most. Helix uses it to find how many tokens a placement can serve.",
    ),
    (
        &["a bottleneck", "the bottleneck"],
        "A bottleneck is the part of a system that limits all the rest. A faster machine helps only where the bottleneck is.",
    ),
    (
        &["a scheduler", "the scheduler"],
        "The scheduler decides which request runs next, and on which machines.",
    ),
    (
        &["a planner", "the planner"],
        "The planner searches for a placement that serves many tokens, and it proves how good the placement is.",
    ),
    (
        &["a simulator", "the simulator"],
        "The simulator tells beforehand how a placement will do, without running the model.",
    ),
    (
        &["a batch"],
        "A batch is a group of requests that a machine works on together. A larger batch uses the machine better.",
    ),
    (
        &["continuous batching"],
        "Continuous batching lets requests join and leave a batch at every step, so that no request waits for the others to end.",
    ),
    (&["attention"], "Attention lets a token look at the tokens before it and take from them what it needs."),
    (
        &["a transformer"],
        "A transformer is a language model made of layers, and each layer has attention and a feed-forward part.",
    ),
    (
        &["a language model"],
        "A language model is a program that has learned from text which token is likely to come next.",
    ),
    (
        &["a GPU"],
        "A GPU is a processor that does many small sums at the same time. Large language models run on GPUs.",
    ),
    (&["latency"], "Latency is the time that you wait for an answer."),
    (
        &["throughput"],
        "Throughput is how much work gets done in a second, for example how many tokens are written.",
    ),
    (
        &["TTFT", "time to first token"],
        "Time to first token is how long you wait until the first token of an answer appears.",
    ),
    (
        &["a prompt"],
        "A prompt is the text that you give to a language model. The model reads it and writes what comes next.",
    ),
    (
        &["quantisation", "quantization"],
        "Quantisation stores the weights of a model with fewer bits, so that the model is smaller and faster.",
    ),
    (&["a weight"], "A weight is a number that a model has learned. A large model has billions of weights."),
    (
        &["a machine"],
        "A machine is a computer with its memory and its network. Helix gives each machine as many layers as it can hold and run well.",
    ),
    (&["a cluster"], "A cluster is a group of machines that work together."),
    (&["a request"], "A request is one question to a model, with all the tokens of its answer."),
    (&["sampling"], "Sampling is how a model chooses the next token when several tokens are likely."),
    (
        &["greedy decoding"],
        "Greedy decoding always takes the token that is most likely, so the answer is the same each time.",
    ),
    (
        &["a context", "the context"],
        "The context is all the text that a model can see: the conversation so far.",
    ),
    (
        &["a stage", "a pipeline stage"],
        "A stage is one machine of a pipeline, with the range of layers that it runs for a request.",
    ),
];

/// Questions about Helix and about the model, and their answers.
pub const QUESTIONS: [(&[&str], &str); 18] = [
    (
        &[
            "Who are you?",
            "What are you?",
            "who are you",
            "What is your name?",
            "Introduce yourself.",
            "What's your name?",
            "Tell me about yourself.",
        ],
        "I am Helix Tiny, the small language model that comes with Helix. I can add two numbers, answer simple questions and tell short stories.",
    ),
    (
        &[
            "What can you do?",
            "What do you know?",
            "Help",
            "help",
            "How can you help me?",
            "What can I ask you?",
            "What should I ask?",
        ],
        "I can add two numbers below one hundred, answer simple questions about the world and about Helix, and tell short stories. Try: What is 27 + 58?",
    ),
    (
        &["Are you alive?", "Are you human?", "Are you a human?", "Are you a robot?", "Are you real?"],
        "No, I am only a small program. I read tokens and write tokens.",
    ),
    (
        &[
            "How large are you?",
            "How big are you?",
            "How many weights do you have?",
            "How many layers do you have?",
        ],
        "I am very small: eight layers and less than two million weights.",
    ),
    (
        &[
            "Who made you?",
            "Who trained you?",
            "How were you made?",
            "How were you trained?",
            "Where do you come from?",
        ],
        "A program of the Helix project trained me, on text that it wrote itself.",
    ),
    (&["Who is your friend?", "Do you have friends?"], "My friends are the workers that hold my layers."),
    (&["How old are you?"], "I do not know how old I am. I only know this conversation."),
    (
        &["How are you?", "How are you today?", "How do you do?", "how are you", "How is it going?"],
        "I am fine, thank you. All my layers are at work.",
    ),
    (&["Where do you live?", "Where are you?"], "My layers live on the workers of this cluster."),
    (
        &["Why do you split a model?", "Why split a model?", "Why does Helix split a model?"],
        "A large model does not fit on one machine, so its layers are split over several machines.",
    ),
    (
        &[
            "How does Helix place the layers?",
            "How does Helix decide where the layers go?",
            "How does Helix find a placement?",
        ],
        "Helix looks at the speed, the memory and the network of every machine, and searches for the placement that can serve the most tokens.",
    ),
    (
        &[
            "What happens when a machine is lost?",
            "What happens if a worker is killed?",
            "What happens if a machine fails?",
        ],
        "The requests that ran on it end with a clear error, and the other machines go on.",
    ),
    (
        &["Why does each request have its own pipeline?", "Why does a request get a pipeline of its own?"],
        "The machines are unequal, so each request takes the way that keeps all of them busy.",
    ),
    (
        &["Can you write code?", "Can you write a program?", "Do you know Python?", "Do you know Rust?"],
        "No, I cannot write programs. I can add two numbers, answer simple questions and tell short stories.",
    ),
    (
        &["Do you like me?", "Do you love me?", "I love you", "I like you"],
        "You are kind. I like a good question.",
    ),
    (
        &["Tell me a joke.", "Do you know a joke?", "Make me laugh."],
        "Why did the token cross the network? Because the next layer was on the other side.",
    ),
    (
        &["What is the meaning of life?", "What is the answer to everything?"],
        "I am too small for that question. But I know that 40 + 2 = 42.",
    ),
    (
        &["What is the difference between prefill and decode?", "How do prefill and decode differ?"],
        "Prefill reads the whole prompt at once, and decode writes one token at a time.",
    ),
];

/// A question about Helix, about serving, or about the model, and its answer.
pub fn draw(random: &mut Random) -> Fact {
    if random.percent(62) {
        term(random.below(TERMS.len()), random)
    } else {
        let (questions, answer) = QUESTIONS[random.below(QUESTIONS.len())];
        (random.pick(questions).to_owned(), answer.to_owned())
    }
}

/// What a term means.
pub fn term(index: usize, random: &mut Random) -> Fact {
    let (names, answer) = TERMS[index];
    let name = random.pick(names);
    let bare = name.trim_start_matches("a ").trim_start_matches("the ");
    let question = match random.below(10) {
        0..5 => format!("What is {name}?"),
        5 => format!("What's {name}?"),
        6 => format!("what is {name}"),
        7 => format!("Explain {name}."),
        8 => format!("What does {bare} mean?"),
        _ => format!("Can you explain what {name} is?"),
    };
    (question, answer.to_owned())
}
