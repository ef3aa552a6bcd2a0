//! How a simulation behaves. Every behaviour of the paper's simulator is a value of a general setting;
//! [`Settings::asplos25`] collects those values.

use helix_scheduler::coordinator::{
    CoordinatorConfig, DecodeDispatch, KvEstimate, OnLoss, OnNoRoute, Routing,
};
use helix_scheduler::node::{BatchLimits, BatchOrder, Batching};
use helix_spec::SimTime;

/// How links divide their speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
    /// Speeds are reserved while something is sent, one request a transfer: the planned share with max-flow routing,
    /// else what is left over ([`Reserved`](crate::network::Reserved)).
    Reserved,
    /// What is sent shares links and interfaces ([`Fair`](crate::network::Fair)). The tokens that one batch sends to one machine
    /// travel together, and so do its prompts, which take a link one after the other.
    Fair,
}

/// Who chooses the ways of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Interleaved weighted round-robin over the planned flow; links below this share of their node's outflow are left
    /// out.
    MaxFlow {
        /// 0 to 1.
        least_share: f64,
    },
    /// The same with turns that vary a little, so that places where ways split do not all choose alike.
    MixedFlow,
    /// The same flow, but while there is flow to spare the pipeline on which a prompt is through first.
    LatencyAware,
    /// Latency-weighted.
    Swarm,
    /// Any free link.
    Random,
    /// The machine where fewest wait.
    ShortestQueue,
}

impl Policy {
    /// Whether it learns from the times of links.
    #[must_use]
    pub fn learns(self) -> bool {
        matches!(self, Self::Swarm | Self::LatencyAware)
    }

    /// Whether hops are chosen one by one, as the paper's baselines do.
    #[must_use]
    pub fn hop_by_hop(self) -> bool {
        !self.by_flow()
    }

    /// Whether ways follow the planned flow.
    #[must_use]
    pub fn by_flow(self) -> bool {
        matches!(self, Self::MaxFlow { .. } | Self::MixedFlow | Self::LatencyAware)
    }
}

/// How the cache is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvMode {
    /// Counted, never refused.
    Counted,
    /// In blocks of so many tokens, for all layers of a machine together; what finds none waits, and is preempted at
    /// last.
    Paged {
        /// Tokens in a block.
        block_tokens: u32,
    },
}

/// What batches may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limits {
    /// What the cluster's declared tables say (the paper's tables); these where there are none.
    Declared(BatchLimits),
    /// The same for all machines.
    Fixed(BatchLimits),
}

/// When the offline feeder launches another request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refill {
    /// After a finished prompt or request, if the fullest layer's expected cache is filled at most so far and nothing waits
    /// in the coordinator's line (the paper's, with max-flow; there nothing ever waits).
    WhileCacheBelow(f64),
    /// After a finished request: as many are always under way (the paper's, with its baselines).
    OneForOne,
    /// Whenever nothing waits in the coordinator's line: the cluster is saturated, and nothing is dropped.
    WhileNoneWaits,
}

/// Where requests come from, offline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfflineFeed {
    /// Requests at the beginning.
    pub initial: u32,
    /// Time between those.
    pub spacing: SimTime,
    /// When there is another one.
    pub refill: Refill,
    /// Time from the reason for another one to its launch.
    pub delay: SimTime,
}

/// How many events the layers of a batch are, where a batch may change between them (layer-wise batching). A batch of the whole
/// range is always one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerEvents {
    /// One for each layer.
    Each,
    /// One for all of them, where no work enters a machine in the middle of its range and nothing fails. The order of what
    /// happens at one instant is another one then, so single events differ and figures by chance; such a run is cheaper.
    Joined,
}

/// What is measured, and when the run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Nothing counts before.
    pub warmup: SimTime,
    /// Then this counts, both ends included.
    pub duration: SimTime,
    /// Whether the run goes on after the window until all requests have ended.
    pub drain: bool,
}

/// All settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Whether machines load their layers first; requests come from the whole second after the last has.
    pub loading: bool,
    /// How machines batch.
    pub batching: Batching,
    /// How many events the layers of a batch are.
    pub layer_events: LayerEvents,
    /// Who comes first in a batch.
    pub order: BatchOrder,
    /// What batches may hold.
    pub limits: Limits,
    /// The cache.
    pub kv: KvMode,
    /// Time to bring a received token's activation to the first layer of a machine, for every byte of it \[s\]; 0 where
    /// it is not modelled. Charged to the next batch of that layer.
    pub copy_seconds_per_byte: f64,
    /// How links divide their speed.
    pub links: LinkMode,
    /// Who chooses ways.
    pub policy: Policy,
    /// Admission and queueing.
    pub coordinator: CoordinatorConfig,
    /// Whether the prompt's pass yields the first token of the answer; else an answer of n tokens is n decode passes.
    pub prompt_yields_token: bool,
    /// Whether all tokens of a prompt travel back to the coordinator; else only the new one.
    pub prompt_returns_whole: bool,
    /// Offline feeding; online if `None`.
    pub offline: Option<OfflineFeed>,
    /// What is measured.
    pub window: Window,
    /// Every delay is lengthened by a random time up to this: whether a result depends on exact times.
    pub jitter: SimTime,
    /// Seed of routing and jitter.
    pub seed: u64,
}

