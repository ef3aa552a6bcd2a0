//! Accelerators: what the datasheet says of one device.

pub(crate) mod raw;
mod write;

use std::collections::BTreeMap;

use crate::{Bytes, BytesPerSecond, FlopsPerSecond};

/// What kind of processor a device is; the constants of devices that nobody measured follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A data-centre GPU.
    DataCenter,
    /// A GPU sold for desktops.
    Consumer,
    /// A processor with unified memory (Apple's).
    Unified,
    /// A CPU socket.
    Cpu,
}

/// One accelerator of the catalogue, or one that a cluster file describes.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Catalogue name, for example `A100-40GB`.
    pub name: String,
    /// What kind of processor it is.
    pub kind: DeviceKind,
    /// Memory of one device.
    pub memory: Bytes,
    /// Peak speed of that memory.
    pub memory_bandwidth: BytesPerSecond,
    /// Peak dense 16-bit matrix arithmetic (bf16, or fp16 where there is no bf16).
    pub flops_16bit: FlopsPerSecond,
    /// Peak dense 8-bit floating-point arithmetic, where the device has it.
    pub flops_8bit: Option<FlopsPerSecond>,
    /// Peak dense 4-bit floating-point arithmetic, where the device has it.
    pub flops_4bit: Option<FlopsPerSecond>,
    /// What one device sends to the others of its machine together, each direction: the vendor's link, or else the
    /// PCIe slot.
    pub interconnect: BytesPerSecond,
    /// Where these figures come from.
    pub source: String,
}

/// Devices by name. Letter case does not matter in look-ups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceCatalogue {
    devices: BTreeMap<String, Device>,
    /// Other names, in lower case, and the device that each stands for.
    aliases: BTreeMap<String, String>,
}

/// A device that the catalogue does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device `{name}` is not in the catalogue; {}known are {}", offer(.nearest), .known.join(", "))]
pub struct UnknownDevice {
    /// What was asked for.
    pub name: String,
    /// The names most like it, the likest first; empty if none is like it.
    pub nearest: Vec<String>,
    /// All names.
    pub known: Vec<String>,
}

fn offer(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("did you mean `{}`? ", names.join("` or `")),
    }
}

/// Names offered for one that is unknown.
const OFFERED_NAMES: usize = 3;

impl DeviceCatalogue {
    /// The device of this name or alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Device> {
        self.devices
            .get(name)
            .or_else(|| self.devices.values().find(|device| device.name.eq_ignore_ascii_case(name)))
            .or_else(|| self.devices.get(self.aliases.get(&name.to_ascii_lowercase())?))
    }

    /// The device of this name or alias; where there is none, the error offers the nearest names.
    pub fn lookup(&self, name: &str) -> Result<&Device, UnknownDevice> {
        self.get(name).ok_or_else(|| {
            let names = self.devices.keys().map(|name| (name.as_str(), name));
            let aliases = self.aliases.iter().map(|(alias, name)| (alias.as_str(), name));
            let mut nearest: Vec<String> = Vec::new();
            for (_, target) in crate::file::by_likeness(name, names.chain(aliases)) {
                if !nearest.contains(target) {
                    nearest.push(target.clone());
                }
            }
            nearest.truncate(OFFERED_NAMES);
            UnknownDevice { name: name.to_owned(), nearest, known: self.devices.keys().cloned().collect() }
        })
    }

    /// All devices in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Adds a device, or replaces the one of its name.
    pub fn insert(&mut self, device: Device) {
        self.devices.insert(device.name.clone(), device);
    }

    /// Lets a device be found under another name; a device's own name goes before any alias.
    pub(crate) fn insert_alias(&mut self, alias: &str, name: &str) {
        self.aliases.insert(alias.to_ascii_lowercase(), name.to_owned());
    }
}
