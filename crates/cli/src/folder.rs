//! Files that belong together, written into a folder: each whole or not at all, and none over somebody else's work.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::exit_codes::{Failure, Kind};

/// The files of one result. The first one is read to see whether the folder's files are an earlier result.
pub struct Folder<'a> {
    /// Where they go.
    pub path: &'a Path,
    /// How the first line of the first file begins if this command wrote it.
    pub mark: &'a str,
    /// Write over files that are not an earlier result.
    pub force: bool,
}

impl Folder<'_> {
    /// Writes all files, given by their path below the folder and their text, and returns their paths.
    ///
    /// Every text goes to a file of another name beside its place first; only when all are written do they take their
    /// places, the first file last.
    pub fn write(&self, files: &[(String, String)]) -> Result<Vec<PathBuf>, Failure> {
        let targets: Vec<PathBuf> = files.iter().map(|(path, _)| self.path.join(path)).collect();
        self.check(&targets)?;
        let mut written = Temporaries(Vec::new());
        for (target, (_, text)) in targets.iter().zip(files) {
            let parent = target.parent().unwrap_or(self.path);
            fs::create_dir_all(parent).map_err(|error| failed(parent, "created", &error))?;
            let temporary = temporary(target);
            written.0.push(temporary.clone());
            let write = || -> std::io::Result<()> {
                let mut file = fs::File::create(&temporary)?;
                file.write_all(text.as_bytes())?;
                file.sync_all()
            };
            write().map_err(|error| failed(&temporary, "written", &error))?;
        }
        for (target, temporary) in targets.iter().zip(&written.0).rev() {
            fs::rename(temporary, target).map_err(|error| failed(target, "written", &error))?;
        }
        Ok(targets)
    }

    /// Refuses to write over files unless they are an earlier result.
    fn check(&self, targets: &[PathBuf]) -> Result<(), Failure> {
        let Some(existing) = targets.iter().find(|target| target.exists()).filter(|_| !self.force) else {
            return Ok(());
        };
        let ours = targets.first().and_then(|first| fs::read_to_string(first).ok());
        if ours.is_some_and(|text| text.starts_with(self.mark)) {
            return Ok(());
        }
        let existing = existing.display();
        Err(Failure::usage(format!(
            "{existing} is there already and was not written by this command; give another folder, or --force"
        )))
    }
}

/// Files that are removed again unless they took their places.
struct Temporaries(Vec<PathBuf>);

impl Drop for Temporaries {
    fn drop(&mut self) {
        for path in &self.0 {
            // Gone already where the file took its place; otherwise there is nothing more that could be done.
            let _ = fs::remove_file(path);
        }
    }
}

fn temporary(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn failed(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Other, format!("{} cannot be {what}: {error}", path.display()))
}
