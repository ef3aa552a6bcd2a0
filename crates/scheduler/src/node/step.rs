//! Forming batches and ending them.
//!
//! ```text
//! layer-wise       queue 0   queue 1   queue 2          the pointer walks: after a batch it goes on to the next layer
//!   work ───────>  [a b]     [c]       [ ]              whose queue is not empty, round and round; a batch moves its
//!                    └─ batch ─^                        items one queue on, and forwards them after their last layer
//!
//! whole range      one queue; a batch takes its items through all their layers and forwards them
//! ```

use helix_spec::LayerRange;

use super::config::{BatchOrder, Batching};
use super::kv_pool::KvPool;
use super::machine::{Node, Running};
use super::protocol::{Batch, NodeAction, Shortfall};
use super::queue::{Item, Queue, Sums};
use crate::{Phase, RequestId};

impl Node {
    /// Starts a batch if the machine is idle and something can run.
    pub(super) fn start(&mut self, actions: &mut Vec<NodeAction>) {
        if self.running.is_some() || self.queued == 0 {
            return;
        }
        if self.queues[self.current].items.is_empty() {
            self.march();
        }
        let first = self.current;
        let mut shortage = None;
        loop {
            self.select(&mut shortage, actions);
            if !self.batch.items.is_empty() {
                break;
            }
            self.march();
            if self.current == first {
                self.report(shortage, actions);
                return;
            }
        }
        self.queued -= self.batch.items.len();
        let layers = self.layers_of_batch();
        self.running = Some(Running { layers, leaving: 0 });
        let received_tokens =
            if layers.start() == self.config.layers.start() { std::mem::take(&mut self.received) } else { 0 };
        let sums = &self.batch.sums;
        actions.push(NodeAction::Run(Batch {
            layers,
            prefills: sums.prefills,
            prefill_tokens: sums.prefill_tokens,
            decodes: sums.decodes,
            decode_context: sums.decode_context,
            received_tokens,
        }));
        // A decode that finds no block waits for those who run; all of them may wait in turn, so it is said at once.
        if shortage.is_some_and(|(_, phase)| phase == Phase::Decode) {
            self.report(shortage, actions);
        }
    }

    /// Says who waits for blocks, unless that was said already or blocks come back with the end of the running batch.
    fn report(&mut self, shortage: Option<(RequestId, Phase)>, actions: &mut Vec<NodeAction>) {
        let Some((request, phase)) = shortage.filter(|_| !self.reported) else { return };
        let Some(place) = self.residents.find(request) else { return };
        let attempt = self.residents.get(place).attempt;
        let youngest = self.residents.holders().map(|resident| (resident.request, resident.attempt)).max();
        let Some(youngest) = youngest else { return };
        self.reported = true;
        actions.push(NodeAction::OutOfBlocks(Shortfall { request, attempt, phase, youngest }));
    }

    /// Moves to the next layer, cyclically, whose queue is not empty; stays where there is none.
    fn march(&mut self) {
        let (before, after) = self.queues.split_at(self.current);
        let waits = |queue: &Queue| !queue.items.is_empty();
        if let Some(offset) = after[1..].iter().position(waits) {
            self.current += 1 + offset;
        } else if let Some(layer) = before.iter().position(waits) {
            self.current = layer;
        }
    }

    /// The layers that the batch just selected runs.
    fn layers_of_batch(&self) -> LayerRange {
        let (items, ours) = (&self.batch.items, self.config.layers);
        let start = items.iter().map(|item| item.work.layers.start());
        let end = items.iter().map(|item| item.work.layers.end());
        let (start, end) = match self.config.batching {
            Batching::WholeRange => (start.min(), end.max()),
            Batching::LayerWise { fuse } => {
                let index = u32::try_from(self.current).expect("at most MAX_LAYERS layers");
                let layer = ours.start() + index;
                if fuse {
                    let leave = if self.batch.sums.early == 0 { Some(ours.end()) } else { end.min() };
                    let others = self.queues[self.current + 1..].iter();
                    let merge = (layer + 1..).zip(others).find(|(_, queue)| !queue.items.is_empty());
                    (Some(layer), merge.map(|(layer, _)| layer).into_iter().chain(leave).min())
                } else {
                    (Some(layer), Some(layer + 1))
                }
            }
        };
        start.zip(end).and_then(|(start, end)| LayerRange::new(start, end)).unwrap_or(ours)
    }

