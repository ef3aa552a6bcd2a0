//! Machines at work: batches begin and end.

use helix_scheduler::coordinator::Event as ToCoordinator;
use helix_scheduler::node::{Batch, NodeAction, NodeEvent};
use helix_scheduler::route::Observation;
use helix_scheduler::{Phase, Work};
use helix_spec::{LayerRange, MachineId, SimTime};

use super::event::{Event, Observer, Record};
use super::machine::Running;
use super::{Simulation, SimulationError};

impl<O: Observer> Simulation<O> {
    /// A machine looks what it can run, or goes on with the next layer of its batch.
    pub(super) fn start_execution(&mut self, now: SimTime, index: u32) -> Result<(), SimulationError> {
        let Some(machine) = &mut self.machines[index as usize] else { return Ok(()) };
        if let Some(running) = &mut machine.running {
            if std::mem::take(&mut running.between) {
                let layer = running.layer;
                self.push_layer(now, index, layer);
            }
            return Ok(());
        }
        if !machine.loaded || !machine.up || machine.node.queued() == 0 {
            return Ok(());
        }
        machine.settle(now);
        let mut actions = std::mem::take(&mut self.node_actions);
        machine.node.handle(now, NodeEvent::Start, &mut actions);
        let done = self.take_node_actions(now, index, &mut actions);
        self.node_actions = actions;
        done
    }

    /// Lets a machine look for work at the end of this instant, unless it is known that it will find none: its batch ends
    /// later.
    pub(super) fn look_for_work(&mut self, now: SimTime, index: u32) {
        let running = self.machines[index as usize].as_ref().and_then(|machine| machine.running.as_ref());
        if self.joins_layers && running.is_some_and(|running| running.next > now) {
            self.counts.spared += 1;
        } else {
            self.queue.push(now, Event::StartExecution(index));
        }
    }

    /// A layer of a batch will be through, or all of them.
    fn push_layer(&mut self, now: SimTime, index: u32, time: u64) {
        let end = SimTime(now.0.saturating_add(self.with_jitter(SimTime(time)).0));
        let Some(machine) = &mut self.machines[index as usize] else { return };
        if let Some(running) = &mut machine.running {
            running.next = end;
        }
        self.queue.push(end, Event::FinishExecution { machine: index, generation: machine.generation });
    }

    /// A layer of a batch is through, or all of them where they are one event.
    ///
    /// A batch that goes on alone stays one batch for the node, but every layer is an event here: so the order of what
    /// happens at one instant is the same as if the node were asked before each layer.
    pub(super) fn finish_execution(&mut self, now: SimTime, index: u32, generation: u32) {
        let Some(machine) = &mut self.machines[index as usize] else { return };
        if machine.generation != generation {
            self.counts.void += 1;
            return;
        }
        machine.settle(now);
        let all = machine.node.running_layers().map_or(0, LayerRange::len);
        let Some(running) = &mut machine.running else { return };
        let layers = if self.joins_layers { all } else { 1 };
        running.done += layers;
        // What would have been the end of each layer, and a look for work.
        self.counts.spared += 2 * u64::from(layers - 1);
        let batch = running.batch;
        let layers = u64::from(layers);
        machine.counts.layers += layers;
        machine.counts.prompt_layers += layers * batch.prefill_tokens;
        machine.counts.decode_layers += layers * u64::from(batch.decodes);
        if running.done < all {
            running.between = true;
        } else {
            self.end_batch(now, index);
        }
        self.queue.push(now, Event::StartExecution(index));
    }

    /// A batch ends with the layers that it has done.
    fn end_batch(&mut self, now: SimTime, index: u32) {
        let Some(machine) = &mut self.machines[index as usize] else { return };
        machine.note_kv();
        let Some(Running { mut batch, start, done, .. }) = machine.running.take() else { return };
        let first = batch.layers.start();
        batch.layers = LayerRange::new(first, first + done).unwrap_or(batch.layers);
        machine.counts.busy += now.0 - start.0.max(self.counts.since.0);
        for work in machine.node.running() {
            let request = self.requests.get_mut(super::coordination::number_of(work.request));
            if let Some(request) = request.filter(|request| request.counts(work)) {
                request.computing.0 += now.0 - start.0;
            }
        }
        self.observer.observe(&Record::Batch { machine: MachineId(index), start, end: now, batch });
        let mut actions = std::mem::take(&mut self.node_actions);
        machine.node.handle(now, NodeEvent::BatchFinished, &mut actions);
        // Only forwarded work comes of the end of a batch, which takes no time.
        let forwarded = self.take_node_actions(now, index, &mut actions);
        debug_assert!(forwarded.is_ok(), "the end of a batch starts none");
        self.node_actions = actions;
    }

