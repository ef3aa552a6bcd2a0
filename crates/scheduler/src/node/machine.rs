//! The node's state and what each event does to it.

use helix_spec::{LayerRange, SimTime};

use super::config::{Batching, BlockSpan, KvConfig, NodeConfig, NodeConfigError};
use super::kv_pool::{BlockId, KvPool};
use super::protocol::{NodeAction, NodeEvent, Refusal};
use super::queue::{Item, Queue};
use super::residents::{Graves, Residents};
use crate::{Phase, RequestId, Work};

/// How full a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvUse {
    /// In use \[blocks, or tokens × layers where they are counted\].
    pub used: u64,
    /// What there is.
    pub capacity: u64,
    /// The most that ever was in use.
    pub peak: u64,
}

/// What runs: the items lie in `Node::running_items`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) layers: LayerRange,
    /// Requests among the items that were freed meanwhile.
    pub(super) leaving: u32,
}

/// One machine's scheduler.
///
/// Per event it does work in proportion to what the event concerns, never to what waits, except that a freed request is looked
/// for in the queues; layer-wise, a batch that takes all that waits costs the same whatever its size.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) config: NodeConfig,
    /// In front of each layer; with whole-range batching only the first is used.
    pub(super) queues: Vec<Queue>,
    /// Layer whose turn it is, counted from the machine's first.
    pub(super) current: usize,
    pub(super) queued: usize,
    pub(super) running: Option<Running>,
    pub(super) batch: Queue,
    pub(super) residents: Residents,
    pub(super) graves: Graves,
    pub(super) pool: Option<KvPool>,
    pub(super) kv: KvUse,
    /// Tokens received since the last batch of the first layer.
    pub(super) received: u64,
    /// Number of the last selection.
    pub(super) selection: u64,
    /// A shortage was reported, and nothing freed since.
    pub(super) reported: bool,
    /// Which items of a queue a selection leaves; kept to save its memory.
    pub(super) left: Vec<bool>,
}

impl Node {
    /// An idle machine with an empty cache.
    pub fn new(config: NodeConfig) -> Result<Self, NodeConfigError> {
        config.validate()?;
        let queues = match config.batching {
            Batching::LayerWise { .. } => config.layers.len(),
            Batching::WholeRange => 1,
        };
        let (pool, capacity) = match config.kv {
            KvConfig::Counted { capacity } => (None, capacity),
            KvConfig::Paged { blocks, block_tokens, .. } => {
                (Some(KvPool::new(blocks, block_tokens)), u64::from(blocks))
            }
        };
        Ok(Self {
            config,
            queues: vec![Queue::default(); queues as usize],
            current: 0,
            queued: 0,
            running: None,
            batch: Queue::default(),
            residents: Residents::default(),
            graves: Graves::default(),
            pool,
            kv: KvUse { used: 0, capacity, peak: 0 },
            received: 0,
            selection: 0,
            reported: false,
            left: Vec::new(),
        })
    }

    /// Takes an event and appends what is to be done. `now` must not go back.
    pub fn handle(&mut self, now: SimTime, event: NodeEvent, actions: &mut Vec<NodeAction>) {
        match event {
            NodeEvent::Work(work) => {
                self.arrive(now, work, Self::NOWHERE, actions);
            }
            NodeEvent::Start => self.start(actions),
            NodeEvent::Cut { end } => self.cut(end),
            NodeEvent::BatchFinished => self.finish(actions),
            NodeEvent::Free { request, attempt, in_flight } => self.free(now, request, attempt, in_flight),
            NodeEvent::Fork { parent, child, attempt, tokens } => self.fork(parent, (child, attempt), tokens),
        }
    }

    /// A place that no request has.
    pub const NOWHERE: u32 = u32::MAX;

    /// The same as [`NodeEvent::Work`], for a driver that remembers places: if the request is still at `place`, it is not
    /// searched for. Where it is now, if the work was taken.
    pub fn arrive(
        &mut self,
        now: SimTime,
        work: Work,
        place: u32,
        actions: &mut Vec<NodeAction>,
    ) -> Option<u32> {
        let is_there = self.residents.is_at(place, work.request);
        let place = if is_there { Some(place) } else { self.residents.find(work.request) };
        self.take_work(now, work, place, actions)
    }

