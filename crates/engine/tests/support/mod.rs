//! The small models of the golden files, and how to run them.
#![expect(dead_code, reason = "every test file uses a part of it")]

use std::ops::Range;
use std::path::PathBuf;

use helix_engine::backends::cpu::{Float, Isa};
use helix_engine::{Input, Item, LogitsOf, Output, RequestId, Stage, StageOptions, WeightFormat};
use helix_spec::LayerRange;

/// All of them have 3 layers, 32 numbers a token and 80 tokens.
pub const MODELS: [&str; 7] =
    ["llama-2", "llama-3", "llama-linear", "mistral", "qwen2", "qwen3", "qwen3-yarn"];

#[derive(serde::Deserialize)]
pub struct Golden {
    pub tokens: Vec<u32>,
    pub logits: Vec<Vec<f32>>,
}

pub fn folder(model: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(model)
}

pub fn golden(model: &str) -> Golden {
    let text = std::fs::read_to_string(folder(model).join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn range(layers: Range<u32>) -> LayerRange {
    LayerRange::new(layers.start, layers.end).unwrap()
}

pub fn options(weights: WeightFormat) -> StageOptions {
    StageOptions { weights, threads: 1, cache_blocks: 200, isa: None }
}

pub fn stage<T: Float>(model: &str, layers: Range<u32>, weights: WeightFormat) -> Stage<T> {
    Stage::load(&folder(model), range(layers), &options(weights)).unwrap()
}

pub fn with_isa<T: Float>(model: &str, weights: WeightFormat, isa: Isa, threads: usize) -> Stage<T> {
    let options = StageOptions { isa: Some(isa), threads, ..options(weights) };
    Stage::load(&folder(model), range(0..3), &options).unwrap()
}

/// The logits of a prompt that goes through at once.
pub fn run_whole<T: Float>(stage: &mut Stage<T>, tokens: &[u32], logits: LogitsOf) -> Vec<T> {
    let request = RequestId(u64::MAX);
    let item = Item { request, position: 0, layers: stage.layers(), input: Input::Tokens(tokens), logits };
    let output = stage.forward(&[item]).unwrap().pop();
    stage.release(request);
    match output {
        Some(Output::Logits(logits)) => logits,
        other => panic!("logits were asked for: {other:?}"),
    }
}

pub fn greatest_difference<T: Float>(found: &[T], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a.get() - f64::from(*b)).abs()).fold(0.0, |worst, difference| {
        assert!(difference.is_finite());
        difference.max(worst)
    })
}
