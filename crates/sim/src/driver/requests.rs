//! The requests that have not ended.

use std::collections::VecDeque;

use helix_scheduler::node::Node;
use helix_scheduler::prefetch::{prefetch, prefetch_bytes};
use helix_scheduler::{LinkId, Phase, Work};
use helix_spec::{MachineId, SimTime};

use super::event::Spent;

/// A step of a pipeline: what a coordinator's [`Hop`](helix_scheduler::coordinator::Hop) says, in half of its memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub link: LinkId,
    /// Index of the machine that it leads to; [`Self::BACK`] on the way back to the coordinator.
    machine: u32,
    /// Where the machine had the request last ([`Node::arrive`]).
    pub place: u32,
}

impl Step {
    const BACK: u32 = u32::MAX;

    pub fn new(link: LinkId, machine: Option<MachineId>) -> Self {
        let machine = machine.map_or(Self::BACK, |machine| machine.0);
        Self { link, machine, place: Node::NOWHERE }
    }

    /// Where it leads; `None` is the coordinator.
    pub fn machine(self) -> Option<MachineId> {
        (self.machine != Self::BACK).then_some(MachineId(self.machine))
    }
}

/// The steps of a pipeline. Those of all but very deep ones lie in place, at a known distance from what else is looked at.
#[derive(Debug, Clone)]
#[repr(C)]
pub(super) struct Steps {
    len: u32,
    near: [Step; Self::NEAR],
    far: Vec<Step>,
}

impl Steps {
    const NEAR: usize = 16;
    const NONE: Self = Self {
        len: 0,
        near: [Step { link: LinkId(0), machine: Step::BACK, place: Node::NOWHERE }; Self::NEAR],
        far: Vec::new(),
    };

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn get(&self, index: usize) -> Option<Step> {
        match self.near.get(index) {
            Some(step) => (index < self.len()).then_some(*step),
            None => self.far.get(index - Self::NEAR).copied(),
        }
    }

    pub fn push(&mut self, step: Step) {
        match self.near.get_mut(self.len as usize) {
            Some(place) => *place = step,
            None => self.far.push(step),
        }
        self.len += 1;
    }

    pub fn clear(&mut self) {
        self.len = 0;
        self.far.clear();
    }

    /// The place of a machine among them.
    fn position(&self, machine: u32) -> Option<usize> {
        (0..self.len()).find(|&index| self.get(index).is_some_and(|step| step.machine == machine))
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut Step> {
        match self.near.get_mut(index) {
            Some(step) => Some(step),
            None => self.far.get_mut(index - Self::NEAR),
        }
    }

    /// Asks memory for a step, which need not be there, and the one after it.
    fn prefetch(&self, index: usize) {
        let step = std::ptr::from_ref(&self.near).addr() + index * size_of::<Step>();
        prefetch_bytes(step, 2 * size_of::<Step>());
    }
}

/// A request as the driver knows it. Large runs wait for memory most of the time, so what every step of every token looks at
/// comes first and lies together.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Request {
    pub attempt: u32,
    /// What the pass under way is.
    pub phase: Phase,
    pub ended: bool,
    /// Where its time went, as in [`Spent`].
    pub computing: SimTime,
    pub link_queues: SimTime,
    /// Until the arrival of what is on its way, even if the request is restarted before.
    pub sending: SimTime,
    pub line: SimTime,
    pub steps: Steps,
    pub prompt: u32,
    pub output: u32,
    pub arrived: SimTime,
    /// When the pass under way was issued.
    pub issued: SimTime,
    pub first_token: Option<SimTime>,
    /// Decode passes that ended.
    pub decoded: u32,
    /// Link that its pass left on last, and when: what latency-weighted routing learns from.
    pub left: Option<(LinkId, SimTime)>,
    /// Since when it is in line, while it is.
    pub in_line: SimTime,
}

