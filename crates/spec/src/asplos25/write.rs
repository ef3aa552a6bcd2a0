//! Numbers as the authors' files write them, each proved to read back as the same value.

use super::bs2time::picoseconds;
use super::export::ExportError;
use super::expression::UNITS;
use crate::{Bandwidth, Bytes, BytesPerSecond, SimTime};

/// A speed as the cluster file and the machine profiles write it: `1000 * mbps`, `10 * gbps`.
pub(super) fn bandwidth(value: Bandwidth, unit: &str) -> Result<String, ExportError> {
    let bytes = value.bytes_per_second();
    if Bandwidth::from_bytes_per_second(bytes) != Some(value) {
        return Err(ExportError::NotWritable { value: value.to_string() });
    }
    Ok(scaled(bytes, unit, |number| format!("{number}")))
}

/// The same as a run's file writes it: `1000.0 * mbps`.
pub(super) fn bandwidth_of_run(value: Bandwidth) -> Result<String, ExportError> {
    bandwidth(value, "mbps")?;
    Ok(scaled(value.bytes_per_second(), "mbps", |number| format!("{number:?}")))
}

/// A disk's speed, `1 * gbps`.
pub(super) fn speed(value: BytesPerSecond) -> Result<String, ExportError> {
    let bytes = exact(value.0, &value)?;
    Ok(scaled(bytes, "gbps", |number| format!("{number}")))
}

/// The same in a run's file, `1000.0 * mbps`.
pub(super) fn speed_of_run(value: BytesPerSecond) -> Result<String, ExportError> {
    let bytes = exact(value.0, &value)?;
    Ok(scaled(bytes, "mbps", |number| format!("{number:?}")))
}

/// A memory's size, `40 * GB`.
pub(super) fn memory(value: Bytes) -> Result<String, ExportError> {
    let bytes = exact(value.0, &value)?;
    Ok(scaled(bytes, "GB", |number| format!("{number}")))
}

/// The same in a run's file, `40000.0 * MB`.
pub(super) fn memory_of_run(value: Bytes) -> Result<String, ExportError> {
    let bytes = exact(value.0, &value)?;
    Ok(scaled(bytes, "MB", |number| format!("{number:?}")))
}

/// A latency, `51 * MilliSec`.
pub(super) fn latency(value: SimTime) -> Result<String, ExportError> {
    let milliseconds = value.0 as f64 / 1e9;
    if SimTime::from_seconds(milliseconds * 1e-3) == Some(value) {
        return Ok(format!("{milliseconds} * MilliSec"));
    }
    let seconds = value.seconds();
    if SimTime::from_seconds(seconds) == Some(value) {
        return Ok(format!("{seconds} * Sec"));
    }
    Err(ExportError::NotWritable { value: value.to_string() })
}

/// The same in a run's file. The authors write the seconds that they read times a thousand, which makes
/// `51.00000000000001 * MilliSec` of 51 ms; done the same way here, so that their doubles come back bit by bit.
pub(super) fn latency_of_run(value: SimTime) -> Result<String, ExportError> {
    let milliseconds = value.0 as f64 / 1e9 * 1e-3 * 1e3;
    if SimTime::from_seconds(milliseconds * 1e-3) == Some(value) {
        return Ok(format!("{milliseconds:?} * MilliSec"));
    }
    latency(value)
}

/// A measured time in milliseconds.
pub(super) fn milliseconds(value: SimTime) -> Result<String, ExportError> {
    let milliseconds = value.0 as f64 / 1e9;
    if picoseconds(milliseconds) != Some(value) {
        return Err(ExportError::NotWritable { value: value.to_string() });
    }
    Ok(format!("{milliseconds}"))
}

/// In the unit if that gives the same double back, else bare.
fn scaled(value: f64, unit: &str, write: impl Fn(f64) -> String) -> String {
    let factor = UNITS.iter().find(|(name, ..)| *name == unit).map(|(_, factor, _)| *factor);
    match factor.map(|factor| (value / factor, factor)) {
        Some((number, factor)) if number * factor == value => format!("{} * {unit}", write(number)),
        _ => write(value),
    }
}

fn exact(value: u64, shown: &impl std::fmt::Display) -> Result<f64, ExportError> {
    if value <= 1 << 53 {
        Ok(value as f64)
    } else {
        Err(ExportError::NotWritable { value: shown.to_string() })
    }
}
