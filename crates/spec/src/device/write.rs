//! A device as a table of a file.

use super::{Device, DeviceKind};
use crate::toml_text::{quoted, write};

impl Device {
    /// The lines below `[devices.NAME]`.
    pub(crate) fn to_toml(&self) -> String {
        let kind = match self.kind {
            DeviceKind::DataCenter => "data-center",
            DeviceKind::Consumer => "consumer",
            DeviceKind::Unified => "unified",
            DeviceKind::Cpu => "cpu",
        };
        let keys = [
            ("kind", Some(kind.to_owned())),
            ("memory", Some(self.memory.to_string())),
            ("memory_bandwidth", Some(self.memory_bandwidth.to_string())),
            ("flops_16bit", Some(self.flops_16bit.to_string())),
            ("flops_8bit", self.flops_8bit.map(|speed| speed.to_string())),
            ("flops_4bit", self.flops_4bit.map(|speed| speed.to_string())),
            ("interconnect", Some(self.interconnect.to_string())),
            ("source", Some(self.source.clone())),
        ];
        let mut out = String::new();
        for (key, value) in keys {
            if let Some(value) = value {
                write(&mut out, format_args!("{key} = {}\n", quoted(&value)));
            }
        }
        out
    }
}
