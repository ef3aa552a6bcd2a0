//! The operating point: which batch a machine runs when its cache is the limit, and what throughput follows.
//!
//! ```text
//!             N requests in flight, as many as the cache of its k layers holds
//!   ┌──────────────────────────────────────────────────────────────┐
//!   └─> [ k layers here: k · t(b) ] ─> [ the other layers and hops: R ] ─┘     one round trip, one token a request
//! ```
//! A request spends `k·t(b)` of each round trip here, so that on average (Little's law)
//! `b = N · k·t(b) / (k·t(b) + R)` of them are here, and they are one batch. Each decoded token comes with
//! `750 / 240` prompt tokens, which the same batch prefills. The throughput counts both:
//! `T = (b + b·750/240) / (k·t(b))`.

use crate::batch::Load;
use crate::memory::{TYPICAL_OUTPUT, TYPICAL_PROMPT};
use helix_spec::SimTime;

/// What the operating point assumes about the requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingAssumptions {
    /// Tokens of a prompt.
    pub prompt: f64,
    /// Tokens of an answer.
    pub output: f64,
    /// Share of the cache that admitted requests fill: the reference runs of the paper's simulator admit about 0.69 of
    /// the cache at the bottleneck layer.
    pub cache_in_use: f64,
    /// Requests in one batch at most.
    pub max_requests: f64,
    /// Time from one machine to the next.
    pub hop: SimTime,
}

impl Default for OperatingAssumptions {
    fn default() -> Self {
        Self {
            prompt: f64::from(TYPICAL_PROMPT),
            output: f64::from(TYPICAL_OUTPUT),
            cache_in_use: 0.7,
            max_requests: 256.0,
            hop: SimTime(1_000_000_000),
        }
    }
}

/// The pace of the rest of the cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Layers of the whole model.
    pub model_layers: u32,
    /// Mean time of a layer elsewhere, at its operating point, with its share of the hop to the next machine \[s\].
    pub layer_seconds: f64,
}

/// A machine with `k` layers at work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// Requests that its cache keeps in flight.
    pub in_flight: f64,
    /// Decode requests in its batch; below 1 it idles between batches of one.
    pub batch: f64,
    /// Prompt tokens in the same batch.
    pub prefill_tokens: f64,
    /// Time of its batch on one layer \[s\].
    pub layer_seconds: f64,
    /// Time of one token through the whole model \[s\].
    pub round_trip: f64,
    /// Prompt and decode tokens a second through all its layers.
    pub throughput: f64,
}

/// Solves for the operating point of a machine that holds `layers` layers and a cache of `kv_capacity`
/// \[tokens × layers\], where one layer takes `layer_seconds` for an average batch.
///
/// Bisection on the batch: 60 halvings, the same on every machine.
pub(crate) fn operating_point(
    layers: u32,
    kv_capacity: u64,
    assumed: &OperatingAssumptions,
    pace: &Pace,
    layer_seconds: impl Fn(&Load) -> f64,
) -> OperatingPoint {
    let k = f64::from(layers);
    let elsewhere = f64::from(pace.model_layers.saturating_sub(layers));
    let rest = elsewhere * pace.layer_seconds + assumed.hop.seconds();
    let request = assumed.prompt + assumed.output;
    // A cache that holds one request holds one, whatever share of it is to be used.
    let holds = kv_capacity as f64 / (k * request);
    let in_flight = (assumed.cache_in_use * holds).max(holds.min(1.0));

    let here = |batch: f64| k * layer_seconds(&assumed.load(batch));
    // Positive when more than `batch` requests would be here.
    let surplus = |batch: f64| {
        let here = here(batch);
        in_flight * here - batch * (here + rest)
    };
    let batch = if surplus(1.0) <= 0.0 {
        1.0
    } else if surplus(assumed.max_requests) >= 0.0 {
        assumed.max_requests
    } else {
        let (mut low, mut high) = (1.0, assumed.max_requests);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if surplus(middle) > 0.0 { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    };
    let here = here(batch);
    let round_trip = here + rest;
    // Fewer than one request here on average: batches of one, as often as they come by.
    let tokens = (in_flight / round_trip).min(batch / here);
    OperatingPoint {
        in_flight,
        batch: tokens * here,
        prefill_tokens: tokens * here * assumed.prompt / assumed.output,
        layer_seconds: here / k,
        round_trip,
        throughput: tokens * request / assumed.output,
    }
}

impl OperatingAssumptions {
    /// Cached tokens of a request that is half way through its answer.
    pub(crate) fn context(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths of requests")]
        let context = (self.prompt + self.output / 2.0) as u64;
        context
    }

    /// The average batch with `batch` decode requests.
    fn load(&self, batch: f64) -> Load {
        let prefill_tokens = batch * self.prompt / self.output;
        Load {
            prefill_tokens,
            prefill_pairs: prefill_tokens * f64::midpoint(self.prompt, 1.0),
            decode_requests: batch,
            decode_context: batch * (self.prompt + self.output / 2.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { model_layers: 80, layer_seconds: 2e-3 };

    fn point(layers: u32, kv_tokens: f64, seconds: impl Fn(&Load) -> f64) -> OperatingPoint {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test figures")]
        let capacity = (kv_tokens * f64::from(layers)) as u64;
        operating_point(layers, capacity, &OperatingAssumptions::default(), &PACE, seconds)
    }

    #[test]
    fn a_constant_layer_time_has_a_closed_form() {
        // t(b) = t: b = N·k·t / (k·t + R) exactly, T = N·(990/240) / (k·t + R).
        let point = point(4, 100_000.0, |_| 3e-3);
        let in_flight = 0.7 * 100_000.0 / 990.0;
        let rest = 76.0 * 2e-3 + 1e-3;
        let round_trip = 4.0 * 3e-3 + rest;
        assert!((point.batch / (in_flight * 12e-3 / round_trip) - 1.0).abs() < 1e-9);
        assert!((point.throughput / (in_flight * 990.0 / 240.0 / round_trip) - 1.0).abs() < 1e-9);
        assert!((point.round_trip - round_trip).abs() < 1e-12);
    }

    #[test]
    fn a_linear_layer_time_saturates_at_the_batch_limit() {
        // t(b) = 10 ms · b: everything waits here, 256 requests at most are one batch.
        let point = point(4, 1e7, |load| 0.01 * load.decode_requests);
        assert_eq!(point.batch, 256.0);
        assert!((point.throughput / (990.0 / 240.0 / 0.04) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_cache_for_less_than_one_request_here_idles() {
        let point = point(4, 990.0, |_| 3e-3);
        assert!((point.in_flight - 1.0).abs() < 1e-9);
        assert!(point.batch < 0.1);
        assert!((point.throughput * point.round_trip / (990.0 / 240.0) - 1.0).abs() < 1e-9);
    }
}
