//! `helix plan`: where the layers go, how good that is, and why it is not better.

mod budget;
mod change;
mod lengths;
mod manual;
mod milp;
mod milp_report;
mod report;
mod simulation_report;
mod simulator;
mod text;
mod words;
mod written;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use helix_cost::layout::{adopt_layouts, layouts_not_costed};
use helix_cost::{CostChoice, Costs};
use helix_planner::{
    Baseline, Control, Evaluate, Found, Instance, Judges, Limit, LittleLaw, Objective, Plan, PlanError,
    RUNNING, Running, SearchOptions, evaluate, plan_baseline, plan_with,
};
use helix_spec::{Cluster, ModelShape, PartialInference, Placement, load_cluster_named};

use crate::exit_codes::{Failure, Kind};
use crate::output::{Format, Output};
use crate::picture::Scene;
use crate::simulate::{Preset, Scheduler};

pub use budget::{Budget, parse as parse_budget};
use change::{ChangeReport, Comparison};
use lengths::Requests;
use manual::Manual;
use milp::MilpArguments;
pub use milp::{DEFAULT_LINKS, Prune, parse_prune};
pub use report::{CandidateReport, CutMember, PlanReport};
pub use simulation_report::{SimulatedPoint, SimulationReport};
pub use simulator::{Bench, Simulator, batch_times, behaviour};

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
    /// Decode tokens a second in steady operation, simulated as far as there is time.
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
    /// The paper's recipe for throughputs, from measured times and declared caches.
    Paper,
}

impl From<Cost> for CostChoice {
    fn from(cost: Cost) -> Self {
        match cost {
            Cost::Auto => Self::Auto,
            Cost::Declared => Self::Declared,
            Cost::Measured => Self::Measured,
            Cost::Roofline => Self::Roofline,
            Cost::Paper => Self::Paper,
        }
    }
}

