//! How good the model is: sums and facts that it must answer word by word.
//!
//! An answer counts when greedy decoding gives exactly the right text and then ends. Instead of decoding token by token
//! this asks whether, with the right answer before it, each next token is the likeliest; the two are the same.

use tokenizers::Tokenizer;

use crate::corpus::Sum;
use crate::model::Model;
use crate::random::Random;
use crate::vocabulary::{ASSISTANT, BEGIN, END, USER, encode, message};

/// Right answers of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Answered word by word as the corpus does.
    pub right: usize,
    /// Asked.
    pub of: usize,
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = 100.0 * self.right as f64 / self.of.max(1) as f64;
        write!(f, "{} of {} ({share:.2} %)", self.right, self.of)
    }
}

/// Which of the questions greedy decoding answers exactly so.
pub fn exactly(
    model: &Model,
    tokenizer: &Tokenizer,
    asked: &[(String, String)],
) -> anyhow::Result<Vec<bool>> {
    let mut right = Vec::with_capacity(asked.len());
    for chunk in asked.chunks(32) {
        right.extend(chunk_exactly(model, tokenizer, chunk)?);
    }
    Ok(right)
}

fn chunk_exactly(
    model: &Model,
    tokenizer: &Tokenizer,
    asked: &[(String, String)],
) -> anyhow::Result<Vec<bool>> {
    let mut rows = Vec::new();
    for (question, answer) in asked {
        let mut row = vec![BEGIN];
        row.extend(message(tokenizer, USER, question)?);
        row.push(ASSISTANT);
        let prompt = row.len();
        row.extend(encode(tokenizer, answer)?);
        row.push(END);
        rows.push((row, prompt));
    }
    let length = rows.iter().map(|(row, _)| row.len()).max().unwrap_or_default();
    let (mut inputs, mut positions, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (row, prompt)) in rows.iter().enumerate() {
        inputs.extend(row.iter().copied().chain(std::iter::repeat_n(END, length - row.len())));
        for at in prompt - 1..row.len() - 1 {
            positions.push(u32::try_from(index * length + at)?);
            expected.push((index, row[at + 1]));
        }
    }
    let likeliest = model.logits(&inputs, rows.len(), &positions)?.argmax(1)?.to_vec1::<u32>()?;
    let mut right = vec![true; rows.len()];
    for ((row, token), found) in expected.into_iter().zip(likeliest) {
        right[row] &= token == found;
    }
    Ok(right)
}

/// Every `every`th of the sums that training never saw.
pub fn held_out_sums(model: &Model, tokenizer: &Tokenizer, every: usize) -> anyhow::Result<Score> {
    let sums = Sum::all_held_out();
    let asked: Vec<_> = sums.iter().step_by(every).map(|sum| (sum.question(), sum.answer())).collect();
    score(model, tokenizer, &asked)
}

/// Facts, explanations and remarks drawn from their part of the corpus.
pub fn drawn(
    model: &Model,
    tokenizer: &Tokenizer,
    count: usize,
    draw: fn(&mut Random) -> (String, String),
) -> anyhow::Result<Score> {
    let mut random = Random::new(77, 1 << 61);
    let asked: Vec<_> = (0..count).map(|_| draw(&mut random)).collect();
    score(model, tokenizer, &asked)
}

fn score(model: &Model, tokenizer: &Tokenizer, asked: &[(String, String)]) -> anyhow::Result<Score> {
    let right = exactly(model, tokenizer, asked)?;
    Ok(Score { right: right.iter().filter(|right| **right).count(), of: asked.len() })
}
