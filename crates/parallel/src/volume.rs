//! How much one rank exchanges for one layer of one decode step. Nothing here depends on the length of the context.
//!
//! Formulas: paper, section 2.1, with what TensorRT-LLM really sends for latent attention.

use helix_spec::Attention;

use crate::Layout;
use crate::layer::{Combine, Expansion, LayerShape, Options};

/// What one rank exchanges for one layer and some tokens \[bytes\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// Partial outputs that it sends to the other ranks of its KVP group:
    /// `B · (Q / TPA) · D · (KVP - 1) / KVP` numbers, D the head width or, unexpanded, the latent's.
    pub partials: u64,
    /// Softmax statistics that go with them: `B · (Q / TPA) · 2 · (KVP - 1) / KVP` numbers of at least 32 bits.
    pub statistics: u64,
    /// What it hands to the all-reduce after the output projection: `B · H` numbers.
    pub output_reduction: u64,
    /// What it hands to the all-reduce after the feed-forward: `B · H` numbers.
    pub ffn_reduction: u64,
}

impl Volume {
    /// The volume of the all-to-all with tokens replicated (the defaults of [`Options`]); `None` for another combine.
    ///
    /// ```
    /// use helix_parallel::{LayerShape, Layout, Options, Volume, Wire, shapes};
    /// use helix_spec::RankLayout;
    /// let layout = Layout::new(RankLayout { kv: 8, expert: 8, ..RankLayout::SINGLE })?;
    /// let volume = Volume::of_layer(&shapes::deepseek_v3(), layout, &Options::new(Wire::Bf16), 1).unwrap();
    /// assert_eq!((volume.partials, volume.statistics), (114_688, 896));
    /// # Ok::<(), helix_parallel::LayoutError>(())
    /// ```
    #[must_use]
    pub fn of_layer(shape: &LayerShape, layout: Layout, options: &Options, tokens: u64) -> Option<Self> {
        if options.combine != Combine::AllToAll {
            return None;
        }
        let unexpanded = matches!(shape.attention, Attention::Latent { .. })
            && options.expansion == Expansion::AfterExchange;
        let width = if unexpanded { shape.cached_value_width() } else { shape.value_width() };
        let kv = u64::from(layout.widths().kv);
        // Heads of one destination, sent to all others.
        let sent = tokens * u64::from(shape.query_heads()) / u64::from(layout.stage_ranks()) * (kv - 1);
        let reduction = tokens * u64::from(shape.hidden) * options.wire.bytes();
        Some(Self {
            partials: sent * u64::from(width) * options.wire.bytes(),
            statistics: sent * 2 * options.wire.for_statistics().bytes(),
            output_reduction: reduction,
            ffn_reduction: reduction,
        })
    }

    /// All that goes over the all-to-all.
    #[must_use]
    pub fn all_to_all(self) -> u64 {
        self.partials + self.statistics
    }
}
