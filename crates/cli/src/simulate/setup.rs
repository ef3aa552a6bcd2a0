//! From arguments to what is simulated.

use helix_cost::{Costs, TimedCosts};
use helix_planner::{
    EvaluateError, Evaluation, Instance, Part, evaluate, paper_flow, placement_graph, spread,
};
use helix_scheduler::node::Batching;
use helix_scheduler::route::MaxFlow;
use helix_sim::{ArrivalProcess, Fault, Feed, Inputs, LengthSource, PlannedLink, Policy, Settings, Window};
use helix_spec::{
    Arrivals, Cluster, LengthDistribution, Lengths, ModelShape, PartialInference, Placement, SimTime, Trace,
    Workload, load_cluster_named,
};

use super::arguments::{Arguments, BatchingChoice, Load, Mode, Preset, Scheduler};
use super::faults;
use crate::exit_codes::{Failure, Kind};
use crate::plan::batch_times;

/// Lengths of the Azure 2023 conversation trace as the paper filters it: quantiles of prompt and answer \[tokens\].
const PROMPTS: [(f64, u32); 14] = [
    (0.0, 7),
    (0.05, 181),
    (0.1, 203),
    (0.2, 378),
    (0.3, 397),
    (0.4, 412),
    (0.5, 947),
    (0.6, 1029),
    (0.7, 1072),
    (0.8, 1121),
    (0.9, 1273),
    (0.95, 1353),
    (0.99, 1912),
    (1.0, 2047),
];
const ANSWERS: [(f64, u32); 14] = [
    (0.0, 7),
    (0.05, 52),
    (0.1, 68),
    (0.2, 87),
    (0.3, 97),
    (0.4, 115),
    (0.5, 157),
    (0.6, 217),
    (0.7, 394),
    (0.8, 407),
    (0.9, 429),
    (0.95, 463),
    (0.99, 609),
    (1.0, 1000),
];

/// Longest warm-up and window \[s\].
const LONGEST_WINDOW_S: f64 = 8_640_000.0;

/// Every delay of a run may be up to so much longer, where little timing is not to decide.
pub const JITTER: SimTime = SimTime(1_000);

/// Everything that a run needs.
pub struct Setup {
    pub cluster: Cluster,
    pub model: ModelShape,
    pub placement: Placement,
    pub costs: Costs,
    pub times: TimedCosts,
    pub links: Vec<PlannedLink>,
    pub settings: Settings,
    pub faults: Vec<Fault>,
    pub workload: Workload,
    pub sample: bool,
    pub max_flow: f64,
    pub compute_bound: f64,
    pub notes: Vec<String>,
}

