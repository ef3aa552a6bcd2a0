//! Between the cluster and the packing solver: names and units there, dense indices and tokens/s here.

use std::collections::BTreeMap;

use helix_spec::{Endpoint, LayerRange, MachineId, PartialInference, Placement};

use crate::Instance;
use crate::packing::{Network, Plan, Problem, ProblemError, Slot, Span, Table};

/// The instance as the packing solver sees it. Machines with the same throughputs share a table, whatever their names; a
/// pinned machine can hold as many layers as it is pinned to, and a forbidden one none.
///
/// A network interface is counted as a cap on its machine's throughput, as far as that is certain: with fewer than all
/// layers a machine exchanges activations on one side at least, so the wider of its two directions cannot be exceeded. The
/// solver's bound stays a bound that way; the exact evaluator counts interfaces exactly.
pub fn packing_problem(instance: &Instance<'_>, partial: PartialInference) -> Result<Problem, ProblemError> {
    packing_problem_up_to(instance, partial, &|id| instance.known_layers(id))
}

/// The same with up to `most` layers on a machine that is not pinned: rules may give more than is known.
pub fn packing_problem_up_to(
    instance: &Instance<'_>,
    partial: PartialInference,
    most: &dyn Fn(MachineId) -> u32,
) -> Result<Problem, ProblemError> {
    let cluster = instance.cluster;
    let (token, activation) = bytes(instance);
    let layers = instance.model.layers as usize;
    let mut numbers: BTreeMap<Vec<Option<u64>>, usize> = BTreeMap::new();
    let mut tables: Vec<Table> = Vec::new();
    let mut machines = Vec::new();
    for id in cluster.machine_ids() {
        let nic = cluster.machine(id).nic;
        let widest = nic.inbound.max(nic.outbound).bytes_per_second() / activation;
        let entry = |held: u32| {
            let capability = instance.capability(id, held).ok()?;
            let throughput = Some(capability.throughput.get()).filter(|throughput| *throughput > 0.0)?;
            Some(if held < instance.model.layers { throughput.min(widest) } else { throughput })
        };
        let throughput: Vec<Option<f64>> = match instance.demands().pins.get(&id) {
            None => (1..=most(id)).map(entry).collect(),
            Some(range) => (1..=range.len())
                .map(|held| if held == range.len() { pinned(instance, id, held, widest) } else { None })
                .collect(),
        };
        let key = throughput.iter().map(|value| value.map(f64::to_bits)).collect();
        let table = *numbers.entry(key).or_insert_with(|| {
            tables.push(Table { throughput });
            tables.len() - 1
        });
        machines.push(Slot { table, region: cluster.machine(id).region.index() });
    }
    let problem = Problem {
        layers,
        tables,
        machines,
        network: network(instance, token, activation),
        partial: partial == PartialInference::On,
    };
    problem.validate()?;
    Ok(problem)
}

/// What a pinned machine does with its layers, which may be more than is known of it.
fn pinned(instance: &Instance<'_>, machine: MachineId, held: u32, widest: f64) -> Option<f64> {
    let throughput = instance.capability(machine, held).ok()?.throughput.get();
    let capped = if held < instance.model.layers { throughput.min(widest) } else { throughput };
    (capped > 0.0).then_some(capped)
}

/// Bytes of a token at the coordinator and between machines.
fn bytes(instance: &Instance<'_>) -> (f64, f64) {
    let wire = instance.wire();
    (wire.token.0 as f64, (wire.token.0 + wire.activation.0) as f64)
}

fn network(instance: &Instance<'_>, token: f64, activation: f64) -> Network {
    let cluster = instance.cluster;
    let regions = cluster.regions.len();
    let mut between = vec![0.0; regions * regions];
    for ((from, to), link) in &cluster.network.regions {
        between[from.index() * regions + to.index()] = link.bandwidth.bytes_per_second() / activation;
    }
    let mut special = BTreeMap::new();
    for ((from, to), link) in &cluster.network.links {
        if let (Endpoint::Machine(from), Endpoint::Machine(to)) = (from, to) {
            special.insert((from.index(), to.index()), link.bandwidth.bytes_per_second() / activation);
        }
    }
    let end = |id: MachineId, out: bool| {
        let machine = Endpoint::Machine(id);
        let (from, to) =
            if out { (Endpoint::Coordinator, machine) } else { (machine, Endpoint::Coordinator) };
        cluster.link(from, to).map_or(0.0, |link| link.bandwidth.bytes_per_second() / token)
    };
    Network {
        regions,
        between,
        special,
        source: cluster.machine_ids().map(|id| end(id, true)).collect(),
        sink: cluster.machine_ids().map(|id| end(id, false)).collect(),
    }
}

/// The solver's plan with the cluster's machines.
pub fn to_placement(instance: &Instance<'_>, plan: &Plan, partial: PartialInference) -> Placement {
    let mut placement = Placement::new(&instance.model.name, instance.model.layers);
    placement.partial_inference = partial;
    for (machine, span) in plan.used() {
        let ids = (u32::try_from(machine), u32::try_from(span.start), u32::try_from(span.end));
        if let (Ok(machine), Ok(start), Ok(end)) = ids
            && let Some(range) = LayerRange::new(start, end)
        {
            let id = MachineId(machine);
            placement.assign(id, range, instance.cluster.machine(id).count);
        }
    }
    placement
}

/// A placement in the solver's words.
pub fn to_plan(problem: &Problem, placement: &Placement) -> Plan {
    let mut plan = Plan::empty(problem.machines.len());
    for (machine, assignment) in &placement.machines {
        let range = assignment.layers;
        if let Some(span) = plan.spans.get_mut(machine.index()) {
            *span = Some(Span { start: range.start() as usize, end: range.end() as usize });
        }
    }
    plan
}
