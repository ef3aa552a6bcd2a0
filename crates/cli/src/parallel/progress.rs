//! One line of progress on the terminal; nothing where standard error is a file or a pipe.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// A line that is written over, not oftener than the eye can follow.
pub struct Progress {
    shown: bool,
    terminal: bool,
    last: Option<Instant>,
}

impl Progress {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self { shown: false, terminal: stderr().is_terminal(), last: None }
    }

    /// Replaces the line.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        let due = self.last.is_none_or(|last| last.elapsed() >= Duration::from_millis(100));
        if self.terminal && due {
            self.last = Some(Instant::now());
            self.shown = true;
            // A terminal that went away is no reason to fail.
            let _ = write!(stderr(), "\r\x1b[K{}", text());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
