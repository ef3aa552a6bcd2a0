//! `helix plan`: where the layers go, how good that is, and why it is not better.

mod budget;
mod milp;
mod milp_report;
mod report;
mod text;
mod words;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use helix_cost::layout::{adopt_layouts, layouts_not_costed};
use helix_cost::{CostChoice, Costs};
use helix_planner::{
    Baseline, Control, Evaluate, Found, Instance, LittleLaw, Objective, Plan, PlanError, SearchOptions,
    evaluate, plan_auto, plan_baseline,
};
use helix_spec::{Cluster, ModelShape, PartialInference, Placement, load_cluster_named};

use crate::exit_codes::{Failure, Kind};
use crate::files;
use crate::output::{Format, Output};
use crate::picture::{Scene, drawing, page};

use budget::Budget;
use milp::MilpArguments;
pub use milp::{DEFAULT_LINKS, Prune, parse_prune};
pub use report::{CandidateReport, CutMember, PlanReport};

/// Who places the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Planner {
    /// Packing and the rules below under the exact evaluator.
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
    /// The paper's mixed-integer program, solved by HiGHS.
    Milp,
}

/// What a plan is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Decode tokens a second in steady operation, as far as they can be foreseen.
    Steady,
    /// The maximum flow alone.
    MaxFlow,
}

impl From<Goal> for Objective {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::Steady => Self::Steady,
            Goal::MaxFlow => Self::MaxFlow,
        }
    }
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
  helix plan --cluster single24 --model llama-2-70b --evaluate placement.toml --format json
  helix plan --cluster single24 --model llama-2-70b --planner milp --budget 10min -o placement.toml --write-sol run.sol
  helix plan --cluster single24 --model llama-2-70b --planner milp --start-from run.sol --prune-links off";

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
    /// What the plan is chosen for
    #[arg(long, value_enum, default_value_t = Goal::Steady)]
    objective: Goal,
    /// How long the search may take, for example 60s or 2min; Ctrl-C ends it earlier, with the best so far
    #[arg(long, value_parser = budget::parse, default_value = "60s")]
    budget: Duration,
    /// The most machines that a request may pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_depth: Option<u32>,
    /// Search nothing: validate and report this placement
    #[arg(long, value_name = "PLACEMENT", conflicts_with_all = ["planner", "max_depth"])]
    evaluate: Option<PathBuf>,
    /// Start from this placement, or from a solution of the mixed-integer program (`.sol`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["evaluate", "warm_start", "no_warm_start"])]
    start_from: Option<PathBuf>,
    #[command(flatten)]
    milp: MilpArguments,
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

impl Arguments {
    /// Refuses arguments that do not go together.
    fn check(&self) -> Result<(), Failure> {
        let milp = self.planner == Planner::Milp;
        self.milp.refuse_unless(milp)?;
        if milp && self.max_depth.is_some() {
            return Err(Failure::usage(
                "--max-depth is no constraint of --planner milp; take --planner auto",
            ));
        }
        if !milp && self.start_from.is_some() {
            return Err(Failure::usage("--start-from needs --planner milp"));
        }
        Ok(())
    }

    fn partial(&self) -> PartialInference {
        if self.partial_inference { PartialInference::On } else { PartialInference::Off }
    }

    fn milp_task<'a>(&'a self, instance: &'a Instance<'a>) -> milp::Task<'a> {
        milp::Task {
            instance,
            arguments: &self.milp,
            partial: self.partial(),
            start_from: self.start_from.as_deref(),
            output: self.output.as_deref(),
        }
    }
}

/// Mean lengths of the Azure 2023 conversation trace as the paper filters it: prompt and output \[tokens\].
const MEAN_LENGTHS: (f64, f64) = (763.08, 232.45);

/// Share of the cache that admission fills in the authors' simulator, with requests of these lengths.
const FILLED_CACHE: f64 = 0.69;

