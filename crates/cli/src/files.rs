//! Files of the command line: reading by name or path, writing whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::exit_codes::{Failure, Kind};

/// Writes a file whole or not at all: beside it first, then in its place. Missing folders are made.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| {
        Failure::new(Kind::Other, format!("{} cannot be written: {error}", path.display()))
    };
    // A device or a pipe is written to, not replaced.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(path, text).map_err(fail);
    }
    let Some(name) = path.file_name() else {
        return Err(Failure::usage(format!("{} is not the name of a file", path.display())));
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut beside = name.to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = write_through(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to report; the leftover may not even exist.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(fail)
}

/// Writes a file and waits until it is on its disk, so that what replaces another is whole even if the power fails.
fn write_through(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
