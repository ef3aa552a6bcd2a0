//! The roofline: time of a layer from datasheet and model shape.
//!
//! ```text
//! layer = overhead + max( weights read / memory speed , 2 · weights · tokens / arithmetic )     matrices
//!       + context · ( cache read / memory speed + operations / attention speed )                decode attention
//!       + pairs · operations / arithmetic                                                       prefill attention
//!       + collectives of the devices that share the layer
//! ```
//! Each speed is a datasheet figure times one calibrated share ([`Constants`](crate::Constants)). Of a mixture of
//! experts only those that the batch hits are read. Matrix kernels pad a batch to whole tiles.

use helix_spec::{Device, Machine, ModelShape, NumberFormat, RankLayout};

use crate::batch::Load;
use crate::clock::MachineClock;
use crate::layer::{self, LayerWork};
use crate::{Batch, BatchCost, BatchError, BatchTime, Constants};

/// Whether a batch is one batch, padded to whole tiles, or an average over batches of many sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// One batch.
    Tiles,
    /// An average.
    None,
}

/// Layer times of one model from datasheets.
#[derive(Debug, Clone)]
pub struct Roofline {
    kinds: layer::Kinds,
    weights: NumberFormat,
    kv_bytes: f64,
    activation: f64,
    constants: Constants,
}

/// A model on a machine: what its devices reach, and how they share a layer.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    kinds: layer::Kinds,
    bytes_per_number: f64,
    kv_bytes: f64,
    activation: f64,
    layout: RankLayout,
    memory: f64,
    matrix: f64,
    attention: f64,
    link: f64,
    collective: f64,
    overhead: f64,
    tile: f64,
    small: f64,
}

impl Roofline {
    /// Layer times of a model.
    #[must_use]
    pub fn new(shape: &ModelShape, constants: &Constants) -> Self {
        Self {
            kinds: layer::kinds(shape),
            weights: shape.weights,
            kv_bytes: shape.kv_bytes_per_token().0 as f64,
            activation: shape.activation_bytes().0 as f64,
            constants: constants.clone(),
        }
    }

    /// Time of `batch` on `layers` layers whose work the devices of `machine` share by `layout`.
    ///
    /// With `pipeline > 1` the layers are spread over stages inside the machine: one batch passes them one after the
    /// other, in the same time as one stage would take for all of them.
    pub fn batch_time_with(
        &self,
        machine: &Machine,
        layout: RankLayout,
        layers: u32,
        batch: &Batch,
    ) -> Result<BatchCost, BatchError> {
        let clock = MachineClock::roofline(machine, self.ready(machine, layout), self.is_calibrated(machine));
        clock.batch_time(layers, batch)
    }

    /// Relative errors to expect of a decode and of a prefill batch on a device: its kind's for one that nobody
    /// calibrated, `None` for a calibrated one (its errors are reported in docs/design/cost-model.md).
    #[must_use]
    pub fn expected_error(&self, device: &Device) -> Option<(f64, f64)> {
        let figures = self.constants.of(device);
        figures.calibrated.is_none().then_some((figures.kind.decode_error, figures.kind.prefill_error))
    }

    pub(crate) fn is_calibrated(&self, machine: &Machine) -> bool {
        self.constants.of(&machine.device).calibrated.is_some()
    }