impl Setup {
    /// What a simulation is about.
    pub fn inputs(&self) -> Inputs<'_> {
        let Self { cluster, placement, costs, times, links, .. } = self;
        Inputs { cluster, placement, costs, times, links }
    }

    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let missing = || Failure::usage("`--cluster`, `--model` and `--placement` say what is simulated");
        let cluster = load_cluster_named(arguments.cluster.as_ref().ok_or_else(missing)?)?;
        let model = ModelShape::named_or_folder(arguments.model.as_ref().ok_or_else(missing)?)?;
        let placement = Placement::load(arguments.placement.as_ref().ok_or_else(missing)?, &cluster)?;
        Self::of(arguments, arguments.mode, (cluster, model, placement))
    }

    /// The same for a placement that is there already.
    pub fn of(
        arguments: &Arguments,
        mode: Mode,
        (cluster, model, mut placement): (Cluster, ModelShape, Placement),
    ) -> Result<Self, Failure> {
        let preset = arguments.preset == Some(Preset::Asplos25);
        if preset && placement.links.is_some() {
            // Where links are listed, the paper's requests may enter a machine anywhere in its range.
            placement.partial_inference = PartialInference::On;
        }
        let costs = Costs::for_cluster(&cluster, &model, arguments.cost.into());
        let costs = costs.map_err(|error| Failure::new(Kind::BadInput, error))?;
        let times = batch_times(&cluster, &model, arguments.cost, arguments.preset);
        let instance = Instance::new(&cluster, &model, &costs);
        let infeasible = |error: EvaluateError| Failure::new(Kind::Infeasible, error);
        let evaluation = evaluate(&instance, &placement).map_err(infeasible)?;
        let flow = Flow::of(arguments.scheduler(), arguments.preset);
        let links = planned_links(&instance, &placement, &evaluation, flow).map_err(infeasible)?;
        let max_flow = evaluation.throughput;
        let compute_bound = instance.compute_bound();
        let workload = workload(&arguments.load, mode)?;
        let faults = match &arguments.faults {
            Some(path) => faults::read(path, &cluster, &links)?,
            None => Vec::new(),
        };
        let settings = settings(arguments, mode, &workload);
        check_window(&settings.window)?;
        let mut notes: Vec<String> = costs.note().map(str::to_owned).into_iter().collect();
        notes.extend(faults::notes(&faults, &settings.window, (&cluster, &placement)));
        if let (Mode::Online, Lengths::Trace(trace), Arrivals::Trace { speed }) =
            (mode, &workload.lengths, workload.arrivals)
        {
            let last = trace.last_arrival().seconds() / speed;
            let end = settings.window.warmup.seconds() + settings.window.duration.seconds();
            if last < end {
                notes.push(format!(
                    "the window ends {end:.0} s after the first request could come, but the last of the trace comes \
                     at {last:.1} s: rates are about the whole window"
                ));
            }
        }
        let sample = arguments.load.sample;
        Ok(Self {
            cluster,
            model,
            placement,
            costs,
            times,
            links,
            settings,
            faults,
            workload,
            sample,
            max_flow,
            compute_bound,
            notes,
        })
    }

    /// Where requests come from.
    pub fn feed(&self) -> Result<Feed, Failure> {
        let seed = self.settings.seed;
        if self.settings.offline.is_some() {
            let lengths = match &self.workload.lengths {
                Lengths::Trace(trace) if self.sample => LengthSource::sampled(trace.requests.clone(), seed),
                lengths => LengthSource::new(lengths, seed),
            };
            return Ok(Feed::Offline { lengths: Box::new(lengths), limit: self.workload.requests });
        }
        match ArrivalProcess::new(&self.workload, seed) {
            Some(arrivals) => Ok(Feed::Online(Box::new(arrivals))),
            None => Err(Failure::usage(
                "online requests need times: give `--trace` with arrivals, a `--workload`, or `--rate`, for example \
                 `--rate '2 req/s'`",
            )),
        }
    }
}

/// Which of the maximum flows requests are dealt out by: they all carry the same, but not over the same links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The one that the paper's code finds.
    Published,
    /// The evaluation's: few links.
    FewestLinks,
    /// The evaluation's, over all links that can share it.
    Spread,
}

impl Flow {
    /// The one for a scheduler.
    pub fn of(scheduler: Scheduler, preset: Option<Preset>) -> Self {
        match (scheduler, preset) {
            (Scheduler::MixedFlow | Scheduler::LatencyAware, _) => Self::Spread,
            (_, Some(Preset::Asplos25)) => Self::Published,
            (_, None) => Self::FewestLinks,
        }
    }
}

impl Scheduler {
    /// Who chooses unless somebody says otherwise.
    pub fn usual(preset: Option<Preset>) -> Self {
        if preset.is_some() { Self::MaxFlow } else { Self::MixedFlow }
    }

    /// As the simulator knows it.
    pub fn policy(self, preset: Option<Preset>) -> Policy {
        match self {
            Self::MaxFlow => Policy::MaxFlow { least_share: least_share(preset) },
            Self::MixedFlow => Policy::MixedFlow,
            Self::LatencyAware => Policy::LatencyAware,
            Self::Swarm => Policy::Swarm,
            Self::Random => Policy::Random,
            Self::ShortestQueue => Policy::ShortestQueue,
        }
    }
}

