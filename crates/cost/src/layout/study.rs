//! What is fixed while configurations are compared: the model, the hardware, the formats and the context.

use std::ops::Range;

use helix_parallel::Layout;
use helix_spec::{Attention, ModelShape, NumberFormat};

use super::hardware::Hardware;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// Weights.
    pub weights: NumberFormat,
    /// Keys and values.
    pub cache: NumberFormat,
}

impl Formats {
    /// All in 4 bits: the paper's evaluation.
    pub const FP4: Self = Self { weights: NumberFormat::Fp4, cache: NumberFormat::Fp4 };

    /// The model's own.
    #[must_use]
    pub fn of(model: &ModelShape) -> Self {
        Self { weights: model.weights, cache: model.activations }
    }
}

/// What is fixed while configurations are compared.
#[derive(Debug, Clone)]
pub struct Study<'a> {
    /// The model.
    pub model: &'a ModelShape,
    /// What it runs on.
    pub hardware: &'a Hardware,
    /// How numbers are stored.
    pub formats: Formats,
    /// Cached tokens of every request.
    pub context: u64,
    /// The layers that run here; the embedding goes with the first layer, the output projection with the last.
    pub layers: Range<u32>,
    pub(super) rates: Rates,
}

/// The hardware's figures in base units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Bytes a second from memory.
    pub memory: f64,
    /// Bytes a second over the links.
    pub link: f64,
    /// Operations a second on weights.
    pub weight_flops: f64,
    /// Operations a second on the cache.
    pub cache_flops: f64,
    /// Bytes of one weight.
    pub weight_bytes: f64,
    /// Bytes of one cached number.
    pub cache_bytes: f64,
    /// Seconds of every layer.
    pub overhead: f64,
    /// Seconds of every collective.
    pub latency: f64,
}

impl<'a> Study<'a> {
    /// The whole model at a context.
    #[must_use]
    pub fn new(model: &'a ModelShape, hardware: &'a Hardware, formats: Formats, context: u64) -> Self {
        let rates = Rates {
            memory: hardware.memory_bandwidth.0 as f64,
            link: hardware.interconnect.0 as f64,
            weight_flops: hardware.flops(formats.weights).0 as f64,
            cache_flops: match (hardware.grouped_attention, &model.attention) {
                (Some(rate), Attention::Grouped { .. }) => rate.0 as f64,
                _ => hardware.flops(formats.cache).0 as f64,
            },
            weight_bytes: formats.weights.bits() / 8.0,
            cache_bytes: formats.cache.bits() / 8.0,
            overhead: hardware.layer_overhead.seconds(),
            latency: hardware.collective_latency.seconds(),
        };
        Self { model, hardware, formats, context, layers: 0..model.layers, rates }
    }

    /// The same for some of the layers.
    #[must_use]
    pub fn of_layers(mut self, layers: Range<u32>) -> Self {
        self.layers = layers.start..layers.end.min(self.model.layers);
        self
    }

    /// The same at another context.
    #[must_use]
    pub fn at_context(&self, context: u64) -> Self {
        Self { context, ..self.clone() }
    }

    /// Reading `bytes` and computing `flops` at the same time \[s\].
    pub(super) fn roof(&self, bytes: f64, flops: f64) -> f64 {
        (bytes / self.rates.memory).max(flops / self.rates.weight_flops)
    }

    /// Reading `numbers` weights once and using each for `batch` tokens \[s\].
    pub(super) fn weights(&self, numbers: f64, batch: f64) -> f64 {
        self.roof(numbers * self.rates.weight_bytes, 2.0 * numbers * batch)
    }

    /// A collective that sends `bytes` from each rank \[s\].
    pub(super) fn collective(&self, bytes: f64) -> f64 {
        self.rates.latency + bytes / self.rates.link
    }

    /// The layers of pipeline stage `stage`, as the ranks themselves split them; none where there are more stages.
    pub(super) fn stage(&self, layout: Layout, stage: u32) -> Range<u32> {
        let (first, count) = (self.layers.start, self.layers.end.saturating_sub(self.layers.start));
        match layout.stage_layers(count, stage) {
            Some(range) => first + range.start()..first + range.end(),
            None => self.layers.end..self.layers.end,
        }
    }
}
