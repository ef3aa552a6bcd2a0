//! `helix plan`: where the layers go, how good that is, and why it is not better.

mod report;
mod text;
mod words;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use helix_cost::{CostChoice, Costs};
use helix_planner::{Baseline, Candidate, Instance, Plan, PlanError, evaluate, plan_baseline, plan_best};
use helix_spec::{Cluster, ModelShape, PartialInference, Placement, load_cluster_named};

use crate::exit_codes::{Failure, Kind};
use crate::files;
use crate::output::{Format, Output};
use crate::picture::{Scene, drawing, page};

pub use report::{CandidateReport, CutMember, PlanReport};

/// Who places the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Planner {
    /// The best of all others under the exact evaluator.
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

/// Where machine speeds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cost {
    /// Declared tables where the cluster has them, else the roofline.
    Auto,
    /// The cluster's declared tables.
    Declared,
    /// Measured times of a layer.
    Measured,
    /// Datasheet and model shape.
    Roofline,
}

impl From<Cost> for CostChoice {
    fn from(cost: Cost) -> Self {
        match cost {
            Cost::Auto => Self::Auto,
            Cost::Declared => Self::Declared,
            Cost::Measured => Self::Measured,
            Cost::Roofline => Self::Roofline,
        }
    }
}

const EXAMPLES: &str = "Examples:
  helix plan --cluster single24 --model llama-2-70b
  helix plan --cluster my-cluster.toml --model ./my-model -o placement.toml --html plan.html
  helix plan --cluster single24 --model llama-2-70b --evaluate placement.toml --format json";

/// Arguments of `helix plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Preset name or cluster file
    #[arg(long)]
    cluster: String,
    /// Preset name, model folder or config.json
    #[arg(long)]
    model: String,
    /// Where machine speeds come from
    #[arg(long, value_enum, default_value_t = Cost::Auto)]
    cost: Cost,
    /// Who places the layers
    #[arg(long, value_enum, default_value_t = Planner::Auto)]
    planner: Planner,
    /// Search nothing: validate and report this placement
    #[arg(long, value_name = "PLACEMENT", conflicts_with = "planner")]
    evaluate: Option<PathBuf>,
    /// Let requests enter a machine in the middle of its layer range; petals always does
    #[arg(long)]
    partial_inference: bool,
    /// Write the placement here
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a self-contained page with figures and drawing here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the drawing alone here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Mean lengths of the Azure 2023 conversation trace as the paper filters it: prompt and output \[tokens\].
const MEAN_LENGTHS: (f64, f64) = (763.08, 232.45);

/// Plans or evaluates, writes what was asked for, prints the report.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let cluster = load_cluster_named(&arguments.cluster)?;
    let model = ModelShape::named_or_folder(&arguments.model)?;
    let costs = Costs::for_cluster(&cluster, &model, arguments.cost.into()).map_err(cost_failure)?;
    let instance = Instance::new(&cluster, &model, &costs);
    let started = Instant::now();
    let (plan, candidates) = match &arguments.evaluate {
        Some(path) => {
            let mut placement = Placement::load(path, &cluster)?;
            if arguments.partial_inference {
                placement.partial_inference = PartialInference::On;
            }
            (given(&instance, placement)?, Vec::new())
        }
        None => search(&instance, arguments.planner).map_err(plan_failure)?,
    };
    let report = report::Subject {
        cluster: &cluster,
        model: &model,
        plan: &plan,
        candidates: &candidates,
        decode_share: MEAN_LENGTHS.1 / (MEAN_LENGTHS.0 + MEAN_LENGTHS.1),
        solve_seconds: started.elapsed().as_secs_f64(),
    }
    .report();
    let scene = Scene::new(&cluster, &report);
    let written = write_files(arguments, &cluster, &plan.placement, &scene)?;
    match output.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output, &report).map_err(std::io::Error::from)?;
            std::io::Write::write_all(output, b"\n")?;
        }
        Format::Text => {
            text::write(output, &scene)?;
            for path in written {
                std::io::Write::write_fmt(output, format_args!("\nwrote {}", path.display()))?;
            }
            std::io::Write::write_all(output, b"\n")?;
        }
    }
    Ok(())
}

fn given(instance: &Instance<'_>, placement: Placement) -> Result<Plan, Failure> {
    let evaluation = evaluate(instance, &placement).map_err(|error| Failure::new(Kind::Infeasible, error))?;
    Ok(Plan { planner: "given".to_owned(), placement, evaluation })
}

fn search(instance: &Instance<'_>, planner: Planner) -> Result<(Plan, Vec<Candidate>), PlanError> {
    let baseline = match planner {
        Planner::Auto => return plan_best(instance),
        Planner::Petals => Baseline::Petals,
        Planner::Swarm => Baseline::Swarm,
        Planner::Homogeneous => Baseline::Homogeneous,
        Planner::Separate => Baseline::Separate,
        Planner::SeparatePlus => Baseline::SeparatePlus,
    };
    Ok((plan_baseline(instance, baseline)?, Vec::new()))
}

fn plan_failure(error: PlanError) -> Failure {
    Failure::new(Kind::Infeasible, error)
}

fn cost_failure(error: helix_cost::CostError) -> Failure {
    Failure::new(Kind::BadInput, error)
}

fn write_files<'a>(
    arguments: &'a Arguments,
    cluster: &Cluster,
    placement: &Placement,
    scene: &Scene<'_>,
) -> Result<Vec<&'a Path>, Failure> {
    let mut written = Vec::new();
    if let Some(path) = &arguments.output {
        files::write(path, &placement.to_toml(cluster))?;
        written.push(path.as_path());
    }
    if let Some(path) = &arguments.html {
        files::write(path, &page(scene))?;
        written.push(path);
    }
    if let Some(path) = &arguments.svg {
        files::write(path, &drawing(scene))?;
        written.push(path);
    }
    Ok(written)
}
