//! What the coordinator knows of each machine.

use helix_spec::{MachineId, SimTime};

use super::config::{KvEstimate, SpeedFeedback};
use crate::node::Shortfall;
use crate::topology::TopologyMachine;

/// Whether a machine takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Up,
    Draining,
    Lost,
}

/// One machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct MachineState {
    pub(super) status: Status,
    /// Expected free cache \[tokens × layers\]; negative where more was given away than there is.
    pub(super) kv_available: i64,
    /// Requests on it.
    pub(super) active: u32,
    /// Moving average of its speed against the plan.
    average: f64,
    /// A prompt that waits for blocks there, since when, and who would give way.
    pub(super) shortfall: Option<(SimTime, Shortfall)>,
    /// The factor that the weights carry.
    pub(super) factor: f64,
}

impl MachineState {
    pub(super) fn new(machine: &TopologyMachine) -> Self {
        Self {
            status: Status::Up,
            kv_available: capacity(machine),
            active: 0,
            shortfall: None,
            average: 1.0,
            factor: 1.0,
        }
    }

    /// Whether a prompt may go there.
    pub(super) fn takes(
        &self,
        machine: &TopologyMachine,
        prompt: u32,
        kv: Option<(KvEstimate, u64)>,
    ) -> bool {
        self.status == Status::Up && fits(machine, self.kv_available, prompt, kv)
    }

    /// The speed goes with the machine, whatever it holds.
    pub(super) fn inherit_speed(&mut self, old: &Self) {
        (self.average, self.factor) = (old.average, old.factor);
    }

    /// Takes a measured speed; the new factor for the weights if it is to change.
    pub(super) fn measure(&mut self, factor: f64, settings: &SpeedFeedback) -> Option<f64> {
        if !factor.is_finite() || factor <= 0.0 {
            return None;
        }
        let measured = factor.clamp(settings.least, settings.most);
        self.average += settings.newest * (measured - self.average);
        let differs = (self.average - self.factor).abs() > settings.hysteresis * self.factor;
        differs.then(|| {
            self.factor = self.average;
            self.factor
        })
    }
}

/// The paper's `can_add`, and the longest prompt.
pub(super) fn fits(
    machine: &TopologyMachine,
    available: i64,
    prompt: u32,
    kv: Option<(KvEstimate, u64)>,
) -> bool {
    let room = || {
        let Some((estimate, expected)) = kv else { return true };
        let layers = machine.layers.map_or(0, |layers| u64::from(layers.len()));
        let left = available as f64 - expected.saturating_mul(layers) as f64;
        left >= (1.0 - estimate.high_water_mark) * machine.kv_capacity as f64
    };
    prompt <= machine.max_prompt_tokens && room()
}

/// All cache of a machine, as a signed number.
pub(super) fn capacity(machine: &TopologyMachine) -> i64 {
    i64::try_from(machine.kv_capacity).unwrap_or(i64::MAX)
}

/// State by machine id.
#[derive(Debug, Clone, Default)]
pub(super) struct Machines(pub(super) Vec<MachineState>);

impl Machines {
    pub(super) fn get_mut(&mut self, machine: MachineId) -> Option<&mut MachineState> {
        self.0.get_mut(machine.index())
    }
}
