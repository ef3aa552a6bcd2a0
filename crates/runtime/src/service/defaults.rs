//! How a model wants its tokens to be chosen where a request does not say: its `generation_config.json`.

use std::path::Path;

use helix_spec::FileError;
use serde::Deserialize;

use super::Sampling;

/// The longest file that is read \[bytes\].
const MAX_BYTES: u64 = 1 << 20;

/// What holds for parameters that a request leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingDefaults {
    /// See [`Sampling::temperature`].
    pub temperature: f32,
    /// See [`Sampling::top_k`].
    pub top_k: u32,
    /// See [`Sampling::top_p`].
    pub top_p: f32,
    /// See [`Sampling::min_p`].
    pub min_p: f32,
    /// See [`Sampling::repetition_penalty`].
    pub repetition_penalty: f32,
}

impl Default for SamplingDefaults {
    /// As `OpenAI` has them: the model's own distribution.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 }
    }
}

#[derive(Deserialize)]
struct Generation {
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
}

impl SamplingDefaults {
    /// Reads `generation_config.json` of a model's folder, where there is one. Keys that are not about choosing tokens are
    /// other programs' (`do_sample` among them: a request for greedy answers says so by its temperature).
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read or a value is outside what a request may ask for.
    pub fn from_folder(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join("generation_config.json");
        if !path.exists() {
            return Ok(Self::default());
        }
        let origin = path.display().to_string();
        let text = helix_spec::read_text(&path, MAX_BYTES)?;
        let found: Generation = serde_json::from_str(&text)
            .map_err(|error| FileError::new(&origin, error.to_string()).at_line(error.line()))?;
        let neutral = Self::default();
        let defaults = Self {
            temperature: found.temperature.unwrap_or(neutral.temperature),
            top_k: found.top_k.unwrap_or(neutral.top_k),
            top_p: found.top_p.unwrap_or(neutral.top_p),
            min_p: found.min_p.unwrap_or(neutral.min_p),
            repetition_penalty: found.repetition_penalty.unwrap_or(neutral.repetition_penalty),
        };
        let Self { temperature, top_k, top_p, min_p, repetition_penalty } = defaults;
        let sampling =
            Sampling { temperature, top_k, top_p, min_p, repetition_penalty, ..Sampling::greedy() };
        sampling.check().map_err(|error| FileError::new(&origin, error.to_string()))?;
        Ok(defaults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_says_how_it_wants_to_be_sampled_and_nonsense_is_refused_with_its_place() {
        let folder = std::env::temp_dir().join(format!("helix-defaults-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let read = |text: &str| {
            std::fs::write(folder.join("generation_config.json"), text).unwrap();
            SamplingDefaults::from_folder(&folder)
        };
        let found = read(r#"{"temperature": 0.7, "top_p": 0.95, "eos_token_id": [1, 2], "do_sample": true}"#)
            .unwrap();
        assert_eq!(found, SamplingDefaults { temperature: 0.7, top_p: 0.95, ..SamplingDefaults::default() });
        for (wrong, named) in [
            (r#"{"top_p": 1.5}"#, "top_p is 1.5"),
            (r#"{"top_k": -3}"#, "-3"),
            ("{", "generation_config.json"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(named), "{wrong}: {error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(SamplingDefaults::from_folder(&folder).unwrap(), SamplingDefaults::default());
    }
}
