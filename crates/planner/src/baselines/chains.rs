//! Independent pipelines: chains of machines, one type after the other or each type by itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use helix_spec::{MachineId, Placement, TokensPerSecond};

use super::{BaselineError, assign, pipeline_links};
use crate::Instance;

/// Chains of machines that are each as full as they may be, the strongest type first; a type that runs out in the middle
/// of a chain is followed by the next. A last chain that does not reach the end of the model is dropped.
pub fn homogeneous(instance: &Instance<'_>) -> Result<Placement, BaselineError> {
    let order: Vec<MachineId> = machines_by_type(instance).into_iter().flatten().collect();
    let full = chains(instance, &order, |id| instance.planned_layers(id));
    place(instance, "homogeneous", &full)
}

/// Pipelines of machines of one type each ("separate pipelines", SP).
///
/// A type whose machines cannot hold the model when each leaves half of its memory to the cache holds it with as many
/// layers as fit, evenly spread, if that is enough (the paper does so for its 4 A100 and 20 layers each). What is left of
/// a type serves nothing.
pub fn separate(instance: &Instance<'_>) -> Result<Placement, BaselineError> {
    let (pipelines, _) = pipelines_of_each_type(instance);
    place(instance, "separate", &pipelines)
}

/// The same as [`separate`], with mixed pipelines from the machines that it leaves over (SP+).
pub fn separate_plus(instance: &Instance<'_>) -> Result<Placement, BaselineError> {
    let (mut pipelines, left) = pipelines_of_each_type(instance);
    pipelines.extend(chains(instance, &left, |id| instance.planned_layers(id)));
    place(instance, "separate+", &pipelines)
}

/// One machine of a chain and how many layers it takes.
type Stage = (MachineId, u32);

/// The machines of each type, the type with the most throughput × layers first; in a type, in the order of the cluster.
fn machines_by_type(instance: &Instance<'_>) -> Vec<Vec<MachineId>> {
    let mut types: BTreeMap<(&str, u64), Vec<MachineId>> = BTreeMap::new();
    for id in instance.cluster.machine_ids().filter(|&id| instance.most_layers(id) > 0) {
        let machine = instance.cluster.machine(id);
        types.entry((&machine.machine_type, machine.memory.0)).or_default().push(id);
    }
    let mut types: Vec<Vec<MachineId>> = types.into_values().collect();
    let strength = |machines: &Vec<MachineId>| {
        let layers = instance.planned_layers(machines[0]);
        let throughput = instance.known_throughput(machines[0], layers);
        throughput.and_then(|t| TokensPerSecond::new(t * f64::from(layers)))
    };
    types.sort_by_key(|machines| (Reverse(strength(machines)), machines[0]));
    types
}

/// Fills chains in the given order; the last one is dropped if it does not reach the end.
fn chains(instance: &Instance<'_>, order: &[MachineId], most: impl Fn(MachineId) -> u32) -> Vec<Vec<Stage>> {
    let layers = instance.model.layers;
    let (mut done, mut chain, mut reached) = (Vec::new(), Vec::new(), 0);
    for &id in order {
        let take = most(id).min(layers - reached);
        if take == 0 {
            continue;
        }
        chain.push((id, take));
        reached += take;
        if reached == layers {
            done.push(std::mem::take(&mut chain));
            reached = 0;
        }
    }
    done
}

/// Pipelines of one type each, and the machines that are left.
fn pipelines_of_each_type(instance: &Instance<'_>) -> (Vec<Vec<Stage>>, Vec<MachineId>) {
    let layers = instance.model.layers;
    let (mut pipelines, mut left) = (Vec::new(), Vec::new());
    for machines in machines_by_type(instance) {
        let comfortable = instance.planned_layers(machines[0]);
        let most = match comfortable {
            enough if enough > 0 && layers.div_ceil(enough) as usize <= machines.len() => enough,
            _ => instance.most_layers(machines[0]),
        };
        let needed = layers.div_ceil(most) as usize;
        if needed > machines.len() {
            left.extend(machines);
            continue;
        }
        // As many pipelines as fit, then all machines of the type are spread over them.
        let count = machines.len() / needed;
        let (size, longer) = (machines.len() / count, machines.len() % count);
        let mut rest = machines.as_slice();
        for pipeline in 0..count {
            let (members, others) =
                rest.split_at((size + usize::from(pipeline < longer)).min(layers as usize));
            rest = others;
            pipelines.push(spread(members, layers));
        }
        left.extend(rest);
    }
    (pipelines, left)
}

/// The layers spread evenly over the machines of one pipeline.
fn spread(members: &[MachineId], layers: u32) -> Vec<Stage> {
    let count = u32::try_from(members.len()).expect("no pipeline is longer than the model has layers");
    let share = |index: u32| layers / count + u32::from(index < layers % count);
    (0..).zip(members).map(|(index, &id)| (id, share(index))).collect()
}

fn place(
    instance: &Instance<'_>,
    planner: &'static str,
    pipelines: &[Vec<Stage>],
) -> Result<Placement, BaselineError> {
    if pipelines.is_empty() {
        let reason = "no chain of machines that its rule allows holds all layers".to_owned();
        return Err(BaselineError::Impossible { planner, reason });
    }
    let mut placement = Placement::new(&instance.model.name, instance.model.layers);
    for pipeline in pipelines {
        let mut start = 0;
        for &(id, layers) in pipeline {
            assign(instance, &mut placement, id, start, layers);
            start += layers;
        }
    }
    let machines: Vec<Vec<MachineId>> =
        pipelines.iter().map(|pipeline| pipeline.iter().map(|(id, _)| *id).collect()).collect();
    placement.links = Some(pipeline_links(&machines));
    Ok(placement)
}
