//! The requests that have not ended.

use std::collections::VecDeque;

use helix_scheduler::coordinator::Hop;
use helix_scheduler::{LinkId, Phase, Work};
use helix_spec::SimTime;

use super::event::Spent;

/// A request as the driver knows it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub prompt: u32,
    pub output: u32,
    pub arrived: SimTime,
    /// When the pass under way was issued.
    pub issued: SimTime,
    pub first_token: Option<SimTime>,
    /// Decode passes that ended.
    pub decoded: u32,
    pub attempt: u32,
    /// What the pass under way is.
    pub phase: Phase,
    pub hops: Vec<Hop>,
    /// Link that its pass left on last, and when: what latency-weighted routing learns from.
    pub left: Option<(LinkId, SimTime)>,
    /// Since when it is in line, while it is.
    pub in_line: SimTime,
    pub spent: Spent,
    pub ended: bool,
}

impl Request {
    /// Whether a work is what its time is counted by: of this attempt, and the last of its pass.
    pub fn counts(&self, work: &Work) -> bool {
        work.last && work.attempt == self.attempt
    }

    /// Where its time went until now: what was in no other place waited at a machine.
    pub fn spent_until(&self, now: SimTime) -> Spent {
        let Spent { line, computing, link_queues, sending, .. } = self.spent;
        let elsewhere = line.0 + computing.0 + link_queues.0 + sending.0;
        let all = now.0 - self.arrived.0;
        debug_assert!(elsewhere <= all, "a request is in one place at a time");
        Spent { machine_queues: SimTime(all.saturating_sub(elsewhere)), ..self.spent }
    }
}

/// Requests by number; those in front that have ended are forgotten.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    first: u32,
    all: VecDeque<Request>,
    spare: Vec<Vec<Hop>>,
    under_way: usize,
}

impl Requests {
    /// Adds a request and gives it the next number; `None` when numbers have run out.
    pub fn add(&mut self, prompt: u32, output: u32, now: SimTime) -> Option<u32> {
        let number = self.first.checked_add(u32::try_from(self.all.len()).ok()?)?;
        let hops = self.spare.pop().unwrap_or_default();
        self.under_way += 1;
        self.all.push_back(Request {
            prompt,
            output,
            arrived: now,
            issued: now,
            first_token: None,
            decoded: 0,
            attempt: 0,
            phase: Phase::Prefill,
            hops,
            left: None,
            in_line: now,
            spent: Spent::default(),
            ended: false,
        });
        Some(number)
    }

    pub fn get(&self, number: u32) -> Option<&Request> {
        let request = self.all.get(number.checked_sub(self.first)? as usize)?;
        (!request.ended).then_some(request)
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut Request> {
        let request = self.all.get_mut(number.checked_sub(self.first)? as usize)?;
        (!request.ended).then_some(request)
    }

    /// Forgets a request.
    pub fn end(&mut self, number: u32) {
        let Some(request) = self.get_mut(number) else { return };
        request.ended = true;
        let mut hops = std::mem::take(&mut request.hops);
        hops.clear();
        self.spare.push(hops);
        self.under_way -= 1;
        while self.all.front().is_some_and(|first| first.ended) {
            self.all.pop_front();
            self.first += 1;
        }
    }

    /// How many have not ended.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}
