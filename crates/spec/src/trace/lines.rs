//! Lines of a file of up to a gigabyte, one at a time, within limits and with their numbers.

use std::io::{BufRead, Read as _};

use super::{MAX_LINE_BYTES, MAX_TRACE_BYTES};
use crate::file::FileError;

/// Reads line after line.
pub(super) struct Lines<'a, R> {
    reader: R,
    origin: &'a str,
    bytes: Vec<u8>,
    /// Number of the line read last, from 1.
    pub number: usize,
    read: u64,
}

impl<'a, R: BufRead> Lines<'a, R> {
    pub(super) fn new(reader: R, origin: &'a str) -> Self {
        Self { reader, origin, bytes: Vec::new(), number: 0, read: 0 }
    }

    /// A refusal of the line read last.
    pub(super) fn refuse(&self, problem: impl Into<String>) -> FileError {
        FileError::new(self.origin, problem).at_line(self.number.max(1))
    }

    /// The next line that is not blank, trimmed; `None` at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<String>, FileError> {
        loop {
            self.bytes.clear();
            let limit = MAX_LINE_BYTES + 1;
            let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.bytes);
            let read = read.map_err(|error| self.refuse(format!("cannot be read further: {error}")))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.read += read as u64;
            if self.read > MAX_TRACE_BYTES {
                return Err(self.refuse(format!(
                    "the trace is larger than {MAX_TRACE_BYTES} bytes, the most that is read; split it"
                )));
            }
            if read as u64 == limit {
                return Err(self.refuse(format!("the line is longer than {MAX_LINE_BYTES} bytes")));
            }
            let text = std::str::from_utf8(&self.bytes)
                .ok()
                .filter(|text| !text.contains('\0'))
                .ok_or_else(|| self.refuse("is not text; is it the right file?"))?;
            let text = if self.number == 1 { text.trim_start_matches('\u{feff}') } else { text };
            if !text.trim().is_empty() {
                return Ok(Some(text.trim().to_owned()));
            }
        }
    }
}