    /// Takes from the current queue what the limits and the cache allow; `shortage` becomes the oldest request that
    /// finds no blocks.
    fn select(&mut self, shortage: &mut Option<(RequestId, Phase)>, actions: &mut Vec<NodeAction>) {
        let limits = self.config.limits;
        let sums = self.queues[self.current].sums;
        // What was in a batch before goes on as it came. What comes anew may have to find blocks, and the phases have an order.
        let one_after_the_other =
            sums.prefills == 0 || sums.decodes == 0 || self.config.order == BatchOrder::Arrival;
        let ready = sums.fresh == 0 || (sums.lacking == 0 && one_after_the_other && self.shares_nothing());
        let all_fit = ready
            && sums.parts == 0
            && sums.prefills <= limits.prefills
            && sums.prefill_tokens <= limits.prefill_tokens
            && sums.decodes <= limits.decodes
            && sums.decode_context <= limits.decode_context
            && sums.tokens() <= limits.tokens;
        if all_fit {
            std::mem::swap(&mut self.batch, &mut self.queues[self.current]);
            if self.config.batching != Batching::WholeRange {
                self.batch.age();
            }
            return;
        }
        self.selection += 1;
        let mut queue = std::mem::take(&mut self.queues[self.current]);
        let mut left = std::mem::take(&mut self.left);
        left.clear();
        left.resize(queue.items.len(), true);
        let orders: &[Option<Phase>] = match self.config.order {
            BatchOrder::Arrival => &[None],
            BatchOrder::PrefillFirst => &[Some(Phase::Prefill), Some(Phase::Decode)],
            BatchOrder::DecodeFirst => &[Some(Phase::Decode), Some(Phase::Prefill)],
        };
        for phase in orders {
            for (item, left) in queue.items.iter_mut().zip(&mut left) {
                if phase.is_none_or(|phase| phase == item.work.phase) {
                    *left = self.consider(item, shortage, actions);
                }
            }
        }
        let mut stays = left.iter();
        queue.items.retain(|_| stays.next().copied().unwrap_or(true));
        self.left = left;
        queue.recount(self.config.layers.end());
        self.queues[self.current] = queue;
    }

    /// Puts an item into the batch, whole or in part, if it fits; true if something of it is left.
    fn consider(
        &mut self,
        item: &mut Item,
        shortage: &mut Option<(RequestId, Phase)>,
        actions: &mut Vec<NodeAction>,
    ) -> bool {
        if item.work.phase == Phase::Prefill {
            let resident = self.residents.get_mut(item.resident);
            if resident.seen == self.selection {
                // An earlier part of the same prompt comes first.
                return true;
            }
            resident.seen = self.selection;
        }
        let Some(tokens) = self.room_for(item) else { return true };
        let mut part = *item;
        part.work.tokens = tokens;
        part.work.last = item.work.last && tokens == item.work.tokens;
        if part.fresh {
            let ready = part.has_blocks && self.shares_nothing();
            if !ready && !self.reserve(&part, shortage, actions) {
                return true;
            }
            part.fresh = false;
        }
        self.batch.push(part, self.config.layers.end());
        if tokens == item.work.tokens {
            return false;
        }
        item.work.tokens -= tokens;
        item.work.context += tokens;
        // The rest waits as a work of its own.
        self.queued += 1;
        true
    }

    /// How many tokens of an item the batch has room for, if any.
    fn room_for(&self, item: &Item) -> Option<u32> {
        let (limits, sums): (_, &Sums) = (&self.config.limits, &self.batch.sums);
        let budget = limits.tokens - sums.tokens();
        match item.work.phase {
            Phase::Decode => {
                let context = sums.decode_context.checked_add(u64::from(item.work.context));
                let fits = sums.decodes < limits.decodes
                    && context.is_some_and(|context| context <= limits.decode_context);
                (fits && budget > 0).then_some(1)
            }
            Phase::Prefill if sums.prefills >= limits.prefills => None,
            Phase::Prefill => {
                let room = budget.min(limits.prefill_tokens - sums.prefill_tokens);
                let whole = item.work.tokens;
                if u64::from(whole) <= room {
                    return Some(whole);
                }
                // Only where it enters: further on it is as long as it was made.
                let room = u32::try_from(room).expect("less than the item's tokens");
                let entering = item.work.layers.start()
                    == self.config.layers.start() + u32::try_from(self.current).expect("at most MAX_LAYERS");
                let may_cut = entering || self.config.batching == Batching::WholeRange;
                limits.chunk.filter(|&chunk| may_cut && chunk <= room).map(|_| room)
            }
        }
    }

