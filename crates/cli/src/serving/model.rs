//! The model that is served: a folder, or the built-in one.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use helix_runtime::service::{ChatTemplate, ModelInfo, SamplingDefaults, TextModel};
use helix_runtime::{WeightFormat, check_weights, fingerprint};

use crate::exit_codes::{Failure, Kind};

/// How workers keep weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// 8 bits: a quarter of the memory of full precision, and faster.
    Q8_0,
    /// 32 bits, exactly as in the files.
    Full,
}

impl From<Weights> for WeightFormat {
    fn from(weights: Weights) -> Self {
        match weights {
            Weights::Q8_0 => Self::Q8_0,
            Weights::Full => Self::Full,
        }
    }
}

/// The folder of a model; the built-in one where none is named.
pub fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(folder) => Ok(folder.to_owned()),
        None => helix_builtin::unpack().map_err(|error| Failure::new(Kind::Other, error)),
    }
}

/// What the coordinator must know of it.
pub fn read(folder: &Path, builtin: bool) -> Result<(ModelInfo, TextModel), Failure> {
    let config = helix_runtime::ModelConfig::from_folder(folder)?;
    // What workers or the API would find later is found before anything is started.
    check_weights(folder)?;
    ChatTemplate::from_folder(folder)?;
    let text = TextModel::from_folder(folder)?;
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let name = if builtin { helix_builtin::NAME.to_owned() } else { config.shape.name.clone() };
    let info = ModelInfo {
        name,
        folder: folder.to_owned(),
        fingerprint: fingerprint(folder)?,
        layers: config.shape.layers,
        vocab: config.shape.vocab,
        max_context: config.shape.max_context,
        end_tokens: config.end_tokens,
        sampling: SamplingDefaults::from_folder(folder)?,
        created,
    };
    Ok((info, text))
}
