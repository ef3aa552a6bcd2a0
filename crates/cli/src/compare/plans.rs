//! The placements that are compared: from files, and from planners.

use helix_cost::layout::adopt_layouts;
use helix_cost::{Costs, OperatingAssumptions};
use helix_planner::{
    Control, Instance, Judges, Limit, LittleLaw, Measure, Objective, SearchOptions, evaluate, plan_baseline,
    plan_with,
};
use helix_spec::{Cluster, Lengths, ModelShape, PartialInference, Placement};

use super::arguments::{Arguments, Contestant};
use crate::exit_codes::{Failure, Kind};
use crate::plan::{Bench, Budget, FILLED_CACHE, Simulator, batch_times, behaviour};
use crate::simulate::{Scheduler, name_of};

/// A placement, or why there is none.
pub struct Contender {
    pub name: String,
    /// Whose rule or search it is; none for a file.
    pub planner: Option<Contestant>,
    pub placement: Result<Placement, String>,
    /// Its maximum flow \[tokens/s\].
    pub max_flow: Option<f64>,
}

/// All of them. A file that cannot be read is an error; a planner that finds no placement is a row that says why.
pub fn contenders(
    arguments: &Arguments,
    cluster: &Cluster,
    model: &ModelShape,
    lengths: &Lengths,
) -> Result<Vec<Contender>, Failure> {
    let costs = Costs::for_requests(cluster, model, arguments.cost.into(), OperatingAssumptions::default());
    let costs = costs.map_err(|error| Failure::new(Kind::BadInput, error))?;
    let instance = Instance::new(cluster, model, &costs);
    let mut contenders = Vec::new();
    for path in &arguments.placement {
        let placement = Placement::load(path, cluster)?;
        let max_flow = evaluate(&instance, &placement).ok().map(|evaluation| evaluation.throughput);
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        contenders.push(Contender { name, planner: None, placement: Ok(placement), max_flow });
    }
    for planner in arguments.planners() {
        let placement = place((&instance, &costs), planner, arguments, lengths).map(|mut placement| {
            adopt_layouts(cluster, &costs, &mut placement);
            placement
        });
        let evaluated = placement.as_ref().ok().and_then(|placement| evaluate(&instance, placement).ok());
        contenders.push(Contender {
            name: name_of(&planner),
            planner: Some(planner),
            placement,
            max_flow: evaluated.map(|evaluation| evaluation.throughput),
        });
    }
    name_apart(&mut contenders);
    Ok(contenders)
}

/// Names that occur twice get a number.
fn name_apart(contenders: &mut [Contender]) {
    for index in 1..contenders.len() {
        let (before, rest) = contenders.split_at_mut(index);
        let same = |name: &str| before.iter().any(|other| other.name == name);
        let plain = rest[0].name.clone();
        let mut number = 2;
        while same(&rest[0].name) {
            rest[0].name = format!("{plain} ({number})");
            number += 1;
        }
    }
}

fn place(
    (instance, costs): (&Instance<'_>, &Costs),
    planner: Contestant,
    arguments: &Arguments,
    lengths: &Lengths,
) -> Result<Placement, String> {
    if let Some(baseline) = planner.baseline() {
        let plan = plan_baseline(instance, baseline).map_err(|error| error.to_string())?;
        return Ok(plan.placement);
    }
    let budget = Budget::start(arguments.budget).map_err(|failure| failure.message)?;
    let (prompt, output) = lengths.mean();
    let judge = LittleLaw { times: costs, prompt, output, filled: FILLED_CACHE };
    let (cluster, model) = (instance.cluster, instance.model);
    let times = batch_times(cluster, model, arguments.cost, arguments.preset);
    let bench = Bench { cluster, costs, times: &times, lengths, deadline: None };
    let usual = Scheduler::usual(arguments.preset);
    let simulator = Simulator::new(instance, bench, behaviour(usual, arguments.preset, lengths));
    let simulates = arguments.simulations > 0;
    let judges = Judges {
        estimate: &judge,
        simulator: simulates.then_some(&simulator as &dyn Measure),
        limit: Limit::Runs(arguments.simulations),
    };
    let options = SearchOptions {
        objective: Objective::Steady,
        partial: PartialInference::Off,
        max_depth: None,
        running: None,
    };
    let mut control = Control { used: &mut || budget.used(), report: &mut |event| budget.show(&event) };
    let found = plan_with(instance, options, judges, &mut control);
    // The line of progress ends with the search.
    budget.seconds();
    found.map(|found| found.plan.placement).map_err(|error| error.to_string())
}
