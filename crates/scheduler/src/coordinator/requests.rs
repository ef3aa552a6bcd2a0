//! The requests that have not ended, by age.

use helix_spec::{MachineId, SimTime};

use super::protocol::Hop;
use crate::RequestId;
use crate::id_table::IdTable;

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In line.
    Waiting,
    /// On its way.
    Active,
}

impl Request {
    /// Whether its hops lead back to the coordinator.
    pub(super) fn is_routed(&self) -> bool {
        self.hops.last().is_some_and(|hop| hop.machine.is_none())
    }

    /// Whether a machine is on its way.
    pub(super) fn visits(&self, machine: MachineId) -> bool {
        self.hops.iter().any(|hop| hop.machine == Some(machine))
    }
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) id: RequestId,
    /// Its place is not vacant.
    here: bool,
    pub(super) attempt: u32,
    pub(super) stage: Stage,
    /// What this attempt begins with: the prompt and what earlier attempts generated.
    pub(super) prompt: u32,
    /// Length of the prompt as it came.
    pub(super) prompt_as_sent: u32,
    pub(super) generated: u32,
    /// Tokens that came back in this attempt.
    pub(super) passes: u32,
    /// Expected tokens, while it is active.
    pub(super) expected: u64,
    pub(super) hops: Vec<Hop>,
    pub(super) losses: u32,
    pub(super) deadline: Option<SimTime>,
    /// Until when it may wait for a way.
    pub(super) wait_until: Option<SimTime>,
    /// The placement that its hops belong to.
    pub(super) epoch: u64,
}

/// Ids to requests; the memory of those that ended is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    places: IdTable,
    all: Vec<Request>,
    vacant: Vec<u32>,
}

impl Requests {
    pub(super) fn place(&self, id: RequestId) -> Option<u32> {
        self.places.get(id, |place| self.at(place).id == id)
    }

    /// Asks memory for what finds a request.
    pub(super) fn prefetch(&self, id: RequestId) {
        self.places.prefetch(id);
    }

    pub(super) fn at(&self, place: u32) -> &Request {
        &self.all[place as usize]
    }

    pub(super) fn at_mut(&mut self, place: u32) -> &mut Request {
        &mut self.all[place as usize]
    }

    /// The id must be new.
    pub(super) fn insert(&mut self, id: RequestId, prompt: u32, deadline: Option<SimTime>) -> u32 {
        let mut request = Request {
            id,
            here: true,
            attempt: 0,
            stage: Stage::Waiting,
            prompt,
            prompt_as_sent: prompt,
            generated: 0,
            passes: 0,
            expected: 0,
            hops: Vec::new(),
            losses: 0,
            deadline,
            wait_until: None,
            epoch: 0,
        };
        let place = if let Some(place) = self.vacant.pop() {
            let old = &mut self.all[place as usize];
            request.hops = std::mem::take(&mut old.hops);
            request.hops.clear();
            *old = request;
            place
        } else {
            self.all.push(request);
            u32::try_from(self.all.len() - 1).expect("fewer requests at once than a u32 counts")
        };
        self.places.add(id, place);
        place
    }

    pub(super) fn remove(&mut self, id: RequestId) {
        let all = &self.all;
        if let Some(place) = self.places.remove(id, |place| all[place as usize].id == id) {
            self.at_mut(place).here = false;
            self.vacant.push(place);
        }
    }

    /// From the oldest to the youngest.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RequestId, u32)> {
        let here = (0..).zip(&self.all).filter(|(_, request)| request.here);
        let mut sorted: Vec<(RequestId, u32)> = here.map(|(place, request)| (request.id, place)).collect();
        sorted.sort_unstable();
        sorted.into_iter()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len() - self.vacant.len()
    }
}
