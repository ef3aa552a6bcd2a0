//! What is simulated: machines with their layers, cache and clocks, and the links that requests may take.

use helix_cost::{Batch, BatchError, CostModel, DoesNotFit, MachineClock, TimedCosts, Wire};
use helix_scheduler::node::{BatchLimits, KvConfig, NodeConfig, NodeConfigError};
use helix_scheduler::route::HopTime;
use helix_scheduler::{LinkId, Topology, TopologyError, TopologyLink, TopologyMachine, TopologyParts};
use helix_spec::{Cluster, DeclaredRow, Endpoint, LayerRange, Link, Machine, MachineId, Placement, SimTime};

use crate::network::{Carried, Interface, Wire as Cable};
use crate::settings::{KvMode, Limits, LinkMode, Settings};

/// A link that requests may take, and what the plan lets flow there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedLink {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// Planned flow \[tokens/s\]; 0 where there is none, or no plan.
    pub flow: f64,
}

/// What a simulation is about.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Machines and network.
    pub cluster: &'a Cluster,
    /// Who holds which layers.
    pub placement: &'a Placement,
    /// Cache sizes and sizes on the wire.
    pub costs: &'a dyn CostModel,
    /// Times of batches.
    pub times: &'a TimedCosts,
    /// The links that requests may take, in the order in which ties are decided.
    pub links: &'a [PlannedLink],
}

/// Why a simulation cannot begin.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SceneError {
    /// Layers that a machine cannot hold.
    #[error("machine {machine} cannot hold the layers {layers}: {problem}")]
    DoesNotFit {
        /// The machine.
        machine: String,
        /// Its layers.
        layers: LayerRange,
        /// Why not.
        problem: DoesNotFit,
    },
    /// No batch times.
    #[error(transparent)]
    NoTimes(#[from] BatchError),
    /// Links that lead nowhere.
    #[error("the placement's links cannot be used: {0}")]
    Topology(#[from] TopologyError),
    /// A machine whose settings make no sense.
    #[error("machine {machine} cannot run: {problem}")]
    Node {
        /// The machine.
        machine: String,
        /// Why not.
        problem: NodeConfigError,
    },
    /// Settings of the coordinator that make no sense.
    #[error(transparent)]
    Coordinator(#[from] helix_scheduler::coordinator::CoordinatorConfigError),
    /// A link that the network does not have.
    #[error("the placement uses a link from {from} to {to}, which the cluster does not have")]
    NoLink {
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
    },
    /// Routing by flow without a flow.
    #[error(
        "no token flows from the coordinator through the placement and back: max-flow routing needs a plan with flow; \
         check the placement with `helix plan --evaluate`, or choose another scheduler"
    )]
    NoFlow,
    /// No way through the model.
    #[error("no way leads from the coordinator through all layers and back: {0}")]
    NoWay(String),
}

/// A machine that takes part.
#[derive(Debug, Clone)]
pub(crate) struct SceneMachine {
    pub node: NodeConfig,
    pub clock: MachineClock,
    pub loading: SimTime,
}

/// Everything that does not change while the simulation runs.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub topology: Topology,
    /// By machine id; `None` for machines without layers.
    pub machines: Vec<Option<SceneMachine>>,
    pub cables: Vec<Cable>,
    pub ends: Vec<Interface>,
    /// Speed that max-flow routing reserves on each link \[bytes/s\].
    pub planned_rates: Vec<f64>,
    pub wire: Wire,
}

/// Prompts that times are taken of \[tokens\].
const SHORT: u64 = 100;
const LONG: u64 = 1500;

/// Index of an end: 0 the coordinator, then the machines.
pub(crate) fn end_of(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Coordinator => 0,
        Endpoint::Machine(id) => id.index() + 1,
    }
}

/// The index of an end, as events have it.
pub(crate) fn number_of_end(end: usize) -> u32 {
    u32::try_from(end).expect("at most MAX_MACHINES machines")
}

/// The endpoint of an index.
pub(crate) fn endpoint_of(end: u32) -> Endpoint {
    end.checked_sub(1).map_or(Endpoint::Coordinator, |machine| Endpoint::Machine(MachineId(machine)))
}

