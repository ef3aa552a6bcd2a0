//! What the coordinator knows of a worker.

use tokio::sync::mpsc::{self, error::TrySendError};

use super::plan::PlannedMachine;
use super::speed::SpeedMeter;
use crate::control::proto;
use crate::service::{MachineReport, MachineState};
use crate::wire::{Message, Outbox, Status};

/// A machine of the plan and its worker, if one has joined.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) planned: PlannedMachine,
    pub(super) state: MachineState,
    /// Counts its memberships.
    pub(super) session: u64,
    /// Where it takes activations.
    pub(super) address: String,
    orders: Option<mpsc::Sender<proto::ToWorker>>,
    pub(super) outbox: Option<Outbox>,
    pub(super) blocks: u32,
    pub(super) loaded: f64,
    pub(super) status: Status,
    pub(super) speed: SpeedMeter,
    pub(super) resident_bytes: u64,
    /// Emulation: its worker computes so many times slower than its machine.
    pub(super) slowdown: Option<f64>,
    /// It was told to end because it wanted to leave or an operator wanted it to, and has nothing left.
    pub(super) released: bool,
    /// Why it is not there.
    pub(super) trouble: Option<String>,
}

impl Machine {
    pub(super) fn new(planned: PlannedMachine) -> Self {
        Self {
            planned,
            state: MachineState::Awaited,
            session: 0,
            address: String::new(),
            orders: None,
            outbox: None,
            blocks: 0,
            loaded: 0.0,
            status: Status::default(),
            speed: SpeedMeter::default(),
            resident_bytes: 0,
            slowdown: None,
            released: false,
            trouble: None,
        }
    }

    /// Lets a worker be this machine; the receiving end of its orders.
    pub(super) fn join(&mut self, address: String) -> mpsc::Receiver<proto::ToWorker> {
        const ORDERS: usize = 64;
        let (orders, receiver) = mpsc::channel(ORDERS);
        let session = self.session + 1;
        *self = Self { session, address, orders: Some(orders), ..Self::new(self.planned.clone()) };
        self.state = MachineState::Loading;
        receiver
    }

    /// It is no more.
    pub(super) fn leave(&mut self, reason: String) {
        self.state = if self.released { MachineState::Left } else { MachineState::Lost };
        self.trouble = (!self.released).then_some(reason);
        self.orders = None;
        (self.status, self.speed) = (Status::default(), SpeedMeter::default());
        if let Some(outbox) = self.outbox.take() {
            outbox.close();
        }
    }

    /// Tells the worker something. One that does not listen for so long is thrown out by its heartbeat; one that is gone
    /// need not hear it.
    pub(super) fn order(&self, message: proto::to_worker::Message) {
        let Some(orders) = &self.orders else { return };
        if let Err(TrySendError::Full(_)) = orders.try_send(proto::ToWorker { message: Some(message) }) {
            tracing::warn!(machine = self.planned.name, "a worker does not take its orders");
        }
    }

    pub(super) fn send(&self, message: &Message) {
        if let Some(outbox) = &self.outbox
            && let Err(error) = outbox.send(message.encode())
        {
            tracing::warn!(machine = self.planned.name, %error, "a message was not sent");
        }
    }

    pub(super) fn is_present(&self) -> bool {
        matches!(self.state, MachineState::Loading | MachineState::Ready | MachineState::Draining)
    }

    /// How it is, in words.
    pub(super) fn words(&self) -> String {
        let name = &self.planned.name;
        let layers = self.planned.layers.map_or_else(|| "none".to_owned(), |layers| layers.to_string());
        let why = self.trouble.as_deref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let state = match self.state {
            MachineState::Awaited => "has not joined".to_owned(),
            MachineState::Loading => format!("is loading, {:.0} %", self.loaded * 100.0),
            MachineState::Lost => "is lost".to_owned(),
            MachineState::Left => "has left: it took no more requests and had none left".to_owned(),
            MachineState::Draining => "takes no new requests".to_owned(),
            MachineState::Ready => "is ready".to_owned(),
        };
        format!("worker {name} (layers {layers}) {state}{why}")
    }

    /// `speed` is what its share of the requests carries for its measured speed.
    pub(super) fn report(&self, speed: f64) -> MachineReport {
        let Status { blocks_used, requests, prompt_tokens, decode_tokens, busy_us, .. } = self.status;
        let tokens = (prompt_tokens + decode_tokens) as f64;
        MachineReport {
            name: self.planned.name.clone(),
            start: self.planned.layers.map_or(0, helix_spec::LayerRange::start),
            end: self.planned.layers.map_or(0, helix_spec::LayerRange::end),
            state: self.state,
            address: self.address.clone(),
            planned_tokens_per_s: self.planned.tokens_per_s,
            speed: self.planned.times.map(|_| speed),
            emulated_slowdown: self.slowdown,
            tokens_per_s: (busy_us > 0).then(|| tokens * 1e6 / busy_us as f64),
            prompt_tokens,
            decode_tokens,
            requests,
            kv_blocks_used: blocks_used,
            kv_blocks_total: self.blocks,
            loaded: self.loaded,
            resident_bytes: (self.resident_bytes > 0).then_some(self.resident_bytes),
        }
    }
}
