//! What fits: weights, cache, and the memory that a machine gives to them.
//!
//! ```text
//! memory × fraction ─┬─ reserve per device     context, workspace of a batch
//!                    ├─ weights                of the layers it holds
//!                    └─ cache                  at least one typical request of 990 tokens
//! ```
//! Embedding and output projection are not counted in (`end_bytes` tells them): plans are made by numbers of layers,
//! and the ends belong to whichever machine comes first or last.

use helix_spec::{Attention, Bytes, LayerRange, Machine, ModelShape, RankLayout};

use crate::layout::copied_weights;
use crate::{Constants, DoesNotFit};

/// Prompt tokens of the typical request (the paper's 750).
pub const TYPICAL_PROMPT: u32 = 750;

/// Output tokens of the typical request (the paper's 240).
pub const TYPICAL_OUTPUT: u32 = 240;

/// Memory of a model's layers on the machines of a cluster.
///
/// ```
/// # use helix_spec::*;
/// # let shape = ModelShape {
/// #     name: "llama-2-70b".into(), architecture: Architecture::Llama, layers: 80, hidden: 8192,
/// #     attention: Attention::Grouped { query_heads: 64, kv_heads: 8, head_dim: 128 },
/// #     ffn_width: 28672, experts: None, vocab: 32000, tied_embeddings: false, max_context: 4096,
/// #     weights: NumberFormat::F16, activations: NumberFormat::F16,
/// # };
/// use helix_cost::{Constants, MemoryModel};
/// let memory = MemoryModel::new(&shape, None, &Constants::shipped());
/// assert_eq!(memory.weight_bytes(LayerRange::new(0, 4).unwrap()), Bytes(4 * 1_711_308_800));
/// // One typical request of 990 tokens, 4096 B a token and layer.
/// assert_eq!(memory.least_cache(4), Bytes(4 * 990 * 4096));
/// ```
#[derive(Debug, Clone)]
pub struct MemoryModel {
    shape: ModelShape,
    declared_layer: Option<Bytes>,
    constants: Constants,
}

impl MemoryModel {
    /// `declared_layer` is the size of one layer where the cluster's cost tables declare it.
    #[must_use]
    pub fn new(shape: &ModelShape, declared_layer: Option<Bytes>, constants: &Constants) -> Self {
        Self { shape: shape.clone(), declared_layer, constants: constants.clone() }
    }

    /// Weights of a range of layers: declared, else exact from the shape.
    #[must_use]
    pub fn weight_bytes(&self, range: LayerRange) -> Bytes {
        match self.declared_layer {
            Some(_) => self.counted_bytes(range.len()),
            None => self.shape.weight_bytes(range.start()..range.end()),
        }
    }

    /// Weights of any `layers` layers: none is heavier than the heaviest.
    #[must_use]
    pub fn counted_bytes(&self, layers: u32) -> Bytes {
        let layer = self.declared_layer.unwrap_or_else(|| self.shape.heaviest_layer_bytes());
        Bytes(layer.0.saturating_mul(u64::from(layers)))
    }

    /// Embedding and output projection that a range adds as the first or last of the model.
    #[must_use]
    pub fn end_bytes(&self, range: LayerRange) -> Bytes {
        let table = u64::from(self.shape.vocab) * u64::from(self.shape.hidden);
        let first = range.start() == 0;
        let last = range.end() == self.shape.layers;
        let tables =
            if first && last && self.shape.tied_embeddings { 1 } else { u64::from(first) + u64::from(last) };
        self.shape.weights.bytes(table * tables)
    }

    /// Cache of one token in one layer.
    #[must_use]
    pub fn kv_bytes(&self) -> Bytes {
        self.shape.kv_bytes_per_token()
    }

