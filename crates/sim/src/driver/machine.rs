//! A machine in virtual time: the scheduler's node, a clock for its batches, and what it did.

use helix_cost::{BatchError, MachineClock, TimeSource};
use helix_scheduler::Phase;
use helix_scheduler::node::{Batch, Node};
use helix_spec::SimTime;

/// The batch that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub batch: Batch,
    pub start: SimTime,
    /// Time of each layer.
    pub layer: u64,
    /// Layers that are done.
    pub done: u32,
    /// A layer is done and the next one has not begun: both happen at one instant, but others may come between.
    pub between: bool,
    /// When the layer that runs will be done.
    pub next: SimTime,
}

/// What a machine did within the window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MachineCounts {
    pub busy: u64,
    /// Layers that were run, summed over batches, and the same weighted with their tokens.
    pub layers: u64,
    pub prompt_layers: u64,
    pub decode_layers: u64,
    /// Integral of the works that waited over time \[works × ps\].
    pub waiting: u128,
    /// Integral of the cache in use \[units × ps\].
    pub kv: u128,
    pub extrapolated: u64,
}

/// A machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub node: Node,
    pub clock: MachineClock,
    pub running: Option<Running>,
    pub generation: u32,
    /// Where most requests have it among their steps.
    pub step: usize,
    pub loaded: bool,
    pub up: bool,
    /// Times by which its batches take longer than planned.
    pub slower: f64,
    pub counts: MachineCounts,
    /// When the integrals were last brought up to date.
    pub counted: SimTime,
    /// The fullest that its cache was.
    pub kv_peak: u64,
}

impl Machine {
    pub fn new(node: Node, clock: MachineClock) -> Self {
        Self {
            node,
            clock,
            running: None,
            generation: 0,
            step: 0,
            loaded: false,
            up: true,
            slower: 1.0,
            counts: MachineCounts::default(),
            counted: SimTime::ZERO,
            kv_peak: 0,
        }
    }

    /// Cache in use, with what the finished layers of a running batch have put there.
    pub fn kv_used(&self) -> u64 {
        let of_batch = match self.running {
            Some(Running { batch, done, .. }) if self.node.pool().is_none() => {
                (batch.prefill_tokens + u64::from(batch.decodes)) * u64::from(done)
            }
            _ => 0,
        };
        self.node.kv().used + of_batch
    }

    /// Brings the integrals up to date; to be called before the node is handed an event and before a layer is counted
    /// as done.
    pub fn settle(&mut self, now: SimTime) {
        let since = u128::from(now.0 - self.counted.0);
        if since > 0 {
            self.counts.waiting += self.node.queued() as u128 * since;
            self.counts.kv += u128::from(self.kv_used()) * since;
            self.counted = now;
        }
    }

    /// Notes how full the cache is.
    pub fn note_kv(&mut self) {
        self.kv_peak = self.kv_peak.max(self.kv_used());
    }

    /// Times of a batch \[ps\]: before its first layer, and of each layer.
    pub fn times(&mut self, batch: &Batch, copy_seconds_per_token: f64) -> Result<(u64, u64), BatchError> {
        let layers = batch.layers;
        let alike = self.node.running().all(|work| work.layers.end() >= layers.end())
            && (layers.len() == 1 || self.node.running().all(|work| work.layers.start() <= layers.start()));
        let mut source = TimeSource::Measured;
        let layer = if alike {
            self.layer_time(layers.start(), &mut source)?
        } else {
            // Some enter or leave on the way: the mean layer.
            let mut total = 0u64;
            for layer in layers.start()..layers.end() {
                total = total.saturating_add(self.layer_time(layer, &mut source)?);
            }
            total / u64::from(layers.len())
        };
        self.counts.extrapolated += u64::from(source == TimeSource::Extrapolated);
        let copy = batch.received_tokens as f64 * copy_seconds_per_token;
        let copy = SimTime::from_seconds(copy * self.slower).unwrap_or(crate::network::NEVER);
        Ok((copy.0, layer))
    }

    /// Time of one layer with those items of the running batch that go through it \[ps\].
    fn layer_time(&self, layer: u32, source: &mut TimeSource) -> Result<u64, BatchError> {
        let mut load = helix_cost::Batch::default();
        for work in self.node.running().filter(|work| work.layers.contains(layer)) {
            match work.phase {
                Phase::Prefill => load.add_prefill(u64::from(work.tokens), u64::from(work.context)),
                Phase::Decode => load.add_decode(u64::from(work.context)),
            }
        }
        let cost = self.clock.batch_time(1, &load)?;
        *source = (*source).max(cost.source);
        if self.slower == 1.0 {
            return Ok(cost.time.0);
        }
        let slower = SimTime::from_seconds(cost.time.seconds() * self.slower);
        Ok(slower.unwrap_or(crate::network::NEVER).0)
    }
}
