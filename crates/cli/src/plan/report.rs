//! What `helix plan` says, as data: the JSON, and the source of the text and the pictures.

use std::fmt;

use helix_planner::{Candidate, CutPart, Evaluation, Found, FrontPoint, Part};
use helix_spec::{Cluster, Endpoint, MachineId, ModelShape, PartialInference, RankLayout};
use serde::Serialize;

use super::change::ChangeReport;
use super::lengths::MeanLengths;
use super::milp_report::MilpReport;
use super::simulation_report::SimulationReport;
use super::simulator::Simulator;
use super::words;

/// The answer about one plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    /// The cluster's name.
    pub cluster: String,
    /// The model's name.
    pub model: String,
    /// Layers of the model.
    pub model_layers: u32,
    /// Who made the placement; `given` where it was handed in.
    pub planner: String,
    /// Where machine speeds come from: declared, measured, roofline, or several of them.
    pub cost: String,
    /// Whether requests may enter a machine in the middle of its range.
    pub partial_inference: bool,
    /// Maximum flow of prompt and decode tokens.
    pub throughput_tokens_per_s: f64,
    /// No placement on this cluster can have more: proved by the search, else the compute bound.
    pub upper_bound_tokens_per_s: f64,
    /// What the machines could compute together in the best of all networks.
    pub compute_bound_tokens_per_s: f64,
    /// (bound − throughput) / throughput; null when nothing flows, and when the plan was chosen for something else.
    pub gap: Option<f64>,
    /// Time that the planners took.
    pub solve_seconds: f64,
    /// Machines in the longest pipeline.
    pub depth: usize,
    /// Machines that a token passes on average.
    pub mean_depth: f64,
    /// Decode tokens in steady operation.
    pub predicted_decode_tokens_per_s: f64,
    /// Where that comes from: `simulation`, or `estimate` (what the caches admit over a round trip, within the flow).
    pub predicted_by: &'static str,
    /// What was simulated, where plans were chosen by simulation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationReport>,
    /// Tokens that the caches hold at the layer that holds least.
    pub kv_tokens_at_bottleneck: u64,
    /// Machines that carry nothing, and why.
    pub unused_machines: Vec<UnusedMachine>,
    /// Why there is not more.
    pub bottleneck: BottleneckReport,
    /// Which machine holds which layers.
    pub placement: Vec<Placed>,
    /// Tokens on links.
    pub flows: Vec<FlowReport>,
    /// The flow as pipelines, largest first.
    pub pipelines: Vec<PipelineReport>,
    /// Mean lengths of the requests that decode rates are foreseen for.
    pub lengths: LengthsReport,
    /// What to know about the speeds, and flags without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What changes from the placements that the plan is compared with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeReport>,
    /// Throughput against depth: plans that no other found plan beats in both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontReport>,
    /// What every planner reached, where several were compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateReport>,
    /// The mixed-integer program, where it was the planner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milp: Option<MilpReport>,
}

/// Mean lengths of requests.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LengthsReport {
    /// Tokens of a prompt.
    pub prompt_tokens: f64,
    /// Tokens of an answer.
    pub output_tokens: f64,
}

/// A machine without flow.
#[derive(Debug, Clone, Serialize)]
pub struct UnusedMachine {
    /// Its name.
    pub machine: String,
    /// Why, in words.
    pub reason: &'static str,
}

/// The cut.
#[derive(Debug, Clone, Serialize)]
pub struct BottleneckReport {
    /// In words.
    pub text: Vec<String>,
    /// Its members.
    pub parts: Vec<CutMember>,
    /// Members of the cut nearest to the end of the model, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts_near_end: Option<Vec<CutMember>>,
}

/// One member of a cut.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CutMember {
    /// A machine's computation.
    Compute {
        /// The machine.
        machine: String,
        /// What it carries.
        tokens_per_s: f64,
    },
    /// A network interface into a machine or the coordinator.
    NicIn {
        /// Its owner.
        machine: String,
        /// What it carries.
        tokens_per_s: f64,
    },
    /// A network interface out of a machine or the coordinator.
    NicOut {
        /// Its owner.
        machine: String,
        /// What it carries.
        tokens_per_s: f64,
    },
    /// A link.
    Link {
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
        /// What it carries.
        tokens_per_s: f64,
    },
}

/// A machine's layers and use.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// Its name.
    pub machine: String,
    /// First layer.
    pub start: u32,
    /// One past its last layer.
    pub end: u32,
    /// Its type.
    pub machine_type: String,
    /// Tokens that pass it.
    pub tokens_per_s: f64,
    /// Tokens that it could compute.
    pub capacity_tokens_per_s: f64,
    /// Cache capacity \[tokens × layers\].
    pub kv_capacity: u64,
    /// Where its speed comes from.
    pub source: String,
    /// How its devices share the layers, where they do other than by plain tensor parallelism.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<LayoutReport>,
}

