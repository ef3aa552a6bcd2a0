//! Machines and links that fail, slow down and recover at given times.

use helix_scheduler::coordinator::Event as ToCoordinator;
use helix_scheduler::node::Node;
use helix_spec::{MachineId, SimTime};

use super::Simulation;
use super::event::{Event, Observer};
use crate::scene::number_of_end;

/// Something that changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// When, counted from the first request.
    pub at: SimTime,
    /// What.
    pub kind: FaultKind,
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// A machine is lost, with its cache and what it was running.
    MachineFails(MachineId),
    /// It is back, loads its layers, and takes requests again.
    MachineRecovers(MachineId),
    /// Its batches take so many times as long as planned; 1 is as planned.
    MachineSlows(MachineId, f64),
    /// A link, by its index, has this share of its speed; 0 is a broken link, 1 as planned.
    LinkSpeed(u32, f64),
}

impl<O: Observer> Simulation<O> {
    /// Takes an entry of the list into effect. Unknown machines and links have none.
    pub(super) fn fault(&mut self, now: SimTime, index: u32) {
        let Some(&Fault { kind, .. }) = self.faults.get(index as usize) else { return };
        match kind {
            FaultKind::MachineFails(machine) => self.fail(now, machine),
            FaultKind::MachineRecovers(machine) => self.recover(now, machine),
            FaultKind::MachineSlows(machine, factor) => {
                if let Some(Some(machine)) = self.machines.get_mut(machine.index()) {
                    machine.slower = factor;
                }
            }
            FaultKind::LinkSpeed(link, share) => {
                let Some(cable) = self.scene.cables.get(link as usize).copied() else { return };
                let planned = self.scene.planned_rates[link as usize] * share;
                self.transport.set_speed(now, link as usize, cable.bytes_per_s * share, planned);
                self.push_forecasts();
                let sender = number_of_end(cable.from);
                self.queue.push(now, Event::StartTransmission(sender));
            }
        }
        self.ask_hops_again(now);
    }

    fn fail(&mut self, now: SimTime, id: MachineId) {
        let Some(Some(machine)) = self.machines.get_mut(id.index()) else { return };
        if !machine.up {
            return;
        }
        machine.settle(now);
        if let Some(running) = machine.running.take() {
            machine.counts.busy += now.0 - running.start.0.max(self.counts.since.0);
        }
        machine.up = false;
        machine.loaded = false;
        machine.generation = machine.generation.wrapping_add(1);
        let config = *machine.node.config();
        if let Ok(node) = Node::new(config) {
            machine.node = node;
        }
        self.unrouted[id.index() + 1].clear();
        self.onward[id.index() + 1].clear();
        self.transport.drop_held(id.0 + 1);
        self.coordinate(now, ToCoordinator::MachineLost { machine: id });
    }

    fn recover(&mut self, now: SimTime, id: MachineId) {
        let Some(Some(machine)) = self.machines.get_mut(id.index()) else { return };
        if machine.up {
            return;
        }
        machine.settle(now);
        machine.up = true;
        machine.slower = 1.0;
        if self.settings.loading {
            self.queue.push(now, Event::LoadModel(id.0));
        } else {
            machine.loaded = true;
        }
        self.coordinate(now, ToCoordinator::MachineJoined { machine: id });
    }
}
