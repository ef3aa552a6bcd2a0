//! The roofline of the paper's figure 1: reading the cache against reading the weights, one layer, no exchange.
//!
//! Source: appendix A of the Helix Parallelism paper. It charges the output projection at TPA although section 2.2
//! shards it over all ranks; both readings are here.

use helix_spec::BytesPerSecond;

/// Over how many ranks the output projection is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputProjection {
    /// Over TPA, as the appendix prints it.
    AsPrinted,
    /// Over all TPA × KVP ranks, as the method does.
    Sharded,
}

/// One layer with grouped-query attention and a dense feed-forward.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerRoofline {
    /// Decode tokens.
    pub batch: u32,
    /// Query heads.
    pub query_heads: u32,
    /// KV heads.
    pub kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Width of the feed-forward.
    pub ffn_width: u32,
    /// Bytes of a number, weights and cache alike.
    pub number_bytes: f64,
    /// Speed of the memory.
    pub memory: BytesPerSecond,
    /// How the output projection is charged.
    pub output: OutputProjection,
}

impl LayerRoofline {
    /// The layer of figure 1: batch 8, 128 query heads, 8 KV heads of 128, feed-forward 65,536, 4 bits.
    #[must_use]
    pub fn figure1(memory: BytesPerSecond, output: OutputProjection) -> Self {
        Self {
            batch: 8,
            query_heads: 128,
            kv_heads: 8,
            head_dim: 128,
            ffn_width: 65_536,
            number_bytes: 0.5,
            memory,
            output,
        }
    }

    /// Reading the cache \[s\]: `B · 2 · ceil(K/TPA) · hd · S/KVP · bytes / bandwidth`.
    #[must_use]
    pub fn kv_seconds(&self, tpa: u32, kvp: u32, context: u64) -> f64 {
        let heads = (f64::from(self.kv_heads) / f64::from(tpa)).ceil();
        let numbers = f64::from(self.batch) * 2.0 * heads * f64::from(self.head_dim) * context as f64;
        numbers / f64::from(kvp) * self.number_bytes / self.memory.0 as f64
    }

    /// Reading the weights \[s\]:
    /// `(2·H·(Q/TPA)·hd + 2·H·ceil(K/TPA)·hd + 3·H·F/TPF) · bytes / bandwidth` with `H = Q·hd`.
    #[must_use]
    pub fn weight_seconds(&self, tpa: u32, kvp: u32, tpf: u32) -> f64 {
        let hidden = f64::from(self.query_heads) * f64::from(self.head_dim);
        let query = hidden * hidden / f64::from(tpa);
        let output = match self.output {
            OutputProjection::AsPrinted => query,
            OutputProjection::Sharded => query / f64::from(kvp),
        };
        let heads = (f64::from(self.kv_heads) / f64::from(tpa)).ceil();
        let kv = 2.0 * hidden * heads * f64::from(self.head_dim);
        let ffn = 3.0 * hidden * f64::from(self.ffn_width) / f64::from(tpf);
        (query + output + kv + ffn) * self.number_bytes / self.memory.0 as f64
    }

    /// The context at which reading the cache takes as long as reading the weights \[tokens\].
    #[must_use]
    pub fn crossover(&self, tpa: u32, kvp: u32, tpf: u32) -> f64 {
        self.weight_seconds(tpa, kvp, tpf) / self.kv_seconds(tpa, kvp, 1)
    }
}

/// The same picture for latent attention: one latent vector a token, whatever TPA is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatentRoofline {
    /// Decode tokens.
    pub batch: u32,
    /// Numbers of a cached token (latent and rotated key; the value is a view of the latent).
    pub cached: u32,
    /// Bytes of a number.
    pub number_bytes: f64,
    /// Speed of the memory.
    pub memory: BytesPerSecond,
}

impl LatentRoofline {
    /// Batch 8, 576 numbers of 8 bits.
    #[must_use]
    pub fn figure1(memory: BytesPerSecond) -> Self {
        Self { batch: 8, cached: 576, number_bytes: 1.0, memory }
    }

    /// Reading the cache \[s\].
    #[must_use]
    pub fn kv_seconds(&self, kvp: u32, context: u64) -> f64 {
        let numbers = f64::from(self.batch) * f64::from(self.cached) * context as f64 / f64::from(kvp);
        numbers * self.number_bytes / self.memory.0 as f64
    }
}