    /// Whether no block is held twice, so that whatever has room may be written.
    fn shares_nothing(&self) -> bool {
        self.pool.as_ref().is_some_and(KvPool::shares_nothing)
    }

    /// Finds room in the cache. Whoever is younger than one who waits for blocks takes none, so that what is freed
    /// gathers for the oldest.
    fn reserve(
        &mut self,
        item: &Item,
        shortage: &mut Option<(RequestId, Phase)>,
        actions: &mut Vec<NodeAction>,
    ) -> bool {
        let Some(pool) = &mut self.pool else { return true };
        let width = self.residents.get(item.resident).width;
        let table = &mut self.residents.held_mut(item.resident).table;
        let work = &item.work;
        let span = (u64::from(work.context), work.cached_after());
        let grows = pool.blocks_for(span.1, width) > table.blocks.len() as u64;
        if grows && shortage.is_some_and(|(waiting, _)| waiting < work.request) {
            return false;
        }
        let copy = |from, to| actions.push(NodeAction::CopyBlock { from, to });
        if pool.reserve(table, span, width, copy).is_err() {
            if shortage.is_none_or(|(waiting, _)| work.request < waiting) {
                *shortage = Some((work.request, work.phase));
            }
            return false;
        }
        let room = pool.room(table, width);
        self.residents.get_mut(item.resident).room = room;
        self.kv.used = u64::from(pool.capacity() - pool.available());
        self.kv.peak = self.kv.peak.max(self.kv.used);
        true
    }

    /// Ends the running batch: counts its cache, moves its items on, and the pointer.
    pub(super) fn finish(&mut self, actions: &mut Vec<NodeAction>) {
        let Some(Running { layers, leaving }) = self.running.take() else { return };
        if self.pool.is_none() {
            self.kv.used += match self.config.batching {
                Batching::LayerWise { .. } => self.batch.sums.tokens() * u64::from(layers.len()),
                Batching::WholeRange => self
                    .batch
                    .items
                    .iter()
                    .map(|Item { work, .. }| u64::from(work.tokens) * u64::from(work.layers.len()))
                    .sum(),
            };
            self.kv.peak = self.kv.peak.max(self.kv.used);
        }
        if leaving > 0 {
            self.drop_leaving(layers);
        }
        let whole = self.config.batching == Batching::WholeRange;
        if whole || layers.end() == self.config.layers.end() {
            for index in 0..self.batch.items.len() {
                self.forward(index, actions);
            }
            self.batch.items.clear();
            self.batch.sums = Sums::default();
        } else {
            if self.batch.sums.early > 0 {
                self.forward_early(layers.end(), actions);
            }
            self.queued += self.batch.items.len();
            let next = (layers.end() - self.config.layers.start()) as usize;
            self.queues[next].append(&mut self.batch);
        }
        if !whole {
            self.current = (layers.end() - 1 - self.config.layers.start()) as usize;
            self.march();
        }
    }

    fn forward(&mut self, index: usize, actions: &mut Vec<NodeAction>) {
        let Item { work, resident, .. } = self.batch.items[index];
        if self.pool.is_none() {
            let counted = u64::from(work.tokens) * u64::from(work.layers.len());
            self.residents.held_mut(resident).counted += counted;
        }
        actions.push(NodeAction::Forward(work));
    }

    /// Forwards the items whose last layer is done, keeps the others in the batch.
    fn forward_early(&mut self, done: u32, actions: &mut Vec<NodeAction>) {
        for index in 0..self.batch.items.len() {
            if self.batch.items[index].work.layers.end() == done {
                self.forward(index, actions);
            }
        }
        self.batch.items.retain(|item| item.work.layers.end() != done);
        self.batch.recount(self.config.layers.end());
    }

    /// Drops the items whose requests were freed while the batch ran.
    fn drop_leaving(&mut self, done: LayerRange) {
        for item in &self.batch.items {
            if self.residents.get(item.resident).leaving && self.pool.is_none() {
                let layers = done.end().min(item.work.layers.end()) - item.work.layers.start();
                self.residents.held_mut(item.resident).counted +=
                    u64::from(item.work.tokens) * u64::from(layers);
            }
        }
        let mut leavers = Vec::new();
        self.batch.items.retain(|item| {
            let leaving = self.residents.get(item.resident).leaving;
            if leaving && !leavers.contains(&item.resident) {
                leavers.push(item.resident);
            }
            !leaving
        });
        self.batch.recount(self.config.layers.end());
        for place in leavers {
            self.release(place);
        }
    }
}
