//! Devices as files describe them: the built-in catalogue, and `[devices.NAME]` in a cluster file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{Device, DeviceCatalogue, DeviceKind};
use crate::file::{FileError, MAX_DESCRIPTION_BYTES, Source, parse_toml, read_text};
use crate::{Bytes, BytesPerSecond, FlopsPerSecond};

/// One `[devices.NAME]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDevice {
    kind: DeviceKind,
    memory: Bytes,
    memory_bandwidth: BytesPerSecond,
    flops_16bit: FlopsPerSecond,
    flops_8bit: Option<FlopsPerSecond>,
    flops_4bit: Option<FlopsPerSecond>,
    interconnect: BytesPerSecond,
    /// Other names under which the device is found.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    source: String,
}

/// Longest name of a device, so that tables and pictures stay readable.
const MAX_NAME: usize = 64;

impl RawDevice {
    /// The device, or what is wrong with it (to be put behind the line of its name).
    pub(crate) fn validate(self, name: &str) -> Result<Device, String> {
        check_name(name)?;
        for alias in &self.aliases {
            check_name(alias)?;
        }
        let speeds = [
            ("memory", self.memory.0),
            ("memory_bandwidth", self.memory_bandwidth.0),
            ("flops_16bit", self.flops_16bit.0),
            ("flops_8bit", self.flops_8bit.map_or(1, |speed| speed.0)),
            ("flops_4bit", self.flops_4bit.map_or(1, |speed| speed.0)),
            ("interconnect", self.interconnect.0),
        ];
        if let Some((key, _)) = speeds.iter().find(|(_, value)| *value == 0) {
            let advice =
                if key.starts_with("flops_") { "; leave out what the device does not have" } else { "" };
            return Err(format!("device `{name}` has `{key}` 0, it must be more than zero{advice}"));
        }
        if self.source.trim().is_empty() {
            return Err(format!("device `{name}` has an empty `source`, say where its figures come from"));
        }
        Ok(Device {
            name: name.to_owned(),
            kind: self.kind,
            memory: self.memory,
            memory_bandwidth: self.memory_bandwidth,
            flops_16bit: self.flops_16bit,
            flops_8bit: self.flops_8bit,
            flops_4bit: self.flops_4bit,
            interconnect: self.interconnect,
            source: self.source,
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '+');
    let trimmed = name.trim() == name && !name.is_empty();
    if trimmed && name.len() <= MAX_NAME && name.chars().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME).collect();
    Err(format!(
        "`{}` is not a device name; allowed are up to {MAX_NAME} ASCII letters, digits, `-`, `_`, `.`, `+` and \
         spaces inside",
        shown.escape_debug()
    ))
}

/// The catalogue's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalogue {
    #[expect(dead_code, reason = "checked before this struct is filled")]
    version: i64,
    #[serde(default)]
    devices: BTreeMap<Spanned<String>, RawDevice>,
}

impl DeviceCatalogue {
    /// The devices that Helix ships, from public datasheets.
    ///
    /// ```
    /// let devices = helix_spec::DeviceCatalogue::builtin();
    /// assert_eq!(devices.lookup("a100").unwrap().memory.to_string(), "40 GB");
    /// ```
    ///
    /// # Panics
    /// Never: a test reads the embedded catalogue.
    #[must_use]
    pub fn builtin() -> Self {
        Self::from_toml(include_str!("../../data/devices.toml"), "built-in device catalogue")
            .unwrap_or_else(|error| panic!("the embedded catalogue is checked by a test: {error}"))
    }

    /// Reads a catalogue of the same form as the built-in one (`version = 1`, `[devices.NAME]`).
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, FileError> {
        let source = Source { origin, text };
        let raw: RawCatalogue = parse_toml(&source)?;
        let mut catalogue = Self::default();
        let mut aliases = Vec::new();
        for (name, raw) in raw.devices {
            let refuse = |problem: String| source.error_at(&name.span(), problem);
            let names = raw.aliases.clone();
            let device = raw.validate(name.get_ref()).map_err(refuse)?;
            if let Some(other) = catalogue.get(&device.name) {
                return Err(refuse(format!(
                    "device `{}` and device `{}` differ in letter case only",
                    device.name, other.name
                )));
            }
            catalogue.insert(device);
            aliases.extend(names.into_iter().map(|alias| (alias, name.clone())));
        }
        for (alias, name) in aliases {
            if let Some(other) = catalogue.get(&alias) {
                let problem = format!(
                    "alias `{alias}` of device `{}` already stands for device `{}`",
                    name.get_ref(),
                    other.name
                );
                return Err(source.error_at(&name.span(), problem));
            }
            catalogue.insert_alias(&alias, name.get_ref());
        }
        Ok(catalogue)
    }

    /// Reads a catalogue file.
    pub fn from_file(path: &Path) -> Result<Self, FileError> {
        let text = read_text(path, MAX_DESCRIPTION_BYTES)?;
        Self::from_toml(&text, &path.display().to_string())
    }
}