const EXAMPLES: &str = "Examples:
  helix plan --cluster single24 --model llama-2-70b
  helix plan --cluster my-cluster.toml --model ./my-model -o placement.toml --html plan.html
  helix plan --cluster single24 --model llama-2-70b --evaluate placement.toml --format json
  helix plan --cluster single24 --model llama-2-70b --planner milp --budget 10min -o placement.toml --write-sol run.sol
  helix plan --cluster single24 --model llama-2-70b --planner milp --start-from run.sol --prune-links off
  helix plan --cluster single24 --model llama-2-70b --start-from placement.toml --forbid t4-3 --min-gain 5%
  helix plan --cluster single24 --model llama-2-70b --pin 'a100-1=0..10' --require 'l4-*' --diff placement.toml";

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
    /// What the plan is chosen for: steady unless said
    #[arg(long, value_enum)]
    objective: Option<Goal>,
    /// How long the search may take, for example 10s or 2min, 60s unless said; Ctrl-C ends it earlier, with the best so far
    #[arg(long, value_parser = budget::parse, allow_hyphen_values = true)]
    budget: Option<Duration>,
    /// Simulate so many short runs' worth, however long they take (with --budget, as long as that lasts): where packing ends in
    /// time the plan is then the same on every machine
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    simulations: Option<u32>,
    /// Judge plans as another simulator does
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Who chooses the ways of requests when plans are simulated; mixed-flow unless said, with --preset asplos25 max-flow
    #[arg(long, value_enum)]
    scheduler: Option<Scheduler>,
    /// The most machines that a request may pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_depth: Option<u32>,
    /// Workload file or trace whose lengths the plan is made for; lengths like those of the paper's trace unless said
    #[arg(long, value_name = "FILE")]
    workload: Option<PathBuf>,
    /// Search nothing: validate and report this placement
    #[arg(long, value_name = "PLACEMENT", conflicts_with_all = ["planner", "max_depth", "objective", "budget", "simulations", "preset", "scheduler"])]
    evaluate: Option<PathBuf>,
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
    #[command(flatten)]
    manual: Manual,
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
        if milp && self.objective == Some(Goal::Steady) {
            return Err(Failure::usage(
                "--planner milp maximises the flow; leave --objective out, or take --planner auto",
            ));
        }
        self.manual.refuse_for_milp(milp)?;
        self.check_outputs()?;
        let about_runs = self.simulations.is_some() || self.preset.is_some() || self.scheduler.is_some();
        if about_runs && !self.simulates() {
            return Err(Failure::usage(
                "--simulations, --preset and --scheduler are about simulated plans: they go with --planner auto and \
                 --objective steady",
            ));
        }
        Ok(())
    }

    /// Whether the simulator has a say.
    fn simulates(&self) -> bool {
        self.planner == Planner::Auto && self.goal() == Goal::Steady && self.evaluate.is_none()
    }

    /// When simulated runs end: a number of runs stands in for a budget that nobody gave.
    fn limit(&self) -> Limit {
        match (self.simulations, self.budget) {
            (None, _) => Limit::Budget,
            (Some(most), None) => Limit::Runs(most),
            (Some(most), Some(_)) => Limit::Either(most),
        }
    }

    fn partial(&self) -> PartialInference {
        if self.partial_inference { PartialInference::On } else { PartialInference::Off }
    }

    fn milp_task<'a>(&'a self, instance: &'a Instance<'a>) -> milp::Task<'a> {
        milp::Task {
            instance,
            arguments: &self.milp,
            partial: self.partial(),
            start_from: self.manual.start_from.as_deref(),
            output: self.output.as_deref(),
        }
    }

    /// The placement that runs already; the mixed-integer program reads its start by itself.
    fn running(&self) -> Option<PathBuf> {
        self.manual.start_from.clone().filter(|_| self.planner != Planner::Milp)
    }

    fn goal(&self) -> Goal {
        self.objective.unwrap_or(Goal::Steady)
    }

    /// What of the command line has no effect on a rule that searches nothing.
    fn idle_flags(&self) -> Option<String> {
        if matches!(self.planner, Planner::Auto | Planner::Milp) || self.evaluate.is_some() {
            return None;
        }
        let note = "--budget has no effect: the planner searches nothing, it follows a rule";
        self.budget.is_some().then(|| note.to_owned())
    }
}

/// How long a search takes unless said.
const BUDGET: Duration = Duration::from_mins(1);

/// What is said where the simulator was asked for, but did not get the time.
const NO_TIME: &str = "there was no time to simulate plans, so a cheap estimate chose among those that are not too deep: give a larger \
     --budget";
/// The same after Ctrl-C.
const NO_PATIENCE: &str =
    "interrupted before plans were simulated, so a cheap estimate chose among those that are not too deep";

/// Share of the cache that admission fills in the authors' simulator, with requests of these lengths.
pub const FILLED_CACHE: f64 = 0.69;

