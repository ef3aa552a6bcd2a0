//! `helix parallel pareto`: the frontier between tokens a second for each user and tokens a second of each GPU.
//!
//! ```text
//! models × configurations × batches ──sweep──> points ──> frontiers ──> headline, losses, HOP-B ──> text, JSON
//!                                                                                               └──> CSV, SVG, HTML
//! ```

mod csv;
mod evaluation;
mod figure1;
mod html;
mod json;
mod pictures;
mod text;

use std::num::NonZeroU32;
use std::path::PathBuf;

use helix_cost::layout::{Formats, Hardware, OutputProjection};
use helix_spec::NumberFormat;

use crate::exit_codes::Failure;
use crate::files::write;
use crate::output::{Format, Output};

use super::inputs;
use evaluation::Evaluation;

/// The models of the paper's evaluation.
const DEFAULT_MODELS: [&str; 2] = ["deepseek-r1", "llama-3.1-405b"];

/// The context of the paper's evaluation \[tokens\].
const DEFAULT_CONTEXT: u64 = 1_000_000;

/// What to sweep and where to write it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  helix parallel pareto --html frontier.html
  helix parallel pareto --model llama-3.1-405b --context 256Ki --csv points.csv --svg frontier.svg
  helix parallel pareto --figure1 --output-projection sharded
  helix parallel pareto --hardware my-gpus.toml --format json")]
pub struct Arguments {
    /// A model: a preset or a folder; may be repeated [default: deepseek-r1 and llama-3.1-405b]
    #[arg(long)]
    model: Vec<String>,
    /// Tokens of context of every request: 65536, 64Ki [default: 1M]
    #[arg(long, value_parser = inputs::tokens)]
    context: Option<u64>,
    /// Hardware constants [default: one GB200 NVL72, 64 of its GPUs]
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// How weights are stored [default: fp4]
    #[arg(long, value_parser = inputs::format)]
    weights: Option<NumberFormat>,
    /// How keys and values are stored [default: fp4]
    #[arg(long, value_parser = inputs::format)]
    cache: Option<NumberFormat>,
    /// Sweep contexts from 4Ki to 4Mi too, to show from where on Helix pays
    #[arg(long)]
    by_context: bool,
    /// Threads to work on [default: all processors]
    #[arg(long, value_parser = inputs::at_least_one)]
    threads: Option<NonZeroU32>,
    /// Print the rooflines of the paper's figure 1 and the timing of its figure 3 instead
    #[arg(long)]
    figure1: bool,
    /// Ranks over which figure 1 shares the output projection: TPA as the paper prints, or all of them
    #[arg(long, value_enum, default_value_t = Projection::AsPrinted, requires = "figure1")]
    output_projection: Projection,
    /// Write the points of all frontiers (with --figure1 its table) as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write one self-contained page with pictures and tables
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Projection {
    /// Over TPA ranks
    AsPrinted,
    /// Over all TPA x KVP ranks
    Sharded,
}

/// Sweeps and reports.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    inputs::distinct_files(&[
        ("--hardware", arguments.hardware.as_ref()),
        ("--csv", arguments.csv.as_ref()),
        ("--svg", arguments.svg.as_ref()),
        ("--html", arguments.html.as_ref()),
    ])?;
    if arguments.figure1 {
        refuse_sweep_flags(arguments)?;
    }
    let hardware = inputs::hardware(arguments.hardware.as_deref())?;
    if arguments.figure1 {
        let projection = match arguments.output_projection {
            Projection::AsPrinted => OutputProjection::AsPrinted,
            Projection::Sharded => OutputProjection::Sharded,
        };
        return figure1::run(arguments, &hardware, projection, output);
    }
    let evaluation = evaluate(arguments, &hardware)?;
    if let Some(path) = &arguments.csv {
        write(path, &csv::points(&evaluation))?;
    }
    if let Some(path) = &arguments.svg {
        write(path, &pictures::overview(&evaluation))?;
    }
    if let Some(path) = &arguments.html {
        write(path, &html::page(&evaluation))?;
    }
    match output.format {
        Format::Text => text::print(&evaluation, output),
        Format::Json => json::print(&evaluation, output),
    }
}

/// Flags of the sweep, which `--figure1` does not make.
fn refuse_sweep_flags(arguments: &Arguments) -> Result<(), Failure> {
    let given = [
        ("--model", !arguments.model.is_empty()),
        ("--context", arguments.context.is_some()),
        ("--weights", arguments.weights.is_some()),
        ("--cache", arguments.cache.is_some()),
        ("--by-context", arguments.by_context),
        ("--threads", arguments.threads.is_some()),
    ];
    let why = "with --figure1, whose layer, formats and contexts are the paper's; leave --figure1 out to sweep a model, \
               or the other flags to print the figure";
    inputs::without_effect(&given, why)
}

fn evaluate(arguments: &Arguments, hardware: &Hardware) -> Result<Evaluation, Failure> {
    let names: Vec<&str> = match arguments.model.as_slice() {
        [] => DEFAULT_MODELS.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    let models = names.into_iter().map(inputs::model).collect::<Result<Vec<_>, _>>()?;
    let fp4 = |told: Option<NumberFormat>| told.unwrap_or(NumberFormat::Fp4);
    let formats = Formats { weights: fp4(arguments.weights), cache: fp4(arguments.cache) };
    let threads = inputs::threads(arguments.threads);
    let mut evaluation = Evaluation::new(hardware, formats, arguments.context.unwrap_or(DEFAULT_CONTEXT));
    for model in models {
        evaluation.add(model, arguments.by_context, threads)?;
    }
    Ok(evaluation)
}
