//! The built-in model, a Hugging Face folder inside the binary, and its way to the disk.
//!
//! ```text
//! models/tiny ──(compiled in)──> FILES ──unpack──> CACHE/helix/tiny-FINGERPRINT/{config.json, model.safetensors, …}
//! ```
//!
//! A worker maps a model's weights from files, so the folder is written to a cache on first use. Its name holds a
//! fingerprint of the content: two versions of Helix never share a folder. Each file is written beside its place and
//! then renamed into it, so a process that reads while another writes, or a crash, never sees half a file; whatever
//! differs from the content in the binary is written anew.

mod places;
mod unpack;

pub use places::{Surroundings, places};
pub use unpack::{UnpackError, unpack, unpack_into};

/// The files of the model, by name, with their content.
pub const FILES: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../../../models/tiny/config.json")),
    ("generation_config.json", include_bytes!("../../../models/tiny/generation_config.json")),
    ("model.safetensors", include_bytes!("../../../models/tiny/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../../models/tiny/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../../models/tiny/tokenizer_config.json")),
];

/// What the model is called where models are listed.
pub const NAME: &str = "helix-tiny";

/// Name of the folder in a cache: `tiny-` and 16 hexadecimal digits (FNV-1a over names, lengths and content).
#[must_use]
pub fn folder_name() -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for (name, content) in FILES {
        take(name.as_bytes());
        take(&(content.len() as u64).to_le_bytes());
        take(content);
    }
    format!("tiny-{hash:016x}")
}
