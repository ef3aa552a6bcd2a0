//! What a placement decodes in steady operation: requests in flight over the time of a round, the flow as a limit.
//!
//! Nobody runs at the maximum flow. A request occupies cache for its whole life, so at most `N` requests are in flight,
//! and each of them gets a token a round trip (Little's law).

use helix_cost::{Batch, BatchTime};
use helix_spec::{Endpoint, Placement};

use crate::Instance;
use crate::evaluation::{Evaluation, Pipeline};

/// Foresees how a placement does in steady operation; the command line implements it by simulation.
pub trait Evaluate {
    /// Decode tokens a second under as many requests as the caches admit; `None` where it cannot be foreseen.
    fn decode_rate(
        &self,
        instance: &Instance<'_>,
        placement: &Placement,
        evaluation: &Evaluation,
    ) -> Option<f64>;
}

/// The cheap judge: Little's law on a round trip that grows with the load.
///
/// With `N` requests in flight, mean lengths of `p` prompt and `o` output tokens, a round trip `D` of a decoded token and
/// `P` of a prompt, decode tokens/s are `r = N / (D + P/o)`. `N` is the cache at the layer that holds least, over the
/// tokens that a request keeps there, times the share that admission fills. A machine that is busy for a share `ρ` of the
/// time takes `1 / (1 − ρ)` as long as an idle one (a queue with random arrivals), `ρ` being `r · (p + o) / o` over what
/// it could do at most; links are not inflated. So `r` stays below the maximum flow's share `F · o / (p + o)`, and of two
/// plans with the same flow the one with the shorter round wins. O(stages of all pipelines) for each of 60 bisections.
pub struct LittleLaw<'a> {
    /// Times of batches.
    pub times: &'a dyn BatchTime,
    /// Mean prompt length \[tokens\].
    pub prompt: f64,
    /// Mean output length \[tokens\].
    pub output: f64,
    /// Share of the cache that admission fills: 0.69 in the authors' simulator with requests of about 1,000 tokens.
    pub filled: f64,
}

/// One machine on a pipeline, unloaded.
struct Stop {
    /// Time of `D + P/o` that it takes \[s\].
    seconds: f64,
    /// Its share of use when the maximum flow runs.
    use_at_most: f64,
}

impl Evaluate for LittleLaw<'_> {
    fn decode_rate(
        &self,
        instance: &Instance<'_>,
        placement: &Placement,
        evaluation: &Evaluation,
    ) -> Option<f64> {
        let flow: f64 = evaluation.pipelines.iter().map(|pipeline| pipeline.flow).sum();
        if flow <= 0.0 {
            return None;
        }
        let tokens = self.prompt + self.output;
        let most = flow * self.output / tokens;
        let in_flight = self.filled * evaluation.kv_tokens_at_bottleneck() as f64 / tokens;
        let ways: Option<Vec<(f64, f64, Vec<Stop>)>> = evaluation
            .pipelines
            .iter()
            .map(|pipeline| {
                let (links, stops) = self.way(instance, placement, evaluation, pipeline)?;
                Some((pipeline.flow / flow, links, stops))
            })
            .collect();
        let ways = ways?;
        let needed = |share: f64| -> f64 {
            let round = |(weight, links, stops): &(f64, f64, Vec<Stop>)| {
                let loaded = stops.iter().map(|stop| stop.seconds / (1.0 - share * stop.use_at_most));
                weight * (links + loaded.sum::<f64>())
            };
            share * most * ways.iter().map(round).sum::<f64>()
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if needed(middle) <= in_flight {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low * most)
    }
}

impl LittleLaw<'_> {
    /// The links' and every machine's part of `D + P/o` on a pipeline.
    fn way(
        &self,
        instance: &Instance<'_>,
        placement: &Placement,
        evaluation: &Evaluation,
        pipeline: &Pipeline,
    ) -> Option<(f64, Vec<Stop>)> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "mean lengths in tokens")]
        let (prompt, context) =
            (self.prompt.round() as u64, (self.prompt + self.output / 2.0).round() as u64);
        let wire = instance.wire();
        let bytes = (wire.token.0 + wire.activation.0) as f64;
        let mut links = pipeline.latency.seconds() * (1.0 + 1.0 / self.output);
        for pair in pipeline.stages.windows(2) {
            let link = instance.cluster.link(Endpoint::Machine(pair[0]), Endpoint::Machine(pair[1]))?;
            links += bytes / link.bandwidth.bytes_per_second() * (1.0 + self.prompt / self.output);
        }
        let mut stops = Vec::new();
        for (&stage, range) in pipeline.stages.iter().zip(&pipeline.ranges(placement)) {
            let machine = instance.cluster.machine(stage);
            // A batch of two: a table's row for a batch of one is an outlier in the authors' measurements.
            let decode = self.times.batch_time(machine, range.len(), &Batch::decode(2, context)).ok()?;
            let prefill =
                self.times.batch_time(machine, range.len(), &Batch::typical_prefill(prompt)).ok()?;
            let used = evaluation.machines.iter().find(|used| used.machine == stage)?;
            let use_at_most = (used.flow / used.capacity).min(1.0);
            stops.push(Stop {
                seconds: decode.time.seconds() + prefill.time.seconds() / self.output,
                use_at_most,
            });
        }
        Some((links, stops))
    }
}