/// Plans or evaluates, writes what was asked for, prints the report.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    arguments.check()?;
    let cluster = load_cluster_named(&arguments.cluster)?;
    let model = ModelShape::named_or_folder(&arguments.model)?;
    let Requests { lengths: drawn, means: lengths, assumed } = Requests::new(arguments.workload.as_deref())?;
    let costs =
        Costs::for_requests(&cluster, &model, arguments.cost.into(), assumed).map_err(cost_failure)?;
    let demands = arguments.manual.demands(&cluster)?;
    let load =
        |path: &Option<PathBuf>| path.as_deref().map(|path| Placement::load(path, &cluster)).transpose();
    let (given, before, running) =
        (load(&arguments.evaluate)?, load(&arguments.manual.diff)?, load(&arguments.running())?);
    if let (Some(path), Some(before)) = (&arguments.manual.diff, &before) {
        change::check_model(path, before, &model)?;
    }
    let instance = Instance::new(&cluster, &model, &costs)
        .with_demands(demands)
        .map_err(|error| manual::failure(&error))?;
    let judge =
        LittleLaw { times: &costs, prompt: lengths.prompt, output: lengths.output, filled: FILLED_CACHE };
    let min_gain = arguments.manual.min_gain.unwrap_or(manual::MIN_GAIN);
    let running = running.map(|placement| Running { placement, min_gain });
    let budget = Budget::start(arguments.budget.unwrap_or(BUDGET))?;
    let task = arguments.milp_task(&instance);
    let times = batch_times(&cluster, &model, arguments.cost, arguments.preset);
    let scheduler = arguments.scheduler.unwrap_or(Scheduler::usual(arguments.preset));
    let deadline = (!matches!(arguments.limit(), Limit::Runs(_))).then(|| budget.deadline());
    let bench = Bench { cluster: &cluster, costs: &costs, times: &times, lengths: &drawn, deadline };
    let simulator = Simulator::new(&instance, bench, behaviour(scheduler, arguments.preset, &drawn));
    let mut milp = None;
    let mut found = match given {
        Some(placement) => evaluated(&instance, placement, arguments.partial_inference, &budget)?,
        None if arguments.planner == Planner::Milp => {
            let (found, report) = task.run(&budget)?;
            milp = Some(report);
            found.found
        }
        None => search(&instance, arguments, (&judge, &simulator, running.as_ref()), &budget)?,
    };
    let layout_note = layouts(&cluster, &costs, arguments, &mut found.plan);
    let changes = changes(&instance, arguments, (&judge, &found), (before.as_ref(), running.as_ref()));
    let steady = judge.decode_rate(&instance, &found.plan.placement, &found.plan.evaluation);
    let unsimulated = (arguments.simulates() && found.simulated.is_none())
        .then(|| if Budget::was_interrupted() { NO_PATIENCE } else { NO_TIME }.to_owned());
    let notes: Vec<String> =
        [costs.note().map(str::to_owned), layout_note, arguments.idle_flags(), unsimulated]
            .into_iter()
            .flatten()
            .collect();
    let report = report::Subject {
        cluster: &cluster,
        model: &model,
        found: &found,
        steady,
        lengths,
        solve_seconds: budget.seconds(),
        gap_is_about_the_goal: arguments.evaluate.is_some()
            || arguments.goal() == Goal::MaxFlow
            || milp.is_some(),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
        milp,
        changes,
        simulator: &simulator,
    }
    .report();
    let scene = Scene::new(&cluster, &report);
    let (written, failed) = arguments.write_outputs(&cluster, &found.plan.placement, &scene);
    // A search may have taken hours: what it found is shown though a file cannot be written.
    print(output, &scene, &written)?;
    failed?;
    task.clean_up();
    if Budget::was_interrupted() {
        return Err(Failure::new(Kind::Interrupted, "interrupted; the best plan so far is above"));
    }
    Ok(())
}

/// The report, and for people the files that were written.
fn print(output: &mut Output, scene: &Scene<'_>, written: &[&Path]) -> Result<(), Failure> {
    match output.format {
        Format::Json => output.json(scene.report)?,
        Format::Text => {
            text::write(output, scene)?;
            for path in written {
                writeln!(output, "\nwrote {}", path.display())?;
            }
        }
    }
    output.flush()?;
    Ok(())
}

/// What changes from the placements that the plan is compared with.
fn changes(
    instance: &Instance<'_>,
    arguments: &Arguments,
    (judge, found): (&dyn Evaluate, &Found),
    (before, running): (Option<&Placement>, Option<&Running>),
) -> Vec<ChangeReport> {
    let comparison = Comparison { instance, judge, found, objective: arguments.goal().into() };
    let mut changes = Vec::new();
    if let (Some(path), Some(running)) = (&arguments.manual.start_from, running) {
        changes.push(comparison.from(path, &running.placement, found.trade.as_ref()));
    }
    if let (Some(path), Some(before)) = (&arguments.manual.diff, before) {
        changes.push(comparison.from(path, before, None));
    }
    changes
}

