//! The arguments of `helix simulate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use helix_spec::{RequestsPerSecond, SimTime};

use crate::plan::Cost;

/// Who chooses the ways of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// The paper's: interleaved weighted round-robin over a maximum flow of the placement.
    MaxFlow,
    /// The same flow over all links that can share it, with turns that vary a little: requests mix.
    MixedFlow,
    /// Mixed flow, but while there is flow to spare the way on which a prompt is through first.
    LatencyAware,
    /// Latency-weighted, hop by hop.
    Swarm,
    /// Any free link.
    Random,
    /// The machine where fewest wait.
    ShortestQueue,
}

/// When requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// As many as the cluster takes.
    Offline,
    /// At times of their own: those of a trace, or at a rate.
    Online,
}

/// Collections of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// The paper's simulator: its batching, links, cache estimate and feeders.
    Asplos25,
}

/// How machines batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BatchingChoice {
    /// A batch goes through all layers of its machine.
    WholeRange,
    /// A batch goes through one layer; requests join at their first layer.
    LayerWise,
}

const EXAMPLES: &str = "Examples:
  helix simulate --cluster single24 --model llama-2-70b --placement placement.toml
  helix simulate --cluster mine/cluster.toml --model llama-2-70b --placement mine/placement.toml \\
      --preset asplos25 --trace lengths.csv --html run.html
  helix simulate --cluster c.toml --model qwen3-32b --placement p.toml --mode online --rate '2 req/s' --format json
  helix simulate --replay run.jsonl";

/// What comes, how long it is watched, and how machines batch: the same for one run and for many.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Offline: requests at the beginning (with swarm, random and shortest-queue: always under way)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub offline_queries: Option<u32>,
    /// Nothing is dropped: what finds no way waits; offline one request at most waits
    #[arg(long)]
    pub saturate: bool,
    /// Trace of requests (CSV or JSONL); else lengths like those of the Azure 2023 conversation trace
    #[arg(long, value_name = "FILE", conflicts_with = "workload")]
    pub trace: Option<PathBuf>,
    /// Take lengths of the trace at random instead of one after the other
    #[arg(long, requires = "trace")]
    pub sample: bool,
    /// Workload file
    #[arg(long, value_name = "FILE")]
    pub workload: Option<PathBuf>,
    /// Online: requests come at this rate, for example '2 req/s', with lengths of the trace or workload
    #[arg(long)]
    pub rate: Option<RequestsPerSecond>,
    /// With --rate: 1 is Poisson, less comes in bursts
    #[arg(long, requires = "rate", default_value_t = 1.0, value_parser = burstiness)]
    pub burstiness: f64,
    /// Most requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_requests: Option<u64>,
    /// Time before anything counts
    #[arg(long)]
    pub warmup: Option<SimTime>,
    /// Time that counts
    #[arg(long, value_parser = positive)]
    pub duration: Option<SimTime>,
    /// Go on after that until all requests have ended
    #[arg(long)]
    pub drain: bool,
    /// How machines batch
    #[arg(long, value_enum)]
    pub batching: Option<BatchingChoice>,
    /// Lengthen every delay by a random time up to this, for example `1 ns`: do results depend on exact times?
    #[arg(long)]
    pub jitter: Option<SimTime>,
}

/// Arguments of `helix simulate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Preset name or cluster file
    #[arg(long, required_unless_present = "replay")]
    pub cluster: Option<String>,
    /// Preset name, model folder or config.json
    #[arg(long, required_unless_present = "replay")]
    pub model: Option<String>,
    /// Placement file
    #[arg(long, value_name = "FILE", required_unless_present = "replay")]
    pub placement: Option<PathBuf>,
    /// Replay what `helix up` or `helix serve` recorded with --record, and print the error of every figure; cluster, model and
    /// placement are the recorded ones unless given
    #[arg(long, value_name = "RECORDING", conflicts_with_all = ["faults", "html", "requests", "events", "chrome_trace", "trace",
          "workload", "rate", "max_requests", "offline_queries", "mode", "warmup", "duration", "drain"])]
    pub replay: Option<PathBuf>,
    /// Where batch times come from: measured tables where the cluster has them, unless `roofline`
    #[arg(long, value_enum, default_value_t = Cost::Auto)]
    pub cost: Cost,
    /// Who chooses the ways of requests; mixed-flow unless told otherwise, with --preset asplos25 max-flow
    #[arg(long, value_enum)]
    pub scheduler: Option<Scheduler>,
    /// When requests come
    #[arg(long, value_enum, default_value_t = Mode::Offline)]
    pub mode: Mode,
    /// Behave as another simulator does
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    #[command(flatten)]
    pub load: Load,
    /// Process every layer of a batch on its own; gives the same results
    #[arg(long)]
    pub unfused: bool,
    /// Machines and links that fail, slow down and recover
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Seed of all that is random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Write a self-contained page here
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Draw earlier runs (files written with --format json) into the same page
    #[arg(long, value_name = "JSON", requires = "html")]
    pub overlay: Vec<PathBuf>,
    /// Write every request here; CSV, or JSONL where the name ends so
    #[arg(long, value_name = "FILE")]
    pub requests: Option<PathBuf>,
    /// Write every event here, as JSONL
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write batches and transfers here, for Perfetto or the tracing page of Chrome
    #[arg(long, value_name = "FILE")]
    pub chrome_trace: Option<PathBuf>,
}

impl Arguments {
    /// Who chooses the ways of requests.
    pub fn scheduler(&self) -> Scheduler {
        self.scheduler.unwrap_or(Scheduler::usual(self.preset))
    }
}

fn positive(text: &str) -> Result<SimTime, String> {
    let time: SimTime = text.parse().map_err(|error: helix_spec::UnitError| error.to_string())?;
    if time == SimTime::ZERO {
        Err("nothing would be measured: give for example `600 s`".to_owned())
    } else {
        Ok(time)
    }
}

fn burstiness(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (0.01..=100.0).contains(value));
    value.ok_or_else(|| format!("`{text}` is not a burstiness: 1 is Poisson, 0.01 to 100 are allowed"))
}
