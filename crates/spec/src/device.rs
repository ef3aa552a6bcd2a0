//! Accelerators: what the datasheet says of one device.

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
    /// Speed between two devices of one machine, each direction: the vendor's link, or else the PCIe slot.
    pub interconnect: BytesPerSecond,
    /// Where these figures come from.
    pub source: String,
}

/// Devices by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceCatalogue {
    pub(crate) devices: BTreeMap<String, Device>,
}

impl DeviceCatalogue {
    /// The device of this name; letter case does not matter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Device> {
        self.devices
            .get(name)
            .or_else(|| self.devices.values().find(|device| device.name.eq_ignore_ascii_case(name)))
    }

    /// All devices in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Adds a device, or replaces the one of its name.
    pub fn insert(&mut self, device: Device) {
        self.devices.insert(device.name.clone(), device);
    }
}
