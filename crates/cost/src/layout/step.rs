//! The time of one decode step: one token more for every request of the batch.
//!
//! Per layer: `overhead + projections + attention phase + output projection + reduction + feed-forward + reduction`,
//! where every matrix is the larger of reading it and computing with it, and every collective its latency and its bytes.

use super::config::{Config, Sharing, Strategy};
use super::hopb::{AttentionPhase, Overlap};
use super::memory::{RankMemory, Shards};
use super::shard::FfnShard;
use super::study::Study;
use super::volume::{all_reduce_bytes, away, exchange_bytes, exchange_stats_bytes, hidden_bytes};

/// Which feed-forward a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// Gate, up and down projection.
    Dense,
    /// Routed and shared experts.
    Experts,
}

/// Where the time of one layer goes \[s\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerTime {
    /// Calibrated time that no term below explains.
    pub overhead: f64,
    /// Projections before attention.
    pub projections: f64,
    /// Attention over this rank's part of the cache.
    pub attention: f64,
    /// Exchange of partial results, as if nothing overlapped it.
    pub exchange: f64,
    /// Attention and exchange together, overlapped as far as they are.
    pub attention_phase: f64,
    /// Output projection.
    pub output: f64,
    /// Sum over the ranks after it, or the way of the tokens to their experts.
    pub output_reduction: f64,
    /// Feed-forward.
    pub ffn: f64,
    /// Sum over the ranks after it, or the way back.
    pub ffn_reduction: f64,
}

impl LayerTime {
    /// The whole layer \[s\].
    #[must_use]
    pub fn total(self) -> f64 {
        self.overhead
            + self.projections
            + self.attention_phase
            + self.output
            + self.output_reduction
            + self.ffn
            + self.ffn_reduction
    }
}

/// What a configuration does at a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Performance {
    /// Time from one token of a request to its next \[s\].
    pub ttl_s: f64,
    /// Requests in flight: the batch in every pipeline stage.
    pub users: u64,
    /// Tokens a second for each of them.
    pub tokens_per_s_user: f64,
    /// Tokens a second of every device.
    pub tokens_per_s_gpu: f64,
    /// Memory of the fullest rank.
    pub memory: RankMemory,
    /// Whether that is within the device's memory.
    pub fits: bool,
}

