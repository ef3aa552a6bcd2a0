//! Whether a context fits into this machine's memory, before it is allocated.

use helix_spec::Bytes;

use crate::exit_codes::{Failure, Kind};

/// Memory that processes can still get, where the system tells.
pub fn available() -> Option<Bytes> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).map(Bytes)
}

/// A refusal that says how much is missing and what would fit.
pub fn require(what: &str, needed: Option<Bytes>, way_out: &str) -> Result<(), Failure> {
    let Some(needed) = needed else {
        return Err(Failure::new(Kind::Infeasible, format!("{what} needs more than 2^64 bytes; {way_out}")));
    };
    match available() {
        Some(available) if needed > available => Err(Failure::new(
            Kind::Infeasible,
            format!(
                "{what} needs {:.1} GB of memory, this machine has {:.1} GB left, {:.1} GB are missing; {way_out}",
                needed.gigabytes(),
                available.gigabytes(),
                Bytes(needed.0 - available.0).gigabytes(),
            ),
        )),
        _ => Ok(()),
    }
}
