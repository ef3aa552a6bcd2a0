//! Small clusters with a declared, plain cost table, and a recorder of all that happens.

use helix_cost::{Constants, CostChoice, Costs, SmallBatches, TimedCosts, Times};
use helix_sim::{
    Fault, Feed, Inputs, LengthSource, PlannedLink, Policy, Progress, Record, Report, Settings, Simulation,
};
use helix_spec::{
    Bandwidth, Bytes, Cluster, CostTables, DeclaredRow, Endpoint, LayerRange, LengthDistribution, Lengths,
    MachineId, ModelShape, Placement, SimTime, Source, TimeTable, TokensPerSecond, TraceRequest, TypeTables,
};

pub const MILLISECOND: u64 = 1_000_000_000;
pub const SECOND: u64 = 1000 * MILLISECOND;

/// Two stages of several machines each: `first` hold layers 0..4, `second` layers 4..8.
pub struct World {
    pub cluster: Cluster,
    pub placement: Placement,
    pub shape: ModelShape,
    pub links: Vec<PlannedLink>,
    /// Prompt and decode times of a layer: (size, time).
    pub prompt: Vec<(u32, SimTime)>,
    pub decode: Vec<(u32, SimTime)>,
}

impl World {
    /// Everything linked with everything that goes on, the same flow on each link.
    pub fn new(first: u32, second: u32, kv: u64) -> Self {
        Self::with_idle(first, second, kv, 0)
    }

    /// The same with machines that hold nothing.
    pub fn with_idle(first: u32, second: u32, kv: u64, idle: u32) -> Self {
        let text = format!(
            "version = 1\nname = \"small\"\ncoordinator = {{ region = \"here\" }}\n\
             regions = [{{ name = \"here\", bandwidth = \"1 Gbit/s\", latency = \"1 ms\" }}]\n\
             machines = [{{ name = \"m\", device = \"L4\", replicas = {} }}]\n",
            first + second + idle
        );
        let source = Source { origin: "world", text: &text };
        let none = |name: &str| Err(helix_spec::FileError::new(name, "is not there"));
        let cluster = Cluster::parse(&source, &none).unwrap();
        let mut shape = ModelShape::preset("qwen3-8b").unwrap();
        shape.layers = 8;
        let mut placement = Placement::new(&shape.name, 8);
        let mut links = Vec::new();
        let mut link = |from, to| links.push(PlannedLink { from, to, flow: 100.0 });
        let machine = |index: u32| Endpoint::Machine(MachineId(index));
        for index in 0..first + second {
            let range = if index < first { (0, 4) } else { (4, 8) };
            placement.assign(MachineId(index), LayerRange::new(range.0, range.1).unwrap(), 1);
            placement.machines.get_mut(&MachineId(index)).unwrap().kv_capacity = Some(kv);
        }
        for a in 0..first {
            link(Endpoint::Coordinator, machine(a));
            (first..first + second).for_each(|b| link(machine(a), machine(b)));
        }
        (first..first + second).for_each(|b| link(machine(b), Endpoint::Coordinator));
        let rows = |sizes: [(u32, u64); 3]| sizes.map(|(size, time)| (size, SimTime(time))).to_vec();
        Self {
            cluster,
            placement,
            shape,
            links,
            prompt: rows([(0, 0), (100, 4 * MILLISECOND), (10_000, 300 * MILLISECOND)]),
            decode: rows([(0, 0), (1, 2 * MILLISECOND), (1_000, 20 * MILLISECOND)]),
        }
    }

    pub fn set_bandwidth(&mut self, bandwidth: Bandwidth) {
        self.cluster.network.regions.values_mut().for_each(|link| link.bandwidth = bandwidth);
    }

    fn tables(&self) -> CostTables {
        let row = DeclaredRow {
            throughput: TokensPerSecond::new(100.0).unwrap(),
            kv_capacity: 1_000_000,
            prompt_max_requests: 3,
            prompt_max_tokens: 6144,
            decode_max_context: 20_000,
            decode_max_requests: 20,
            typical_prompt_requests: 1.0,
            typical_prompt_tokens: 100,
            typical_decode_tokens: 1,
        };
        let tables = TypeTables {
            declared: (1..=8).map(|layers| (layers, row)).collect(),
            prompt: Some(TimeTable { rows: self.prompt.clone() }),
            decode: Some(TimeTable { rows: self.decode.clone() }),
        };
        CostTables {
            model: self.shape.name.clone(),
            layer_bytes: Some(Bytes(1_000_000_000)),
            activation_bytes: Some(Bytes(8192)),
            token_bytes: Some(Bytes(4)),
            types: [("L4".to_owned(), tables)].into(),
        }
    }

    /// Runs it; everything that happens goes to `observer`.
    pub fn run(
        &self,
        settings: &Settings,
        feed: Feed,
        faults: Vec<Fault>,
        observer: impl FnMut(&Record),
    ) -> Report {
        let mut cluster = self.cluster.clone();
        cluster.cost_tables = vec![self.tables()];
        let times = Times::Measured(SmallBatches::WeightBound);
        let times = TimedCosts::new(&cluster, &self.shape, times, &Constants::shipped());
        let costs = Costs::for_cluster(&cluster, &self.shape, CostChoice::Declared).unwrap();
        let inputs = Inputs {
            cluster: &cluster,
            placement: &self.placement,
            costs: &costs,
            times: &times,
            links: &self.links,
        };
        let mut simulation = Simulation::new(&inputs, *settings, feed, faults, observer).unwrap();
        assert_eq!(simulation.run(u64::MAX), Ok(Progress::Done));
        simulation.report()
    }
}

pub fn max_flow() -> Policy {
    Policy::MaxFlow { least_share: 0.05 }
}

/// Settings of today's serving and of the paper's simulator, all six policies, offline and online.
pub fn all_settings(online: bool) -> Vec<Settings> {
    let (mixed, aware) = (Policy::MixedFlow, Policy::LatencyAware);
    let policies = [max_flow(), mixed, aware, Policy::Swarm, Policy::Random, Policy::ShortestQueue];
    let mut all = Vec::new();
    for policy in policies {
        for mut settings in [Settings::serving(policy, online, 30.0), Settings::asplos25(policy, online)] {
            settings.window.warmup = SimTime(SECOND);
            settings.window.duration = SimTime(20 * SECOND);
            if let Some(offline) = &mut settings.offline {
                offline.initial = offline.initial.min(12);
            }
            all.push(settings);
        }
    }
    all
}

/// Requests one after the other, of lengths between these.
pub fn offline(input: (u32, u32), output: (u32, u32), seed: u64, limit: Option<u64>) -> Feed {
    let between = |(least, most)| LengthDistribution::Quantiles(vec![(0.0, least), (1.0, most)]);
    let lengths = Lengths::Drawn { input: between(input), output: between(output) };
    Feed::Offline { lengths: Box::new(LengthSource::new(&lengths, seed)), limit }
}

/// Requests at these times.
pub fn online(requests: Vec<TraceRequest>) -> Feed {
    Feed::Online(Box::new(requests.into_iter()))
}
