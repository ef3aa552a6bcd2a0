//! Machine types and machines of a cluster file.

use std::collections::BTreeMap;

use toml::Spanned;

use super::checks::{Names, above_zero, check_name};
use super::raw::{RawCoordinator, RawMachine, RawMachineType};
use super::{COORDINATOR, Machine, Nic, RegionId};
use crate::file::{FileError, Source, excerpt};
use crate::{Bandwidth, Bytes, BytesPerSecond, Device, DeviceCatalogue, Endpoint, MachineId};

/// The most machines that a cluster may have.
pub const MAX_MACHINES: u32 = 100_000;

/// What a machine is made of.
#[derive(Debug, Clone)]
pub(super) struct Hardware {
    device: Device,
    count: u32,
    memory: Bytes,
    nic: Nic,
    disk: BytesPerSecond,
}

/// The keys by which an entry differs from its type or from the defaults.
struct Overrides<'a> {
    memory: Option<&'a Spanned<Bytes>>,
    nic: NicKeys<'a>,
    disk: Option<&'a Spanned<BytesPerSecond>>,
}

struct NicKeys<'a> {
    both: Option<&'a Spanned<Bandwidth>>,
    inbound: Option<&'a Spanned<Bandwidth>>,
    outbound: Option<&'a Spanned<Bandwidth>>,
}

impl NicKeys<'_> {
    fn apply(&self, source: &Source<'_>, default: Nic) -> Result<Nic, FileError> {
        for (key, value) in [("nic", self.both), ("nic_in", self.inbound), ("nic_out", self.outbound)] {
            if let Some(speed) = value {
                above_zero(source, key, speed.get_ref().0, &speed.span())?;
            }
        }
        if let (Some(_), Some(one)) = (self.both, self.inbound.or(self.outbound)) {
            return Err(source
                .error_at(&one.span(), "`nic` is given together with `nic_in` or `nic_out`")
                .help("`nic` sets both directions; give either it or the directions"));
        }
        let of = |side: Option<&Spanned<Bandwidth>>, default| {
            side.or(self.both).map_or(default, |speed| *speed.get_ref())
        };
        Ok(Nic { inbound: of(self.inbound, default.inbound), outbound: of(self.outbound, default.outbound) })
    }
}

impl Overrides<'_> {
    fn apply(&self, source: &Source<'_>, mut hardware: Hardware) -> Result<Hardware, FileError> {
        if let Some(memory) = self.memory {
            above_zero(source, "memory", memory.get_ref().0, &memory.span())?;
            hardware.memory = *memory.get_ref();
        }
        if let Some(disk) = self.disk {
            above_zero(source, "disk", disk.get_ref().0, &disk.span())?;
            hardware.disk = *disk.get_ref();
        }
        hardware.nic = self.nic.apply(source, hardware.nic)?;
        Ok(hardware)
    }
}

/// The coordinator's network interface.
pub(super) fn coordinator_nic(source: &Source<'_>, raw: &RawCoordinator) -> Result<Nic, FileError> {
    let keys =
        NicKeys { both: raw.nic.as_ref(), inbound: raw.nic_in.as_ref(), outbound: raw.nic_out.as_ref() };
    keys.apply(source, Nic::DEFAULT)
}

/// Devices of one kind with default memory, network interface and disk.
fn plain_hardware(
    source: &Source<'_>,
    catalogue: &DeviceCatalogue,
    device: &Spanned<String>,
    count: Option<&Spanned<u32>>,
) -> Result<Hardware, FileError> {
    let refuse = |problem: String| source.error_at(&device.span(), problem);
    let name = excerpt(device.get_ref());
    let known = catalogue.lookup(&name).map_err(|error| {
        refuse(error.to_string()).help("a device of your own is described under [devices.NAME]")
    })?;
    if let Some(count) = count {
        above_zero(source, "count", u64::from(*count.get_ref()), &count.span())?;
    }
    let count = count.map_or(1, |count| *count.get_ref());
    let memory =
        known.memory.checked_mul(u64::from(count)).filter(|memory| memory.0 < 9_000_000_000_000_000_000);
    let memory = memory.ok_or_else(|| {
        refuse(format!("{count} devices of {} each have more memory than can be counted", known.memory))
    })?;
    Ok(Hardware { device: known.clone(), count, memory, nic: Nic::DEFAULT, disk: Machine::DEFAULT_DISK })
}

/// The machine types that a file names, and those that follow from its machines' devices.
pub(super) struct Types<'a> {
    source: &'a Source<'a>,
    catalogue: &'a DeviceCatalogue,
    named: Vec<Hardware>,
    names: Names<usize>,
    by_label: BTreeMap<String, (String, u32)>,
}

