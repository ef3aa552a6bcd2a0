//! A batch is checked as a whole before anything of it is computed.

use std::collections::BTreeSet;

use super::Stage;
use crate::backends::cpu::Float;
use crate::batch::{BatchError, Input, Item};

impl<T: Float> Stage<T> {
    /// Tokens of an item.
    pub(super) fn tokens_of(&self, item: &Item<'_, T>) -> usize {
        match item.input {
            Input::Tokens(tokens) => tokens.len(),
            Input::Activations(numbers) => numbers.len() / self.config.hidden(),
        }
    }

    /// Whether every item can be computed.
    pub(super) fn check(&self, items: &[Item<'_, T>]) -> Result<(), BatchError> {
        let mut seen = BTreeSet::new();
        let mut needed = 0;
        for item in items {
            let request = item.request;
            let (start, end) = (item.layers.start(), item.layers.end());
            if start < self.layers.start() || end > self.layers.end() {
                return Err(BatchError::Layers { request, asked: item.layers, held: self.layers });
            }
            self.check_input(item)?;
            let tokens = self.tokens_of(item);
            let limit = self.config.shape.max_context as usize;
            let after = item.position.saturating_add(tokens);
            if after > limit {
                return Err(BatchError::Context { request, tokens: after, limit });
            }
            for layer in start..end {
                if !seen.insert((request, layer)) {
                    return Err(BatchError::Twice { request, layer });
                }
                let cached = self.cache.tokens(request, layer);
                if cached != item.position {
                    return Err(BatchError::Position { request, layer, position: item.position, cached });
                }
                needed += self.cache.blocks_needed(request, layer, tokens);
            }
        }
        let free = self.cache.free_blocks();
        if needed > free { Err(BatchError::OutOfBlocks { needed, free }) } else { Ok(()) }
    }

    fn check_input(&self, item: &Item<'_, T>) -> Result<(), BatchError> {
        let (request, layer, hidden) = (item.request, item.layers.start(), self.config.hidden());
        let wrong = |found, expected| Err(BatchError::Input { request, layer, found, expected });
        match item.input {
            Input::Tokens(_) if layer != 0 => wrong("tokens", "activations"),
            Input::Activations(_) if layer == 0 => wrong("activations", "tokens"),
            Input::Tokens(tokens) => {
                let vocab = self.config.vocab();
                if tokens.is_empty() {
                    return Err(BatchError::Width { request, found: 0, hidden });
                }
                match tokens.iter().find(|token| **token as usize >= vocab) {
                    Some(&token) => Err(BatchError::Token { request, token, vocab }),
                    None => Ok(()),
                }
            }
            Input::Activations(numbers) if numbers.is_empty() || !numbers.len().is_multiple_of(hidden) => {
                Err(BatchError::Width { request, found: numbers.len(), hidden })
            }
            Input::Activations(_) => Ok(()),
        }
    }
}
