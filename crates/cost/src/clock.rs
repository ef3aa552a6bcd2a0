//! One machine's clock: everything that its batch times need, looked up once.

use helix_spec::Machine;

use crate::batch::{Load, checked_time};
use crate::measured::MachineTables;
use crate::roofline::{Padding, Ready};
use crate::{Batch, BatchCost, BatchError, TimeSource};

/// How one machine times its batches; the same answers as [`BatchTime`](crate::BatchTime), without looking anything up.
#[derive(Debug, Clone)]
pub struct MachineClock {
    machine_type: String,
    times: Times,
}

#[derive(Debug, Clone)]
enum Times {
    Measured(MachineTables),
    Roofline(Ready, TimeSource),
}

impl MachineClock {
    pub(crate) fn measured(machine: &Machine, tables: MachineTables) -> Self {
        Self { machine_type: machine.machine_type.clone(), times: Times::Measured(tables) }
    }

    pub(crate) fn roofline(machine: &Machine, ready: Ready, calibrated: bool) -> Self {
        let source = if calibrated { TimeSource::Calibrated } else { TimeSource::Roofline };
        Self { machine_type: machine.machine_type.clone(), times: Times::Roofline(ready, source) }
    }

    /// Time of `batch` on `layers` layers. An empty batch takes none.
    pub fn batch_time(&self, layers: u32, batch: &Batch) -> Result<BatchCost, BatchError> {
        let (seconds, source) = self.layer_seconds(&batch.load(), Padding::Tiles);
        Ok(BatchCost { time: checked_time(&self.machine_type, seconds * f64::from(layers))?, source })
    }

    /// Seconds on one layer and where they come from.
    pub(crate) fn layer_seconds(&self, load: &Load, padding: Padding) -> (f64, TimeSource) {
        match &self.times {
            Times::Roofline(ready, source) => (ready.layer_seconds(load, padding), *source),
            Times::Measured(tables) => {
                let found = tables.layer_seconds(load);
                let source = if found.extrapolated { TimeSource::Extrapolated } else { TimeSource::Measured };
                (found.seconds, source)
            }
        }
    }
}
