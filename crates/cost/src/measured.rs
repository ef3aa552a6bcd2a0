//! Measured layer times: straight lines between the rows.
//!
//! A batch takes `P(prompt tokens) + D(decode requests)` on one layer, each from its own table. Tables know no context:
//! what they were measured with is in them, whatever the batch says.

use std::collections::BTreeMap;

use helix_spec::{CostTables, Machine, TimeTable};

use crate::BatchError;
use crate::batch::Load;

/// How batches below the first measured size are timed.
///
/// The published tables begin with a row `0,0`, so that a straight line gives a single decode request half the time of
/// two, and a prompt of ten tokens next to none. Weights are read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmallBatches {
    /// Never faster than the smallest decode batch that was measured: that is the time in which weights are read.
    #[default]
    WeightBound,
    /// As the paper's simulator: the straight line to `0,0`, and twice the decode time for a single request.
    AsPublished,
}

/// The tables of all machine types for one model.
#[derive(Debug, Clone)]
pub(crate) struct MeasuredTimes {
    types: BTreeMap<String, (TimeTable, TimeTable)>,
    small: SmallBatches,
}

/// Seconds on one layer, and whether a table had to be continued.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerSeconds {
    pub seconds: f64,
    pub extrapolated: bool,
}

impl MeasuredTimes {
    /// Keeps the types that have both tables.
    pub fn new(tables: &CostTables, small: SmallBatches) -> Self {
        let both = |(name, tables): (&String, &helix_spec::TypeTables)| {
            let usable = |table: &Option<TimeTable>| table.clone().filter(|table| !table.rows.is_empty());
            Some((name.clone(), (usable(&tables.prompt)?, usable(&tables.decode)?)))
        };
        Self { types: tables.types.iter().filter_map(both).collect(), small }
    }

    pub fn knows(&self, machine_type: &str) -> bool {
        self.types.contains_key(machine_type)
    }

    /// The tables of a type.
    pub fn of(&self, machine_type: &str) -> Option<MachineTables> {
        let (prompt, decode) = self.types.get(machine_type)?.clone();
        Some(MachineTables { prompt, decode, small: self.small })
    }
}

/// The tables of one machine type.
#[derive(Debug, Clone)]
pub(crate) struct MachineTables {
    prompt: TimeTable,
    decode: TimeTable,
    small: SmallBatches,
}

impl MachineTables {
    /// Time of one layer.
    pub fn layer_seconds(&self, load: &Load) -> LayerSeconds {
        let prefill = lookup(&self.prompt, load.prefill_tokens);
        let mut step = lookup(&self.decode, load.decode_requests);
        let mut floor = 0.0;
        match self.small {
            SmallBatches::AsPublished if load.decode_requests == 1.0 => step.seconds *= 2.0,
            SmallBatches::WeightBound if load.tokens() > 0.0 => floor = least_time(&self.decode),
            SmallBatches::AsPublished | SmallBatches::WeightBound => {}
        }
        LayerSeconds {
            seconds: (prefill.seconds + step.seconds).max(floor),
            extrapolated: prefill.extrapolated || step.extrapolated,
        }
    }
}

/// Time of the smallest batch that was measured.
fn least_time(table: &TimeTable) -> f64 {
    table.rows.iter().find(|(size, _)| *size > 0).map_or(0.0, |(_, time)| time.seconds())
}

/// The table at `size`: on the straight line between its neighbours; beyond the last row, the last row's time a token
/// (or request) holds on; below a first row that is not 0, its time.
pub(crate) fn lookup(table: &TimeTable, size: f64) -> LayerSeconds {
    let rows = &table.rows;
    let inside = |seconds| LayerSeconds { seconds, extrapolated: false };
    let (Some(&(first, first_time)), Some(&(last, last_time))) = (rows.first(), rows.last()) else {
        return LayerSeconds { seconds: f64::NAN, extrapolated: true };
    };
    if size <= 0.0 {
        return inside(0.0);
    }
    if size < f64::from(first) {
        return LayerSeconds { seconds: first_time.seconds(), extrapolated: true };
    }
    if size > f64::from(last) {
        // A table of the single row `0,0` says nothing: its time a token is not a number, which no time accepts.
        return LayerSeconds { seconds: last_time.seconds() * (size / f64::from(last)), extrapolated: true };
    }
    let after = rows.partition_point(|(x, _)| f64::from(*x) < size);
    let (x1, t1) = rows[after];
    if f64::from(x1) == size || after == 0 {
        return inside(t1.seconds());
    }
    let (x0, t0) = rows[after - 1];
    let (x0, x1, t0, t1) = (f64::from(x0), f64::from(x1), t0.seconds(), t1.seconds());
    inside(t0 + (t1 - t0) * (size - x0) / (x1 - x0))
}

/// The error for a type whose tables are missing.
pub(crate) fn not_measured(machine: &Machine, tables: Option<&CostTables>) -> BatchError {
    let prompt = tables
        .and_then(|tables| tables.types.get(&machine.machine_type))
        .is_some_and(|tables| tables.prompt.is_some());
    BatchError::NotMeasured {
        machine_type: machine.machine_type.clone(),
        what: if prompt { "decode" } else { "prompt" },
    }
}
