//! Which machines a generated cluster has: `A100=4,L4=8,T4x2=6`.

use std::fmt;
use std::str::FromStr;

use super::GenerateError;
use crate::file::excerpt;
use crate::{Device, DeviceCatalogue, MAX_MACHINES};

/// A kind of machine: a device of the catalogue, or several of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineKind {
    /// As it was asked for (`A100`, `L4x2`); the machine type of the cluster.
    pub label: String,
    /// The device.
    pub device: Device,
    /// How many of them.
    pub count: u32,
}

impl FromStr for MachineKind {
    type Err = GenerateError;

    fn from_str(text: &str) -> Result<Self, GenerateError> {
        let catalogue = DeviceCatalogue::builtin();
        let label = excerpt(text.trim());
        if let Some(device) = catalogue.get(&label) {
            return Ok(Self { label, device: device.clone(), count: 1 });
        }
        let several = label.rsplit_once('x').and_then(|(device, count)| Some((device, count.parse().ok()?)));
        let (name, count) = several.unwrap_or((label.as_str(), 1));
        let device = catalogue.lookup(name).map_err(GenerateError::Device)?.clone();
        if !(1..=1024).contains(&count) {
            return Err(GenerateError::Mix {
                text: label,
                problem: "a machine has 1 to 1024 devices".to_owned(),
            });
        }
        Ok(Self { label, device, count })
    }
}

/// Machines by kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MachineMix(pub Vec<(MachineKind, u32)>);

impl FromStr for MachineMix {
    type Err = GenerateError;

    fn from_str(text: &str) -> Result<Self, GenerateError> {
        let mix = text.split(',').map(entry).collect::<Result<Vec<_>, _>>()?;
        let mix = Self(mix);
        if !(1..=u64::from(MAX_MACHINES)).contains(&mix.machines()) {
            return Err(GenerateError::Number(mix.machines()));
        }
        Ok(mix)
    }
}

fn entry(text: &str) -> Result<(MachineKind, u32), GenerateError> {
    let problem =
        |problem: &str| GenerateError::Mix { text: excerpt(text.trim()), problem: problem.to_owned() };
    let (kind, count) =
        text.split_once('=').ok_or_else(|| problem("write KIND=COUNT, for example `L4=8`"))?;
    let count = count.trim().parse().map_err(|_| problem("the count is not a whole number"))?;
    Ok((kind.parse()?, count))
}

impl MachineMix {
    /// How many machines.
    #[must_use]
    pub fn machines(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Every machine's kind, kinds in the order in which they were given.
    pub(super) fn each(&self) -> Vec<&MachineKind> {
        self.0.iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, *count as usize)).collect()
    }
}

impl fmt::Display for MachineMix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<String> =
            self.0.iter().map(|(kind, count)| format!("{}={count}", kind.label)).collect();
        f.write_str(&entries.join(","))
    }
}