    /// Does what a node asks for.
    pub(super) fn take_node_actions(
        &mut self,
        now: SimTime,
        index: u32,
        actions: &mut Vec<NodeAction>,
    ) -> Result<(), SimulationError> {
        let mut sends = false;
        let mut result = Ok(());
        for action in actions.drain(..) {
            match action {
                NodeAction::Run(batch) => result = self.run_batch(now, index, batch),
                NodeAction::Forward(work) => {
                    self.forward(now, index, work);
                    sends = true;
                }
                NodeAction::OutOfBlocks(shortage) => {
                    self.counts.shortages += 1;
                    let machine = MachineId(index);
                    self.coordinate(now, ToCoordinator::OutOfBlocks { machine, shortage });
                }
                NodeAction::Refuse { work, why } => {
                    let (machine, Work { request, attempt, .. }) = (MachineId(index), work);
                    self.coordinate(now, ToCoordinator::Refused { machine, request, attempt, why });
                }
                NodeAction::CopyBlock { .. } | NodeAction::Discard(_) => {}
            }
        }
        if sends {
            self.flush(now, index + 1);
        }
        result
    }

    fn run_batch(&mut self, now: SimTime, index: u32, batch: Batch) -> Result<(), SimulationError> {
        let copy = self.settings.copy_seconds_per_byte * self.scene.wire.activation.0 as f64;
        let Some(machine) = &mut self.machines[index as usize] else { return Ok(()) };
        let times = machine.times(&batch, copy);
        let (copy, layer) = times.map_err(|problem| {
            let problem = Box::new(problem);
            SimulationError::Batch { machine: index, problem }
        })?;
        machine.generation = machine.generation.wrapping_add(1);
        machine.running =
            Some(Running { batch, start: now, layer, done: 0, between: false, next: SimTime::ZERO });
        let layers = if self.joins_layers { u64::from(batch.layers.len()) } else { 1 };
        self.push_layer(now, index, layer.saturating_mul(layers).saturating_add(copy));
        Ok(())
    }

    /// Work came to a machine.
    pub(super) fn take_work(&mut self, now: SimTime, index: u32, (work, place): (Work, u32)) {
        let Some(machine) = &mut self.machines[index as usize] else { return };
        if !machine.up {
            return;
        }
        machine.settle(now);
        // Work that enters ahead of a batch of several layers joins it there.
        if !self.joins_layers
            && let Some(running) = machine.running
        {
            let reached = running.batch.layers.start() + running.done;
            let enters = work.layers.start();
            if enters > reached || (enters == reached && running.between) {
                machine.node.handle(now, NodeEvent::Cut { end: enters }, &mut self.node_actions);
            }
            if enters == reached && running.between {
                // The batch waits in front of this very layer, and came first.
                self.end_batch(now, index);
            }
        }
        let Some(machine) = &mut self.machines[index as usize] else { return };
        let mut actions = std::mem::take(&mut self.node_actions);
        let found = machine.node.arrive(now, work, place, &mut actions);
        if let Some(found) = found.filter(|&found| found != place)
            && let Some(request) = self.requests.get_mut(super::coordination::number_of(work.request))
        {
            request.set_place(index, found);
        }
        let taken = self.take_node_actions(now, index, &mut actions);
        debug_assert!(taken.is_ok(), "work that arrives starts no batch");
        self.node_actions = actions;
    }

    /// A work is through its layers on a machine: on to the next one.
    fn forward(&mut self, now: SimTime, index: u32, work: Work) {
        let number = super::coordination::number_of(work.request);
        let Some(request) = self.requests.get_mut(number) else { return };
        if request.attempt != work.attempt {
            return;
        }
        let left = if self.settings.policy.learns() { request.left.take() } else { None };
        let Some(machine) = &mut self.machines[index as usize] else { return };
        let next = request.next_step(index, &mut machine.step);
        if let Some((link, since)) = left {
            let (phase, tokens, took) = (work.phase, work.tokens, SimTime(now.0 - since.0));
            self.onward[index as usize + 1].push((link, Observation::LinkTime { link, phase, tokens, took }));
        }
        match next {
            Some(step) => {
                let ticket = self.transport.ticket();
                self.go_on(now, index + 1, (step, ticket, now), work);
            }
            None if work.phase == Phase::Prefill => {
                let ticket = self.transport.ticket();
                self.unrouted[index as usize + 1].push((ticket, now, work));
            }
            None => {}
        }
    }
}
