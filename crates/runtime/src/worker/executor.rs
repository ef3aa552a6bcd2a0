//! What computes a worker's layers: the engine, or a stand-in for tests.

use helix_engine::{BatchError, Input, Item, LogitsOf, Output, RequestId, Stage};
use helix_spec::LayerRange;

/// One request's part of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct StageItem {
    /// The request.
    pub request: u64,
    /// Tokens of it in the cache before these.
    pub context: u32,
    /// The layers that they go through.
    pub layers: LayerRange,
    /// What goes in.
    pub input: StageInput,
    /// Whether the logits after the last of these tokens are wanted.
    pub logits: bool,
}

/// What goes into a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum StageInput {
    /// Tokens, at the model's first layer.
    Tokens(Vec<u32>),
    /// What the layer before gave, token after token.
    Activations(Vec<f32>),
}

/// Computes batches. Owns the cache; is told when a request leaves.
pub trait StageExecutor {
    /// What comes out for each item: activations for the next layer, or logits. The error is what to tell the client,
    /// and then nothing was changed.
    fn run(&mut self, items: &[StageItem]) -> Result<Vec<Vec<f32>>, String>;
    /// Frees a request's cache.
    fn release(&mut self, request: u64);
    /// Numbers that stand for one token between two layers.
    fn width(&self) -> u32;
}

impl StageExecutor for Stage<f32> {
    fn run(&mut self, items: &[StageItem]) -> Result<Vec<Vec<f32>>, String> {
        let items: Vec<Item<'_, f32>> = items
            .iter()
            .map(|item| Item {
                request: RequestId(item.request),
                position: item.context as usize,
                layers: item.layers,
                input: match &item.input {
                    StageInput::Tokens(tokens) => Input::Tokens(tokens),
                    StageInput::Activations(activations) => Input::Activations(activations),
                },
                logits: if item.logits { LogitsOf::Last } else { LogitsOf::None },
            })
            .collect();
        let outputs = self.forward(&items).map_err(|error: BatchError| error.to_string())?;
        let numbers = outputs.into_iter().map(|output| match output {
            Output::Activations(numbers) | Output::Logits(numbers) => numbers,
        });
        Ok(numbers.collect())
    }

    fn release(&mut self, request: u64) {
        Stage::release(self, RequestId(request));
    }

    fn width(&self) -> u32 {
        self.config().shape.hidden
    }
}
