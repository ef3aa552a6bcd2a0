//! `helix export milp`: the mixed-integer program of a placement and a placement as its solution, for other solvers.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use helix_cost::Costs;
use helix_planner::Instance;
use helix_planner::milp::{Milp, MilpOptions, Start};
use helix_spec::{ModelShape, PartialInference, Placement, load_cluster_named};
use serde::Serialize;

use crate::exit_codes::{Failure, Kind};
use crate::files;
use crate::output::{Format, Output};
use crate::plan::{Cost, DEFAULT_LINKS, Prune, parse_prune};

/// Writes the paper's mixed-integer program (`.lp`) and a placement as its solution (`.sol`) for other solvers
///
/// Gurobi, SCIP, CPLEX and HiGHS read the program; the solution is in Gurobi's format. `helix plan --planner milp
/// --start-from FILE.sol` goes on from a solution, ours or theirs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helix export milp --cluster single24 --model llama-2-70b --lp single24.lp
  helix export milp --cluster single24 --model llama-2-70b --placement plan.toml --lp single24.lp --sol single24.sol")]
pub struct Arguments {
    /// A cluster that Helix ships, or a cluster file
    #[arg(long, value_name = "C")]
    cluster: String,
    /// Preset name, model folder or config.json
    #[arg(long, value_name = "M")]
    model: String,
    /// Where machine speeds come from
    #[arg(long, value_enum, default_value_t = Cost::Auto)]
    cost: Cost,
    /// Placement; links that it uses are never pruned
    #[arg(long, value_name = "P")]
    placement: Option<PathBuf>,
    /// Links of each machine to others that the program knows, the fastest first, or `off`
    #[arg(long, value_name = "N|off", value_parser = parse_prune)]
    prune_links: Option<Prune>,
    /// Let requests enter a machine in the middle of its layer range
    #[arg(long)]
    partial_inference: bool,
    /// Write the program here
    #[arg(long, value_name = "FILE", required_unless_present = "sol")]
    lp: Option<PathBuf>,
    /// Write the placement as a solution here
    #[arg(long, value_name = "FILE", requires = "placement")]
    sol: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Summary {
    cluster: String,
    model: String,
    variables: usize,
    binaries: usize,
    constraints: usize,
    links: usize,
    pruned_links: usize,
    files: Vec<String>,
}

/// Writes down, writes out.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let cluster = load_cluster_named(&arguments.cluster)?;
    let model = ModelShape::named_or_folder(&arguments.model)?;
    let costs = Costs::for_cluster(&cluster, &model, arguments.cost.into())
        .map_err(|error| Failure::new(Kind::BadInput, error))?;
    let instance = Instance::new(&cluster, &model, &costs);
    let start = match &arguments.placement {
        Some(path) => {
            let placement = Placement::load(path, &cluster)?;
            Start::Given { origin: path.display().to_string(), placement }
        }
        None => Start::Cold,
    };
    let given = match &start {
        Start::Given { placement, .. } => Some(placement.clone()),
        _ => None,
    };
    let partial = if arguments.partial_inference { PartialInference::On } else { PartialInference::Off };
    let prune = arguments.prune_links.unwrap_or(Prune::To(DEFAULT_LINKS)).most();
    let infeasible = |error| Failure::new(Kind::Infeasible, error);
    let milp =
        Milp::new(&instance, &MilpOptions { partial, prune, start }, &mut || 0.0).map_err(infeasible)?;
    let mut files = Vec::new();
    if let Some(path) = &arguments.lp {
        files::write(path, &milp.lp_text())?;
        files.push(path.display().to_string());
    }
    if let (Some(path), Some(placement)) = (&arguments.sol, &given) {
        let text = milp
            .solution_text(placement)
            .ok_or_else(|| Failure::new(Kind::Infeasible, "the placement is no solution of the program"))?;
        files::write(path, &text)?;
        files.push(path.display().to_string());
    }
    let (size, (links, pruned_links)) = (milp.size(), milp.links());
    let summary = Summary {
        cluster: cluster.name.clone(),
        model: model.name.clone(),
        variables: size.variables,
        binaries: size.binaries,
        constraints: size.constraints,
        links,
        pruned_links,
        files,
    };
    summary.print(output)
}

impl Summary {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        if output.format == Format::Json {
            return Ok(output.json(self)?);
        }
        let Self { cluster, model, variables, binaries, constraints, links, pruned_links, files } = self;
        writeln!(
            output,
            "{model} on {cluster}: {variables} variables ({binaries} binaries), {constraints} constraints, {links} links \
             ({pruned_links} pruned)"
        )?;
        writeln!(output, "written: {}", files.join(", "))?;
        Ok(())
    }
}
