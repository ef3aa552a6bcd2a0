//! Bytes that a rank sends for one layer of one decode step. None of them grows with the context.
//!
//! Source: section 2.1 of the Helix Parallelism paper; for latent attention the partial results travel in the latent
//! space, as TensorRT-LLM sends them, which is more than the paper's formula says.

use helix_spec::NumberFormat;

/// Partial results that each rank sends to the others of its KVP group \[bytes\], for `batch` tokens.
///
/// ```
/// use helix_cost::layout::{exchange_bytes, exchange_stats_bytes};
/// // DeepSeek-R1, bf16, TPA 1, KVP 8: 128 heads of 512 numbers, seven eighths of them for other ranks.
/// assert_eq!(exchange_bytes(1.0, 128.0 * 512.0, 8, helix_spec::NumberFormat::Bf16), 114_688.0);
/// assert_eq!(exchange_stats_bytes(1.0, 128.0, 8), 896.0);
/// ```
#[must_use]
pub fn exchange_bytes(batch: f64, numbers_a_token: f64, kvp: u32, format: NumberFormat) -> f64 {
    batch * numbers_a_token * format.bits() / 8.0 * away(kvp)
}

/// The softmax statistics that go with them: two 32-bit numbers a head \[bytes\].
#[must_use]
pub fn exchange_stats_bytes(batch: f64, heads: f64, kvp: u32) -> f64 {
    batch * heads * 8.0 * away(kvp)
}

/// What a ring all-reduce of `batch` hidden vectors makes each of `ranks` ranks send \[bytes\].
#[must_use]
pub fn all_reduce_bytes(batch: f64, hidden: u32, ranks: u32, format: NumberFormat) -> f64 {
    2.0 * hidden_bytes(batch, hidden, format) * away(ranks)
}

/// The hidden vectors of `batch` tokens \[bytes\].
#[must_use]
pub fn hidden_bytes(batch: f64, hidden: u32, format: NumberFormat) -> f64 {
    batch * f64::from(hidden) * format.bits() / 8.0
}

/// The part of a rank's data that belongs to the other ranks.
pub(super) fn away(ranks: u32) -> f64 {
    f64::from(ranks.saturating_sub(1)) / f64::from(ranks.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_volumes() {
        let bf16 = NumberFormat::Bf16;
        assert_eq!(exchange_bytes(1.0, 65_536.0, 64, bf16), 129_024.0);
        assert_eq!(exchange_stats_bytes(1.0, 128.0, 64), 1_008.0);
        // Llama-405B, TPA 8, KVP 8: 16 heads of 128.
        assert_eq!(exchange_bytes(1.0, 2_048.0, 8, bf16), 3_584.0);
        assert_eq!(exchange_bytes(5.0, 2_048.0, 1, bf16), 0.0);
        assert_eq!(all_reduce_bytes(2.0, 16_384, 4, bf16), 2.0 * 2.0 * 16_384.0 * 2.0 * 0.75);
    }
}
