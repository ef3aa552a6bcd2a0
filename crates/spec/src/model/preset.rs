//! Models by name: presets, folders with a `config.json`, or such a file.

use std::path::Path;

use super::ModelShape;
use crate::file::{FileError, MAX_DESCRIPTION_BYTES, Source, nearest, read_text};

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        /// Every preset with its configuration, in the form of a published `config.json`.
        const PRESETS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../data/models/", $name, ".json")))),+];
    };
}

presets![
    "llama-1-30b",
    "llama-2-70b",
    "llama-3.1-8b",
    "llama-3.1-70b",
    "llama-3.1-405b",
    "mistral-7b",
    "mixtral-8x7b",
    "qwen2.5-0.5b",
    "qwen3-8b",
    "qwen3-32b",
    "qwen3-235b-a22b",
    "deepseek-v2-lite",
    "deepseek-v3",
    "deepseek-r1",
    "tiny-llama-test",
    "tiny-moe-test",
    "tiny-mla-test",
];

/// The file that describes a model in its folder.
const CONFIG: &str = "config.json";

impl ModelShape {
    /// The names of all presets.
    #[must_use]
    pub fn presets() -> Vec<&'static str> {
        PRESETS.iter().map(|(name, _)| *name).collect()
    }

    /// A preset by its name; letter case does not matter.
    ///
    /// ```
    /// use helix_spec::ModelShape;
    /// assert_eq!(ModelShape::preset("llama-2-70b").unwrap().layers, 80);
    /// assert_eq!(ModelShape::preset("llama-7-90b"), None);
    /// ```
    ///
    /// # Panics
    /// Never: a test reads every preset.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let (name, text) = PRESETS.iter().find(|(preset, _)| preset.eq_ignore_ascii_case(name))?;
        let source = Source { origin: name, text };
        match super::config::parse(name, source) {
            Ok(shape) => Some(shape),
            Err(error) => panic!("every embedded preset is read by a test: {error}"),
        }
    }

    /// Reads the text of a `config.json`. The model's name is that of the folder in `origin`, or else of the file.
    ///
    /// # Errors
    /// [`FileError`] with the line, the key, its value and what is allowed.
    pub fn from_config_json(text: &str, origin: &str) -> Result<Self, FileError> {
        super::config::parse(&name_from(Path::new(origin)), Source { origin, text })
    }

    /// Reads the `config.json` of a model's folder; the model is called like the folder.
    ///
    /// # Errors
    /// [`FileError`] when there is no such file, or as [`ModelShape::from_config_json`].
    pub fn from_folder(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(CONFIG);
        if !path.exists() {
            return Err(FileError::new(&folder.display().to_string(), format!("has no {CONFIG}"))
                .help("a model's folder holds the config.json of its Hugging Face repository"));
        }
        let text = read_text(&path, MAX_DESCRIPTION_BYTES)?;
        // `.` and `..` have no name of their own.
        let named = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let origin = path.display().to_string();
        super::config::parse(&name_from(&named.join(CONFIG)), Source { origin: &origin, text: &text })
    }

    /// What a command line calls a model: a preset, a folder with a `config.json`, or such a file.
    ///
    /// A preset goes before a folder of the same name; `./NAME` is always the folder.
    ///
    /// # Errors
    /// [`FileError`] that lists both possibilities with the nearest preset, or says what is wrong in the file.
    pub fn named_or_folder(text: &str) -> Result<Self, FileError> {
        if let Some(shape) = Self::preset(text) {
            return Ok(shape);
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Self::from_folder(path);
        }
        if path.is_file() {
            return Self::from_config_json(&read_text(path, MAX_DESCRIPTION_BYTES)?, text);
        }
        let presets = Self::presets();
        let offer = nearest(text, presets.iter().copied())
            .map_or(String::new(), |name| format!("did you mean `{name}`? "));
        let origin = format!("model `{}`", super::keys::shorten(text));
        Err(FileError::new(&origin, "is no preset, and there is no folder or file of this name").help(
            format!(
                "{offer}presets are {}; else give the folder that holds the model's {CONFIG}",
                presets.join(", ")
            ),
        ))
    }
}

/// `…/Llama-3.1-8B/config.json` is `Llama-3.1-8B`, `tiny.json` is `tiny`.
fn name_from(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    let named = if path.file_name().is_some_and(|file| file == CONFIG) { folder } else { path.file_stem() };
    named.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