fn evaluated(
    instance: &Instance<'_>,
    mut placement: Placement,
    partial: bool,
    budget: &Budget,
) -> Result<Found, Failure> {
    if partial {
        placement.partial_inference = PartialInference::On;
    }
    let evaluation = evaluate(instance, &placement).map_err(|error| Failure::new(Kind::Infeasible, error))?;
    let plan = Plan { planner: "given".to_owned(), placement, evaluation };
    Ok(Found::alone(instance, plan, &mut || budget.used() >= 1.0))
}

fn search(
    instance: &Instance<'_>,
    arguments: &Arguments,
    (judge, simulator, running): (&dyn Evaluate, &Simulator<'_>, Option<&Running>),
    budget: &Budget,
) -> Result<Found, Failure> {
    let baseline = match arguments.planner {
        Planner::Auto => {
            let options = SearchOptions {
                objective: arguments.goal().into(),
                partial: arguments.partial(),
                max_depth: arguments.max_depth.map(|depth| depth as usize),
                running,
            };
            let mut control =
                Control { used: &mut || budget.used(), report: &mut |event| budget.show(&event) };
            let judges = Judges { estimate: judge, simulator: Some(simulator), limit: arguments.limit() };
            return plan_with(instance, options, judges, &mut control).map_err(plan_failure);
        }
        Planner::Petals => Baseline::Petals,
        Planner::Swarm => Baseline::Swarm,
        Planner::Homogeneous => Baseline::Homogeneous,
        Planner::Separate => Baseline::Separate,
        Planner::SeparatePlus => Baseline::SeparatePlus,
        Planner::Milp => unreachable!("it has its own way through `run`"),
    };
    if running.is_some() {
        return Err(Failure::usage(format!(
            "the planner {baseline} follows a rule and cannot start from a placement; use the planner `auto`, or `--diff` to \
             see what changes"
        )));
    }
    let mut plan = plan_baseline(instance, baseline).map_err(plan_failure)?;
    if arguments.partial_inference {
        plan.placement.partial_inference = PartialInference::On;
        plan.evaluation = evaluate(instance, &plan.placement).map_err(|error| plan_failure(error.into()))?;
    }
    let depth = plan.evaluation.depth();
    if let Some(most) = arguments.max_depth.filter(|&most| depth > most as usize) {
        return Err(Failure::new(
            Kind::Infeasible,
            format!(
                "{baseline} needs {depth} machines in a row, --max-depth allows {most}; take --planner auto"
            ),
        ));
    }
    Ok(Found::alone(instance, plan, &mut || budget.used() >= 1.0))
}

/// Gives the machines of a plan the layouts that their figures hold for. A placement that was handed in, or runs and stays, keeps its own; a
/// note says where they differ.
fn layouts(cluster: &Cluster, costs: &Costs, arguments: &Arguments, plan: &mut Plan) -> Option<String> {
    let is_given = arguments.evaluate.is_some() || plan.planner == RUNNING;
    if !is_given {
        adopt_layouts(cluster, costs, &mut plan.placement);
    }
    let other = layouts_not_costed(cluster, costs, &plan.placement);
    let (first, _) = other.first()?;
    Some(format!(
        "the figures of {} machines, {} the first, hold for other layouts of their devices than the placement's",
        other.len(),
        cluster.machine(*first).name
    ))
}

fn plan_failure(error: PlanError) -> Failure {
    let kind = match error {
        PlanError::Running(_) => Kind::BadInput,
        PlanError::Demand { .. } => Kind::Usage,
        _ => Kind::Infeasible,
    };
    Failure::new(kind, error)
}

fn cost_failure(error: helix_cost::CostError) -> Failure {
    Failure::new(Kind::BadInput, error)
}
