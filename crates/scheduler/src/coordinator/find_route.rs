//! A whole pipeline for a request, out of machines that have room.
//!
//! The policy chooses one link after another. Where none of those that remain is open, the machine is a dead end for this
//! request: the search goes back to where it came from and the policy chooses among the others. Whether a way leads on
//! from a machine does not depend on how it was reached, so no machine is entered twice.

use helix_spec::Endpoint;

use super::admission::takes;
use super::config::Routing;
use super::protocol::Hop;
use super::state::Coordinator;
use crate::LinkId;
use crate::route::{Candidate, Question, RoutePolicy};

impl<P: RoutePolicy> Coordinator<P> {
    /// A hop after the other; nothing is charged. Finds a pipeline if there is one of links that the policy would take.
    ///
    /// Complexity: every link is a candidate once for each machine that its beginning was left for, so at most
    /// machines × links; one pass over the links of the pipeline's machines where nothing is full.
    pub(super) fn find_route(&mut self, (prompt, expected): (u32, u64), route: &mut Vec<Hop>) -> bool {
        let mut from = Endpoint::Coordinator;
        self.dead_ends.clear();
        loop {
            self.candidates.clear();
            for &link in self.topology.outgoing(from) {
                let open = takes(self, link, prompt, expected) && !self.is_dead_end(link);
                self.candidates.push(Candidate { link, open, free: true, waiting: self.waiting_at(link) });
            }
            let question = Question { now: self.now, from, tokens: prompt, candidates: &self.candidates };
            if let Some(link) = self.policy.choose(&question) {
                let hop = self.hop_along(link);
                route.push(hop);
                match hop.machine {
                    None => return true,
                    Some(machine) => from = Endpoint::Machine(machine),
                }
                continue;
            }
            if self.config.routing == Routing::ForwardOnly {
                return false;
            }
            let Some(left) = route.pop().and_then(|hop| hop.machine) else { return false };
            self.dead_ends.resize(self.machines.0.len(), false);
            self.dead_ends[left.index()] = true;
            from = route.last().and_then(|hop| hop.machine).map_or(Endpoint::Coordinator, Endpoint::Machine);
        }
    }

    fn is_dead_end(&self, link: LinkId) -> bool {
        let machine = self.topology.machine_at_end(link);
        machine.is_some_and(|machine| self.dead_ends.get(machine.index()) == Some(&true))
    }

    /// Where a coordinator that sees no queues takes them from: the requests that it has sent there.
    fn waiting_at(&self, link: LinkId) -> u64 {
        let machine = self.topology.machine_at_end(link);
        machine.map_or(0, |machine| u64::from(self.machines.0[machine.index()].active))
    }
}