/// Plans or evaluates, writes what was asked for, prints the report.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    arguments.check()?;
    let cluster = load_cluster_named(&arguments.cluster)?;
    let model = ModelShape::named_or_folder(&arguments.model)?;
    let costs = Costs::for_cluster(&cluster, &model, arguments.cost.into()).map_err(cost_failure)?;
    let instance = Instance::new(&cluster, &model, &costs);
    let judge =
        LittleLaw { times: &costs, prompt: MEAN_LENGTHS.0, output: MEAN_LENGTHS.1, filled: FILLED_CACHE };
    let budget = Budget::start(arguments.budget)?;
    let given = match &arguments.evaluate {
        Some(path) => Some(Placement::load(path, &cluster)?),
        None => None,
    };
    let task = arguments.milp_task(&instance);
    let mut milp = None;
    let mut found = match given {
        Some(placement) => evaluated(&instance, placement, arguments.partial_inference)?,
        None if arguments.planner == Planner::Milp => {
            let (found, report) = task.run(&budget)?;
            milp = Some(report);
            found.found
        }
        None => search(&instance, arguments, &judge, &budget)
            .map_err(|error| Failure::new(Kind::Infeasible, error))?,
    };
    let note = layouts(&cluster, &costs, arguments, &mut found.plan.placement);
    let steady = judge.decode_rate(&instance, &found.plan.placement, &found.plan.evaluation);
    let report = report::Subject {
        cluster: &cluster,
        model: &model,
        found: &found,
        steady,
        decode_share: MEAN_LENGTHS.1 / (MEAN_LENGTHS.0 + MEAN_LENGTHS.1),
        solve_seconds: budget.seconds(),
        gap_is_about_the_goal: arguments.evaluate.is_some()
            || arguments.objective == Goal::MaxFlow
            || milp.is_some(),
        note: [costs.note().map(str::to_owned), note]
            .into_iter()
            .flatten()
            .reduce(|a, b| format!("{a}; {b}")),
        milp,
    }
    .report();
    let scene = Scene::new(&cluster, &report);
    let written = write_files(arguments, &cluster, &found.plan.placement, &scene)?;
    task.clean_up();
    match output.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *output, &report).map_err(std::io::Error::from)?;
            writeln!(output)?;
        }
        Format::Text => {
            text::write(output, &scene)?;
            for path in written {
                writeln!(output, "\nwrote {}", path.display())?;
            }
        }
    }
    if Budget::was_interrupted() {
        output.flush()?;
        return Err(Failure::new(Kind::Interrupted, "interrupted; the best plan so far is above"));
    }
    Ok(())
}

fn evaluated(instance: &Instance<'_>, mut placement: Placement, partial: bool) -> Result<Found, Failure> {
    if partial {
        placement.partial_inference = PartialInference::On;
    }
    let evaluation = evaluate(instance, &placement).map_err(|error| Failure::new(Kind::Infeasible, error))?;
    Ok(Found::alone(Plan { planner: "given".to_owned(), placement, evaluation }))
}

fn search(
    instance: &Instance<'_>,
    arguments: &Arguments,
    judge: &dyn Evaluate,
    budget: &Budget,
) -> Result<Found, PlanError> {
    let baseline = match arguments.planner {
        Planner::Auto => {
            let options = SearchOptions {
                objective: arguments.objective.into(),
                partial: arguments.partial(),
                max_depth: arguments.max_depth.map(|depth| depth as usize),
            };
            let mut control =
                Control { used: &mut || budget.used(), report: &mut |event| budget.show(&event) };
            return plan_auto(instance, options, judge, &mut control);
        }
        Planner::Petals => Baseline::Petals,
        Planner::Swarm => Baseline::Swarm,
        Planner::Homogeneous => Baseline::Homogeneous,
        Planner::Separate => Baseline::Separate,
        Planner::SeparatePlus => Baseline::SeparatePlus,
        Planner::Milp => unreachable!("it has its own way through `run`"),
    };
    let plan = plan_baseline(instance, baseline)?;
    if !arguments.partial_inference {
        return Ok(Found::alone(plan));
    }
    let Plan { planner, mut placement, .. } = plan;
    placement.partial_inference = PartialInference::On;
    let evaluation = evaluate(instance, &placement)?;
    Ok(Found::alone(Plan { planner, placement, evaluation }))
}

/// Gives the machines of a plan the layouts that their figures hold for. A placement that was handed in keeps its own; a
/// note says where they differ.
fn layouts(
    cluster: &Cluster,
    costs: &Costs,
    arguments: &Arguments,
    placement: &mut Placement,
) -> Option<String> {
    if arguments.evaluate.is_none() {
        adopt_layouts(cluster, costs, placement);
    }
    let other = layouts_not_costed(cluster, costs, placement);
    let (first, _) = other.first()?;
    Some(format!(
        "the figures of {} machines, {} the first, hold for other layouts of their devices than the placement's",
        other.len(),
        cluster.machine(*first).name
    ))
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
