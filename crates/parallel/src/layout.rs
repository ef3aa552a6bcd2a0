//! Layouts: which rank holds which part of attention and of the feed-forward, and who talks to whom.
//!
//! One pipeline stage has N ranks. Attention sees them as TPA × KVP, the feed-forward as TPF × EP:
//!
//! ```text
//! TPA = 2, KVP = 4          KVP groups: {0,1,2,3} {4,5,6,7}     rank = t * KVP + c
//! TPF = 2, EP  = 4          EP groups:  {0,1,2,3} {4,5,6,7}     expert rank = rank % EP
//!                           TPF groups: {0,4} {1,5} {2,6} {3,7} tensor rank = rank / EP
//! ```
//!
//! The order is load-bearing: KVP ranks are consecutive, so that the all-to-all inside a KVP group leaves rank `r` with
//! the `r`-th slice of all heads, which is the slice of the output projection that tensor parallelism over N gives it.

use std::ops::Range;

use helix_spec::{Attention, LayerRange, ModelShape, RankLayout};

/// The most ranks that a layout may have.
pub const MAX_RANKS: u32 = 65_536;

/// Why a layout cannot be used: what must divide what, and which number to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A width of zero.
    #[error("{name} is 0; every width of a layout is at least 1")]
    Zero {
        /// The width.
        name: &'static str,
    },
    /// Attention and feed-forward use different numbers of ranks.
    #[error(
        "TPA × KVP = {attention_tensor} × {kv} ranks in attention, but TPF × EP = {ffn_tensor} × {expert} in the \
         feed-forward; both use the same ranks: {}",
        same_ranks_advice(*attention_tensor, *kv, *expert)
    )]
    DifferentRanks {
        /// TPA.
        attention_tensor: u32,
        /// KVP.
        kv: u32,
        /// TPF.
        ffn_tensor: u32,
        /// EP.
        expert: u32,
    },
    /// More ranks than a layout may have.
    #[error("the layout has more than {MAX_RANKS} ranks; lower PP, TPA or KVP")]
    TooMany,
    /// A part of the model does not divide over the ranks.
    #[error("{what} = {value} does not divide by {by_name} = {by}; {advice}")]
    Indivisible {
        /// What is divided.
        what: &'static str,
        /// How many there are.
        value: u32,
        /// The width or product of widths that it is divided by.
        by_name: &'static str,
        /// Its value.
        by: u32,
        /// Which number to change.
        advice: String,
    },
    /// More pipeline stages than layers.
    #[error("PP = {pipeline}, but the model has {layers} layers; lower PP to at most {layers}")]
    TooManyStages {
        /// Pipeline stages.
        pipeline: u32,
        /// Layers of the model.
        layers: u32,
    },
    /// Expert parallelism without experts.
    #[error("EP = {expert}, but the model has no experts; set EP to 1 and TPF to TPA × KVP")]
    NoExperts {
        /// EP.
        expert: u32,
    },
    /// Fewer devices than ranks.
    #[error("the layout needs {needed} GPUs (PP × TPA × KVP), there are {available}; lower PP, TPA or KVP")]
    TooFewGpus {
        /// Ranks of the layout.
        needed: u32,
        /// Devices that there are.
        available: u32,
    },
}

fn same_ranks_advice(attention_tensor: u32, kv: u32, expert: u32) -> String {
    match attention_tensor.checked_mul(kv) {
        Some(ranks) if expert != 0 && ranks.is_multiple_of(expert) => {
            format!("set TPF to {}", ranks / expert)
        }
        Some(ranks) => format!("set EP to a divisor of {ranks} and TPF to {ranks} / EP"),
        None => "lower TPA or KVP".to_owned(),
    }
}

/// Where a rank stands in every dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coordinates {
    /// Pipeline stage.
    pub stage: u32,
    /// Rank within its stage, `0..N`; also its rank in the tensor parallelism of the output projection and dense FFN.
    pub within_stage: u32,
    /// Tensor rank of attention, `0..TPA`.
    pub attention_tensor: u32,
    /// Rank along the sequence, `0..KVP`.
    pub kv: u32,
    /// Tensor rank inside an expert, `0..TPF`.
    pub ffn_tensor: u32,
    /// Expert rank, `0..EP`.
    pub expert: u32,
}