impl Scene {
    pub fn new(inputs: &Inputs<'_>, settings: &Settings) -> Result<Self, SceneError> {
        let mut machines = Vec::new();
        let mut held = Vec::new();
        for id in inputs.cluster.machine_ids() {
            let (machine, known) = scene_machine(inputs, settings, id)?;
            machines.push(machine);
            held.push(known);
        }
        let links: Vec<TopologyLink> = inputs
            .links
            .iter()
            .map(|link| TopologyLink { from: link.from, to: link.to, flow: link.flow })
            .collect();
        let parts = TopologyParts { model_layers: inputs.placement.model_layers, machines: held, links };
        let topology = Topology::new(parts)?;
        let cables = cables(inputs)?;
        let interface = |nic: helix_spec::Nic| Interface {
            inbound: nic.inbound.bytes_per_second(),
            outbound: nic.outbound.bytes_per_second(),
        };
        let mut ends = vec![interface(inputs.cluster.coordinator.nic)];
        ends.extend(inputs.cluster.machines.iter().map(|machine| interface(machine.nic)));
        let wire = inputs.costs.wire();
        let planned_rates = planned_rates(inputs, &cables, &ends, wire);
        let scene = Self { topology, machines, cables, ends, planned_rates, wire };
        scene.check_ways(settings)?;
        Ok(scene)
    }

    /// Fails where no request could ever come through.
    fn check_ways(&self, settings: &Settings) -> Result<(), SceneError> {
        let by_flow = settings.policy.by_flow();
        let mut seen = vec![false; self.ends.len()];
        let mut open = vec![0u32];
        while let Some(end) = open.pop() {
            for &link in self.topology.outgoing(endpoint_of(end)) {
                let to = self.cables[link.index()].to;
                if by_flow && self.topology.links()[link.index()].flow <= 0.0 {
                    continue;
                }
                if to == 0 {
                    return Ok(());
                }
                if !std::mem::replace(&mut seen[to], true) {
                    open.push(number_of_end(to));
                }
            }
        }
        if by_flow {
            return Err(SceneError::NoFlow);
        }
        let reached = seen.iter().filter(|&&seen| seen).count();
        Err(SceneError::NoWay(format!("{reached} machines can be reached, none of them leads back")))
    }

    /// Whether every link leads to the first layer of the machine at its end.
    pub fn enters_at_the_first_layer(&self) -> bool {
        (0u32..).map(LinkId).take(self.cables.len()).all(|link| {
            let machine = self.topology.machine_at_end(link);
            let machine = machine.and_then(|machine| self.machines[machine.index()].as_ref());
            let Some((machine, layers)) = machine.zip(self.topology.layers_at_end(link)) else { return true };
            layers.start() == machine.node.layers.start()
        })
    }

    /// The layers that a request runs on a machine from some layer on.
    pub fn layers_from(&self, first: u32, machine: MachineId) -> Option<LayerRange> {
        let held = self.topology.machines()[machine.index()].layers?;
        LayerRange::new(first, held.end())
    }

    /// How long prompts take along each link and through the layers at its end: the line through the times of a short and
    /// of a long one.
    pub fn hop_times(&self, settings: &Settings) -> Result<Vec<HopTime>, BatchError> {
        let time = |(index, cable): (usize, &Cable)| {
            let rate = match settings.links {
                LinkMode::Reserved => self.planned_rates[index].max(f64::MIN_POSITIVE),
                LinkMode::Fair => {
                    cable.bytes_per_s.min(self.ends[cable.from].outbound).min(self.ends[cable.to].inbound)
                }
            };
            let mut hop = HopTime {
                latency: cable.latency.seconds(),
                send_per_token: self.bytes(cable.at_an_end(), 1) as f64 / rate,
                ..HopTime::default()
            };
            let link = LinkId(u32::try_from(index).expect("link ids are u32"));
            let machine = self.topology.machine_at_end(link);
            let machine = machine.and_then(|machine| self.machines[machine.index()].as_ref());
            if let Some((machine, layers)) = machine.zip(self.topology.layers_at_end(link)) {
                let run = |tokens| {
                    let batch = Batch::typical_prefill(tokens);
                    let cost = machine.clock.batch_time(layers.len(), &batch)?;
                    Ok::<f64, BatchError>(cost.time.seconds())
                };
                let (short, long) = (run(SHORT)?, run(LONG)?);
                hop.run_per_token = ((long - short) / (LONG - SHORT) as f64).max(0.0);
                hop.run_fixed = (short - SHORT as f64 * hop.run_per_token).max(0.0);
            }
            Ok(hop)
        };
        self.cables.iter().enumerate().map(time).collect()
    }

    /// Bytes of so many tokens on a link, which begins or ends at the coordinator or does not.
    pub fn bytes(&self, at_an_end: bool, tokens: u64) -> u64 {
        if at_an_end { self.wire.at_the_ends(tokens).0 } else { self.wire.between_stages(tokens).0 }
    }
}

