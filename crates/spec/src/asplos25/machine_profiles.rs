//! `machine_profiles.ini`: network interfaces, disk and memory of every machine type, and of source and sink.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::ini::Ini;
use crate::{Bandwidth, Bytes, BytesPerSecond, FileError, Nic, Source};

/// What the file says of one machine type; `None` where it says `-1`, its word for unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineProfile {
    /// Towards the machine.
    pub inbound: Option<Bandwidth>,
    /// Away from the machine.
    pub outbound: Option<Bandwidth>,
    /// Speed at which weights are loaded.
    pub disk: Option<BytesPerSecond>,
    /// Memory of all its devices together.
    pub memory: Option<Bytes>,
}

/// A parsed `machine_profiles.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineProfiles {
    /// The file, for messages.
    pub origin: String,
    /// By machine type.
    pub types: BTreeMap<String, MachineProfile>,
    /// Sink's way in and source's way out.
    pub coordinator: Nic,
}

/// Parses a `machine_profiles.ini`.
///
/// # Errors
/// Missing sections or keys, and values that are neither `-1` nor a speed or size above zero.
pub fn parse_machine_profiles(text: &str, origin: &str) -> Result<MachineProfiles, FileError> {
    let ini = Ini::parse(&Source { origin, text })?;
    let coordinator = Nic {
        inbound: Fields::of(&ini, "SinkNode")?.bandwidth("inbound_nic_speed")?,
        outbound: Fields::of(&ini, "SourceNode")?.bandwidth("outbound_nic_speed")?,
    };
    let mut types = BTreeMap::new();
    for section in ini.sections.iter().filter(|s| !["SourceNode", "SinkNode"].contains(&s.name.as_str())) {
        let fields = Fields { ini: &ini, section };
        let profile = MachineProfile {
            inbound: fields.optional_bandwidth("inbound_nic_speed")?,
            outbound: fields.optional_bandwidth("outbound_nic_speed")?,
            disk: fields.optional_speed("disk_speed")?,
            memory: fields.optional_bytes("vram_size")?,
        };
        types.insert(section.name.clone(), profile);
    }
    if types.is_empty() {
        return Err(FileError::new(origin, "describes no machine type, only source and sink"));
    }
    Ok(MachineProfiles { origin: origin.to_owned(), types, coordinator })
}
