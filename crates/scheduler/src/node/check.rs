//! The node's books against each other: for tests and fuzzing.

use super::config::{Batching, KvConfig};
use super::kv_pool::BlockId;
use super::machine::Node;
use super::queue::Sums;

impl Node {
    /// Counts everything anew and compares. Complexity: all that is on the machine.
    pub fn check(&self) -> Result<(), String> {
        let end = self.config.layers.end();
        for (index, queue) in self.queues.iter().chain([&self.batch]).enumerate() {
            let mut sums = Sums::default();
            queue.items.iter().for_each(|item| sums.add(item, end));
            if sums != queue.sums {
                same(&format!("sums of queue {index}"), sums, queue.sums)?;
            }
        }
        same("works in queues", self.queues.iter().map(|queue| queue.items.len()).sum(), self.queued)?;
        same("a batch without items runs", self.running.is_some(), !self.batch.items.is_empty())?;
        if let (Batching::LayerWise { .. }, Some(running)) = (self.config.batching, &self.running) {
            let first = self.config.layers.start();
            let inside = running.layers.start() >= first && running.layers.end() <= end;
            same("the running layers are held", inside, true)?;
        }
        self.check_residents()?;
        self.check_blocks()
    }

    fn check_residents(&self) -> Result<(), String> {
        for item in self.queues.iter().chain([&self.batch]).flat_map(|queue| &queue.items) {
            let resident = self.residents.get(item.resident);
            same("the request at an item's place", item.work.request, resident.request)?;
            same("whether it is there", true, resident.here)?;
            let has_blocks = item.work.cached_after() <= u64::from(resident.room);
            same("whether an item that had blocks has them", !item.has_blocks || has_blocks, true)?;
        }
        let mut leaving = 0;
        for (place, resident) in self.residents.occupied() {
            if resident.leaving {
                leaving += 1;
                continue;
            }
            let found = self.residents.find(resident.request);
            if found != Some(place) {
                same(&format!("place of request {}", resident.request.0), found, Some(place))?;
            }
            if let Some(pool) = &self.pool {
                let room = pool.room(&self.residents.held(place).table, resident.width);
                same("tokens that blocks have room for", room, resident.room)?;
            }
        }
        same("requests that leave", leaving, self.running.map_or(0, |running| running.leaving))
    }

    fn check_blocks(&self) -> Result<(), String> {
        let Some(pool) = &self.pool else { return Ok(()) };
        let KvConfig::Paged { blocks, .. } = self.config.kv else { return Ok(()) };
        let mut holders: Vec<u32> = Vec::new();
        for (place, _) in self.residents.occupied() {
            for block in &self.residents.held(place).table.blocks {
                let index = block.0 as usize;
                if index >= holders.len() {
                    holders.resize(index + 1, 0);
                }
                holders[index] += 1;
            }
        }
        for (block, &count) in (0..).zip(&holders) {
            if count != pool.references(BlockId(block)) {
                same(&format!("holders of block {block}"), count, pool.references(BlockId(block)))?;
            }
        }
        let held = holders.iter().filter(|&&count| count > 0).count() as u64;
        same("blocks held and free", held + u64::from(pool.available()), u64::from(blocks))?;
        same("blocks in use", held, self.kv.used)
    }
}

fn same<T: PartialEq + Copy + std::fmt::Debug>(what: &str, counted: T, kept: T) -> Result<(), String> {
    if counted == kept { Ok(()) } else { Err(format!("{what}: counted {counted:?}, kept {kept:?}")) }
}
