//! How long the requests are that a plan is made for.

use std::path::Path;

use helix_cost::OperatingAssumptions;
use helix_spec::{Lengths, Trace, Workload};

use crate::exit_codes::{Failure, Kind};
use crate::simulate::azure_like;

/// The requests that a plan is made for.
pub struct Requests {
    /// Lengths to draw from.
    pub lengths: Lengths,
    /// Their means; those of the paper's trace where nothing is given.
    pub means: MeanLengths,
    /// What computed speeds assume: the typical request of the paper's recipe where nothing is given.
    pub assumed: OperatingAssumptions,
}

impl Requests {
    /// Of a workload file or a trace, else like those of the paper's trace.
    pub fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            let assumed = OperatingAssumptions::default();
            return Ok(Self { lengths: azure_like(), means: MeanLengths::PAPER, assumed });
        };
        let lengths = lengths_from(path)?;
        let means = MeanLengths::of(&lengths, path)?;
        let MeanLengths { prompt, output } = means;
        let assumed = OperatingAssumptions { prompt, output, ..OperatingAssumptions::default() };
        Ok(Self { lengths, means, assumed })
    }
}

/// The lengths in a workload file or a trace (`.csv`, `.jsonl`).
fn lengths_from(path: &Path) -> Result<Lengths, Failure> {
    let is_trace = path.extension().is_some_and(|kind| kind != "toml");
    if is_trace {
        return Ok(Lengths::Trace(Trace::from_file(path)?));
    }
    Ok(Workload::from_file(path)?.lengths)
}

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

    /// The means of these; `path` is where they come from.
    fn of(lengths: &Lengths, path: &Path) -> Result<Self, Failure> {
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
