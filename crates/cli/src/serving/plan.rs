//! A placement with its flows, as the coordinator wants it.

use helix_cost::{Batch, BatchTime as _, Capability, CostChoice, CostModel, Costs, DoesNotFit, Wire};
use helix_planner::{
    Control, Evaluation, Instance, LinkFlow, LittleLaw, Objective, SearchOptions, evaluate, plan_auto, spread,
};
use helix_runtime::{ClusterPlan, PlannedMachine, PlannedTimes, TopologyLink};
use helix_spec::{Cluster, Machine, ModelShape, PartialInference, Placement};

use super::record::Scheduler;
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
    /// Its flow over all links that can share it.
    spread: Vec<LinkFlow>,
    /// By machine id: how long its batches should take.
    times: Vec<Option<PlannedTimes>>,
}

/// What a search is for, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// What the plan is chosen for.
    pub objective: Objective,
    /// \[s\]
    pub seconds: f64,
}

fn infeasible(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Infeasible, error)
}

/// Judges a placement.
pub fn judged(cluster: &Cluster, shape: &ModelShape, placement: Placement) -> Result<Planned, Failure> {
    let costs = Costs::for_cluster(cluster, shape, CostChoice::Auto).map_err(infeasible)?;
    let instance = Instance::new(cluster, shape, &costs);
    let evaluation = evaluate(&instance, &placement).map_err(infeasible)?;
    Planned::new((&instance, &costs), placement, evaluation)
}

/// Costs for machines that keep room beside the layers: workers count the numbers as they hold them, head and embeddings, and real
/// lengths, none of which a cost model of layers knows.
struct Roomy<'a>(&'a Costs);

impl CostModel for Roomy<'_> {
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit> {
        self.0.capability(machine, layers)
    }

    fn planned_layers(&self, machine: &Machine) -> u32 {
        self.0.planned_layers(machine)
    }

    fn known_layers(&self, machine: &Machine) -> u32 {
        self.0.planned_layers(machine)
    }

    fn wire(&self) -> Wire {
        self.0.wire()
    }
}

/// Searches a placement.
pub fn searched(cluster: &Cluster, shape: &ModelShape, wanted: Wanted) -> Result<Planned, Failure> {
    let costs = Costs::for_cluster(cluster, shape, CostChoice::Auto).map_err(infeasible)?;
    let roomy = Roomy(&costs);
    let instance = Instance::new(cluster, shape, &roomy);
    let judge = LittleLaw { times: &costs, prompt: LENGTHS.0, output: LENGTHS.1, filled: FILLED };
    let options = SearchOptions {
        objective: wanted.objective,
        partial: PartialInference::On,
        max_depth: None,
        running: None,
    };
    let started = std::time::Instant::now();
    let mut used = || started.elapsed().as_secs_f64() / wanted.seconds;
    let mut control = Control { used: &mut used, report: &mut |_| () };
    let found = plan_auto(&instance, options, &judge, &mut control).map_err(infeasible)?;
    Planned::new((&instance, &costs), found.plan.placement, found.plan.evaluation)
}

/// The line through the times of one token and of many on one layer; `None` for a machine whose batches nobody can time.
fn times_of(costs: &Costs, machine: &Machine) -> Option<PlannedTimes> {
    const MANY: u64 = 256;
    let seconds = |batch: &Batch| costs.batch_time(machine, 1, batch).ok().map(|cost| cost.time.seconds());
    let (one, many) = (seconds(&Batch::typical_prefill(1))?, seconds(&Batch::typical_prefill(MANY))?);
    let token_s = (many - one).max(0.0) / (MANY - 1) as f64;
    Some(PlannedTimes { batch_s: one - token_s, token_s })
}

impl Planned {
    fn new(
        (instance, costs): (&Instance<'_>, &Costs),
        placement: Placement,
        evaluation: Evaluation,
    ) -> Result<Self, Failure> {
        let spread = spread(instance, &placement, &evaluation).map_err(infeasible)?;
        let times = instance.cluster.machines.iter().map(|machine| times_of(costs, machine)).collect();
        Ok(Self { placement, evaluation, spread, times })
    }

    /// What the coordinator is handed.
    pub fn cluster_plan(&self, cluster: &Cluster, scheduler: Scheduler) -> ClusterPlan {
        let machines = cluster.machine_ids().map(|id| PlannedMachine {
            name: cluster.machine(id).name.clone(),
            layers: self.placement.layers_of(id),
            tokens_per_s: self
                .evaluation
                .machines
                .iter()
                .find(|use_| use_.machine == id)
                .map(|use_| use_.flow),
            times: self.times.get(id.index()).copied().flatten(),
            kv_blocks: None,
        });
        let links = match scheduler {
            Scheduler::MaxFlow => &self.evaluation.links,
            Scheduler::MixedFlow | Scheduler::LatencyAware => &self.spread,
        };
        let links = links.iter().map(|link| TopologyLink { from: link.from, to: link.to, flow: link.flow });
        ClusterPlan {
            model_layers: self.placement.model_layers,
            machines: machines.collect(),
            links: links.collect(),
        }
    }
}
