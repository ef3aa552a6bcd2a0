//! The names of the authors' files and what Helix calls the same things.

use super::ini::alike;
use crate::{Bytes, BytesPerSecond, Device, DeviceCatalogue, DeviceKind, FlopsPerSecond};

/// A model of the paper: its names, and the constants that the authors' simulator has in its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaperModel {
    /// Helix's preset.
    pub preset: &'static str,
    /// Name in limits tables.
    pub file_name: &'static str,
    /// Folder of its profiles.
    pub folder: &'static str,
    /// Other names, compared without letter case and without anything but letters and digits.
    aliases: &'static [&'static str],
    /// Decoder layers.
    pub layers: u32,
    /// Memory and load size of a layer.
    pub layer_bytes: Bytes,
    /// Activation of one token between two machines.
    pub activation_bytes: Bytes,
    /// A token's id.
    pub token_bytes: Bytes,
}

/// The models of the paper.
pub const PAPER_MODELS: [PaperModel; 2] = [
    PaperModel {
        preset: "llama-2-70b",
        file_name: "LLaMa70B",
        folder: "llama2_70b",
        aliases: &["llama2-70b-hf"],
        layers: 80,
        layer_bytes: Bytes(1_530_000_000),
        activation_bytes: Bytes(8192 * 2),
        token_bytes: Bytes(2),
    },
    PaperModel {
        preset: "llama-1-30b",
        file_name: "LLaMa30B",
        folder: "llama1_30b",
        aliases: &["llama-30b", "llama-30b-hf"],
        layers: 60,
        layer_bytes: Bytes(1_000_000_000),
        activation_bytes: Bytes(6656 * 2),
        token_bytes: Bytes(2),
    },
];

impl PaperModel {
    /// The paper's model of this name: the preset's, the files' or the folder's, in any letter case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PAPER_MODELS.iter().find(|model| model.is_named(name))
    }

    /// Whether the name is one of this model's.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let own = [self.preset, self.file_name, self.folder];
        own.iter().chain(self.aliases).any(|own| same_name(own, name))
    }
}

/// Whether two names of models differ in letter case and punctuation at most.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    let letters = |text| str::chars(text).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    letters(a).eq(letters(b)) && letters(a).next().is_some()
}

/// Splits a machine type into device and count: `T4x2` is two `T4`.
pub(super) fn device_and_count(machine_type: &str) -> (&str, u32) {
    if let Some((device, count)) = machine_type.rsplit_once('x')
        && let Ok(number) = count.parse::<u32>()
        && (2..=64).contains(&number)
        && number.to_string() == count
        && !device.is_empty()
    {
        return (device, number);
    }
    (machine_type, 1)
}

/// The device of a machine type: the catalogue's of that name and memory, else the one of that name, else one of which
/// only the memory is known.
///
/// The files say `A100` where the catalogue has one device a memory size, so `A100-80GB` is found by both.
pub(super) fn device(name: &str, memory: Bytes, catalogue: &DeviceCatalogue) -> (Device, Known) {
    let family = |device: &&Device| {
        let start = device.name.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
            && device.name[name.len()..].starts_with('-')
    };
    // Sizes on datasheets are rounded: within a tenth is the same product.
    let near = |device: &&Device| device.memory.0.abs_diff(memory.0) <= device.memory.0 / 10;
    let named = catalogue.get(name);
    if let Some(device) = named.filter(near).or_else(|| catalogue.iter().filter(family).find(near)) {
        return (device.clone(), Known::Catalogue);
    }
    if let Some(device) = named {
        return (device.clone(), Known::OtherMemory);
    }
    let like = alike(name, catalogue.iter().map(|device| device.name.as_str()));
    // A description needs speeds above zero. With these no estimate can be mistaken for one of a real device.
    let unknown = Device {
        name: name.to_owned(),
        kind: DeviceKind::DataCenter,
        memory,
        memory_bandwidth: BytesPerSecond(1),
        flops_16bit: FlopsPerSecond(1),
        flops_8bit: None,
        flops_4bit: None,
        interconnect: BytesPerSecond(1),
        source: "imported: only its memory is known, the speeds of 1 stand for unknown".to_owned(),
    };
    (unknown, Known::OnlyMemory { like: like.map(str::to_owned) })
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// All, from the catalogue.
    Catalogue,
    /// All, but the files give it another memory.
    OtherMemory,
    /// Its memory, from the machine profiles; the catalogue's name that is most like it.
    OnlyMemory {
        /// For the note.
        like: Option<String>,
    },
}

/// Which names [`is_plain`] allows.
pub(super) const PLAIN: &str =
    "allowed are up to 60 ASCII letters, digits, `-`, `_`, `.` and `+`, beginning with a letter or digit";

/// Whether a name can stand in a section head, a table and a folder alike.
pub(super) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    name.len() <= 60 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_models_have_many_names() {
        for name in ["LLaMa70B", "llama2_70b", "llama-2-70b", "LLAMA_70B", "Llama2-70b-hf"] {
            assert_eq!(PaperModel::named(name).map(|model| model.preset), Some("llama-2-70b"), "{name}");
        }
        for name in ["LLaMa30B", "llama1_30b", "llama-1-30b"] {
            assert_eq!(PaperModel::named(name).map(|model| model.preset), Some("llama-1-30b"), "{name}");
        }
        for name in ["", "-", "llama-3.1-70b", "70b"] {
            assert_eq!(PaperModel::named(name), None, "{name}");
        }
    }

    #[test]
    fn types_carry_their_count() {
        for (text, device, count) in [
            ("T4x2", "T4", 2),
            ("T4x16", "T4", 16),
            ("T4", "T4", 1),
            ("Maxx", "Maxx", 1),
            ("x2", "x2", 1),
            ("T4x02", "T4x02", 1),
            ("T4x0", "T4x0", 1),
            ("T4x1", "T4x1", 1),
            ("Phixx4", "Phix", 4),
        ] {
            assert_eq!(device_and_count(text), (device, count));
        }
    }
}