/// The parts of a model that ranks share.
pub(crate) struct ModelParts {
    pub layers: u32,
    pub query_heads: u32,
    pub kv_heads: u32,
    /// Width of dense feed-forwards, where there are any.
    pub dense_width: Option<u32>,
    /// Routed experts and the width of each, where there are any.
    pub experts: Option<(u32, u32)>,
}

/// A layout whose attention and feed-forward use the same ranks.
///
/// ```
/// use helix_parallel::Layout;
/// use helix_spec::RankLayout;
/// let layout = Layout::new(RankLayout { pipeline: 1, attention_tensor: 2, kv: 4, ffn_tensor: 2, expert: 4 })?;
/// assert_eq!(layout.kv_group(5), [4, 5, 6, 7]);
/// assert_eq!(layout.expert_tensor_group(5), [1, 5]);
/// assert_eq!(layout.output_heads(5, 128), 80..96);
/// # Ok::<(), helix_parallel::LayoutError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    widths: RankLayout,
}

impl Layout {
    /// One rank that does everything.
    pub const SINGLE: Self = Self { widths: RankLayout::SINGLE };

    /// Checks that no width is zero and that both phases use the same ranks, at most [`MAX_RANKS`].
    pub fn new(widths: RankLayout) -> Result<Self, LayoutError> {
        let RankLayout { pipeline, attention_tensor, kv, ffn_tensor, expert } = widths;
        let named =
            [("PP", pipeline), ("TPA", attention_tensor), ("KVP", kv), ("TPF", ffn_tensor), ("EP", expert)];
        if let Some(&(name, _)) = named.iter().find(|(_, width)| *width == 0) {
            return Err(LayoutError::Zero { name });
        }
        let product = |a: u32, b: u32| a.checked_mul(b).filter(|ranks| *ranks <= MAX_RANKS);
        let ranks = product(attention_tensor, kv).ok_or(LayoutError::TooMany)?;
        if product(ffn_tensor, expert) != Some(ranks) {
            return Err(LayoutError::DifferentRanks { attention_tensor, kv, ffn_tensor, expert });
        }
        product(pipeline, ranks).ok_or(LayoutError::TooMany)?;
        Ok(Self { widths })
    }

    /// A layout that the model divides over: [`Layout::new`] and [`Layout::fits`].
    pub fn for_model(widths: RankLayout, model: &ModelShape) -> Result<Self, LayoutError> {
        let layout = Self::new(widths)?;
        layout.fits(model)?;
        Ok(layout)
    }

    /// Every layout of one pipeline stage over exactly `ranks` ranks, in order of KVP, then EP.
    pub fn all(ranks: u32) -> impl Iterator<Item = Self> {
        let kv_widths = divisors(ranks);
        kv_widths.into_iter().flat_map(move |kv| {
            divisors(ranks).into_iter().map(move |expert| Self {
                widths: RankLayout {
                    pipeline: 1,
                    attention_tensor: ranks / kv,
                    kv,
                    ffn_tensor: ranks / expert,
                    expert,
                },
            })
        })
    }

    /// Whether every part of the model divides over the ranks.
    pub fn fits(self, model: &ModelShape) -> Result<(), LayoutError> {
        let (query_heads, kv_heads) = match model.attention {
            Attention::Grouped { query_heads, kv_heads, .. } => (query_heads, kv_heads),
            Attention::Latent { query_heads, .. } => (query_heads, 1),
        };
        let has_dense = model.experts.as_ref().is_none_or(|experts| !experts.dense_layers.is_empty());
        self.fits_parts(&ModelParts {
            layers: model.layers,
            query_heads,
            kv_heads,
            dense_width: has_dense.then_some(model.ffn_width),
            experts: model.experts.as_ref().map(|experts| (experts.routed, experts.width)),
        })
    }