impl Request {
    /// The step after the one that leads to a machine. `guess`, which becomes the place of that among the steps, is looked at
    /// first: at a machine it is the same for most requests.
    pub fn next_step(&self, machine: u32, guess: &mut usize) -> Option<Step> {
        if self.steps.get(*guess).is_none_or(|step| step.machine != machine) {
            *guess = self.steps.position(machine)?;
        }
        self.steps.get(*guess + 1)
    }

    /// Remembers where a machine has the request.
    pub fn set_place(&mut self, machine: u32, place: u32) {
        let step = self.steps.position(machine).and_then(|index| self.steps.get_mut(index));
        if let Some(step) = step {
            step.place = place;
        }
    }

    /// Whether a work is what its time is counted by: of this attempt, and the last of its pass.
    pub fn counts(&self, work: &Work) -> bool {
        work.last && work.attempt == self.attempt
    }

    /// Where its time went until now: what was in no other place waited at a machine.
    pub fn spent_until(&self, now: SimTime) -> Spent {
        let Self { line, computing, link_queues, .. } = *self;
        let all = now.0 - self.arrived.0;
        let elsewhere = line.0 + computing.0 + link_queues.0;
        debug_assert!(elsewhere <= all, "a request is in one place at a time");
        // What ended on its way was sent until now only.
        let sending = SimTime(self.sending.0.min(all.saturating_sub(elsewhere)));
        let machine_queues = SimTime(all.saturating_sub(elsewhere + sending.0));
        Spent { line, machine_queues, computing, link_queues, sending }
    }
}

/// Requests by number; those in front that have ended are forgotten.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    first: u32,
    all: VecDeque<Request>,
    under_way: usize,
}

impl Requests {
    /// Adds a request and gives it the next number; `None` when numbers have run out.
    pub fn add(&mut self, prompt: u32, output: u32, now: SimTime) -> Option<u32> {
        let number = self.first.checked_add(u32::try_from(self.all.len()).ok()?)?;
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
            steps: Steps::NONE,
            left: None,
            in_line: now,
            computing: SimTime::ZERO,
            link_queues: SimTime::ZERO,
            sending: SimTime::ZERO,
            line: SimTime::ZERO,
            ended: false,
        });
        Some(number)
    }

    pub fn get(&self, number: u32) -> Option<&Request> {
        let request = self.all.get(number.checked_sub(self.first)? as usize)?;
        (!request.ended).then_some(request)
    }

    /// Asks memory for what a request's next step needs, which is about so far down the list.
    pub fn prefetch(&self, number: u32, step: usize) {
        let request = number.checked_sub(self.first).and_then(|index| self.all.get(index as usize));
        let Some(request) = request else { return };
        prefetch(&request.attempt);
        request.steps.prefetch(step);
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut Request> {
        let request = self.all.get_mut(number.checked_sub(self.first)? as usize)?;
        (!request.ended).then_some(request)
    }

    /// Forgets a request.
    pub fn end(&mut self, number: u32) {
        let Some(request) = self.get_mut(number) else { return };
        request.ended = true;
        request.steps = Steps::NONE;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_pipelines_have_all_their_steps() {
        let machine = |index: u32| if index < 40 { Some(MachineId(100 + index)) } else { None };
        let mut steps = Steps::NONE;
        for round in 0..2 {
            (0..=40).for_each(|index| steps.push(Step::new(LinkId(index + round), machine(index))));
            for index in 0..=40 {
                let step = steps.get(index as usize).expect("it was pushed");
                assert_eq!((step.link, step.machine()), (LinkId(index + round), machine(index)));
            }
            assert!(steps.get(41).is_none() && steps.len() == 41);
            assert_eq!(
                (steps.position(115), steps.position(116), steps.position(141)),
                (Some(15), Some(16), None)
            );
            steps.prefetch(1000);
            steps.clear();
            assert!(steps.get(0).is_none() && steps.get(20).is_none() && steps.position(100).is_none());
        }
    }
}
