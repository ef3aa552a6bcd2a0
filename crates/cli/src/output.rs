//! Where a command's result goes: standard output, as text for people or as JSON for scripts.

use std::io::{self, BufWriter, StdoutLock, Write};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For scripts: one JSON document, alone.
    Json,
}

/// Standard output and the format that the user chose. Everything that is not the result goes to standard error.
pub struct Output {
    /// The format to write in.
    pub format: Format,
    stdout: BufWriter<StdoutLock<'static>>,
}

impl Output {
    /// Standard output.
    pub fn standard(format: Format) -> Self {
        Self { format, stdout: BufWriter::new(io::stdout().lock()) }
    }

    /// Writes the one JSON document.
    pub fn json(&mut self, document: &(impl serde::Serialize + ?Sized)) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self, document)?;
        writeln!(self)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdout.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush().map_err(named)
    }
}

/// The error with the name of what could not be written.
fn named(error: io::Error) -> io::Error {
    // Writing is tried again after these; their kind must stay, and a message would cost an allocation each time.
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::new(error.kind(), format!("standard output cannot be written: {error}"))
}
