//! The shape of one decoder layer: everything that its arithmetic depends on but the weights.

use helix_spec::Attention;

use crate::layout::{Layout, LayoutError, ModelParts};

/// Which two components of a head a rotary angle turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// `i` and `i + width / 2` (Llama, Qwen).
    Halves,
    /// `2i` and `2i + 1` (DeepSeek's published weights).
    Neighbours,
}

/// Rotary position embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// What is turned with what.
    pub pairing: Pairing,
}

/// How a router's scores become experts and weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Routing {
    /// Softmax over all experts, the best ones win (Mixtral, Qwen3-MoE).
    Softmax {
        /// Whether the winners' weights are divided by their sum.
        normalise: bool,
    },
    /// DeepSeek-V3: sigmoid scores; the bias only decides who wins; whole groups are dropped first.
    Sigmoid {
        /// Groups of experts.
        groups: u32,
        /// Groups that stay: those with the largest sum of their two best biased scores.
        kept_groups: u32,
        /// Factor on the normalised weights.
        scaling: f64,
    },
}

/// A mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertShape {
    /// Routed experts.
    pub routed: u32,
    /// Routed experts that each token visits.
    pub per_token: u32,
    /// Width of one routed expert.
    pub width: u32,
    /// Width of all shared experts together; 0 for none.
    pub shared_width: u32,
    /// How tokens find experts.
    pub routing: Routing,
}

/// The feed-forward of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FfnShape {
    /// One gated feed-forward.
    Dense {
        /// Its width.
        width: u32,
    },
    /// A mixture of experts.
    Experts(ExpertShape),
}

/// The shape of a decoder layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// Width of the residual stream.
    pub hidden: u32,
    /// Its attention.
    pub attention: Attention,
    /// Its position embedding.
    pub rope: Rope,
    /// What multiplies `1 / sqrt(head width)` in the logits: the square of `YaRN`'s mscale, else 1.
    pub softmax_factor: f64,
    /// Added to the mean square in every norm.
    pub norm_epsilon: f64,
    /// Its feed-forward.
    pub ffn: FfnShape,
}

/// Why a layer cannot have this shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a layer cannot have {what}: {why}")]
pub struct ShapeError {
    /// The number at fault.
    pub what: String,
    /// What it must be.
    pub why: &'static str,
}

fn require(holds: bool, what: impl FnOnce() -> String, why: &'static str) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(ShapeError { what: what(), why }) }
}

impl LayerShape {
    /// Whether all numbers fit together.
    pub fn validate(&self) -> Result<(), ShapeError> {
        let sizes = [self.hidden, self.query_heads(), self.kv_heads(), self.key_width(), self.value_width()];
        let all = sizes.into_iter().chain(match self.ffn {
            FfnShape::Dense { width } => [width, 1, 1],
            FfnShape::Experts(experts) => [experts.width, experts.routed, experts.per_token],
        });
        for size in all {
            require((1..=1 << 20).contains(&size), || format!("a size of {size}"), "sizes are 1 to 1048576")?;
        }
        let (query, kv) = (self.query_heads(), self.kv_heads());
        require(
            query.is_multiple_of(kv),
            || format!("{query} query heads over {kv} KV heads"),
            "each KV head serves as many query heads",
        )?;
        let rope = self.rope_width();
        require(rope.is_multiple_of(2), || format!("{rope} rotated components"), "they turn in pairs")?;
        let numbers = [self.rope.theta, self.softmax_factor, self.norm_epsilon];
        require(
            numbers.iter().all(|number| number.is_finite() && *number > 0.0),
            || format!("theta, softmax factor and norm epsilon {numbers:?}"),
            "they are finite and positive",
        )?;
        match self.ffn {
            FfnShape::Dense { .. } => Ok(()),
            FfnShape::Experts(experts) => experts.validate(),
        }
    }