impl<'a> Types<'a> {
    pub(super) fn parse(
        source: &'a Source<'a>,
        catalogue: &'a DeviceCatalogue,
        raw: &BTreeMap<Spanned<String>, RawMachineType>,
    ) -> Result<Self, FileError> {
        let mut types = Self {
            source,
            catalogue,
            named: vec![],
            names: Names::new("machine type"),
            by_label: BTreeMap::new(),
        };
        for (name, raw) in raw {
            check_name(source, "a machine type", name)?;
            let plain = plain_hardware(source, catalogue, &raw.device, raw.count.as_ref())?;
            let nic = NicKeys {
                both: raw.nic.as_ref(),
                inbound: raw.nic_in.as_ref(),
                outbound: raw.nic_out.as_ref(),
            };
            let overrides = Overrides { memory: raw.memory.as_ref(), nic, disk: raw.disk.as_ref() };
            let hardware = overrides.apply(source, plain)?;
            types.names.declare(source, name.get_ref(), &name.span(), types.named.len())?;
            types.by_label.insert(name.get_ref().clone(), (hardware.device.name.clone(), hardware.count));
            types.named.push(hardware);
        }
        Ok(types)
    }

    /// Label and hardware of a machine.
    fn of(&mut self, machine: &RawMachine) -> Result<(String, Hardware), FileError> {
        let at = machine.name.span();
        let (label, plain) = match (&machine.machine_type, &machine.device) {
            (Some(name), None) => {
                if let Some(count) = &machine.count {
                    let problem =
                        "`count` is given together with `type`, which says how many devices there are";
                    return Err(self.source.error_at(&count.span(), problem).help("leave `count` out"));
                }
                (name.get_ref().clone(), self.named[self.names.find(self.source, name)?].clone())
            }
            (None, Some(device)) => {
                let hardware = plain_hardware(self.source, self.catalogue, device, machine.count.as_ref())?;
                (machine_type_label(&hardware.device.name, hardware.count), hardware)
            }
            (found, _) => {
                let problem =
                    if found.is_some() { "both `type` and `device`" } else { "neither `type` nor `device`" };
                let problem = format!("machine `{}` has {problem}", excerpt(machine.name.get_ref()));
                return Err(self.source.error_at(&at, problem).help(
                    "give either `device` (and `count`), or the `type` of an entry under [machine_types.NAME]",
                ));
            }
        };
        let made_of = (plain.device.name.clone(), plain.count);
        let known = self.by_label.entry(label.clone()).or_insert_with(|| made_of.clone());
        if *known != made_of {
            let problem = format!(
                "machine type `{label}` means {} × `{}` elsewhere and {} × `{}` here",
                known.1, known.0, made_of.1, made_of.0
            );
            return Err(self
                .source
                .error_at(&at, problem)
                .help("rename the entry under [machine_types.NAME]"));
        }
        let nic = NicKeys {
            both: machine.nic.as_ref(),
            inbound: machine.nic_in.as_ref(),
            outbound: machine.nic_out.as_ref(),
        };
        let overrides = Overrides { memory: machine.memory.as_ref(), nic, disk: machine.disk.as_ref() };
        Ok((label, overrides.apply(self.source, plain)?))
    }
}

/// The machine type of `count` devices that no entry of `machine_types` names: `L4`, `L4x2`, …
#[must_use]
pub fn machine_type_label(device: &str, count: u32) -> String {
    if count == 1 { device.to_owned() } else { format!("{device}x{count}") }
}

/// All machines in the order of the file, replicas one after the other, and their names with the coordinator's.
pub(super) fn parse_machines(
    source: &Source<'_>,
    raw: &[RawMachine],
    types: &mut Types<'_>,
    region_of: &dyn Fn(&RawMachine) -> Result<RegionId, FileError>,
) -> Result<(Vec<Machine>, Names<Endpoint>), FileError> {
    let mut machines: Vec<Machine> = Vec::new();
    let mut names = Names::new("machine");
    for entry in raw {
        let at = entry.name.span();
        check_name(source, "a machine", &entry.name)?;
        let (machine_type, hardware) = types.of(entry)?;
        let region = region_of(entry)?;
        if let Some(replicas) = &entry.replicas {
            above_zero(source, "replicas", u64::from(*replicas.get_ref()), &replicas.span())?;
        }
        let replicas = entry.replicas.as_ref().map(|replicas| *replicas.get_ref());
        if replicas.unwrap_or(1) > MAX_MACHINES
            || machines.len() + replicas.unwrap_or(1) as usize > MAX_MACHINES as usize
        {
            let at = entry.replicas.as_ref().map_or(at, Spanned::span);
            let problem =
                format!("these are more than {MAX_MACHINES} machines, the most that a cluster may have");
            return Err(source.error_at(&at, problem));
        }
        for index in 1..=replicas.unwrap_or(1) {
            let stem = entry.name.get_ref();
            let name = replicas.map_or_else(|| stem.clone(), |_| format!("{stem}-{index}"));
            if name == COORDINATOR {
                return Err(source
                    .error_at(
                        &at,
                        format!("a machine is called `{COORDINATOR}`, the name of the coordinator itself"),
                    )
                    .help("give it another name"));
            }
            let id = MachineId(u32::try_from(machines.len()).expect("at most MAX_MACHINES machines"));
            names.declare(source, &name, &at, Endpoint::Machine(id))?;
            let Hardware { device, count, memory, nic, disk } = hardware.clone();
            machines.push(Machine {
                name,
                machine_type: machine_type.clone(),
                device,
                count,
                memory,
                nic,
                disk,
                region,
            });
        }
    }
    if machines.is_empty() {
        return Err(FileError::new(source.origin, "the cluster has no machines")
            .help("add for example `machines = [{ name = \"a\", device = \"L4\" }]`"));
    }
    Ok((machines, names))
}
