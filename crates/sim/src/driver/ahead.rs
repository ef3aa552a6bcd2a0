//! Asks memory for what the next events will look at, while this one is handled: large runs wait for memory most of the time.
//!
//! ```text
//!   the next event         its machine is at hand: ask for the requests of its batch, or where its works will lie
//!   two, one of which is
//!   the next but one       ask for the machine
//! ```

use helix_scheduler::prefetch::prefetch;

use super::Simulation;
use super::coordination::number_of;
use super::event::{Event, Observer};

/// Machines from which on it is worth it: the state of fewer fits into a processor's caches. A law has more (`laws/ahead.rs`).
const LEAST_MACHINES: usize = 200;

impl<O: Observer> Simulation<O> {
    pub(super) fn looks_ahead(&self) -> bool {
        self.machines.len() >= LEAST_MACHINES
    }

    /// To be called with every event. Those that come at once leave little new to ask for.
    pub(super) fn look_ahead(&self, event: &Event) {
        let delayed =
            matches!(event, Event::FinishExecution { .. } | Event::Delivered { .. } | Event::Arrive { .. });
        if !delayed || !self.looks_ahead() {
            return;
        }
        let mut soon = self.queue.soon();
        let Some(next) = soon.next() else { return };
        self.prefetch_works(next);
        soon.for_each(|event| self.prefetch_ends(event));
    }

    /// The machines of an event.
    fn prefetch_ends(&self, event: &Event) {
        match *event {
            Event::FinishExecution { machine, .. } => prefetch(&self.machines[machine as usize]),
            Event::Arrive { parcel } => {
                for (to, _) in self.transport.arriving(parcel) {
                    if let Some(machine) = to.checked_sub(1) {
                        prefetch(&self.machines[machine as usize]);
                    }
                }
            }
            _ => {}
        }
    }

    /// What the works of an event need.
    fn prefetch_works(&self, event: &Event) {
        match *event {
            Event::FinishExecution { machine: index, .. } => {
                let Some(machine) = &self.machines[index as usize] else { return };
                for work in machine.node.running() {
                    self.requests.prefetch(number_of(work.request), machine.step);
                }
                self.transport.prefetch_sender(index + 1);
            }
            Event::Arrive { parcel } => {
                for (to, works) in self.transport.arriving(parcel) {
                    let machine = to.checked_sub(1).and_then(|index| self.machines[index as usize].as_ref());
                    for &(work, place) in works {
                        match machine {
                            Some(machine) => machine.node.prefetch(place),
                            None => self.requests.prefetch(number_of(work.request), 0),
                        }
                    }
                }
            }
            _ => {}
        }
    }
}
