//! Whether two machines have the same model: a digest of its configuration and of what its weight files hold.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use helix_spec::FileError;
use ring::digest::{Context, SHA256};

/// A header longer than this is no header of ours (the format allows 100 MB).
const MAX_HEADER: u64 = 100_000_000;
/// Pieces of a weight file that are read, evenly spread; and their length \[bytes\].
const SAMPLES: u64 = 16;
const SAMPLE_BYTES: usize = 4096;

/// A digest of `config.json`, `tokenizer.json`, and of every safetensors file its name, length, header, and samples of
/// its numbers: as good as one of everything to tell models apart, at the price of a few pages.
pub fn fingerprint(folder: &Path) -> Result<String, FileError> {
    let mut digest = Context::new(&SHA256);
    for name in ["config.json", "tokenizer.json"] {
        let path = folder.join(name);
        if name == "config.json" || path.exists() {
            let bytes = std::fs::read(&path).map_err(|error| failed(&path, &error))?;
            add(&mut digest, name.as_bytes());
            add(&mut digest, &bytes);
        }
    }
    for path in weight_files(folder)? {
        add(&mut digest, path.file_name().unwrap_or_default().as_encoded_bytes());
        add_weights(&mut digest, &path).map_err(|error| failed(&path, &error))?;
    }
    let bytes = digest.finish();
    Ok(hexadecimal(bytes.as_ref().get(..16).unwrap_or_default()))
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn add(digest: &mut Context, bytes: &[u8]) {
    digest.update(&(bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}

fn add_weights(digest: &mut Context, path: &Path) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let damaged = |words: String| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, words));
    if length < 8 {
        return damaged(format!("has {length} bytes, a safetensors file has at least 8: it is cut off"));
    }
    digest.update(&length.to_le_bytes());
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix)?;
    let header = u64::from_le_bytes(prefix);
    if header > MAX_HEADER || header > length - 8 {
        return damaged(format!(
            "its header has {header} bytes, the file only {length}: it is damaged or cut off"
        ));
    }
    let mut text = Vec::new();
    (&mut file).take(header).read_to_end(&mut text)?;
    add(digest, &text);
    let data = length - 8 - header;
    for sample in 0..SAMPLES {
        file.seek(std::io::SeekFrom::Start(8 + header + data / SAMPLES * sample))?;
        let mut bytes = Vec::new();
        (&mut file).take(SAMPLE_BYTES as u64).read_to_end(&mut bytes)?;
        add(digest, &bytes);
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> FileError {
    FileError::new(&path.display().to_string(), error.to_string())
}