impl Study<'_> {
    /// One decode step of `batch` requests in each pipeline stage.
    #[must_use]
    pub fn evaluate(&self, config: Config, batch: u32, overlap: Overlap) -> Performance {
        let shards = Shards::new(self, config);
        let dense = self.layer_of(&shards, config, LayerKind::Dense, (batch, overlap)).total();
        let experts = match self.model.experts {
            Some(_) => self.layer_of(&shards, config, LayerKind::Experts, (batch, overlap)).total(),
            None => 0.0,
        };
        let rows = f64::from(batch);
        let hop = self.collective(hidden_bytes(rows, self.model.hidden, self.hardware.exchange));
        let slowest = (0..config.pipeline())
            .map(|stage| {
                let (dense_layers, expert_layers) = shards.kinds(stage);
                let output =
                    if shards.has_output(stage) { self.weights(shards.vocabulary, rows) } else { 0.0 };
                dense_layers * dense + expert_layers * experts + output
            })
            .fold(0.0, f64::max);
        let ttl_s = match config.pipeline() {
            1 => slowest,
            stages => f64::from(stages) * (slowest + hop),
        };
        let users = u64::from(batch) * u64::from(config.pipeline());
        let memory = self.memory(config, batch);
        Performance {
            ttl_s,
            users,
            tokens_per_s_user: 1.0 / ttl_s,
            tokens_per_s_gpu: users as f64 / ttl_s / f64::from(config.devices()),
            memory,
            fits: memory.total() <= self.hardware.memory.0 as f64,
        }
    }

    /// The number of HOP-B chunks with the least time, every chunk paying the latency of a collective; 1 without KVP.
    #[must_use]
    pub fn best_chunks(&self, config: Config, batch: u32) -> u32 {
        match config.strategy() {
            Strategy::Helix => {
                let rows = f64::from(config.requests_on_rank(batch));
                self.attention_phase(&Shards::new(self, config), config, rows).best_chunks().0
            }
            _ => 1,
        }
    }

    /// Where the time of one layer goes.
    #[must_use]
    pub fn layer(&self, config: Config, batch: u32, overlap: Overlap, kind: LayerKind) -> LayerTime {
        self.layer_of(&Shards::new(self, config), config, kind, (batch, overlap))
    }

    fn layer_of(
        &self,
        shards: &Shards<'_>,
        config: Config,
        kind: LayerKind,
        (batch, overlap): (u32, Overlap),
    ) -> LayerTime {
        let rows = f64::from(config.requests_on_rank(batch));
        let shard = shards.attention;
        let phase = self.attention_phase(shards, config, rows);
        let (exchange, attention_phase) = match config.sharing {
            _ if config.kv() == 1 => (0.0, phase.attention),
            Sharing::Groups => (phase.latency + phase.wire, phase.seconds(Overlap::Exposed)),
            _ => (phase.latency + phase.wire, phase.seconds(overlap)),
        };
        let ffn = match kind {
            LayerKind::Dense => shards.dense,
            LayerKind::Experts => shards.experts,
        };
        let movement = self.movement(config, kind, f64::from(batch));
        LayerTime {
            overhead: self.rates.overhead,
            projections: self.weights(shard.before, rows),
            attention: phase.attention,
            exchange,
            attention_phase,
            output: self.weights(shard.after, rows),
            output_reduction: movement,
            ffn: self.ffn(ffn, f64::from(batch)),
            ffn_reduction: movement,
        }
    }

    fn attention_phase(&self, shards: &Shards<'_>, config: Config, rows: f64) -> AttentionPhase {
        let (shard, kv) = (shards.attention, config.kv());
        let tokens = rows * self.context as f64 / f64::from(kv);
        let read = tokens * shard.cached * self.rates.cache_bytes / self.rates.memory;
        let compute = tokens * shard.flops_a_token / self.rates.cache_flops;
        let format = self.hardware.exchange;
        let bytes = match config.sharing {
            // Every group sends its partial results to the one that computes the feed-forward, whose link bounds them.
            Sharing::Groups => {
                f64::from(kv.saturating_sub(1))
                    * rows
                    * (shard.partial * format.bits() / 8.0 + shard.heads * 8.0)
            }
            _ => {
                exchange_bytes(rows, shard.partial, kv, format) + exchange_stats_bytes(rows, shard.heads, kv)
            }
        };
        AttentionPhase {
            requests: rows.max(1.0),
            attention: read.max(compute),
            wire: bytes / self.rates.link,
            latency: self.rates.latency,
        }
    }

    /// One movement of hidden vectors between the ranks of a stage \[s\]: the sum over the ranks, or for attention by
    /// requests the gathering of the batch (dense) or the way of each token to its experts.
    fn movement(&self, config: Config, kind: LayerKind, batch: f64) -> f64 {
        let ranks = config.ffn_ranks();
        if ranks == 1 {
            return 0.0;
        }
        let all_reduce = all_reduce_bytes(batch, self.model.hidden, ranks, self.hardware.exchange);
        let bytes = match (config.sharing, kind, &self.model.experts) {
            (Sharing::Requests, LayerKind::Experts, Some(experts)) => {
                let copies = experts.per_token.min(config.expert()).saturating_mul(config.ffn_tensor());
                let rows = batch / f64::from(ranks);
                let once = hidden_bytes(rows, self.model.hidden, self.hardware.exchange);
                f64::from(copies) * once * away(ranks)
            }
            (Sharing::Requests, _, _) => all_reduce / 2.0,
            _ => all_reduce,
        };
        self.collective(bytes)
    }

    fn ffn(&self, shard: FfnShard, batch: f64) -> f64 {
        match shard {
            FfnShard::Dense { weights } => self.weights(weights, batch),
            FfnShard::Experts { expert, held, visited, always } => {
                let read = held * (1.0 - (1.0 - visited).powf(batch)) * expert * self.rates.weight_bytes;
                // A token visits `visited` of all experts, this rank holds `held` of them: an even share of the work.
                let visits = batch * visited * held;
                self.roof(read, 2.0 * visits * expert) + self.weights(always, batch)
            }
        }
    }
}
