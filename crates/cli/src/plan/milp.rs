//! `helix plan --planner milp`: its arguments, what it shows while it runs, and what it writes meanwhile.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use helix_planner::milp::{
    Milp, MilpControl, MilpError, MilpEvent, MilpFound, MilpOptions, SolutionFile, Start,
    placement_of_solution,
};
use helix_planner::{Baseline, Instance};
use helix_spec::{MAX_DESCRIPTION_BYTES, PartialInference, Placement, read_text};

use super::budget::Budget;
use super::milp_report::{Incumbent, MilpReport};
use crate::exit_codes::{Failure, Kind};
use crate::files;

/// Whose placement the MILP starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WarmStart {
    /// The best of the rules below that fits.
    Best,
    /// Machines join one by one where the model is worst served.
    Petals,
    /// Equal stages, machines spread over them.
    Swarm,
    /// Full chains, strongest type first.
    Homogeneous,
    /// The packing search, which the default planner uses.
    Packing,
}

/// How many links of a machine the program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// All of them.
    Off,
    /// So many.
    To(usize),
}

impl Prune {
    /// As the planner takes it.
    pub fn most(self) -> Option<usize> {
        match self {
            Self::Off => None,
            Self::To(most) => Some(most),
        }
    }
}

/// Reads `12` or `off`.
pub fn parse_prune(text: &str) -> Result<Prune, String> {
    match text.parse::<usize>() {
        Ok(most) if most > 0 => Ok(Prune::To(most)),
        Err(_) if text == "off" => Ok(Prune::Off),
        _ => Err("a number of links, 1 at least, or `off`".to_owned()),
    }
}

/// Arguments of the MILP planner.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --planner milp")]
pub struct MilpArguments {
    /// Links of each machine to others that the program knows, the fastest first, or `off`; the paper keeps 12 [default: 12]
    #[arg(long, value_name = "N|off", value_parser = parse_prune)]
    prune_links: Option<Prune>,
    /// Whose placement it starts from [default: best]
    #[arg(long, value_enum)]
    warm_start: Option<WarmStart>,
    /// Start from nothing
    #[arg(long, conflicts_with = "warm_start")]
    no_warm_start: bool,
    /// Write the best placement here whenever there is a better one, so that nothing is lost by any interruption [default:
    /// the name of --output with `.checkpoint` before its end, or `milp-PID.checkpoint.toml` in this folder; both go when
    /// the plan is written]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Write the mixed-integer program here, in the LP format
    #[arg(long, value_name = "FILE")]
    write_lp: Option<PathBuf>,
    /// Write the best solution here whenever there is a better one, in Gurobi's format
    #[arg(long, value_name = "FILE")]
    write_sol: Option<PathBuf>,
}

impl MilpArguments {
    /// Refuses these arguments for other planners.
    pub fn refuse_unless(&self, milp: bool) -> Result<(), Failure> {
        let given = [
            ("--prune-links", self.prune_links.is_some()),
            ("--warm-start", self.warm_start.is_some()),
            ("--no-warm-start", self.no_warm_start),
            ("--checkpoint", self.checkpoint.is_some()),
            ("--write-lp", self.write_lp.is_some()),
            ("--write-sol", self.write_sol.is_some()),
        ];
        match given.iter().find(|(_, given)| *given && !milp) {
            Some((name, _)) => Err(Failure::usage(format!("{name} needs --planner milp"))),
            None => Ok(()),
        }
    }

