//! `helix parallel check`: every layout up to N ranks, or named scenarios, against the single-rank oracle.

mod report;
mod scenarios;
mod sweep;

use helix_parallel::{Fault, Options, Wire};

use crate::exit_codes::{Failure, Kind};
use crate::output::Output;

use super::inputs;
use super::oracle::OracleForm;
use super::progress::Progress;
use report::Report;
use scenarios::Scenario;

/// More ranks than this are threads that only wait for each other.
const MOST_RANKS: u32 = 64;

const EXAMPLES: &str = "Examples:
  helix parallel check                                  every layout of up to 8 ranks
  helix parallel check --ranks 16 --format json
  helix parallel check --scenario mla-1x64 --scenario gqa-8x8192
  helix parallel check --scenario mla-1x1048576 --kvp 2 --kvp 8
  helix parallel check --ranks 4 --plant dropped-shard  see that a bug is caught

Every number of every rank is compared; a deviation is relative to the largest number of the oracle's output of the whole
batch at that step. The oracle is a plain computation on one rank in f64; of latent attention it expands the keys and
values of every token and head, in scenarios where that takes half a minute at the most, unless --oracle says otherwise.
Tolerances of a layer: 1e-12 in f64, 5e-5 in f32, 6e-3 in f32 where bf16 is exchanged; layouts with two pipeline
stages run two layers and may have twice as much. Exit code 1 when any number misses.";

/// What to check.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Layouts of up to so many ranks
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_RANKS)))]
    ranks: u32,
    /// Decode steps of each layout
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// Instead of all layouts, a scenario of TensorRT-LLM's Helix tests by its name, batch × context; `all` for all
    #[arg(long, value_parser = scenarios::parser(), conflicts_with_all = ["ranks", "steps"])]
    scenario: Vec<String>,
    /// Ranks that share the sequence in scenarios [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_RANKS)))]
    kvp: Vec<u32>,
    /// How the oracle computes latent attention in scenarios
    #[arg(long, value_enum)]
    oracle: Option<OracleForm>,
    /// What is computed in and exchanged; all three unless given, in the longest scenarios f32 and bf16
    #[arg(long, value_enum)]
    precision: Vec<Precision>,
    /// Plant a bug that others had: the check must fail
    #[arg(long, value_parser = fault_parser())]
    plant: Option<String>,
    /// Where randomness starts
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// What layers are computed in, and what travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// f64, and f64 on the wire
    F64,
    /// f32, and f32 on the wire
    F32,
    /// f32, and bf16 on the wire
    Bf16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F64, Self::F32, Self::Bf16];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// What travels.
    pub fn wire(self) -> Wire {
        match self {
            Self::F64 => Wire::F64,
            Self::F32 => Wire::F32,
            Self::Bf16 => Wire::Bf16,
        }
    }

    /// What must hold after so many layers.
    pub fn tolerance(self, layers: usize) -> f64 {
        match self {
            Self::F64 => helix_parallel::tolerance::<f64>(Wire::F64, layers),
            Self::F32 | Self::Bf16 => helix_parallel::tolerance::<f32>(self.wire(), layers),
        }
    }
}

impl Arguments {
    fn precisions(&self) -> &[Precision] {
        if self.precision.is_empty() { &Precision::ALL } else { &self.precision }
    }

    fn options(&self, wire: Wire) -> Options {
        let planted = |name: &String| Fault::ALL.iter().find(|(known, _)| known == name);
        let fault = self.plant.as_ref().and_then(planted).map(|(_, fault)| *fault);
        Options { fault, ..Options::new(wire) }
    }
}

fn fault_parser() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(Fault::ALL.map(|(name, _)| name))
}

/// Runs the check.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    if arguments.scenario.is_empty() {
        let given = [("--kvp", !arguments.kvp.is_empty()), ("--oracle", arguments.oracle.is_some())];
        let why = "without --scenario: every layout of up to --ranks is checked, against the expanded oracle; name a \
                   scenario or leave it out";
        inputs::without_effect(&given, why)?;
    }
    let mut progress = Progress::new();
    let rows = if arguments.scenario.is_empty() {
        sweep::run(arguments, &mut progress)?
    } else {
        let scenarios: Vec<Scenario> = scenarios::named(&arguments.scenario);
        scenarios::run(arguments, &scenarios, &mut progress)?
    };
    drop(progress);
    let report = Report::new(arguments, rows);
    report.write(output)?;
    match report.missed() {
        0 if arguments.plant.is_some() => Err(Failure::new(
            Kind::Other,
            "the planted bug changed nothing here; plant it where there is more than one rank, and an empty shard for \
             no-empty-identity",
        )),
        0 => Ok(()),
        missed => Err(Failure::new(
            Kind::Other,
            format!(
                "{missed} of {} checks miss their tolerance or differ in bits that must agree",
                report.rows.len()
            ),
        )),
    }
}
