//! What one rank reads from its memory for one layer of one decode step: weights and its part of the cache.

use helix_spec::Attention;

use crate::layer::{Expansion, FfnShape, LayerShape, Options, Packing};
use crate::{Layout, Ledger, LedgerError, shared_expert_tensor};

/// Numbers that rank 0 reads; other ranks read as many, but for the last block of the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reads {
    /// Weights of projections, absorbed ones and the output projection.
    pub attention_weights: f64,
    /// Weights of the feed-forward: of experts, those that a batch of random tokens is expected to visit.
    pub ffn_weights: f64,
    /// Cached keys and values.
    pub cache: f64,
}

impl Reads {
    /// For `batch` requests of one new token after `context` cached ones.
    ///
    /// Experts: `E / EP · (1 - (1 - k / E)^B)` of them are read, each `1 / TPF` wide.
    pub fn of_layer(
        shape: &LayerShape,
        layout: Layout,
        options: &Options,
        (batch, context): (u64, u64),
    ) -> Result<Self, LedgerError> {
        let ledger = Ledger::new(options.ownership, options.block, layout.widths().kv)?;
        let entries = batch as f64 * ledger.local_len(context, context, 0) as f64;
        let heads = f64::from(shape.kv_heads().div_ceil(layout.widths().attention_tensor));
        let per_entry = shape.cached_per_token() as f64 / f64::from(shape.kv_heads()) * heads;
        Ok(Self {
            attention_weights: attention(shape, layout, options),
            ffn_weights: ffn(shape, layout, options, batch),
            cache: entries * per_entry,
        })
    }

    /// Bytes of the weights, packed, where they are computed with in numbers of `full` bytes.
    #[must_use]
    pub fn weight_bytes(&self, packing: Packing, full: u64) -> f64 {
        let block = 1 << 20;
        (self.attention_weights + self.ffn_weights) * packing.row_bytes(block, full) as f64 / block as f64
    }
}

/// Weights of a layer's attention by what they are shared over \[numbers\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionNumbers {
    /// Projections before attention of a rank's Q / TPA heads, `W_UK` among them: the same on every rank of a KVP group.
    pub before: f64,
    /// `W_UV` of one head; 0 where values are cached as they are.
    pub expansion_of_head: f64,
    /// The slice of the output projection of one head.
    pub output_of_head: f64,
}

impl AttentionNumbers {
    /// Of a rank whose heads are shared by `tensor` ranks, in a model that is `hidden` wide.
    #[must_use]
    pub fn new(attention: &Attention, hidden: u32, tensor: u32) -> Self {
        let (hidden, tensor) = (f64::from(hidden), f64::from(tensor));
        match *attention {
            Attention::Grouped { query_heads, kv_heads, head_dim } => {
                let (heads, width) = (f64::from(query_heads) / tensor, f64::from(head_dim));
                let cached = (f64::from(kv_heads) / tensor).ceil();
                Self {
                    before: hidden * (heads + 2.0 * cached) * width,
                    expansion_of_head: 0.0,
                    output_of_head: hidden * width,
                }
            }
            Attention::Latent {
                query_heads,
                q_lora_rank,
                kv_lora_rank,
                qk_nope_head_dim,
                qk_rope_head_dim,
                v_head_dim,
            } => {
                let heads = f64::from(query_heads) / tensor;
                let [latent, nope, rope, value] =
                    [kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim, v_head_dim].map(f64::from);
                let inputs = q_lora_rank.map_or(hidden, f64::from);
                let down = q_lora_rank.map_or(0.0, |rank| hidden * f64::from(rank));
                let queries = down + inputs * heads * (nope + rope);
                Self {
                    before: queries + hidden * (latent + rope) + heads * nope * latent,
                    expansion_of_head: value * latent,
                    output_of_head: hidden * value,
                }
            }
        }
    }
}

fn attention(shape: &LayerShape, layout: Layout, options: &Options) -> f64 {
    let tensor = layout.widths().attention_tensor;
    let numbers = AttentionNumbers::new(&shape.attention, shape.hidden, tensor);
    let computed = f64::from(shape.query_heads() / tensor);
    let output = f64::from(shape.query_heads() / layout.stage_ranks());
    let expanded = if options.expansion == Expansion::AfterExchange { output } else { computed };
    numbers.before + expanded * numbers.expansion_of_head + output * numbers.output_of_head
}

fn ffn(shape: &LayerShape, layout: Layout, options: &Options, batch: u64) -> f64 {
    let hidden = f64::from(shape.hidden);
    match shape.ffn {
        FfnShape::Dense { width } => 3.0 * hidden * f64::from(width) / f64::from(layout.dense_tensor()),
        FfnShape::Experts(experts) => {
            let [routed, chosen, width, shared] =
                [experts.routed, experts.per_token, experts.width, experts.shared_width].map(f64::from);
            let missed = (1.0 - chosen / routed).powf(batch as f64);
            let visited = routed / f64::from(layout.widths().expert) * (1.0 - missed);
            let ranks = layout.stage_ranks();
            let shared_tensor = shared_expert_tensor(experts.shared_width, options.shared_block, ranks);
            routed * hidden
                + 3.0
                    * hidden
                    * (visited * width / f64::from(layout.expert_tensor())
                        + shared / f64::from(shared_tensor))
        }
    }
}

#[cfg(test)]
mod tests {
    use helix_spec::RankLayout;

    use super::*;
    use crate::{Wire, shapes};

    /// One rank and one token read every weight of attention once, the shared expert and 8 of 256 experts.
    #[test]
    fn a_single_rank_reads_all_of_v3_that_a_token_visits() {
        let options = Options::new(Wire::F32);
        let reads = Reads::of_layer(&shapes::deepseek_v3(), Layout::SINGLE, &options, (1, 1000)).unwrap();
        assert_eq!(reads.attention_weights, 187_105_280.0);
        assert!((reads.ffn_weights - (7168.0 * 256.0 + 9.0 * 3.0 * 7168.0 * 2048.0)).abs() < 1.0);
        assert_eq!(reads.cache, 576_000.0);
    }

    /// Sharing the sequence divides the cache and the output projection, not the queries' projection.
    #[test]
    fn what_kvp_divides_and_what_it_does_not() {
        let options = Options::new(Wire::F32);
        let layout = Layout::new(RankLayout { kv: 8, ffn_tensor: 8, ..RankLayout::SINGLE }).unwrap();
        let llama = shapes::llama_405b();
        let reads = Reads::of_layer(&llama, layout, &options, (2, 1024)).unwrap();
        assert_eq!(reads.cache, 2.0 * 128.0 * 2.0 * 8.0 * 128.0);
        let (hidden, head) = (16_384.0, 128.0);
        assert_eq!(reads.attention_weights, hidden * head * (128.0 + 16.0 + 16.0));
        assert_eq!(reads.ffn_weights, 3.0 * hidden * 53_248.0 / 8.0);
        assert_eq!(reads.weight_bytes(Packing::Q8, 4), (reads.attention_weights + reads.ffn_weights) * 1.125);
    }
}
