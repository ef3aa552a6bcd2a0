//! The requests that have something on a machine: cache, queued work, or both.

use helix_spec::SimTime;
use std::collections::{BTreeMap, VecDeque};

use super::kv_pool::BlockTable;
use crate::RequestId;
use crate::id_table::IdTable;
use crate::prefetch::prefetch_entry;

/// A request on this machine: what every work that arrives looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    pub(crate) request: RequestId,
    pub(crate) attempt: u32,
    /// Layers that it goes through here, which makes the width of its table.
    pub(crate) width: u32,
    /// Tokens that its blocks have room for.
    pub(crate) room: u32,
    /// It was freed, but is in the running batch.
    pub(crate) leaving: bool,
    /// Its place is not vacant.
    pub(crate) here: bool,
    /// The last selection that looked at a part of its prompt.
    pub(crate) seen: u64,
}

/// The cache of a request on this machine: looked at where it grows, and at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Its blocks, where there are blocks.
    pub(crate) table: BlockTable,
    /// What was counted for it \[tokens × layers\], where the cache is only counted.
    pub(crate) counted: u64,
}

/// All of them; the place of one that left is used again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Residents {
    all: Vec<Resident>,
    held: Vec<Held>,
    vacant: Vec<u32>,
    index: IdTable,
}

impl Residents {
    pub(crate) fn find(&self, request: RequestId) -> Option<u32> {
        self.index.get(request, |place| self.get(place).request == request)
    }

    /// Whether [`Self::find`] would find a request there.
    pub(crate) fn is_at(&self, place: u32, request: RequestId) -> bool {
        let resident = self.all.get(place as usize);
        resident.is_some_and(|resident| resident.request == request && resident.here && !resident.leaving)
    }

    pub(crate) fn prefetch(&self, place: u32) {
        prefetch_entry(&self.all, place as usize);
    }

    pub(crate) fn get(&self, place: u32) -> &Resident {
        &self.all[place as usize]
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> &mut Resident {
        &mut self.all[place as usize]
    }

    pub(crate) fn held(&self, place: u32) -> &Held {
        &self.held[place as usize]
    }

    pub(crate) fn held_mut(&mut self, place: u32) -> &mut Held {
        &mut self.held[place as usize]
    }

    /// A place for a request that has none.
    pub(crate) fn add(&mut self, request: RequestId, attempt: u32, width: u32) -> u32 {
        let place = self.vacant.pop().unwrap_or_else(|| {
            let place = u32::try_from(self.all.len()).expect("fewer requests at once than a u32 counts");
            self.all.push(Resident {
                request,
                attempt,
                width,
                room: 0,
                leaving: false,
                here: false,
                seen: 0,
            });
            self.held.push(Held::default());
            place
        });
        *self.get_mut(place) =
            Resident { request, attempt, width, room: 0, leaving: false, here: true, seen: 0 };
        self.held_mut(place).counted = 0;
        self.index.add(request, place);
        place
    }

    /// From now on the request is unknown, although its place stays taken.
    pub(crate) fn forget(&mut self, request: RequestId) {
        let all = &self.all;
        self.index.remove(request, |place| all[place as usize].request == request);
    }

    /// The place may be used again; its table must be empty.
    pub(crate) fn vacate(&mut self, place: u32) {
        assert!(self.held(place).table.blocks.is_empty(), "blocks are released before their holder goes");
        self.get_mut(place).here = false;
        self.vacant.push(place);
    }

    /// How many there are, those in the running batch that were freed included.
    pub(crate) fn len(&self) -> usize {
        self.all.len() - self.vacant.len()
    }

    /// All that are here, by place.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = (u32, &Resident)> {
        (0..).zip(&self.all).filter(|(_, resident)| resident.here)
    }

    /// All that were not freed and hold blocks.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &Resident> {
        let holds = |place: u32| !self.held(place).table.blocks.is_empty();
        let holders = self.occupied().filter(move |&(place, resident)| !resident.leaving && holds(place));
        holders.map(|(_, resident)| resident)
    }
}

/// Attempts that were freed while work of them may still arrive, for as long as it may.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graves {
    attempts: BTreeMap<RequestId, u32>,
    by_age: VecDeque<(SimTime, RequestId, u32)>,
}

impl Graves {
    pub(crate) fn bury(&mut self, until: SimTime, request: RequestId, attempt: u32) {
        let attempt = self.attempts.get(&request).map_or(attempt, |&older| older.max(attempt));
        self.attempts.insert(request, attempt);
        self.by_age.push_back((until, request, attempt));
    }

    pub(crate) fn is_stale(&self, request: RequestId, attempt: u32) -> bool {
        self.attempts.get(&request).is_some_and(|&buried| attempt <= buried)
    }

    /// Forgets what no work can arrive for any more.
    pub(crate) fn expire(&mut self, now: SimTime) {
        while let Some(&(until, request, attempt)) = self.by_age.front() {
            if until > now {
                break;
            }
            self.by_age.pop_front();
            if self.attempts.get(&request) == Some(&attempt) {
                self.attempts.remove(&request);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }
}
