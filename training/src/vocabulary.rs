//! The tokenizer: byte-level pairs (BPE) over the corpus, every digit a token of its own, five special tokens.

use anyhow::{Context as _, anyhow};
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, DecoderWrapper, Tokenizer, TokenizerBuilder};

use crate::corpus::conversation::Conversation;
use crate::random::Random;

/// The token that opens every conversation.
pub const BEGIN: u32 = 0;
/// The token that closes every message, and so every answer.
pub const END: u32 = 1;
/// The tokens that open a message of the operator, of the user and of the model.
pub const SYSTEM: u32 = 2;
/// See [`SYSTEM`].
pub const USER: u32 = 3;
/// See [`SYSTEM`].
pub const ASSISTANT: u32 = 4;

/// The texts of the special tokens, in the order of their numbers.
pub const SPECIAL: [&str; 5] = ["<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"];

/// How many tokens there are.
pub const SIZE: usize = 768;

/// How many turns the pairs are counted on.
const TURNS: usize = 12_000;

/// Counts pairs over the corpus of this seed.
pub fn train(seed: u64) -> anyhow::Result<Tokenizer> {
    let mut conversation = Conversation::new(Random::new(seed, u64::MAX));
    let text = (0..TURNS).flat_map(|_| {
        let turn = conversation.next_turn();
        [turn.user, turn.assistant]
    });
    let split: Vec<PreTokenizerWrapper> =
        vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()];
    let mut tokenizer = TokenizerBuilder::default()
        .with_model(BPE::default())
        .with_normalizer(None::<NormalizerWrapper>)
        .with_pre_tokenizer(Some(PreTokenizerWrapper::from(Sequence::new(split))))
        .with_post_processor(Some(
            TemplateProcessing::builder()
                .try_single(format!("{} $A", SPECIAL[0]))
                .map_err(|why| anyhow!("template: {why}"))?
                .try_pair(format!("{0} $A {0} $B", SPECIAL[0]))
                .map_err(|why| anyhow!("template: {why}"))?
                .special_tokens(vec![(SPECIAL[0], BEGIN)])
                .build()
                .context("template")?,
        ))
        .with_decoder(Some(DecoderWrapper::from(ByteLevelDecoder::default())))
        .build()
        .map_err(|why| anyhow!("tokenizer: {why}"))?;
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(SIZE)
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(SPECIAL.iter().map(|token| AddedToken::from(*token, true)).collect())
        .build();
    tokenizer.train(&mut trainer, text).map_err(|why| anyhow!("training the tokenizer: {why}"))?;
    tokenizer.with_truncation(None).map_err(|why| anyhow!("tokenizer: {why}"))?.with_padding(None);
    let json = tokenizer.to_string(true).map_err(|why| anyhow!("tokenizer: {why}"))?;
    Tokenizer::from_bytes(json).map_err(|why| anyhow!("reading the tokenizer back: {why}"))
}

/// The tokens of a text in which nothing is special.
pub fn encode(tokenizer: &Tokenizer, text: &str) -> anyhow::Result<Vec<u32>> {
    let encoding = tokenizer.encode_fast(text, false).map_err(|why| anyhow!("encoding {text:?}: {why}"))?;
    Ok(encoding.get_ids().to_vec())
}

/// The tokens of a message, with those that open and close it.
pub fn message(tokenizer: &Tokenizer, role: u32, text: &str) -> anyhow::Result<Vec<u32>> {
    let mut tokens = vec![role];
    tokens.extend(encode(tokenizer, text.trim())?);
    tokens.push(END);
    Ok(tokens)
}