    /// The flags that name a file to write, with the file.
    pub fn outputs(&self) -> [(&'static str, Option<&Path>); 3] {
        let [checkpoint, lp, sol] =
            [&self.checkpoint, &self.write_lp, &self.write_sol].map(|path| path.as_deref());
        [("--checkpoint", checkpoint), ("--write-lp", lp), ("--write-sol", sol)]
    }

    fn prune(&self) -> Option<usize> {
        self.prune_links.unwrap_or(Prune::To(DEFAULT_LINKS)).most()
    }

    fn start(&self) -> Start {
        match self.warm_start.unwrap_or(WarmStart::Best) {
            _ if self.no_warm_start => Start::Cold,
            WarmStart::Best => Start::Best,
            WarmStart::Petals => Start::Rule(Baseline::Petals),
            WarmStart::Swarm => Start::Rule(Baseline::Swarm),
            WarmStart::Homogeneous => Start::Rule(Baseline::Homogeneous),
            WarmStart::Packing => Start::Packing,
        }
    }
}

/// Links of a machine that the paper's runs keep.
pub const DEFAULT_LINKS: usize = 12;

/// A start that the user gave: a solution of the program (`.sol`) or a placement.
pub fn read_start(instance: &Instance<'_>, partial: PartialInference, path: &Path) -> Result<Start, Failure> {
    let origin = path.display().to_string();
    let placement = if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sol")) {
        let file = SolutionFile::parse(&read_text(path, MAX_DESCRIPTION_BYTES)?, &origin)?;
        placement_of_solution(instance, partial, &file, &origin)?
    } else {
        Placement::load(path, instance.cluster)?
    };
    Ok(Start::Given { origin, placement })
}

/// What the search is asked for.
pub struct Task<'a> {
    /// The problem.
    pub instance: &'a Instance<'a>,
    /// The arguments.
    pub arguments: &'a MilpArguments,
    /// Whether requests may enter a machine in the middle of its range.
    pub partial: PartialInference,
    /// `--start-from`.
    pub start_from: Option<&'a Path>,
    /// `--output`.
    pub output: Option<&'a Path>,
}

impl Task<'_> {
    /// Searches, shows what happens on standard error, writes what was asked for on the way.
    pub fn run(&self, budget: &Budget) -> Result<(MilpFound, MilpReport), Failure> {
        let start = match self.start_from {
            Some(path) => read_start(self.instance, self.partial, path)?,
            None => self.arguments.start(),
        };
        let options = MilpOptions { partial: self.partial, prune: self.arguments.prune(), start };
        let milp = Milp::new(self.instance, &options, &mut || budget.used()).map_err(failure)?;
        if let Some(path) = &self.arguments.write_lp {
            files::write(path, &milp.lp_text())?;
        }
        let size = milp.size();
        let (links, pruned) = milp.links();
        eprintln!(
            "milp: {} variables ({} binaries), {} constraints, {links} links ({pruned} pruned)",
            size.variables, size.binaries, size.constraints
        );
        eprintln!("milp: keeps the best so far in {}", self.checkpoint().display());
        match milp.start() {
            Some((planner, throughput)) => eprintln!("milp: starts from {planner}, {throughput:.1} tokens/s"),
            None => eprintln!("milp: starts from nothing"),
        }
        let log = RefCell::new(Log::new(self, &milp, budget));
        let mut control = MilpControl {
            used: &mut || if log.borrow().failure.is_some() { 1.0 } else { budget.used() },
            seconds: budget.limit_seconds(),
            report: &mut |event| log.borrow_mut().take(&event),
        };
        let found = milp.solve(&mut control);
        let log = log.into_inner();
        if let Some(failure) = log.failure {
            return Err(failure);
        }
        let found = found.map_err(failure)?;
        let report = MilpReport::new(&found.summary, log.incumbents);
        Ok((found, report))
    }

    /// Where the best placement is kept while the search runs.
    fn checkpoint(&self) -> PathBuf {
        let named = self.arguments.checkpoint.clone();
        named.or_else(|| Some(checkpoint_beside(self.output?))).unwrap_or_else(checkpoint_of_nothing)
    }

    /// Whether the user counts on a file being written; the search ends early if it cannot be.
    fn must_keep(&self) -> bool {
        self.arguments.checkpoint.is_some() || self.arguments.write_sol.is_some() || self.output.is_some()
    }

    /// Removes the checkpoint that was not asked for by name: the plan is written by now.
    pub fn clean_up(&self) {
        if self.arguments.checkpoint.is_none() {
            // It may never have been there: then there was no incumbent.
            let _ = std::fs::remove_file(self.checkpoint());
        }
    }
}