    /// Whether the layer divides over the ranks of a layout.
    pub fn fits(&self, layout: Layout) -> Result<(), LayoutError> {
        let (dense_width, experts) = match self.ffn {
            FfnShape::Dense { width } => (Some(width), None),
            FfnShape::Experts(experts) => (None, Some((experts.routed, experts.width))),
        };
        layout.fits_parts(&ModelParts {
            layers: u32::MAX,
            query_heads: self.query_heads(),
            kv_heads: self.kv_heads(),
            dense_width,
            experts,
        })
    }

    /// Query heads.
    #[must_use]
    pub fn query_heads(&self) -> u32 {
        match self.attention {
            Attention::Grouped { query_heads, .. } | Attention::Latent { query_heads, .. } => query_heads,
        }
    }

    /// Heads of the cache; latent attention has one that all query heads share.
    #[must_use]
    pub fn kv_heads(&self) -> u32 {
        match self.attention {
            Attention::Grouped { kv_heads, .. } => kv_heads,
            Attention::Latent { .. } => 1,
        }
    }

    /// Width of one cached key, which is also that of a query against it.
    #[must_use]
    pub fn key_width(&self) -> u32 {
        match self.attention {
            Attention::Grouped { head_dim, .. } => head_dim,
            Attention::Latent { kv_lora_rank, qk_rope_head_dim, .. } => {
                kv_lora_rank.saturating_add(qk_rope_head_dim)
            }
        }
    }

    /// Width of one cached value: what partial outputs are made of.
    #[must_use]
    pub fn cached_value_width(&self) -> u32 {
        match self.attention {
            Attention::Grouped { head_dim, .. } => head_dim,
            Attention::Latent { kv_lora_rank, .. } => kv_lora_rank,
        }
    }

    /// Width of one head's output as the output projection takes it.
    #[must_use]
    pub fn value_width(&self) -> u32 {
        match self.attention {
            Attention::Grouped { head_dim, .. } => head_dim,
            Attention::Latent { v_head_dim, .. } => v_head_dim,
        }
    }

    /// Components of a head that carry the position; the last ones of a key.
    #[must_use]
    pub fn rope_width(&self) -> u32 {
        match self.attention {
            Attention::Grouped { head_dim, .. } => head_dim,
            Attention::Latent { qk_rope_head_dim, .. } => qk_rope_head_dim,
        }
    }

    /// What the product of query and key is multiplied with.
    #[must_use]
    pub fn softmax_scale(&self) -> f64 {
        let width = match self.attention {
            Attention::Grouped { head_dim, .. } => f64::from(head_dim),
            Attention::Latent { qk_nope_head_dim, qk_rope_head_dim, .. } => {
                f64::from(qk_nope_head_dim) + f64::from(qk_rope_head_dim)
            }
        };
        self.softmax_factor / width.sqrt()
    }

    /// Numbers that one token keeps in the caches of all KV heads.
    #[must_use]
    pub fn cached_per_token(&self) -> u64 {
        match self.attention {
            Attention::Grouped { kv_heads, head_dim, .. } => 2 * u64::from(kv_heads) * u64::from(head_dim),
            Attention::Latent { .. } => u64::from(self.key_width()),
        }
    }
}

impl ExpertShape {
    fn validate(&self) -> Result<(), ShapeError> {
        let &Self { routed, per_token, routing, .. } = self;
        require(
            per_token <= routed,
            || format!("{per_token} experts a token of {routed}"),
            "a token visits each expert once at the most",
        )?;
        let Routing::Sigmoid { groups, kept_groups, scaling } = routing else { return Ok(()) };
        require(
            groups > 0 && routed.is_multiple_of(groups) && routed / groups >= 2,
            || format!("{routed} experts in {groups} groups"),
            "groups are equal and of two experts at least",
        )?;
        require(
            (1..=groups).contains(&kept_groups) && per_token <= kept_groups * (routed / groups),
            || format!("{per_token} experts a token from {kept_groups} of {groups} groups"),
            "the groups that stay must hold the experts of a token",
        )?;
        require(
            scaling.is_finite() && scaling > 0.0,
            || format!("a routed scaling of {scaling}"),
            "it is positive",
        )
    }
}
