//! The folder of measured times: `TYPE/{prompt,decode}_bs2time.csv`, or one such folder for each of several models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use helix_spec::asplos25::{PaperModel, parse_bs2time, same_name};
use helix_spec::{FileError, MAX_DESCRIPTION_BYTES, TimeTable, TypeTables, read_text};

/// The tables of a model by the folder that they are in.
pub fn read(folder: &Path, model: &str) -> Result<BTreeMap<String, TypeTables>, FileError> {
    let types = types(folder)?;
    if !types.is_empty() {
        return Ok(types);
    }
    let origin = folder.display().to_string();
    let inner = folders(folder)?;
    let is_model = |name: &str| {
        same_name(name, model) || PaperModel::named(model).is_some_and(|paper| paper.is_named(name))
    };
    let meant: Vec<&(String, PathBuf)> = inner.iter().filter(|(name, _)| is_model(name)).collect();
    let names = |folders: &[&(String, PathBuf)]| {
        let names: Vec<&str> = folders.iter().take(20).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "no folders".to_owned() } else { names.join(", ") }
    };
    let wanted = "TYPE/prompt_bs2time.csv and TYPE/decode_bs2time.csv";
    match meant[..] {
        [(name, path)] => {
            let types = self::types(path)?;
            if types.is_empty() {
                let problem = format!("has no measured times in its folder {name}");
                return Err(FileError::new(&origin, problem).help(format!("there should be {wanted}")));
            }
            Ok(types)
        }
        [] => {
            let all: Vec<&(String, PathBuf)> = inner.iter().collect();
            let problem = format!("has neither {wanted} nor a folder for the model {model}");
            Err(FileError::new(&origin, problem).help(format!("it has: {}", names(&all))))
        }
        _ => {
            let problem = format!("has several folders for the model {model}: {}", names(&meant));
            Err(FileError::new(&origin, problem).help("give one of them"))
        }
    }
}

fn types(folder: &Path) -> Result<BTreeMap<String, TypeTables>, FileError> {
    let mut types = BTreeMap::new();
    for (name, path) in folders(folder)? {
        let (prompt, decode) = (table(&path, "prompt")?, table(&path, "decode")?);
        if prompt.is_some() || decode.is_some() {
            types.insert(name, TypeTables { prompt, decode, ..TypeTables::default() });
        }
    }
    Ok(types)
}

fn table(folder: &Path, what: &str) -> Result<Option<TimeTable>, FileError> {
    let path = folder.join(format!("{what}_bs2time.csv"));
    if !path.exists() {
        return Ok(None);
    }
    let text = read_text(&path, MAX_DESCRIPTION_BYTES)?;
    parse_bs2time(&text, &path.display().to_string()).map(Some)
}

/// The folders in a folder, in the order of their names.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let origin = folder.display().to_string();
    let fail = |error: std::io::Error| FileError::new(&origin, format!("cannot be read: {error}"));
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            folders.push((name, path));
        }
    }
    folders.sort();
    Ok(folders)
}
