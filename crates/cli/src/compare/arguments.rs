//! The arguments of `helix compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use helix_planner::Baseline;

use crate::plan::{Cost, parse_budget};
use crate::simulate::{Load, Mode, Preset, Scheduler};

/// Who places the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Contestant {
    /// The default planner of `helix plan`.
    Auto,
    /// Machines join one by one where the model is worst served.
    Petals,
    /// Equal stages, machines spread over them.
    Swarm,
    /// Full chains, strongest type first.
    Homogeneous,
    /// Pipelines of one machine type each.
    Separate,
    /// The same, with mixed pipelines from the leftovers (SP+).
    SeparatePlus,
}

impl Contestant {
    /// The rule that it follows; none if it searches.
    pub fn baseline(self) -> Option<Baseline> {
        match self {
            Self::Auto => None,
            Self::Petals => Some(Baseline::Petals),
            Self::Swarm => Some(Baseline::Swarm),
            Self::Homogeneous => Some(Baseline::Homogeneous),
            Self::Separate => Some(Baseline::Separate),
            Self::SeparatePlus => Some(Baseline::SeparatePlus),
        }
    }
}

const EXAMPLES: &str = "Examples:
  helix compare --cluster single24 --model llama-2-70b --html compare.html
  helix compare --cluster mine/cluster.toml --model llama-2-70b --placement mine/placement.toml --planner swarm,petals \\
      --preset asplos25 --trace lengths.csv --seeds 5 --budget 30s
  helix compare --cluster c.toml --model qwen3-32b --scheduler max-flow,latency-aware --mode online --rate '2 req/s'";

/// Arguments of `helix compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Preset name or cluster file
    #[arg(long)]
    pub cluster: String,
    /// Preset name, model folder or config.json
    #[arg(long)]
    pub model: String,
    /// Where machine speeds and batch times come from
    #[arg(long, value_enum, default_value_t = Cost::Auto)]
    pub cost: Cost,
    /// Placement files to compare, before those of the planners; the first placement of all is what the others are
    /// measured against
    #[arg(long, value_name = "FILE")]
    pub placement: Vec<PathBuf>,
    /// Planners to compare; all but `separate-plus` unless placements are given
    #[arg(long, value_enum, value_delimiter = ',')]
    pub planner: Vec<Contestant>,
    /// Schedulers to compare; max-flow, swarm, random and shortest-queue unless told otherwise, without a preset mixed-flow
    /// before them
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scheduler: Vec<Scheduler>,
    /// Loads to compare under
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Mode::Offline, Mode::Online])]
    pub mode: Vec<Mode>,
    /// Behave as another simulator does
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Runs of every combination
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How long each planner may search, simulated runs not counted
    #[arg(long, value_parser = parse_budget, default_value = "10s")]
    pub budget: Duration,
    /// Short simulated runs by which `auto` chooses among plans, as `helix plan --simulations` does; with 0 a cheap estimate
    /// chooses
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub simulations: u32,
    /// Runs at a time; as many as there are processors unless said. The figures do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Write a self-contained page here
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub load: Load,
}

impl Arguments {
    /// What is said of the planner that searches, where it takes part.
    pub fn how_auto_plans(&self) -> Option<String> {
        let takes_part = self.planners().contains(&Contestant::Auto);
        takes_part.then(|| match self.simulations {
            0 => "auto: the plan was chosen by a cheap estimate (`--simulations 0`), where `helix plan` simulates".to_owned(),
            runs => format!("auto: the plan was chosen with {runs} short simulated runs (`--simulations {runs}`)"),
        })
    }

    /// The planners that take part.
    pub fn planners(&self) -> Vec<Contestant> {
        use Contestant::{Auto, Homogeneous, Petals, Separate, Swarm};
        let mut planners = if self.planner.is_empty() && self.placement.is_empty() {
            vec![Auto, Swarm, Petals, Separate, Homogeneous]
        } else {
            self.planner.clone()
        };
        let mut seen = Vec::new();
        planners.retain(|planner| {
            !seen.contains(planner) && {
                seen.push(*planner);
                true
            }
        });
        planners
    }

    /// The schedulers to compare, each once; the first is the one that planners' placements are served with.
    pub fn schedulers(&self) -> Vec<Scheduler> {
        if self.scheduler.is_empty() {
            let others = [Scheduler::MaxFlow, Scheduler::Swarm, Scheduler::Random, Scheduler::ShortestQueue];
            let first = (self.preset.is_none()).then_some(Scheduler::MixedFlow);
            return first.into_iter().chain(others).collect();
        }
        let mut distinct = Vec::new();
        for &scheduler in &self.scheduler {
            if !distinct.contains(&scheduler) {
                distinct.push(scheduler);
            }
        }
        distinct
    }
}