    /// The least cache that is of use: one typical request in each of `layers` layers.
    #[must_use]
    pub fn least_cache(&self, layers: u32) -> Bytes {
        let tokens = u64::from(TYPICAL_PROMPT + TYPICAL_OUTPUT);
        Bytes(self.kv_bytes().0.saturating_mul(tokens).saturating_mul(u64::from(layers)))
    }

    /// Memory that a machine gives to weights and cache: its share less the reserve of each device.
    #[must_use]
    pub fn available(&self, machine: &Machine) -> Bytes {
        let kind = self.constants.kind(machine.device.kind);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a u64, not negative"
        )]
        let usable = (machine.memory.0 as f64 * kind.fraction) as u64;
        let reserve = kind.reserve.0.saturating_mul(u64::from(machine.count));
        // A machine smaller than its reserve has nothing to give.
        Bytes(usable.saturating_sub(reserve))
    }

    /// Memory that `layers` layers leave to the cache; an error if that is less than the least.
    pub fn free(&self, machine: &Machine, layers: u32) -> Result<Bytes, DoesNotFit> {
        self.left(machine, layers, self.counted_bytes(layers))
    }

    /// The same for the exact weights of a range.
    pub fn free_with(&self, machine: &Machine, range: LayerRange) -> Result<Bytes, DoesNotFit> {
        self.left(machine, range.len(), self.weight_bytes(range))
    }

    /// Cache capacity \[tokens × layers\] that `layers` layers leave when the devices share them by `layout`: tensor
    /// parallelism beyond the KV heads holds the cache several times, sharding along the sequence holds the projections
    /// before attention several times.
    pub fn kv_capacity(&self, machine: &Machine, layers: u32, layout: RankLayout) -> Result<u64, DoesNotFit> {
        let copied = self.shape.weights.bytes(copied_weights(&self.shape, layout));
        let weights = self.counted_bytes(layers).0.saturating_add(copied.0.saturating_mul(u64::from(layers)));
        let free = self.left(machine, layers, Bytes(weights))?;
        let tokens = free.0 / self.kv_bytes().0.max(1);
        let (held, once) = cache_copies(&self.shape, layout);
        #[expect(clippy::cast_possible_truncation, reason = "a share of a u64")]
        let shared = (u128::from(tokens) * u128::from(once) / u128::from(held)) as u64;
        Ok(shared)
    }

    /// The most layers that fit at all, at most those of the model.
    #[must_use]
    pub fn most_layers(&self, machine: &Machine) -> u32 {
        let each = self.counted_bytes(1).0.saturating_add(self.least_cache(1).0).max(1);
        let fit = self.available(machine).0 / each;
        u32::try_from(fit).unwrap_or(u32::MAX).min(self.shape.layers)
    }

    /// The most layers that leave half of the memory to the cache (the paper's rule of thumb), but one if one fits.
    #[must_use]
    pub fn planned_layers(&self, machine: &Machine) -> u32 {
        let half = machine.memory.0 / 2 / self.counted_bytes(1).0.max(1);
        u32::try_from(half).unwrap_or(u32::MAX).max(1).min(self.most_layers(machine))
    }

    /// The model that this is about.
    #[must_use]
    pub fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn left(&self, machine: &Machine, layers: u32, weights: Bytes) -> Result<Bytes, DoesNotFit> {
        let available = self.available(machine);
        let needed = Bytes(weights.0.saturating_add(self.least_cache(layers).0));
        if needed > available {
            return Err(DoesNotFit::Memory { layers, needed, available });
        }
        Ok(Bytes(available.0 - weights.0))
    }
}

/// KV heads that the ranks of a layout hold together, and those that there are.
fn cache_copies(shape: &ModelShape, layout: RankLayout) -> (u32, u32) {
    let heads = match shape.attention {
        Attention::Grouped { kv_heads, .. } => kv_heads.max(1),
        // The latent is one head to every rank.
        Attention::Latent { .. } => 1,
    };
    let tensor = layout.attention_tensor.max(1);
    (tensor.saturating_mul(heads.div_ceil(tensor)), heads)
}