    /// Everything that does not depend on the batch.
    pub(crate) fn ready(&self, machine: &Machine, layout: RankLayout) -> Ready {
        let device = &machine.device;
        let figures = self.constants.of(device);
        let (shares, kind) = (figures.shares, figures.kind);
        let half = device.flops_16bit.0 as f64;
        let peak = match self.weights {
            NumberFormat::Bf16 | NumberFormat::F16 | NumberFormat::Q8_0 => half,
            // Full precision runs at half the 16-bit rate at best (TF32).
            NumberFormat::F32 => half / 2.0,
            // Without units of its own a device widens the numbers first.
            NumberFormat::Fp8 => device.flops_8bit.map_or(half, |peak| peak.0 as f64),
            NumberFormat::Fp4 => device.flops_4bit.or(device.flops_8bit).map_or(half, |peak| peak.0 as f64),
        };
        Ready {
            kinds: self.kinds.clone(),
            bytes_per_number: self.weights.bits() / 8.0,
            kv_bytes: self.kv_bytes,
            activation: self.activation,
            layout,
            memory: device.memory_bandwidth.0 as f64 * shares.memory,
            matrix: peak * shares.compute,
            attention: half * shares.attention,
            link: device.interconnect.0 as f64
                * if device.interconnect <= kind.slot_limit { kind.slot } else { kind.link },
            collective: kind.collective_latency.seconds(),
            overhead: kind.layer_overhead.seconds(),
            tile: f64::from(kind.tile),
            small: f64::from(kind.small_batch),
        }
    }
}

impl Ready {
    /// Average time of one layer of the model \[s\].
    pub fn layer_seconds(&self, load: &Load, padding: Padding) -> f64 {
        if load.tokens() <= 0.0 {
            return 0.0;
        }
        self.kinds.iter().map(|(share, work)| share * self.work_seconds(work, load, padding)).sum()
    }

    fn work_seconds(&self, work: &LayerWork, load: &Load, padding: Padding) -> f64 {
        let layout = self.layout;
        let (tensor, ffn, expert) =
            (f64::from(layout.attention_tensor), f64::from(layout.ffn_tensor), f64::from(layout.expert));
        let tokens = load.tokens();
        let read = work.attention_weights / tensor
            + work.dense_weights / ffn
            + work.experts_hit(tokens) * work.expert_weights / (ffn * expert);
        let padded = match padding {
            Padding::Tiles => self.padded(tokens),
            Padding::None => tokens,
        };
        let shared_by_token = (work.attention_weights / tensor + work.dense_weights / ffn) * padded
            + work.experts_per_token * work.expert_weights / (ffn * expert) * tokens;
        let matrices = (read * self.bytes_per_number / self.memory).max(2.0 * shared_by_token / self.matrix);

        let cache_ranks = f64::from(layout.attention_tensor.min(work.kv_heads).max(1)) * f64::from(layout.kv);
        let arithmetic = if work.decode_is_matrix { self.matrix } else { self.attention };
        let decode = load.decode_context
            * (self.kv_bytes / cache_ranks / self.memory
                + work.decode_flops_per_context / (tensor * f64::from(layout.kv)) / arithmetic);
        let prefill =
            load.prefill_pairs * work.prefill_flops_per_pair / (tensor * f64::from(layout.kv)) / self.matrix;
        self.overhead + matrices + decode + prefill + self.collective_seconds(tokens)
    }

    /// Collectives after attention and after the feed-forward: a ring all-reduce moves `2·(t−1)/t` of the activations
    /// through every link, an exchange between cache shards or experts `(t−1)/t` each way.
    fn collective_seconds(&self, tokens: f64) -> f64 {
        let layout = self.layout;
        let moved = tokens * self.activation / self.link;
        let ring = |ranks: u32| {
            if ranks > 1 {
                let ranks = f64::from(ranks);
                self.collective + 2.0 * (ranks - 1.0) / ranks * moved
            } else {
                0.0
            }
        };
        ring(layout.attention_tensor) + ring(layout.kv) + ring(layout.ffn_tensor) + ring(layout.expert)
    }

    fn padded(&self, tokens: f64) -> f64 {
        if tokens <= self.small { self.small } else { (tokens / self.tile).ceil() * self.tile }
    }
}

impl BatchTime for Roofline {
    fn batch_time(&self, machine: &Machine, layers: u32, batch: &Batch) -> Result<BatchCost, BatchError> {
        self.batch_time_with(machine, RankLayout::tensor(machine.count), layers, batch)
    }
}