const SECOND: u64 = 1_000_000_000_000;

impl Settings {
    /// The paper's simulator, section 2 of its description.
    #[must_use]
    pub fn asplos25(policy: Policy, online: bool) -> Self {
        let max_flow = policy.by_flow();
        let kv = if online { KvEstimate::ASPLOS25_ONLINE } else { KvEstimate::ASPLOS25_OFFLINE };
        let patient = OnNoRoute::Queue { bound: u32::MAX, deadline: SimTime(u64::MAX) };
        let offline = OfflineFeed {
            initial: if max_flow { 20 } else { 180 },
            spacing: SimTime(SECOND / 10),
            refill: if max_flow { Refill::WhileCacheBelow(0.8) } else { Refill::OneForOne },
            delay: SimTime(SECOND / 10),
        };
        Self {
            loading: true,
            batching: Batching::LayerWise { fuse: true },
            layer_events: LayerEvents::Each,
            order: BatchOrder::Arrival,
            limits: Limits::Declared(BatchLimits::UNLIMITED),
            kv: KvMode::Counted,
            copy_seconds_per_byte: 1.0 / 4e9 + 1.0 / 5e9,
            links: LinkMode::Reserved,
            policy,
            coordinator: CoordinatorConfig {
                routing: match policy {
                    Policy::MaxFlow { .. } => Routing::ForwardOnly,
                    Policy::MixedFlow | Policy::LatencyAware => Routing::Pipeline,
                    Policy::Swarm | Policy::Random | Policy::ShortestQueue => Routing::HopByHop,
                },
                kv: max_flow.then_some(kv),
                on_no_route: if max_flow && !online { OnNoRoute::Reject } else { patient },
                on_loss: OnLoss::Requeue { times: 3 },
                decodes: DecodeDispatch::Coordinator,
                speed: None,
                patience: CoordinatorConfig::default().patience,
            },
            prompt_yields_token: false,
            prompt_returns_whole: true,
            offline: (!online).then_some(offline),
            window: Window {
                warmup: SimTime(if online { 0 } else { 60 * SECOND }),
                duration: SimTime(if online { 1800 } else { 600 } * SECOND),
                drain: online,
            },
            jitter: SimTime::ZERO,
            seed: 0,
        }
    }

    /// What a cluster of today does: whole-range batches with chunked prefill, decodes first, a cache in blocks, links shared
    /// fairly, requests that wait in line. `expected_output` is the mean answer \[tokens\].
    #[must_use]
    pub fn serving(policy: Policy, online: bool, expected_output: f64) -> Self {
        let hop_by_hop = policy.hop_by_hop();
        let limits = BatchLimits { tokens: 2048, decodes: 256, chunk: Some(128), ..BatchLimits::UNLIMITED };
        let patience = SimTime(600 * SECOND);
        let offline = OfflineFeed {
            initial: if hop_by_hop { 180 } else { 1 },
            spacing: SimTime(SECOND / 10),
            refill: if hop_by_hop { Refill::OneForOne } else { Refill::WhileNoneWaits },
            delay: SimTime::ZERO,
        };
        Self {
            loading: false,
            batching: Batching::WholeRange,
            layer_events: LayerEvents::Each,
            order: BatchOrder::DecodeFirst,
            limits: Limits::Fixed(limits),
            kv: KvMode::Paged { block_tokens: 16 },
            copy_seconds_per_byte: 0.0,
            links: LinkMode::Fair,
            policy,
            coordinator: CoordinatorConfig {
                routing: if hop_by_hop { Routing::HopByHop } else { Routing::Pipeline },
                kv: Some(KvEstimate { high_water_mark: 0.9, expected_output }),
                on_no_route: OnNoRoute::Queue { bound: 100_000, deadline: patience },
                ..CoordinatorConfig::default()
            },
            prompt_yields_token: true,
            prompt_returns_whole: false,
            offline: (!online).then_some(offline),
            window: Window { warmup: SimTime(60 * SECOND), duration: SimTime(600 * SECOND), drain: false },
            jitter: SimTime::ZERO,
            seed: 0,
        }
    }

    /// Lets what finds no way wait in line instead of dropping it: the lengths that are served are those that were asked for.
    /// Offline, with max-flow, the feeder launches nothing while a request waits, so one waits at most; it fills the
    /// caches as far as it does otherwise, which saturates the cluster.
    pub fn saturate(&mut self) {
        self.coordinator.on_no_route = OnNoRoute::Queue { bound: u32::MAX, deadline: SimTime(u64::MAX) };
    }
}
