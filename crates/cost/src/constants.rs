//! The roofline's constants: read from `data/roofline.toml`, which is part of the program.
//!
//! ```text
//! device name ──> [[device]]  three calibrated shares        else ──> [[kind]] of the device, with an error to expect
//! device kind ──> [[kind]]    padding, overheads, links, memory rule
//! ```

use helix_spec::{Bytes, BytesPerSecond, Device, DeviceKind, FileError, SimTime, Source, parse_toml};

/// The data file.
const TEXT: &str = include_str!("../data/roofline.toml");

/// What holds for a whole kind of devices, by declaration.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindConstants {
    /// The kind.
    pub kind: DeviceKind,
    /// Stand-in for [`Shares::memory`].
    pub memory: f64,
    /// Stand-in for [`Shares::compute`].
    pub compute: f64,
    /// Stand-in for [`Shares::attention`].
    pub attention: f64,
    /// Matrix kernels pad larger batches to a multiple of this \[tokens\].
    pub tile: u32,
    /// Batches up to this size are padded to this size instead \[tokens\].
    pub small_batch: u32,
    /// Fixed time of one layer: launches of its kernels.
    pub layer_overhead: SimTime,
    /// Links inside a machine up to this speed are slots, staged in host memory.
    pub slot_limit: BytesPerSecond,
    /// Share of a slot's speed that collectives reach.
    pub slot: f64,
    /// Share of a faster link's speed that collectives reach.
    pub link: f64,
    /// Fixed time of one collective.
    pub collective_latency: SimTime,
    /// Share of the memory that may be used at all.
    pub fraction: f64,
    /// Memory of each device that goes to its context and to the workspace of a batch.
    pub reserve: Bytes,
    /// Relative error to expect of a decode batch on a device that nobody calibrated.
    pub decode_error: f64,
    /// Relative error to expect of a prefill batch on a device that nobody calibrated.
    pub prefill_error: f64,
}

/// How much of a device's datasheet a kernel reaches: the three constants that calibration finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Of the memory bandwidth, when weights and cache are read.
    pub memory: f64,
    /// Of the dense arithmetic, when matrices are multiplied.
    pub compute: f64,
    /// Of the dense 16-bit arithmetic, when decode attention multiplies queries with the cache.
    pub attention: f64,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceConstants {
    names: Vec<String>,
    memory: f64,
    compute: f64,
    attention: f64,
    source: String,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: i64,
    kind: Vec<KindConstants>,
    device: Vec<DeviceConstants>,
}

/// All constants of the roofline.
#[derive(Debug, Clone)]
pub struct Constants {
    kinds: Vec<KindConstants>,
    devices: Vec<DeviceConstants>,
}

/// The constants of one device, and how far to trust them.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceFigures<'a> {
    /// Shares of the datasheet.
    pub shares: Shares,
    /// What holds for its kind.
    pub kind: &'a KindConstants,
    /// Where the shares were measured; `None` when they follow from the kind.
    pub calibrated: Option<&'a str>,
}

