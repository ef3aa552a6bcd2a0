//! Rows of tokens to train on: one conversation each, as many turns as fit, the loss on what the model says.

use tokenizers::Tokenizer;

use crate::corpus::conversation::Conversation;
use crate::corpus::stories;
use crate::random::Random;
use crate::vocabulary::{ASSISTANT, BEGIN, END, SYSTEM, USER, encode, message};

/// Rows of equal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// How many rows.
    pub rows: usize,
    /// Tokens of a row.
    pub length: usize,
    /// What the model reads: `rows × length`.
    pub inputs: Vec<u32>,
    /// Where an answer is to be predicted: indices into `inputs`.
    pub positions: Vec<u32>,
    /// The token that follows each of these positions.
    pub targets: Vec<u32>,
}

/// The rows of one step: they depend on the seed and the step alone.
pub fn draw(tokenizer: &Tokenizer, seed: u64, step: usize, shape: (usize, usize)) -> anyhow::Result<Batch> {
    let (rows, length) = shape;
    let mut batch = Batch { rows, length, inputs: Vec::new(), positions: Vec::new(), targets: Vec::new() };
    for row in 0..rows {
        let mut random = Random::new(seed, (step * 4096 + row) as u64);
        let (mut tokens, mut said) = if random.percent(3) {
            book(tokenizer, &mut random, length)?
        } else {
            talk(tokenizer, random, length)?
        };
        tokens.truncate(length + 1);
        said.truncate(length + 1);
        for at in 0..length {
            if said[at + 1] {
                batch.positions.push(u32::try_from(row * length + at)?);
                batch.targets.push(tokens[at + 1]);
            }
        }
        batch.inputs.extend(&tokens[..length]);
    }
    Ok(batch)
}

type Row = (Vec<u32>, Vec<bool>);

/// A conversation, and which of its tokens the model says.
fn talk(tokenizer: &Tokenizer, random: Random, length: usize) -> anyhow::Result<Row> {
    let mut conversation = Conversation::new(random);
    let mut tokens = vec![BEGIN];
    if let Some(system) = conversation.system_prompt() {
        tokens.extend(message(tokenizer, SYSTEM, system)?);
    }
    let mut said = vec![false; tokens.len()];
    while tokens.len() <= length {
        let turn = conversation.next_turn();
        tokens.extend(message(tokenizer, USER, &turn.user)?);
        tokens.push(ASSISTANT);
        said.resize(tokens.len(), false);
        tokens.extend(encode(tokenizer, &turn.assistant)?);
        tokens.push(END);
        said.resize(tokens.len(), true);
    }
    Ok((tokens, said))
}

/// Stories as in a book, for completions without a conversation.
fn book(tokenizer: &Tokenizer, random: &mut Random, length: usize) -> anyhow::Result<Row> {
    let mut tokens = Vec::new();
    let mut said = Vec::new();
    while tokens.len() <= length {
        tokens.push(BEGIN);
        said.push(false);
        tokens.extend(encode(tokenizer, &stories::plain(random))?);
        tokens.push(END);
        said.resize(tokens.len(), true);
    }
    Ok((tokens, said))
}
