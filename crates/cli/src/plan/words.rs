//! A plan in words: what holds it back, and why machines stand idle.

use helix_planner::{CutPart, Evaluation, IdleReason, Part};
use helix_spec::{Cluster, Endpoint, LayerRange, MachineId, Placement};

/// Machines and links that are named before a list is cut short.
const NAMED: usize = 6;

/// The bottleneck in a few sentences.
pub fn bottleneck(cluster: &Cluster, placement: &Placement, evaluation: &Evaluation) -> Vec<String> {
    let cut = &evaluation.bottleneck.cut;
    if evaluation.throughput <= 0.0 {
        return vec![
            "nothing can flow: no chain of machines leads from the first layer to the last".to_owned(),
        ];
    }
    let mut sentences = vec![cut_sentence(cluster, placement, cut)];
    let Some(near_end) = &evaluation.bottleneck.cut_near_end else {
        sentences.push(advice(cut).to_owned());
        return sentences;
    };
    let other = cut_sentence(cluster, placement, near_end);
    sentences.push(format!("another place is exactly as narrow: {other}"));
    let shared: Vec<String> = cut
        .iter()
        .filter(|member| near_end.iter().any(|other| other.part == member.part))
        .map(|member| part_words(cluster, member))
        .collect();
    sentences.push(if shared.is_empty() {
        "more capacity at one of them alone changes nothing".to_owned()
    } else {
        format!(
            "only more capacity at what both share raises the total alone: {}",
            name_list(shared.into_iter())
        )
    });
    sentences
}

fn advice(cut: &[CutPart]) -> &'static str {
    let links = cut.iter().any(|member| !matches!(member.part, Part::Compute(_)));
    let machines = cut.iter().any(|member| matches!(member.part, Part::Compute(_)));
    match (machines, links) {
        (true, false) => "more throughput on these layers raises the total, anything elsewhere does not",
        (false, _) => "a faster network here raises the total, faster machines do not",
        (true, true) => "more capacity at any of these raises the total, anything elsewhere does not",
    }
}

fn cut_sentence(cluster: &Cluster, placement: &Placement, cut: &[CutPart]) -> String {
    let machines: Vec<MachineId> = cut
        .iter()
        .filter_map(|member| match member.part {
            Part::Compute(id) => Some(id),
            _ => None,
        })
        .collect();
    let total: f64 = cut.iter().map(|member| member.capacity).sum();
    if machines.len() == cut.len()
        && let Some(layers) = layers_of_nobody_else(placement, &machines)
    {
        let names = name_list(cut.iter().map(|member| part_words(cluster, member)));
        return match machines.len() {
            1 => format!("only {names} holds layers {layers}, and it is fully used"),
            _ => format!("only {names} hold layers {layers}: {total:.1} tok/s together, fully used"),
        };
    }
    let names = name_list(cut.iter().map(|member| part_words(cluster, member)));
    match cut.len() {
        1 => format!("every token passes {names}, which is fully used"),
        _ => format!("every token passes one of {names}: {total:.1} tok/s together, fully used"),
    }
}

/// The first run of layers that all these machines hold and nobody else does.
fn layers_of_nobody_else(placement: &Placement, machines: &[MachineId]) -> Option<LayerRange> {
    let ranges: Option<Vec<LayerRange>> = machines.iter().map(|id| placement.layers_of(*id)).collect();
    let ranges = ranges?;
    let (start, end) = (ranges.iter().map(|r| r.start()).max()?, ranges.iter().map(|r| r.end()).min()?);
    let others = placement.machines.iter().filter(|(id, _)| !machines.contains(id)).map(|(_, a)| a.layers);
    let others: Vec<LayerRange> = others.collect();
    let alone = |layer: &u32| !others.iter().any(|range| range.contains(*layer));
    let first = (start..end).find(alone)?;
    let last = (first..end).take_while(alone).last()?;
    LayerRange::new(first, last + 1)
}

fn part_words(cluster: &Cluster, member: &CutPart) -> String {
    let name = |endpoint: Endpoint| cluster.endpoint_name(endpoint).to_owned();
    let rate = member.capacity;
    match member.part {
        Part::Compute(id) => {
            let machine = cluster.machine(id);
            format!("{} ({}, {rate:.1} tok/s)", machine.name, machine.machine_type)
        }
        Part::Link(from, to) => format!("the link {} → {} ({rate:.1} tok/s)", name(from), name(to)),
        Part::NicIn(owner) => format!("the network interface into {} ({rate:.1} tok/s)", name(owner)),
        Part::NicOut(owner) => format!("the network interface out of {} ({rate:.1} tok/s)", name(owner)),
    }
}

fn name_list(names: impl ExactSizeIterator<Item = String>) -> String {
    let count = names.len();
    let mut shown: Vec<String> = names.take(NAMED).collect();
    if count > NAMED {
        shown.push(format!("{} more", count - NAMED));
    }
    match shown.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// Why a machine stands idle.
pub fn idle(reason: IdleReason) -> &'static str {
    match reason {
        IdleReason::Forbidden => "is forbidden",
        IdleReason::TooSmall => "can hold no layer: too little memory, or no row in its cost table",
        IdleReason::NoLayers => "got no layers",
        IdleReason::NothingBefore => {
            "no request reaches it: nothing that runs ends where its layers begin, or no link leads there"
        }
        IdleReason::NothingAfter => {
            "nothing that leads to the end goes on where its layers end, or no link leads there"
        }
        IdleReason::NotNeeded => "could work, but the bottleneck lets no more through",
    }
}
