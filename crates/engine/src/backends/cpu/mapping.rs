//! Files mapped into memory: only the pages that are looked at become resident.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use helix_spec::FileError;

/// A file's bytes, read when they are looked at.
#[derive(Debug)]
pub struct Mapping(memmap2::Mmap);

impl Mapping {
    /// Maps a file. It must not be shortened while it is mapped: the operating system then ends the process.
    ///
    /// # Errors
    /// When it cannot be opened or mapped, is a folder, or is empty.
    #[expect(unsafe_code, reason = "the system call for mapping has no safe form")]
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let fail = |error: std::io::Error| {
            FileError::new(&path.display().to_string(), format!("cannot be read: {error}"))
        };
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() || metadata.len() == 0 {
            let what = if metadata.is_file() { "is empty" } else { "is not a file" };
            return Err(FileError::new(&path.display().to_string(), what));
        }
        // SAFETY: the mapping is read-only and private; that nobody shortens a model's files while they are served is
        // asked of the operator (docs/design/engine.md).
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
        Ok(Self(map))
    }

    /// Lets the system forget the pages that were read, until they are looked at again.
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the advice has no safe form")]
    pub fn forget_pages(&self) {
        // SAFETY: the mapping is of a file and nobody writes into it, so its pages are read again from that file.
        let advised = unsafe { self.0.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        // Advice that is not taken costs memory, never correctness.
        drop(advised);
    }

    /// Lets the system forget the pages that were read, until they are looked at again.
    #[cfg(not(unix))]
    pub fn forget_pages(&self) {}
}

impl Deref for Mapping {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