/// The links that requests may take with their flow.
pub fn planned_links(
    instance: &Instance<'_>,
    placement: &Placement,
    evaluation: &Evaluation,
    flow: Flow,
) -> Result<Vec<PlannedLink>, EvaluateError> {
    let spread = match flow {
        Flow::Published => {
            let links = paper_flow(instance, placement)?;
            let links =
                links.iter().map(|link| PlannedLink { from: link.from, to: link.to, flow: link.flow });
            return Ok(links.collect());
        }
        Flow::FewestLinks => None,
        Flow::Spread => Some(spread(instance, placement, evaluation)?),
    };
    let links = spread.as_ref().unwrap_or(&evaluation.links);
    let flow = |from, to| {
        let found = links.binary_search_by_key(&(from, to), |link| (link.from, link.to));
        found.map_or(0.0, |index| links[index].flow)
    };
    let links = placement_graph(instance, placement)?.parts.into_iter().filter_map(|part| match part {
        Part::Link(from, to) => Some(PlannedLink { from, to, flow: flow(from, to) }),
        _ => None,
    });
    Ok(links.collect())
}

/// Lengths like those of the Azure 2023 conversation trace as the paper filters it.
pub fn azure_like() -> Lengths {
    let quantiles = |points: &[(f64, u32)]| LengthDistribution::Quantiles(points.to_vec());
    Lengths::Drawn { input: quantiles(&PROMPTS), output: quantiles(&ANSWERS) }
}

pub fn workload(load: &Load, mode: Mode) -> Result<Workload, Failure> {
    let mut workload = match (&load.workload, &load.trace) {
        (Some(path), _) => Workload::from_file(path)?,
        (None, Some(path)) => {
            let trace = Trace::from_file(path)?;
            let arrivals = if trace.timed { Arrivals::Trace { speed: 1.0 } } else { Arrivals::Offline };
            Workload { arrivals, lengths: Lengths::Trace(trace), requests: None }
        }
        (None, None) => Workload { arrivals: Arrivals::Offline, lengths: azure_like(), requests: None },
    };
    if let Some(rate) = load.rate {
        if mode == Mode::Offline {
            return Err(Failure::usage(
                "`--rate` is about online requests: add `--mode online`, or leave it out",
            ));
        }
        let burstiness = load.burstiness;
        workload.arrivals =
            if burstiness == 1.0 { Arrivals::Poisson { rate } } else { Arrivals::Gamma { rate, burstiness } };
        // A trace gives lengths again and again, as long as the run needs them.
        workload.requests = workload.requests.or(Some(u64::MAX));
    }
    workload.requests = match (workload.requests, load.max_requests) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Ok(workload)
}

/// Refuses a window that ends later than a clock of picoseconds can say.
fn check_window(window: &Window) -> Result<(), Failure> {
    let seconds = window.warmup.seconds() + window.duration.seconds();
    if seconds <= LONGEST_WINDOW_S {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`--warmup` and `--duration` are {seconds:.0} s together, at most {LONGEST_WINDOW_S:.0} s (100 days) can be simulated"
    )))
}

/// The share of a node's outflow below which the plan's links are left out: the paper has one, what serves has none.
fn least_share(preset: Option<Preset>) -> f64 {
    match preset {
        Some(Preset::Asplos25) => MaxFlow::ASPLOS25_LEAST_SHARE,
        None => 0.0,
    }
}

fn settings(arguments: &Arguments, mode: Mode, workload: &Workload) -> Settings {
    let policy = arguments.scheduler().policy(arguments.preset);
    let online = mode == Mode::Online;
    let mut settings = match arguments.preset {
        Some(Preset::Asplos25) => Settings::asplos25(policy, online),
        None => Settings::serving(policy, online, workload.lengths.mean().1),
    };
    let load = &arguments.load;
    if load.saturate {
        settings.saturate();
    }
    if let (Some(count), Some(offline)) = (load.offline_queries, &mut settings.offline) {
        offline.initial = count;
    }
    settings.window.warmup = load.warmup.unwrap_or(settings.window.warmup);
    settings.window.duration = load.duration.unwrap_or(settings.window.duration);
    settings.window.drain |= load.drain;
    settings.batching = match (load.batching, settings.batching) {
        (Some(BatchingChoice::WholeRange), _) | (None, Batching::WholeRange) => Batching::WholeRange,
        (Some(BatchingChoice::LayerWise), _) | (None, Batching::LayerWise { .. }) => {
            Batching::LayerWise { fuse: !arguments.unfused }
        }
    };
    settings.jitter = load.jitter.unwrap_or(SimTime::ZERO);
    settings.seed = arguments.seed;
    settings
}