fn scene_machine(
    inputs: &Inputs<'_>,
    settings: &Settings,
    id: MachineId,
) -> Result<(Option<SceneMachine>, TopologyMachine), SceneError> {
    let machine = inputs.cluster.machine(id);
    let Some(assignment) = inputs.placement.machines.get(&id) else {
        return Ok((None, TopologyMachine { layers: None, kv_capacity: 0, max_prompt_tokens: 0 }));
    };
    let layers = assignment.layers;
    let kv_capacity = if let Some(capacity) = assignment.kv_capacity {
        capacity
    } else {
        let capability = inputs.costs.capability(machine, layers.len());
        let fail = |problem| SceneError::DoesNotFit { machine: machine.name.clone(), layers, problem };
        capability.map_err(fail)?.kv_capacity
    };
    let row = declared_row(inputs, machine, layers.len());
    let limits = match (settings.limits, row) {
        (Limits::Declared(_), Some(row)) => {
            BatchLimits::asplos25(row.prompt_max_requests, row.decode_max_requests)
        }
        (Limits::Declared(limits) | Limits::Fixed(limits), _) => limits,
    };
    let kv = match settings.kv {
        KvMode::Counted => KvConfig::Counted { capacity: kv_capacity },
        KvMode::Paged { block_tokens } => {
            let block = u64::from(block_tokens.max(1)) * u64::from(layers.len());
            let blocks = u32::try_from(kv_capacity / block).unwrap_or(u32::MAX);
            KvConfig::Paged { blocks, block_tokens, span: helix_scheduler::node::BlockSpan::Range }
        }
    };
    let node = NodeConfig {
        layers,
        batching: settings.batching,
        order: settings.order,
        limits,
        kv,
        stale_for: NodeConfig::STALE_FOR,
    };
    node.validate().map_err(|problem| SceneError::Node { machine: machine.name.clone(), problem })?;
    let bytes = inputs.times.memory().weight_bytes(layers);
    let loading = SimTime::from_seconds(bytes.0 as f64 / machine.disk.0 as f64);
    let loading = loading.unwrap_or(crate::network::NEVER);
    let max_prompt_tokens = match limits.chunk {
        Some(_) => u32::MAX,
        None => u32::try_from(limits.prefill_tokens.min(limits.tokens)).unwrap_or(u32::MAX),
    };
    let known = TopologyMachine { layers: Some(layers), kv_capacity, max_prompt_tokens };
    Ok((Some(SceneMachine { node, clock: inputs.times.clock(machine, layers.len())?, loading }), known))
}

/// The declared row for a machine: that of its number of layers, else the last one.
fn declared_row<'a>(inputs: &Inputs<'a>, machine: &Machine, layers: u32) -> Option<&'a DeclaredRow> {
    let tables = inputs.cluster.cost_tables_for(&inputs.placement.model)?;
    let rows = &tables.types.get(&machine.machine_type)?.declared;
    let limited = |row: &&DeclaredRow| row.prompt_max_requests > 0 && row.decode_max_requests > 0;
    rows.get(&layers).or_else(|| rows.last_key_value().map(|(_, row)| row)).filter(limited)
}

fn cables(inputs: &Inputs<'_>) -> Result<Vec<Cable>, SceneError> {
    let cable = |planned: &PlannedLink| {
        let Some(Link { bandwidth, latency }) = inputs.cluster.link(planned.from, planned.to) else {
            let name = |endpoint| inputs.cluster.endpoint_name(endpoint).to_owned();
            return Err(SceneError::NoLink { from: name(planned.from), to: name(planned.to) });
        };
        let (from, to) = (end_of(planned.from), end_of(planned.to));
        Ok(Cable {
            from,
            to,
            bytes_per_s: bandwidth.bytes_per_second(),
            latency,
            carried: Carried::default(),
        })
    };
    inputs.links.iter().map(cable).collect()
}

/// `⌊min(link, sender's interface × share, receiver's interface × share)⌋`, the shares by planned bytes a second
/// (section 2.3).
fn planned_rates(inputs: &Inputs<'_>, cables: &[Cable], ends: &[Interface], wire: Wire) -> Vec<f64> {
    let bytes = |cable: &Cable| {
        let each = if cable.at_an_end() { wire.at_the_ends(1) } else { wire.between_stages(1) };
        each.0 as f64
    };
    let used: Vec<f64> =
        cables.iter().zip(inputs.links).map(|(cable, link)| link.flow * bytes(cable)).collect();
    let mut totals = vec![(0.0, 0.0); ends.len()];
    for (cable, used) in cables.iter().zip(&used) {
        totals[cable.from].0 += used;
        totals[cable.to].1 += used;
    }
    let share = |used: f64, total: f64| if total > 0.0 { used / total } else { 0.0 };
    let rate = |(cable, &used): (&Cable, &f64)| {
        let outbound = ends[cable.from].outbound * share(used, totals[cable.from].0);
        let inbound = ends[cable.to].inbound * share(used, totals[cable.to].1);
        cable.bytes_per_s.min(outbound).min(inbound).floor()
    };
    cables.iter().zip(&used).map(rate).collect()
}