    /// Whether every one of these parts divides over the ranks.
    pub(crate) fn fits_parts(self, parts: &ModelParts) -> Result<(), LayoutError> {
        let RankLayout { pipeline, attention_tensor, ffn_tensor, expert, .. } = self.widths;
        if pipeline > parts.layers {
            return Err(LayoutError::TooManyStages { pipeline, layers: parts.layers });
        }
        divides("query heads", parts.query_heads, "TPA × KVP", self.stage_ranks())?;
        if !attention_tensor.is_multiple_of(parts.kv_heads) {
            divides("KV heads", parts.kv_heads, "TPA", attention_tensor)?;
        }
        match parts.experts {
            Some((routed, width)) => {
                divides("routed experts", routed, "EP", expert)?;
                divides("expert width", width, "TPF", ffn_tensor)?;
            }
            None if expert != 1 => return Err(LayoutError::NoExperts { expert }),
            None => {}
        }
        match parts.dense_width {
            Some(width) => divides("FFN width", width, "TPA × KVP", self.stage_ranks()),
            None => Ok(()),
        }
    }

    /// Whether so many devices are enough.
    pub fn fits_gpus(self, available: u32) -> Result<(), LayoutError> {
        let needed = self.ranks();
        if available < needed { Err(LayoutError::TooFewGpus { needed, available }) } else { Ok(()) }
    }

    /// The widths.
    #[must_use]
    pub fn widths(self) -> RankLayout {
        self.widths
    }

    /// Ranks of one pipeline stage, N = TPA × KVP = TPF × EP.
    #[must_use]
    pub fn stage_ranks(self) -> u32 {
        self.widths.attention_tensor * self.widths.kv
    }

    /// All ranks, PP × N: the minimum number of GPUs.
    #[must_use]
    pub fn ranks(self) -> u32 {
        self.widths.pipeline * self.stage_ranks()
    }

    /// Effective tensor parallelism of a dense feed-forward, TPA × KVP.
    #[must_use]
    pub fn dense_tensor(self) -> u32 {
        self.stage_ranks()
    }

    /// Effective tensor parallelism inside one expert, TPA × KVP / EP.
    #[must_use]
    pub fn expert_tensor(self) -> u32 {
        self.widths.ffn_tensor
    }

    /// How many times the ranks keep each token's cache: 1 while TPA ≤ KV heads.
    #[must_use]
    pub fn kv_copies(self, kv_heads: u32) -> u32 {
        self.widths.attention_tensor.div_ceil(kv_heads.max(1))
    }

    /// Layers of a pipeline stage: as even as can be, the first stages take what is left over. `None` for a stage
    /// without layers.
    #[must_use]
    pub fn stage_layers(self, layers: u32, stage: u32) -> Option<LayerRange> {
        let (each, extra) = (layers / self.widths.pipeline, layers % self.widths.pipeline);
        let start = stage * each + stage.min(extra);
        LayerRange::new(start, start + each + u32::from(stage < extra))
    }
}

/// Coordinates, groups and slices of a rank. Ranks are `0..self.ranks()`, stage by stage.
impl Layout {
    /// Where a rank stands.
    #[must_use]
    pub fn coordinates(self, rank: u32) -> Coordinates {
        let within_stage = rank % self.stage_ranks();
        Coordinates {
            stage: rank / self.stage_ranks(),
            within_stage,
            attention_tensor: within_stage / self.widths.kv,
            kv: within_stage % self.widths.kv,
            ffn_tensor: within_stage / self.widths.expert,
            expert: within_stage % self.widths.expert,
        }
    }

    fn group(self, rank: u32, member: impl Fn(Coordinates, Coordinates) -> bool) -> Vec<u32> {
        let own = self.coordinates(rank);
        let first = rank - own.within_stage;
        (first..first + self.stage_ranks()).filter(|&peer| member(own, self.coordinates(peer))).collect()
    }

    /// The ranks of the same stage: all-reduce after the output projection and after the feed-forward.
    #[must_use]
    pub fn stage_group(self, rank: u32) -> Vec<u32> {
        self.group(rank, |_, _| true)
    }

    /// The ranks that share a sequence: all-to-all of partial attention. Consecutive.
    #[must_use]
    pub fn kv_group(self, rank: u32) -> Vec<u32> {
        self.group(rank, |own, peer| own.attention_tensor == peer.attention_tensor)
    }