/// `plan.checkpoint.toml` beside `plan.toml`.
fn checkpoint_beside(output: &Path) -> PathBuf {
    let end = output.extension().map_or_else(|| "toml".into(), |end| end.to_string_lossy().into_owned());
    output.with_extension(format!("checkpoint.{end}"))
}

/// In this folder, for a plan that is printed only; runs side by side do not share it.
fn checkpoint_of_nothing() -> PathBuf {
    PathBuf::from(format!("milp-{}.checkpoint.toml", std::process::id()))
}

fn failure(error: MilpError) -> Failure {
    match error {
        MilpError::Nothing { .. } if Budget::was_interrupted() => {
            Failure::new(Kind::Interrupted, "interrupted before a placement was found")
        }
        MilpError::Solver(_) => Failure::new(Kind::Other, error),
        _ => Failure::new(Kind::Infeasible, error),
    }
}

/// What happened so far.
struct Log<'a> {
    milp: &'a Milp<'a>,
    task: &'a Task<'a>,
    budget: &'a Budget,
    checkpoint: PathBuf,
    bound: f64,
    best: f64,
    shown: f64,
    incumbents: Vec<Incumbent>,
    failure: Option<Failure>,
    warned: bool,
}

/// Bounds are shown when they are this much lower than the last one shown.
const WORTH_SHOWING: f64 = 1e-3;

impl<'a> Log<'a> {
    fn new(task: &'a Task<'a>, milp: &'a Milp<'a>, budget: &'a Budget) -> Self {
        Self {
            milp,
            task,
            budget,
            checkpoint: task.checkpoint(),
            bound: f64::INFINITY,
            best: 0.0,
            shown: f64::INFINITY,
            incumbents: Vec::new(),
            failure: None,
            warned: false,
        }
    }

    fn take(&mut self, event: &MilpEvent<'_>) {
        match *event {
            MilpEvent::Bound(bound) | MilpEvent::SolverBound(bound) => {
                self.bound = self.bound.min(bound);
                if self.bound < self.shown * (1.0 - WORTH_SHOWING) {
                    self.show("bound");
                }
            }
            MilpEvent::Incumbent { placement, throughput, claimed } => {
                self.best = throughput;
                let bound = self.bound;
                let seconds = self.budget.elapsed();
                self.incumbents.push(Incumbent::new(seconds, throughput, claimed, bound));
                self.show(if claimed.is_some() { "incumbent" } else { "start" });
                if let Err(failure) = self.keep(placement) {
                    self.complain(failure);
                }
            }
        }
    }

    fn show(&mut self, what: &str) {
        self.shown = self.bound;
        let gap = if self.best > 0.0 {
            format!("{:.2} %", 100.0 * (self.bound - self.best).max(0.0) / self.best)
        } else {
            "–".to_owned()
        };
        let (seconds, best, bound) = (self.budget.elapsed(), self.best, self.bound);
        eprintln!(
            "milp: {seconds:>8.2} s  {what:<9}  objective {best:>10.3}  bound {bound:>10.3}  gap {gap}"
        );
    }

    /// Writes the incumbent, whole or not at all.
    fn keep(&self, placement: &Placement) -> Result<(), Failure> {
        files::write(&self.checkpoint, &placement.to_toml(self.task.instance.cluster))?;
        if let (Some(path), Some(text)) = (&self.task.arguments.write_sol, self.milp.solution_text(placement))
        {
            files::write(path, &text)?;
        }
        Ok(())
    }

    /// The first incumbent that cannot be kept where the user said ends the search, before time is spent on what would be
    /// lost; anything else is complained about, once.
    fn complain(&mut self, failure: Failure) {
        if self.incumbents.len() == 1 && self.task.must_keep() {
            self.failure = Some(failure);
        } else if !self.warned {
            eprintln!("warning: {}; the search goes on", failure.message);
            self.warned = true;
        }
    }
}