/// The layout of a machine's devices: attention over pipeline × TPA × KVP ranks, the feed-forward over TPF × EP.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LayoutReport {
    /// Pipeline stages.
    pub pipeline: u32,
    /// TPA.
    pub attention_tensor: u32,
    /// KVP.
    pub kv: u32,
    /// TPF.
    pub ffn_tensor: u32,
    /// EP.
    pub expert: u32,
}

impl fmt::Display for LayoutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipeline, attention_tensor, kv, ffn_tensor, expert } = self;
        if *pipeline > 1 {
            write!(f, "{pipeline} stages of ")?;
        }
        write!(f, "TPA {attention_tensor} × KVP {kv}, then TPF {ffn_tensor} × EP {expert}")
    }
}

/// Tokens on a link.
#[derive(Debug, Clone, Serialize)]
pub struct FlowReport {
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// What it carries.
    pub tokens_per_s: f64,
    /// What it could carry.
    pub capacity_tokens_per_s: f64,
}

/// A pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineReport {
    /// What it carries.
    pub tokens_per_s: f64,
    /// Propagation time of all its links.
    pub latency_s: f64,
    /// Its stages.
    pub stages: Vec<StageReport>,
}

/// A stage of a pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    /// The machine.
    pub machine: String,
    /// First layer that it runs here.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

/// One planner's try.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateReport {
    /// Who.
    pub planner: String,
    /// What it reached; null where it has no placement.
    pub throughput_tokens_per_s: Option<f64>,
    /// Machines in its longest pipeline.
    pub depth: Option<usize>,
    /// Machines that carry something.
    pub machines_used: Option<usize>,
    /// Why it has no placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One plan of the front.
#[derive(Debug, Clone, Serialize)]
pub struct FrontReport {
    /// Who made it.
    pub planner: String,
    /// Its maximum flow.
    pub throughput_tokens_per_s: f64,
    /// Machines in its longest pipeline.
    pub depth: usize,
    /// Decode tokens in steady operation by the cheap estimate, where they can be foreseen.
    pub predicted_decode_tokens_per_s: Option<f64>,
}

/// What a report is made of.
pub struct Subject<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The model.
    pub model: &'a ModelShape,
    /// The plan, and what it was chosen from.
    pub found: &'a Found,
    /// Decode tokens in steady operation, where they can be foreseen \[tokens/s\].
    pub steady: Option<f64>,
    /// Whether the gap says how far the plan is from its goal.
    pub gap_is_about_the_goal: bool,
    /// What to know about the speeds.
    pub note: Option<String>,
    /// The mixed-integer program, where it was the planner.
    pub milp: Option<MilpReport>,
    /// How long the requests are.
    pub lengths: MeanLengths,
    /// What changes from the placements that the plan is compared with.
    pub changes: Vec<ChangeReport>,
    /// Time that the planners took \[s\].
    pub solve_seconds: f64,
    /// How long its runs were.
    pub simulator: &'a Simulator<'a>,
}

