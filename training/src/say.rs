//! Greedy answers, token by token, the plain way: the whole conversation is read again for each token.

use candle_core::Result;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::model::Model;
use crate::vocabulary::{ASSISTANT, BEGIN, END, USER, message};

/// Longest answer.
const LONGEST: usize = 300;

/// Answers each of the user's messages, with all before it in view.
pub fn conversation(
    model: &Model,
    tokenizer: &Tokenizer,
    messages: &[String],
) -> anyhow::Result<Vec<String>> {
    let mut tokens = vec![BEGIN];
    let mut answers = Vec::new();
    for said in messages {
        tokens.extend(message(tokenizer, USER, said)?);
        tokens.push(ASSISTANT);
        let start = tokens.len();
        while tokens.len() - start < LONGEST && tokens.len() < model.config.max_position_embeddings {
            let token = next(model, &tokens)?;
            tokens.push(token);
            if token == END {
                break;
            }
        }
        let answer = tokenizer.decode(&tokens[start..], true);
        answers.push(answer.map_err(|why| anyhow::anyhow!("decoding: {why}"))?);
    }
    Ok(answers)
}

fn next(model: &Model, tokens: &[u32]) -> Result<u32> {
    let last = u32::try_from(tokens.len() - 1).expect("a context of a thousand tokens");
    model.logits(tokens, 1, &[last])?.argmax(1)?.get(0)?.to_scalar()
}

/// The logits of the next token after a few questions: `[{question, tokens, logits}]`.
pub fn logits(model: &Model, tokenizer: &Tokenizer) -> anyhow::Result<Value> {
    let questions = ["What is 27 + 58?", "Hello", "Tell me a story about a fox.", "What is a KV cache?"];
    let case = |question: &&str| {
        let mut tokens = vec![BEGIN];
        tokens.extend(message(tokenizer, USER, question)?);
        tokens.push(ASSISTANT);
        let last = u32::try_from(tokens.len() - 1)?;
        let logits = model.logits(&tokens, 1, &[last])?.get(0)?.to_vec1::<f32>()?;
        Ok(json!({ "question": question, "tokens": tokens, "logits": logits }))
    };
    questions.iter().map(case).collect()
}