    /// Asks memory for what [`Self::arrive`] will look at, for a work of the request at a place.
    pub fn prefetch(&self, place: u32) {
        self.residents.prefetch(place);
        if let Some(queue) = self.queues.first() {
            queue.prefetch();
        }
    }

    /// What the node was made of.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The layers that run, if any do.
    #[must_use]
    pub fn running_layers(&self) -> Option<LayerRange> {
        self.running.map(|running| running.layers)
    }

    /// The items of the running batch, in the order in which they were taken.
    #[must_use]
    pub fn running(&self) -> impl ExactSizeIterator<Item = &Work> {
        self.batch.items.iter().map(|item| &item.work)
    }

    /// How many works wait for a batch.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// How many works wait in front of a layer. With whole-range batching all wait in front of the first.
    #[must_use]
    pub fn queued_at(&self, layer: u32) -> usize {
        let place = layer.checked_sub(self.config.layers.start());
        place.and_then(|place| self.queues.get(place as usize)).map_or(0, |queue| queue.items.len())
    }

    /// How full the cache is.
    #[must_use]
    pub fn kv(&self) -> KvUse {
        self.kv
    }

    /// How many requests have cache or work here.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.residents.len()
    }

    /// How many freed attempts the node still guards against work that was on its way.
    #[must_use]
    pub fn guarded(&self) -> usize {
        self.graves.len()
    }

    /// The blocks of a request: `width` for every block of tokens, where `width` is the number of layers that it goes
    /// through ([`BlockSpan::Layer`]) or 1. `None` where it has no cache here or the cache is only counted.
    #[must_use]
    pub fn blocks(&self, request: RequestId) -> Option<&[BlockId]> {
        self.pool.as_ref()?;
        let place = self.residents.find(request)?;
        Some(&self.residents.held(place).table.blocks)
    }

    /// The pool, where there is one.
    #[must_use]
    pub fn pool(&self) -> Option<&KvPool> {
        self.pool.as_ref()
    }

    /// Takes work of a request at a place, if it has one already; its place then, unless it is refused or discarded.
    fn take_work(
        &mut self,
        now: SimTime,
        work: Work,
        mut place: Option<u32>,
        actions: &mut Vec<NodeAction>,
    ) -> Option<u32> {
        self.graves.expire(now);
        if self.graves.is_stale(work.request, work.attempt) {
            actions.push(NodeAction::Discard(work));
            return None;
        }
        if let Some(known) = place.map(|place| self.residents.get(place).attempt) {
            if work.attempt < known {
                actions.push(NodeAction::Discard(work));
                return None;
            }
            if work.attempt > known {
                // The word that the older attempt is over has been overtaken.
                self.free(now, work.request, known, true);
                place = None;
            }
        }
        if let Err(why) = self.admissible(&work, place) {
            actions.push(NodeAction::Refuse { work, why });
            return None;
        }
        let width = self.width(work.layers);
        let place = place.unwrap_or_else(|| self.residents.add(work.request, work.attempt, width));
        let queue = match self.config.batching {
            Batching::LayerWise { .. } => work.layers.start() - self.config.layers.start(),
            Batching::WholeRange => 0,
        };
        let room = self.residents.get(place).room;
        let has_blocks = work.cached_after() <= u64::from(room);
        let item = Item { work, resident: place, fresh: self.pool.is_some(), has_blocks };
        self.queues[queue as usize].push(item, self.config.layers.end());
        self.queued += 1;
        self.received += u64::from(work.tokens);
        Some(place)
    }

    /// Blocks that a request takes for every block of tokens.
    fn width(&self, layers: LayerRange) -> u32 {
        match self.config.kv {
            KvConfig::Paged { span: BlockSpan::Layer, .. } => layers.len(),
            KvConfig::Paged { span: BlockSpan::Range, .. } | KvConfig::Counted { .. } => 1,
        }
    }

    /// Whether the work can ever run here.
    fn admissible(&self, work: &Work, place: Option<u32>) -> Result<(), Refusal> {
        let (ours, limits) = (self.config.layers, &self.config.limits);
        if work.layers.start() < ours.start() || work.layers.end() > ours.end() {
            return Err(Refusal::LayersNotHeld);
        }
        let width = self.width(work.layers);
        if place.is_some_and(|place| self.residents.get(place).width != width) {
            return Err(Refusal::Malformed);
        }
        let (tokens, context) = (u64::from(work.tokens), u64::from(work.context));
        if u32::try_from(work.cached_after()).is_err() {
            return Err(Refusal::Malformed);
        }
        if work.tokens == 0 || (work.phase == Phase::Decode && (work.tokens != 1 || !work.last)) {
            return Err(Refusal::Malformed);
        }
        let fits = match work.phase {
            Phase::Prefill => limits.chunk.is_some() || tokens <= limits.prefill_tokens.min(limits.tokens),
            Phase::Decode => context <= limits.decode_context,
        };
        if !fits {
            return Err(Refusal::BeyondBatchLimits);
        }
        match &self.pool {
            Some(pool) if pool.blocks_for(work.cached_after(), width) > u64::from(pool.capacity()) => {
                Err(Refusal::BeyondCache)
            }
            _ => Ok(()),
        }
    }

    fn cut(&mut self, end: u32) {
        if let Some(running) = &mut self.running
            && let Batching::LayerWise { .. } = self.config.batching
            && let Some(shorter) = LayerRange::new(running.layers.start(), end)
            && end < running.layers.end()
        {
            running.layers = shorter;
        }
    }

    fn free(&mut self, now: SimTime, request: RequestId, attempt: u32, in_flight: bool) {
        self.graves.expire(now);
        if in_flight {
            self.graves.bury(SimTime(now.0.saturating_add(self.config.stale_for.0)), request, attempt);
        }
        self.reported = false;
        let Some(place) = self.residents.find(request) else { return };
        if self.residents.get(place).attempt > attempt {
            return;
        }
        self.residents.forget(request);
        self.drop_queued(place);
        let running = self.running.is_some() && self.batch.items.iter().any(|item| item.resident == place);
        if running {
            self.residents.get_mut(place).leaving = true;
            if let Some(running) = &mut self.running {
                running.leaving += 1;
            }
        } else {
            self.release(place);
        }
    }

    /// Forgets the waiting work of a request, and counts what its finished layers have put into the cache.
    fn drop_queued(&mut self, place: u32) {
        if self.queued == 0 {
            return;
        }
        let first = self.config.layers.start();
        for (index, queue) in self.queues.iter_mut().enumerate() {
            let before = queue.items.len();
            let residents = &mut self.residents;
            queue.items.retain(|item| {
                let stays = item.resident != place;
                if !stays && self.pool.is_none() {
                    let layer = u64::from(first) + index as u64;
                    let done = layer.saturating_sub(u64::from(item.work.layers.start()));
                    residents.held_mut(place).counted += done * u64::from(item.work.tokens);
                }
                stays
            });
            let dropped = before - queue.items.len();
            if dropped > 0 {
                self.queued -= dropped;
                queue.recount(self.config.layers.end());
            }
        }
    }

    /// Gives the cache of a request back and its place free.
    pub(super) fn release(&mut self, place: u32) {
        let held = self.residents.held_mut(place);
        match &mut self.pool {
            Some(pool) => {
                pool.release(&mut held.table);
                self.kv.used = u64::from(pool.capacity() - pool.available());
            }
            None => self.kv.used -= held.counted,
        }
        self.residents.vacate(place);
        self.reported = false;
    }

    fn fork(&mut self, parent: RequestId, (child, attempt): (RequestId, u32), tokens: u32) {
        let Some(pool) = &mut self.pool else { return };
        let Some(parent) = self.residents.find(parent) else { return };
        if self.residents.find(child).is_some() || self.graves.is_stale(child, attempt) || tokens == 0 {
            return;
        }
        let width = self.residents.get(parent).width;
        let whole = self.residents.held(parent).table.clone();
        if pool.blocks_for(u64::from(tokens), width) > whole.blocks.len() as u64 {
            return;
        }
        let place = self.residents.add(child, attempt, width);
        let table = &mut self.residents.held_mut(place).table;
        let shared = pool.share(&whole, table, u64::from(tokens), width);
        debug_assert!(shared, "the parent's blocks were counted");
        self.residents.get_mut(place).room = pool.room(&self.residents.held(place).table, width);
    }
}