    /// The ranks with the same part of the sequence and other heads. Strided by KVP.
    #[must_use]
    pub fn attention_tensor_group(self, rank: u32) -> Vec<u32> {
        self.group(rank, |own, peer| own.kv == peer.kv)
    }

    /// The ranks with other experts and the same slice of them. Consecutive.
    #[must_use]
    pub fn expert_group(self, rank: u32) -> Vec<u32> {
        self.group(rank, |own, peer| own.ffn_tensor == peer.ffn_tensor)
    }

    /// The ranks that share each expert's width. Strided by EP.
    #[must_use]
    pub fn expert_tensor_group(self, rank: u32) -> Vec<u32> {
        self.group(rank, |own, peer| own.expert == peer.expert)
    }

    /// Query heads for which a rank computes attention over its part of the sequence: Q / TPA of them.
    #[must_use]
    pub fn attention_heads(self, rank: u32, query_heads: u32) -> Range<u32> {
        slice(query_heads, self.widths.attention_tensor, self.coordinates(rank).attention_tensor)
    }

    /// Query heads that a rank holds after the exchange, for the output projection: Q / N of them.
    #[must_use]
    pub fn output_heads(self, rank: u32, query_heads: u32) -> Range<u32> {
        slice(query_heads, self.stage_ranks(), self.coordinates(rank).within_stage)
    }

    /// KV heads in a rank's cache: K / TPA of them, or the one that it shares where TPA is larger than K.
    #[must_use]
    pub fn kv_heads(self, rank: u32, kv_heads: u32) -> Range<u32> {
        let (tensor, width) = (self.coordinates(rank).attention_tensor, self.widths.attention_tensor);
        if width > kv_heads {
            let head = tensor / (width / kv_heads);
            head..head + 1
        } else {
            slice(kv_heads, width, tensor)
        }
    }

    /// Columns of a dense feed-forward's width: F / N of them.
    #[must_use]
    pub fn dense_columns(self, rank: u32, width: u32) -> Range<u32> {
        slice(width, self.stage_ranks(), self.coordinates(rank).within_stage)
    }

    /// Routed experts that a rank holds a slice of: E / EP of them.
    #[must_use]
    pub fn experts(self, rank: u32, experts: u32) -> Range<u32> {
        slice(experts, self.widths.expert, self.coordinates(rank).expert)
    }

    /// Columns of each of its experts' width: W / TPF of them.
    #[must_use]
    pub fn expert_columns(self, rank: u32, width: u32) -> Range<u32> {
        slice(width, self.widths.ffn_tensor, self.coordinates(rank).ffn_tensor)
    }
}

/// Tensor parallelism of the shared expert: the largest width over which whole quantisation blocks of `block` columns
/// divide and that divides `ranks`. With fewer than `ranks`, each slice is held `ranks / result` times and its output
/// counts `result / ranks` before the all-reduce. A `block` of 0 counts as 1, unquantised.
#[must_use]
pub fn shared_expert_tensor(width: u32, block: u32, ranks: u32) -> u32 {
    let (mut a, mut b) = (width / block.max(1), ranks);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

fn slice(total: u32, parts: u32, part: u32) -> Range<u32> {
    let each = total / parts;
    part * each..(part + 1) * each
}

fn divides(what: &'static str, value: u32, by_name: &'static str, by: u32) -> Result<(), LayoutError> {
    if value != 0 && value.is_multiple_of(by) {
        return Ok(());
    }
    let near: Vec<String> =
        divisors(value).into_iter().filter(|divisor| *divisor <= 2 * by).map(|d| d.to_string()).collect();
    let advice = if near.is_empty() {
        format!("the model has no {what}")
    } else {
        format!("set {by_name} to one of {}", near.join(", "))
    };
    Err(LayoutError::Indivisible { what, value, by_name, by, advice })
}

fn divisors(value: u32) -> Vec<u32> {
    let mut small: Vec<u32> = (1..=value.isqrt()).filter(|divisor| value.is_multiple_of(*divisor)).collect();
    let large: Vec<u32> = small.iter().rev().map(|d| value / d).filter(|d| !small.contains(d)).collect();
    small.extend(large);
    small
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
