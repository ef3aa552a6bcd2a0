//! How long the requests are that a plan is made for.

use std::path::Path;

use helix_spec::{Lengths, Trace, Workload};

use crate::exit_codes::{Failure, Kind};

/// Mean lengths of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanLengths {
    /// Of a prompt \[tokens\].
    pub prompt: f64,
    /// Of an answer \[tokens\].
    pub output: f64,
}

impl MeanLengths {
    /// The Azure 2023 conversation trace as the paper filters it.
    pub const PAPER: Self = Self { prompt: 763.08, output: 232.45 };

    /// Of a workload file, or of a trace (`.csv`, `.jsonl`).
    pub fn from_file(path: &Path) -> Result<Self, Failure> {
        let is_trace = path.extension().is_some_and(|kind| kind != "toml");
        let lengths = if is_trace {
            Lengths::Trace(Trace::from_file(path)?)
        } else {
            Workload::from_file(path)?.lengths
        };
        let (prompt, output) = lengths.mean();
        if prompt >= 1.0 && output >= 1.0 {
            return Ok(Self { prompt, output });
        }
        let text = format!(
            "{}: requests have {prompt} prompt and {output} output tokens on average; a plan needs at least 1 of each",
            path.display()
        );
        Err(Failure::new(Kind::BadInput, text))
    }

    /// Decode tokens among all tokens.
    pub fn decode_share(self) -> f64 {
        self.output / (self.prompt + self.output)
    }
}
