//! Ways of works: what a link costs a work that goes on, and the next hops of prompts that are routed hop by hop.

use helix_scheduler::route::Candidate;
use helix_scheduler::{LinkId, Work};
use helix_spec::SimTime;

use super::event::Observer;
use super::requests::Step;
use super::{Simulation, coordination::number_of};
use crate::scene::{endpoint_of, number_of_end};

impl<O: Observer> Simulation<O> {
    /// Asks for the next hop of the prompts that wait for one at an end.
    pub(super) fn route_prompts(&mut self, now: SimTime, end: u32) {
        if self.unrouted[end as usize].is_empty() {
            return;
        }
        let works = std::mem::take(&mut self.unrouted[end as usize]);
        for (ticket, since, work) in works {
            // In the order in which all that waits came: what is before this prompt takes its links first.
            self.transport.start_before(end, ticket);
            // An earlier part of it may have got its way meanwhile.
            let request = self.requests.get(number_of(work.request));
            let step = request.filter(|request| request.attempt == work.attempt).and_then(|request| {
                end.checked_sub(1).and_then(|machine| request.next_step(machine, &mut 0))
            });
            if let Some(step) = step {
                self.go_on(now, end, (step, ticket, since), work);
                continue;
            }
            let mut candidates = std::mem::take(&mut self.candidates);
            candidates.clear();
            for &link in self.scene.topology.outgoing(endpoint_of(end)) {
                let free = self.transport.is_free(link.index());
                candidates.push(Candidate { link, open: true, free, waiting: self.waiting_at(link) });
            }
            let (request, mut actions) = ((work.request, work.attempt), std::mem::take(&mut self.actions));
            let chosen = self.coordinator.ask_hop(now, request, &candidates, &mut actions);
            self.candidates = candidates;
            self.carry_out(now, &mut actions);
            self.actions = actions;
            match chosen {
                Some(link) => {
                    let step = Step::new(link, self.scene.topology.machine_at_end(link));
                    self.go_on(now, end, (step, ticket, since), work);
                }
                None if self.is_current(&work) => {
                    self.unrouted[end as usize].push((ticket, since, work));
                }
                None => {}
            }
        }
        // Who waits may wait too long.
        self.set_tick(now);
    }

    /// Prompts that found no next hop may find one now.
    pub(super) fn ask_hops_again(&mut self, now: SimTime) {
        for end in 0..self.unrouted.len() {
            if !self.unrouted[end].is_empty() {
                self.flush(now, number_of_end(end));
            }
        }
    }

    /// A work goes on from an end, by a step that was chosen for it.
    pub(super) fn go_on(
        &mut self,
        now: SimTime,
        end: u32,
        (step, ticket, since): (Step, u64, SimTime),
        work: Work,
    ) {
        let machine = step.machine();
        let tokens = if machine.is_none() { self.tokens_back(&work) } else { work.tokens };
        if tokens == 0 {
            return;
        }
        let reached = if end == 0 { 0 } else { work.layers.end() };
        let layers = machine.and_then(|machine| self.scene.layers_from(reached, machine));
        let work = Work { layers: layers.unwrap_or(work.layers), ..work };
        let bytes = self.scene.bytes(end == 0 || machine.is_none(), u64::from(tokens));
        self.offer(now, (end, step), (ticket, since), (work, bytes));
    }

    /// Works that wait in front of the first layer of the machine at the end of a link.
    fn waiting_at(&self, link: LinkId) -> u64 {
        let machine = self.scene.topology.machine_at_end(link);
        let machine = machine.and_then(|machine| self.machines[machine.index()].as_ref());
        machine.map_or(0, |machine| machine.node.queued_at(machine.node.config().layers.start()) as u64)
    }

    /// Tokens that travel back to the coordinator for a work that is through the last layer.
    pub(super) fn tokens_back(&self, work: &Work) -> u32 {
        match (self.settings.prompt_returns_whole, work.last) {
            (true, _) => work.tokens,
            (false, true) => 1,
            (false, false) => 0,
        }
    }
}
