//! One step: every item goes through its own layers, and those in the same layer go together.
//!
//! ```text
//! layer      0   1   2   3        rows of items that are in a layer are computed at once
//! item A   ▐█████████████████▌    a chunk of a prompt
//! item B   ▐█████████▌            leaves after layer 1: another worker goes on
//! item C           ▐█████████▌    came in between
//! ```

use super::{Head, Stage};
use crate::backends::cpu::{Float, PanelOutput, rms_norm};
use crate::batch::{BatchError, Input, Item, LogitsOf, Output};
use crate::block::{Attention, add_results, norm_rows};

impl<T: Float> Stage<T> {
    /// Computes a batch: outputs stand in the order of the items.
    ///
    /// # Errors
    /// [`BatchError`] when an item cannot be computed; then nothing was, and the cache is as it was.
    pub fn forward(&mut self, items: &[Item<'_, T>]) -> Result<Vec<Output<T>>, BatchError> {
        self.check(items)?;
        let hidden = self.config.hidden();
        let mut first_rows = Vec::with_capacity(items.len() + 1);
        let mut rows = 0;
        for item in items {
            first_rows.push(rows);
            rows += self.tokens_of(item);
        }
        first_rows.push(rows);
        let mut activations = vec![T::ZERO; rows * hidden];
        for (item, &first) in items.iter().zip(&first_rows) {
            self.enter(item, &mut activations[first * hidden..]);
        }
        self.rotations(items, &first_rows);
        for layer in self.layers.start()..self.layers.end() {
            let inside: Vec<usize> = (0..items.len())
                .filter(|&index| items[index].layers.start() <= layer && layer < items[index].layers.end())
                .collect();
            if !inside.is_empty() {
                self.layer(layer, items, (&first_rows, &inside), &mut activations);
            }
        }
        Ok(self.leave(items, &first_rows, &activations))
    }

    /// An item's first activations.
    fn enter(&self, item: &Item<'_, T>, into: &mut [T]) {
        match item.input {
            Input::Activations(numbers) => into[..numbers.len()].copy_from_slice(numbers),
            Input::Tokens(tokens) => {
                let embedding = self.embedding.as_ref().expect("checked: a stage with layer 0 has it");
                let mut numbers = vec![0.0; self.config.hidden()];
                for (&token, into) in tokens.iter().zip(into.chunks_exact_mut(numbers.len())) {
                    embedding.read_row(token as usize, &mut numbers);
                    for (into, &number) in into.iter_mut().zip(&numbers) {
                        *into = T::of_f32(number);
                    }
                }
            }
        }
    }

    /// Cosines and sines for every row.
    fn rotations(&mut self, items: &[Item<'_, T>], first_rows: &[usize]) {
        let factor = self.config.rope.attention_factor();
        let rotations = &mut self.scratch.rotations;
        rotations.clear();
        for (item, rows) in items.iter().zip(first_rows.windows(2)) {
            for position in item.position..item.position + (rows[1] - rows[0]) {
                let angle = |frequency: &T| (*frequency * T::of(position as f64)).get();
                rotations.extend(self.frequencies.iter().map(|f| T::of(libm::cos(angle(f)) * factor)));
                rotations.extend(self.frequencies.iter().map(|f| T::of(libm::sin(angle(f)) * factor)));
            }
        }
    }

    /// One layer for the items that are inside.
    fn layer(
        &mut self,
        layer: u32,
        items: &[Item<'_, T>],
        (first_rows, inside): (&[usize], &[usize]),
        activations: &mut [T],
    ) {
        let hidden = self.config.hidden();
        let epsilon = T::of(self.config.norm_epsilon);
        let block = &self.blocks[(layer - self.layers.start()) as usize];
        let scratch = &mut self.scratch;
        scratch.rows.clear();
        scratch.rows.extend(inside.iter().flat_map(|&index| first_rows[index]..first_rows[index + 1]));
        norm_rows(&self.cpu, &block.attention_norm, epsilon, activations, scratch);
        let Attention::Grouped(attention) = &block.attention;
        let sequences: Vec<_> = inside
            .iter()
            .map(|&index| {
                (items[index].request, items[index].position, first_rows[index + 1] - first_rows[index])
            })
            .collect();
        let context =
            super::attention::Context { cpu: &self.cpu, config: &self.config, layer, sequences: &sequences };
        attention.apply(&context, &mut self.cache, scratch);
        add_results(hidden, activations, scratch);
        norm_rows(&self.cpu, &block.feed_forward_norm, epsilon, activations, scratch);
        block.feed_forward.apply(&self.cpu, scratch);
        add_results(hidden, activations, scratch);
    }

    /// What each item gives.
    fn leave(&mut self, items: &[Item<'_, T>], first_rows: &[usize], activations: &[T]) -> Vec<Output<T>> {
        let (hidden, last_layer) = (self.config.hidden(), self.config.shape.layers);
        let wanted = |index: usize| {
            let (first, end) = (first_rows[index], first_rows[index + 1]);
            match items[index].logits {
                _ if items[index].layers.end() < last_layer => end..end,
                LogitsOf::None => end..end,
                LogitsOf::Last => end - 1..end,
                LogitsOf::All => first..end,
            }
        };
        let rows: Vec<usize> = (0..items.len()).flat_map(wanted).collect();
        let mut results = PanelOutput::default();
        if let (Some(head), false) = (&self.head, rows.is_empty()) {
            self.logits(head, &rows, activations, &mut results);
        }
        let vocab = self.config.vocab();
        let mut next = 0;
        (0..items.len())
            .map(|index| {
                if items[index].layers.end() < last_layer {
                    let numbers = &activations[first_rows[index] * hidden..first_rows[index + 1] * hidden];
                    return Output::Activations(numbers.to_vec());
                }
                let mut logits = vec![T::ZERO; wanted(index).len() * vocab];
                for logits in logits.chunks_exact_mut(vocab) {
                    results.copy_row(next, 0, logits);
                    next += 1;
                }
                Output::Logits(logits)
            })
            .collect()
    }

    fn logits(&self, head: &Head<T>, rows: &[usize], activations: &[T], results: &mut PanelOutput<T>) {
        let hidden = self.config.hidden();
        let mut normed = vec![T::ZERO; rows.len() * hidden];
        for (&row, normed) in rows.iter().zip(normed.chunks_exact_mut(hidden)) {
            let epsilon = T::of(self.config.norm_epsilon);
            rms_norm(self.cpu.isa, &activations[row * hidden..][..hidden], &head.norm, epsilon, normed);
        }
        head.output.multiply(&self.cpu, &normed, results);
    }
}
