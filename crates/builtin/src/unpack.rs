//! Writing the model to a cache, and trusting what is there only after comparing it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::places::{Surroundings, places};
use crate::{FILES, folder_name};

/// Why the model could not be written.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// One cache, and what went wrong there.
    #[error("writing the built-in model: {}: {source}; name a writable folder in HELIX_CACHE_DIR", path.display())]
    Write {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// None of several caches.
    #[error(
        "the built-in model could be written nowhere ({}); name a writable folder in HELIX_CACHE_DIR",
        tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Nowhere {
        /// Each place and why it failed.
        tried: Vec<String>,
    },
}

/// Makes sure that the model is on the disk, and says where.
///
/// Tries `HELIX_CACHE_DIR` alone when it is set; else `XDG_CACHE_HOME/helix`, then `HOME/.cache/helix`, then a new folder
/// of this process in the system's folder for temporary files, which stays there.
///
/// # Errors
/// When no place can be written.
pub fn unpack() -> Result<PathBuf, UnpackError> {
    unpack_around(&Surroundings::of_process(), &std::env::temp_dir())
}

fn unpack_around(surroundings: &Surroundings, temporary: &Path) -> Result<PathBuf, UnpackError> {
    let caches = places(surroundings);
    let only_this = surroundings.helix_cache.as_ref().is_some_and(|only| !only.is_empty());
    let mut tried = Vec::new();
    for cache in caches {
        match unpack_into(&cache) {
            Ok(folder) => return Ok(folder),
            Err(error) if only_this => return Err(error),
            Err(UnpackError::Write { path, source }) => tried.push(format!("{}: {source}", path.display())),
            Err(error) => return Err(error),
        }
    }
    match private_folder(temporary).and_then(|folder| unpack_into(&folder)) {
        Err(UnpackError::Write { path, source }) => {
            tried.push(format!("{}: {source}", path.display()));
            Err(UnpackError::Nowhere { tried })
        }
        done => done,
    }
}

/// A new folder that no other user can have prepared or can read.
fn private_folder(temporary: &Path) -> Result<PathBuf, UnpackError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let mut number = 0_u32;
    loop {
        let path = temporary.join(format!("helix-{}-{number}", std::process::id()));
        match builder.create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            Err(source) => return Err(UnpackError::Write { path, source }),
        }
    }
}

/// Makes sure that the model lies in this cache, writes what is missing or differs, and returns its folder.
///
/// # Errors
/// When something has to be written and cannot be.
pub fn unpack_into(cache: &Path) -> Result<PathBuf, UnpackError> {
    let folder = cache.join(folder_name());
    for (name, content) in FILES {
        let path = folder.join(name);
        if !holds(&path, content) {
            fs::create_dir_all(&folder)
                .and_then(|()| replace(&path, content))
                .map_err(|source| UnpackError::Write { path, source })?;
        }
    }
    Ok(folder)
}

/// Whether the file is there and has this content. What cannot be read counts as different: writing it anew then either
/// helps or gives the error.
fn holds(path: &Path, content: &[u8]) -> bool {
    let Ok(mut file) = fs::File::open(path) else { return false };
    let same_length =
        file.metadata().is_ok_and(|found| found.is_file() && found.len() == content.len() as u64);
    let mut found = Vec::with_capacity(content.len());
    same_length && file.read_to_end(&mut found).is_ok() && found == content
}

/// Puts a file with this content in place of whatever is there, in one step.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("{}-{}.part", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let part = path.with_file_name(unique);
    let written = write_new(&part, content).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // The error that is returned is the one that matters; what is left over is only clutter.
        let _ = fs::remove_file(&part);
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_home_the_model_goes_to_a_folder_of_its_own() {
        let temporary = tempfile::tempdir().unwrap();
        let nowhere = Surroundings { home: Some("".into()), ..Surroundings::default() };
        let first = unpack_around(&nowhere, temporary.path()).unwrap();
        let second = unpack_around(&nowhere, temporary.path()).unwrap();
        assert!(first.starts_with(temporary.path()) && second.starts_with(temporary.path()));
        assert_ne!(first, second, "a folder that is there already may be another user's");
        assert!(holds(&first.join(FILES[0].0), FILES[0].1));
    }

    #[test]
    fn an_unwritable_cache_is_passed_over_and_a_named_one_is_not() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("a file");
        fs::write(&file, "x").unwrap();
        let home = Surroundings { home: Some(file.clone().into()), ..Surroundings::default() };
        assert!(unpack_around(&home, temporary.path()).is_ok());
        let named = Surroundings { helix_cache: Some(file.clone().into()), ..Surroundings::default() };
        let error = unpack_around(&named, temporary.path()).unwrap_err().to_string();
        assert!(error.contains("a file") && error.contains("HELIX_CACHE_DIR"), "{error}");
        let error = unpack_around(&home, &file).unwrap_err().to_string();
        assert!(error.contains("could be written nowhere") && error.contains(".cache"), "{error}");
    }
}