impl Constants {
    /// The constants that this program ships.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(&Source { origin: "roofline.toml", text: TEXT })
            .expect("the shipped roofline.toml is valid: the test `the_shipped_file_is_valid` reads it")
    }

    /// Reads constants in the format of the shipped file, for calibrations of one's own.
    pub fn parse(source: &Source<'_>) -> Result<Self, FileError> {
        let file: File = parse_toml(source)?;
        for (name, value) in file.shares() {
            if !(value.is_finite() && value > 0.0 && value <= 1.0) {
                return Err(FileError::new(
                    source.origin,
                    format!("{name} = {value} is no share of a datasheet figure"),
                )
                .help("write a number above 0 and up to 1"));
            }
        }
        for kind in ALL_KINDS {
            let found = file.kind.iter().filter(|constants| constants.kind == kind).count();
            if found != 1 {
                return Err(FileError::new(
                    source.origin,
                    format!("has {found} entries of [[kind]] for {kind:?}, every kind needs exactly one"),
                ));
            }
        }
        if let Some(kind) = file.kind.iter().find(|kind| kind.tile == 0 || kind.small_batch == 0) {
            return Err(FileError::new(
                source.origin,
                format!("{:?}: tile and small_batch are at least 1", kind.kind),
            ));
        }
        Ok(Self { kinds: file.kind, devices: file.device })
    }

    /// The constants of a device.
    #[must_use]
    pub fn of(&self, device: &Device) -> DeviceFigures<'_> {
        let kind = self.kind(device.kind);
        let known =
            |entry: &&DeviceConstants| entry.names.iter().any(|name| name.eq_ignore_ascii_case(&device.name));
        match self.devices.iter().find(known) {
            Some(entry) => DeviceFigures {
                shares: Shares { memory: entry.memory, compute: entry.compute, attention: entry.attention },
                kind,
                calibrated: Some(&entry.source),
            },
            None => DeviceFigures { shares: kind.shares(), kind, calibrated: None },
        }
    }

    /// What holds for a kind of devices.
    ///
    /// # Panics
    /// Never: `parse` refuses files without one of the kinds.
    #[must_use]
    pub fn kind(&self, kind: DeviceKind) -> &KindConstants {
        self.kinds.iter().find(|constants| constants.kind == kind).expect("parse demands every kind")
    }

    /// The same constants with every calibration forgotten: what a device gets from its kind alone.
    #[must_use]
    pub fn without_calibration(&self) -> Self {
        Self { kinds: self.kinds.clone(), devices: Vec::new() }
    }
}

const ALL_KINDS: [DeviceKind; 4] =
    [DeviceKind::DataCenter, DeviceKind::Consumer, DeviceKind::Unified, DeviceKind::Cpu];

impl KindConstants {
    /// The stand-ins for devices of this kind that nobody calibrated.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares { memory: self.memory, compute: self.compute, attention: self.attention }
    }
}

impl File {
    fn shares(&self) -> impl Iterator<Item = (String, f64)> {
        let kinds = self.kind.iter().flat_map(|kind| {
            let named = |what: &str| format!("{what} of {:?}", kind.kind);
            [
                (named("memory"), kind.memory),
                (named("compute"), kind.compute),
                (named("attention"), kind.attention),
                (named("slot"), kind.slot),
                (named("link"), kind.link),
                (named("fraction"), kind.fraction),
                (named("decode_error"), kind.decode_error),
                (named("prefill_error"), kind.prefill_error),
            ]
        });
        let devices = self.device.iter().flat_map(|device| {
            let named = |what: &str| format!("{what} of {}", device.names.join(", "));
            [
                (named("memory"), device.memory),
                (named("compute"), device.compute),
                (named("attention"), device.attention),
            ]
        });
        kinds.chain(devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> String {
        let text = TEXT.replacen(from, to, 1);
        assert_ne!(text, TEXT, "the fault was not planted");
        Constants::parse(&Source { origin: "mine.toml", text: &text }).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_file_is_valid() {
        let constants = Constants::shipped();
        assert_eq!(constants.kinds.len(), 4);
        assert!(constants.devices.len() >= 4);
    }

    #[test]
    fn faults_are_named() {
        assert!(refused("memory = 0.79", "memory = 7.9").contains("memory of DataCenter = 7.9"));
        assert!(refused("memory = 0.73", "memory = nan").contains("memory of T4 = NaN"));
        assert!(refused("attention = 0.083", "attenton = 0.083").contains("did you mean `attention`?"));
        assert!(
            refused("kind = \"consumer\"", "kind = \"cpu\"").contains("0 entries of [[kind]] for Consumer")
        );
        assert!(refused("tile = 128", "tile = 0").contains("tile"));
        assert!(refused("version = 1", "version = 2").contains("version 2"));
    }
}
