//! The hardware that a layout runs on, read from a data file in which every constant names its source.

use serde::Deserialize;

use helix_spec::{
    Bytes, BytesPerSecond, Device, FileError, FlopsPerSecond, Machine, NumberFormat, SimTime, Source,
    parse_toml,
};

use crate::{Constants, DeviceFigures};

/// The data file of the default study: GPUs of one GB200 NVL72.
pub const GB200_NVL72: &str = include_str!("../../data/gb200-nvl72.toml");

/// Several equal devices with links between any two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// What it is called in reports.
    pub name: String,
    /// Memory of one device that weights and cache may fill.
    pub memory: Bytes,
    /// Speed of that memory.
    pub memory_bandwidth: BytesPerSecond,
    /// Dense 16-bit arithmetic.
    pub flops_16bit: FlopsPerSecond,
    /// Dense 8-bit arithmetic, where the device has it.
    pub flops_8bit: Option<FlopsPerSecond>,
    /// Dense 4-bit arithmetic, where the device has it.
    pub flops_4bit: Option<FlopsPerSecond>,
    /// Arithmetic of decode attention over grouped heads, where kernels reach less than in a matrix product.
    pub grouped_attention: Option<FlopsPerSecond>,
    /// Speed of a device's link to the others, each direction.
    pub interconnect: BytesPerSecond,
    /// Most devices that the links join.
    pub devices: u32,
    /// How activations travel between devices.
    pub exchange: NumberFormat,
    /// Time that every layer takes besides reading, computing and exchanging; calibrated.
    pub layer_overhead: SimTime,
    /// Time that every collective takes besides its bytes; calibrated.
    pub collective_latency: SimTime,
    /// Where the device's, the links' and the calibrated figures come from.
    pub sources: [String; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HardwareFile {
    #[serde(rename = "version")]
    _version: i64,
    name: String,
    device: DeviceSection,
    interconnect: InterconnectSection,
    calibrated: CalibratedSection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceSection {
    memory: Bytes,
    memory_bandwidth: BytesPerSecond,
    flops_16bit: FlopsPerSecond,
    flops_8bit: Option<FlopsPerSecond>,
    flops_4bit: Option<FlopsPerSecond>,
    grouped_attention: Option<FlopsPerSecond>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InterconnectSection {
    bandwidth: BytesPerSecond,
    devices: u32,
    exchange: NumberFormat,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibratedSection {
    layer_overhead: SimTime,
    collective_latency: SimTime,
    source: String,
}

/// More devices than this in one domain are refused: the sweep enumerates them.
const MAX_DEVICES: u32 = 576;

impl Hardware {
    /// Reads a hardware file.
    pub fn parse(source: &Source<'_>) -> Result<Self, FileError> {
        let file: HardwareFile = parse_toml(source)?;
        let refuse = |problem: &str, help: &str| Err(FileError::new(source.origin, problem).help(help));
        if !(1..=MAX_DEVICES).contains(&file.interconnect.devices) {
            return refuse(
                &format!("`devices` is {}, allowed are 1 to {MAX_DEVICES}", file.interconnect.devices),
                "write how many devices the interconnect joins",
            );
        }
        let hardware = Self {
            name: file.name,
            memory: file.device.memory,
            memory_bandwidth: file.device.memory_bandwidth,
            flops_16bit: file.device.flops_16bit,
            flops_8bit: file.device.flops_8bit,
            flops_4bit: file.device.flops_4bit,
            grouped_attention: file.device.grouped_attention,
            interconnect: file.interconnect.bandwidth,
            devices: file.interconnect.devices,
            exchange: file.interconnect.exchange,
            layer_overhead: file.calibrated.layer_overhead,
            collective_latency: file.calibrated.collective_latency,
            sources: [file.device.source, file.interconnect.source, file.calibrated.source],
        };
        if let Some(what) = hardware.zero() {
            return refuse(&format!("{what} is zero"), "every speed and the memory must be more than zero");
        }
        Ok(hardware)
    }

    /// The default study's hardware.
    ///
    /// # Panics
    /// Never: the file is part of the program and a test reads it.
    #[must_use]
    pub fn gb200_nvl72() -> Self {
        let source = Source { origin: "gb200-nvl72.toml", text: GB200_NVL72 };
        Self::parse(&source).expect("the built-in hardware file is valid, as a test shows")
    }

    /// `count` devices over links of speed `interconnect`, as far as kernels reach the datasheet: the constants of the
    /// roofline that plans whole clusters. `None` if that leaves a speed or the memory at zero.
    #[must_use]
    pub fn of_device(
        device: &Device,
        count: u32,
        interconnect: BytesPerSecond,
        constants: &Constants,
    ) -> Option<Self> {
        let DeviceFigures { shares, kind, calibrated } = constants.of(device);
        let links = if interconnect <= kind.slot_limit { kind.slot } else { kind.link };
        let flops = |rate: FlopsPerSecond| FlopsPerSecond(part(rate.0, shares.compute));
        let usable = part(device.memory.0, kind.fraction).saturating_sub(kind.reserve.0);
        let shares_from = calibrated.unwrap_or("shares of the datasheet declared for the kind of device");
        let hardware = Self {
            name: device.name.clone(),
            memory: Bytes(usable),
            memory_bandwidth: BytesPerSecond(part(device.memory_bandwidth.0, shares.memory)),
            flops_16bit: flops(device.flops_16bit),
            flops_8bit: device.flops_8bit.map(flops),
            flops_4bit: device.flops_4bit.map(flops),
            grouped_attention: Some(FlopsPerSecond(part(device.flops_16bit.0, shares.attention))),
            interconnect: BytesPerSecond(part(interconnect.0, links)),
            devices: count,
            exchange: NumberFormat::Bf16,
            layer_overhead: kind.layer_overhead,
            collective_latency: kind.collective_latency,
            sources: [
                device.source.clone(),
                device.source.clone(),
                format!("{shares_from}; overheads declared for the kind of device"),
            ],
        };
        hardware.zero().is_none().then_some(hardware)
    }

    /// The devices of a machine of a cluster.
    #[must_use]
    pub fn of_machine(machine: &Machine, constants: &Constants) -> Option<Self> {
        let memory = Bytes(machine.memory.0.checked_div(u64::from(machine.count))?);
        let device = Device { memory, ..machine.device.clone() };
        Self::of_device(&device, machine.count, device.interconnect, constants)
    }

    /// Dense arithmetic on numbers of a format: the device's own rate for it, else that of the next wider one.
    #[must_use]
    pub fn flops(&self, format: NumberFormat) -> FlopsPerSecond {
        let eight = self.flops_8bit.unwrap_or(self.flops_16bit);
        match format {
            NumberFormat::Fp4 => self.flops_4bit.unwrap_or(eight),
            NumberFormat::Fp8 => eight,
            NumberFormat::F32 | NumberFormat::Bf16 | NumberFormat::F16 | NumberFormat::Q8_0 => {
                self.flops_16bit
            }
        }
    }

    /// The first figure that is zero and must not be.
    fn zero(&self) -> Option<&'static str> {
        let figures = [
            ("the memory", self.memory.0),
            ("the memory's speed", self.memory_bandwidth.0),
            ("`flops_16bit`", self.flops_16bit.0),
            ("`flops_8bit`", self.flops_8bit.map_or(1, |rate| rate.0)),
            ("`flops_4bit`", self.flops_4bit.map_or(1, |rate| rate.0)),
            ("`grouped_attention`", self.grouped_attention.map_or(1, |rate| rate.0)),
            ("the interconnect's speed", self.interconnect.0),
            ("the number of devices", u64::from(self.devices)),
        ];
        figures.into_iter().find(|(_, value)| *value == 0).map(|(what, _)| what)
    }
}

/// A share of a datasheet's figure; shares are at most 1, as their file demands.
fn part(figure: u64, share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a u64, not negative"
    )]
    let part = (figure as f64 * share) as u64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> String {
        assert!(GB200_NVL72.contains(from));
        let text = GB200_NVL72.replacen(from, to, 1);
        Hardware::parse(&Source { origin: "hw.toml", text: &text }).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_file_holds_the_studys_constants() {
        let hardware = Hardware::gb200_nvl72();
        assert_eq!(hardware.memory, Bytes(186_000_000_000));
        assert_eq!(hardware.memory_bandwidth, BytesPerSecond(8_000_000_000_000));
        assert_eq!(hardware.flops(NumberFormat::Fp4).0, 10_000_000_000_000_000);
        assert_eq!(hardware.layer_overhead, SimTime(45_000_000));
        assert_eq!(hardware.collective_latency, SimTime(3_000_000));
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_place() {
        assert!(
            refused("flops_8bit", "flops_8bits")
                .contains("hw.toml:10: unknown key `flops_8bits`; did you mean `flops_8bit`?")
        );
        assert!(refused("\"186 GB\"", "186").contains("hw.toml:7"));
        assert!(refused("8000 GB/s", "0 GB/s").contains("the memory's speed is zero"));
        assert!(refused("devices = 64", "devices = 0").contains("allowed are 1 to 576"));
        assert!(refused("version = 1", "version = 2").contains("reads version 1"));
    }

    #[test]
    fn a_device_of_the_catalogue_is_taken_at_what_kernels_reach() {
        let (catalogue, constants) = (helix_spec::DeviceCatalogue::builtin(), Constants::shipped());
        let device = catalogue.lookup("H100").unwrap();
        let hardware = Hardware::of_device(device, 8, device.interconnect, &constants).unwrap();
        let kind = constants.kind(device.kind);
        assert_eq!(hardware.memory_bandwidth.0, part(device.memory_bandwidth.0, kind.memory));
        assert_eq!(hardware.memory.0, part(device.memory.0, kind.fraction) - kind.reserve.0);
        assert_eq!(hardware.interconnect.0, part(device.interconnect.0, kind.link));
        let slot = Hardware::of_device(device, 8, BytesPerSecond(1_000), &constants).unwrap();
        assert_eq!(slot.interconnect.0, part(1_000, kind.slot));
        assert_eq!(Hardware::of_device(device, 0, device.interconnect, &constants), None);
    }

    #[test]
    fn a_format_without_its_own_arithmetic_runs_at_the_next_wider_rate() {
        let mut hardware = Hardware::gb200_nvl72();
        hardware.flops_4bit = None;
        assert_eq!(hardware.flops(NumberFormat::Fp4), hardware.flops(NumberFormat::Fp8));
        hardware.flops_8bit = None;
        assert_eq!(hardware.flops(NumberFormat::Fp4), hardware.flops_16bit);
    }
}