impl Subject<'_> {
    /// The report.
    pub fn report(&self) -> PlanReport {
        let (cluster, evaluation) = (self.cluster, &self.found.plan.evaluation);
        let (throughput, bound) = (evaluation.throughput, self.found.bound);
        let mut sources: Vec<String> = evaluation.machines.iter().map(|m| source_name(m.source)).collect();
        sources.sort();
        sources.dedup();
        PlanReport {
            cluster: cluster.name.clone(),
            model: self.model.name.clone(),
            model_layers: self.model.layers,
            planner: self.found.plan.planner.clone(),
            cost: sources.join(", "),
            partial_inference: self.found.plan.placement.partial_inference == PartialInference::On,
            throughput_tokens_per_s: throughput,
            upper_bound_tokens_per_s: bound,
            compute_bound_tokens_per_s: evaluation.compute_bound,
            gap: (throughput > 0.0 && self.gap_is_about_the_goal && self.found.proven)
                .then(|| (bound - throughput) / throughput),
            solve_seconds: self.solve_seconds,
            depth: evaluation.depth(),
            mean_depth: evaluation.mean_depth(),
            predicted_decode_tokens_per_s: self
                .found
                .simulated
                .as_ref()
                .map(|search| search.chosen.decode_rate.mean)
                .or(self.steady)
                .unwrap_or(throughput * self.lengths.decode_share()),
            predicted_by: if self.found.simulated.is_some() { "simulation" } else { "estimate" },
            simulation: self
                .found
                .simulated
                .as_ref()
                .map(|search| SimulationReport::new(search, cluster, self.simulator)),
            kv_tokens_at_bottleneck: evaluation.kv_tokens_at_bottleneck(),
            unused_machines: self.unused(),
            bottleneck: BottleneckReport {
                text: words::bottleneck(cluster, &self.found.plan.placement, evaluation),
                parts: cut(cluster, &evaluation.bottleneck.cut),
                parts_near_end: evaluation
                    .bottleneck
                    .cut_near_end
                    .as_deref()
                    .map(|parts| cut(cluster, parts)),
            },
            placement: self.placement(),
            flows: self.flows(),
            pipelines: self.pipelines(),
            lengths: LengthsReport { prompt_tokens: self.lengths.prompt, output_tokens: self.lengths.output },
            note: self.note.clone(),
            changes: self.changes.clone(),
            front: self.found.front.iter().map(front_point).collect(),
            candidates: self.found.candidates.iter().map(candidate).collect(),
            milp: self.milp.clone(),
        }
    }

    fn unused(&self) -> Vec<UnusedMachine> {
        let idle = self.found.plan.evaluation.idle.iter();
        idle.map(|idle| UnusedMachine {
            machine: self.cluster.machine(idle.machine).name.clone(),
            reason: words::idle(idle.reason),
        })
        .collect()
    }

    fn placement(&self) -> Vec<Placed> {
        let machines = self.found.plan.evaluation.machines.iter();
        machines
            .map(|used| {
                let machine = self.cluster.machine(used.machine);
                Placed {
                    machine: machine.name.clone(),
                    start: used.layers.start(),
                    end: used.layers.end(),
                    machine_type: machine.machine_type.clone(),
                    tokens_per_s: used.flow,
                    capacity_tokens_per_s: used.capacity,
                    kv_capacity: used.kv_capacity,
                    source: source_name(used.source),
                    layout: self.layout(used.machine),
                }
            })
            .collect()
    }

    fn layout(&self, machine: MachineId) -> Option<LayoutReport> {
        let layout = self.found.plan.placement.machines.get(&machine)?.layout;
        let RankLayout { pipeline, attention_tensor, kv, ffn_tensor, expert } = layout;
        (layout != RankLayout::tensor(self.cluster.machine(machine).count)).then_some(LayoutReport {
            pipeline,
            attention_tensor,
            kv,
            ffn_tensor,
            expert,
        })
    }

    fn flows(&self) -> Vec<FlowReport> {
        let name = |endpoint: Endpoint| self.cluster.endpoint_name(endpoint).to_owned();
        let links = self.found.plan.evaluation.links.iter();
        links
            .map(|link| FlowReport {
                from: name(link.from),
                to: name(link.to),
                tokens_per_s: link.flow,
                capacity_tokens_per_s: link.capacity,
            })
            .collect()
    }

    fn pipelines(&self) -> Vec<PipelineReport> {
        let pipelines = self.found.plan.evaluation.pipelines.iter();
        pipelines
            .map(|pipeline| PipelineReport {
                tokens_per_s: pipeline.flow,
                latency_s: pipeline.latency.seconds(),
                stages: pipeline
                    .stages
                    .iter()
                    .zip(pipeline.ranges(&self.found.plan.placement))
                    .map(|(stage, range)| StageReport {
                        machine: self.cluster.machine(*stage).name.clone(),
                        start: range.start(),
                        end: range.end(),
                    })
                    .collect(),
            })
            .collect()
    }
}

fn source_name(source: helix_cost::CapabilitySource) -> String {
    format!("{source:?}").to_lowercase()
}

fn cut(cluster: &Cluster, parts: &[CutPart]) -> Vec<CutMember> {
    let name = |endpoint: Endpoint| cluster.endpoint_name(endpoint).to_owned();
    let member = |member: &CutPart| {
        let tokens_per_s = member.capacity;
        match member.part {
            Part::Compute(id) => {
                CutMember::Compute { machine: cluster.machine(id).name.clone(), tokens_per_s }
            }
            Part::NicIn(owner) => CutMember::NicIn { machine: name(owner), tokens_per_s },
            Part::NicOut(owner) => CutMember::NicOut { machine: name(owner), tokens_per_s },
            Part::Link(from, to) => CutMember::Link { from: name(from), to: name(to), tokens_per_s },
        }
    };
    parts.iter().map(member).collect()
}

fn front_point(point: &FrontPoint) -> FrontReport {
    FrontReport {
        planner: point.plan.planner.clone(),
        throughput_tokens_per_s: point.plan.evaluation.throughput,
        depth: point.plan.evaluation.depth(),
        predicted_decode_tokens_per_s: point.steady,
    }
}

fn candidate(candidate: &Candidate) -> CandidateReport {
    let used =
        |evaluation: &Evaluation| evaluation.machines.iter().filter(|machine| machine.flow > 0.0).count();
    let evaluation = candidate.result.as_ref().ok();
    CandidateReport {
        planner: candidate.planner.clone(),
        throughput_tokens_per_s: evaluation.map(|evaluation| evaluation.throughput),
        depth: evaluation.map(Evaluation::depth),
        machines_used: evaluation.map(used),
        error: candidate.result.as_ref().err().cloned(),
    }
}
