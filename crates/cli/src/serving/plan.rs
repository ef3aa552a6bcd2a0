//! A placement with its flows, as the coordinator wants it.

use helix_cost::{CostChoice, Costs};
use helix_planner::{
    Control, Evaluation, Instance, LittleLaw, Objective, SearchOptions, evaluate, plan_auto,
};
use helix_runtime::{ClusterPlan, PlannedMachine, TopologyLink};
use helix_spec::{Cluster, ModelShape, PartialInference, Placement};

use crate::exit_codes::{Failure, Kind};

/// Lengths that a plan is judged for where nothing is known: prompt and answer \[tokens\].
const LENGTHS: (f64, f64) = (763.08, 232.45);
/// Share of the cache that admission fills.
const FILLED: f64 = 0.69;

/// A placement and what it carries.
pub struct Planned {
    /// Who holds what.
    pub placement: Placement,
    /// How good it is.
    pub evaluation: Evaluation,
}

/// Judges a placement, or searches one for at most `seconds`.
pub fn planned(
    cluster: &Cluster,
    shape: &ModelShape,
    given: Option<Placement>,
    seconds: f64,
) -> Result<Planned, Failure> {
    let infeasible = |error: &dyn std::fmt::Display| Failure::new(Kind::Infeasible, error);
    let costs = Costs::for_cluster(cluster, shape, CostChoice::Auto).map_err(|error| infeasible(&error))?;
    let instance = Instance::new(cluster, shape, &costs);
    if let Some(placement) = given {
        let evaluation = evaluate(&instance, &placement).map_err(|error| infeasible(&error))?;
        return Ok(Planned { placement, evaluation });
    }
    let judge = LittleLaw { times: &costs, prompt: LENGTHS.0, output: LENGTHS.1, filled: FILLED };
    let options = SearchOptions {
        objective: Objective::Steady,
        partial: PartialInference::On,
        max_depth: None,
        running: None,
    };
    let started = std::time::Instant::now();
    let mut used = || started.elapsed().as_secs_f64() / seconds;
    let mut control = Control { used: &mut used, report: &mut |_| () };
    let found = plan_auto(&instance, options, &judge, &mut control).map_err(|error| infeasible(&error))?;
    Ok(Planned { placement: found.plan.placement, evaluation: found.plan.evaluation })
}

impl Planned {
    /// What the coordinator is handed; `kv_blocks` fixes the cache of every worker.
    pub fn cluster_plan(&self, cluster: &Cluster, kv_blocks: Option<u32>) -> ClusterPlan {
        let machines = cluster.machine_ids().map(|id| PlannedMachine {
            name: cluster.machine(id).name.clone(),
            layers: self.placement.layers_of(id),
            tokens_per_s: self
                .evaluation
                .machines
                .iter()
                .find(|use_| use_.machine == id)
                .map(|use_| use_.flow),
            kv_blocks,
        });
        let links = self.evaluation.links.iter();
        let links = links.map(|link| TopologyLink { from: link.from, to: link.to, flow: link.flow });
        ClusterPlan {
            model_layers: self.placement.model_layers,
            machines: machines.collect(),
            links: links.collect(),
        }
    }
}
