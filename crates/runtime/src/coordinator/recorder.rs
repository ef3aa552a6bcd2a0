//! A recording of what was served, for `helix simulate --replay`: one JSON object a line, the header first, then every request
//! as it ends (`docs/recording.md`).
//!
//! A thread of its own writes, so that a slow disk holds nothing up, and every line is whole in the file before the next one
//! begins: what a killed coordinator leaves is whole but for its last line.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Writes a recording; dropping it waits until all of it is written.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    lines: Option<Sender<String>>,
    thread: Option<JoinHandle<()>>,
}

/// A request that has ended.
#[derive(Debug, Serialize)]
pub(super) struct Recorded<'a> {
    pub arrival_s: f64,
    pub prompt_tokens: usize,
    pub output_tokens: usize,
    pub first_token_s: Option<f64>,
    pub ended_s: f64,
    pub outcome: &'static str,
    pub attempts: u32,
    pub pipeline: Vec<&'a str>,
}

impl Recorder {
    /// Creates the file and writes the header, one line of JSON.
    pub fn create(path: &Path, header: &str) -> io::Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(format!("{header}\n").as_bytes())?;
        let (lines, written) = channel::<String>();
        let shown = path.display().to_string();
        let write = move || {
            for line in written {
                if let Err(error) = file.write_all(line.as_bytes()) {
                    tracing::error!(%error, file = %shown, "the recording ends here: it cannot be written");
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(write)?;
        Ok(Self { started: Instant::now(), lines: Some(lines), thread: Some(thread) })
    }

    /// Time of the recording \[s\].
    pub(super) fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).max(Duration::ZERO).as_secs_f64()
    }

    pub(super) fn write(&self, recorded: &Recorded<'_>) {
        let Some((lines, line)) = self.lines.as_ref().zip(serde_json::to_string(recorded).ok()) else {
            return;
        };
        // A thread that gave up has said why.
        let _ = lines.send(line + "\n");
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // It ends when it has written what was sent.
            let _ = thread.join();
        }
    }
}
