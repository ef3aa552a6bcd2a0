//! The cluster that `helix up` makes of one machine: workers of unequal memory, and the plan for them.
//!
//! The machine's memory is one for all, so theirs is emulated: each is planned as if it had room for a part of the model.
//! Several ways to share out the room are tried, and the planner places the model on each; the first plan counts in which
//! every worker carries tokens and some ranges overlap. Where none does, a layout by hand is taken.

use helix_cost::{Constants, MemoryModel};
use helix_planner::Objective;
use helix_spec::{Bytes, Cluster, LayerRange, Machine, ModelShape, PartialInference, Placement, Source};

use super::plan::{self, Planned, Wanted};
use crate::exit_codes::{Failure, Kind};

/// Parts of the model that the workers have room for, in turn: unequal, and together more than one model.
const ROOMS: [[f64; 4]; 3] = [[0.8, 0.7, 0.55, 0.5], [0.75, 0.65, 0.5, 0.4], [1.0, 0.75, 0.375, 0.4]];
/// How long the planner may take for one of them \[s\].
const BUDGET: f64 = 0.25;

/// A local worker.
#[derive(Debug)]
pub struct LocalWorker {
    /// Its name.
    pub name: String,
    /// Its layers.
    pub layers: LayerRange,
    /// Emulated: the layers that it is planned to have room for.
    pub room: u32,
}

/// A cluster of local workers and its plan.
pub struct Local {
    /// Its machines are the workers.
    pub cluster: Cluster,
    /// Who holds what.
    pub planned: Planned,
    /// The workers.
    pub workers: Vec<LocalWorker>,
}

/// Plans the model for so many workers.
pub fn cluster(workers: u32, shape: &ModelShape) -> Result<Local, Failure> {
    let by_hand = ranges(workers, shape.layers).ok_or_else(|| {
        Failure::usage(format!(
            "{workers} workers cannot share the {} layers of {} so that each holds a part: give --workers {} or fewer",
            shape.layers, shape.name, shape.layers
        ))
    })?;
    for parts in ROOMS {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a layer count"
        )]
        let room = |part: f64| ((f64::from(shape.layers) * part).round() as u32).clamp(1, shape.layers);
        let rooms: Vec<u32> = (0..workers as usize).map(|worker| room(parts[worker % parts.len()])).collect();
        let cluster = describe(&rooms, shape)?;
        let wanted = Wanted { objective: Objective::MaxFlow, seconds: BUDGET };
        // What cannot be planned with these rooms may be with others.
        let Ok(planned) = plan::searched(&cluster, shape, wanted) else { continue };
        if let Some(local) = accept(cluster, planned, &rooms) {
            return Ok(local);
        }
    }
    let rooms: Vec<u32> = by_hand.iter().map(|layers| layers.len()).collect();
    let cluster = describe(&rooms, shape)?;
    let mut placement = Placement::new(&shape.name, shape.layers);
    placement.partial_inference = PartialInference::On;
    for (id, layers) in cluster.machine_ids().zip(&by_hand) {
        placement.assign(id, *layers, 1);
    }
    let planned = plan::judged(&cluster, shape, placement)?;
    let machines = cluster.machines.iter().zip(by_hand).zip(rooms);
    let workers =
        machines.map(|((machine, layers), room)| LocalWorker { name: machine.name.clone(), layers, room });
    Ok(Local { workers: workers.collect(), cluster, planned })
}

/// The plan, if every worker carries tokens in it and, from three workers on, two different ranges overlap.
fn accept(cluster: Cluster, planned: Planned, rooms: &[u32]) -> Option<Local> {
    let worker = |(id, &room)| {
        let carries = planned.evaluation.machines.iter().any(|used| used.machine == id && used.flow > 0.0);
        let layers = planned.placement.layers_of(id).filter(|_| carries)?;
        Some(LocalWorker { name: cluster.machine(id).name.clone(), layers, room })
    };
    let workers: Vec<LocalWorker> = cluster.machine_ids().zip(rooms).map(worker).collect::<Option<_>>()?;
    let good = workers.len() < 3 || overlap(&workers);
    good.then_some(Local { cluster, planned, workers })
}

/// Whether two different ranges have layers in common.
fn overlap(workers: &[LocalWorker]) -> bool {
    let meet = |a: LayerRange, b: LayerRange| a != b && a.start() < b.end() && b.start() < a.end();
    let pairs = workers.iter().enumerate();
    pairs.into_iter().any(|(i, a)| workers[i + 1..].iter().any(|b| meet(a.layers, b.layers)))
}

/// Shares of the layout by hand.
const SHARES: [f64; 4] = [0.5, 0.625, 0.375, 0.25];

/// The layers of each worker. The first ones cover the model, each beginning a layer before the last one ended where its
/// share allows; the others stand where the fewest are.
fn ranges(workers: u32, layers: u32) -> Option<Vec<LayerRange>> {
    if workers == 0 || workers > layers {
        return None;
    }
    let mut held = vec![0u32; layers as usize];
    let mut ranges = Vec::new();
    for worker in 0..workers {
        let left = workers - worker;
        let uncovered = held.iter().filter(|count| **count == 0).count();
        let uncovered = u32::try_from(uncovered).ok()?;
        // What must be taken now so that the workers that follow can still cover the rest.
        let share = SHARES[worker as usize % SHARES.len()].max(1.0 / f64::from(workers));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a layer count"
        )]
        let wanted = (f64::from(layers) * share).round() as u32;
        let length = wanted.max(uncovered.div_ceil(left)).clamp(1, layers);
        let sum = |start: u32| held[start as usize..(start + length) as usize].iter().sum::<u32>();
        let gap =
            |start: u32| held[start as usize..(start + length) as usize].iter().filter(|n| **n == 0).count();
        let start =
            (0..=layers - length).min_by_key(|&start| (std::cmp::Reverse(gap(start)), sum(start), start))?;
        held[start as usize..(start + length) as usize].iter_mut().for_each(|count| *count += 1);
        ranges.push(LayerRange::new(start, start + length)?);
    }
    held.iter().all(|count| *count > 0).then_some(ranges)
}

/// The cluster in the words of a cluster file, one core a worker, with the least memory for which the planner gives each as
/// many layers as it is to have room for.
fn describe(rooms: &[u32], shape: &ModelShape) -> Result<Cluster, Failure> {
    let mut text = "version = 1\nname = \"this machine\"\n\
                    regions = [{ name = \"here\", bandwidth = \"40 Gbit/s\", latency = \"20 us\" }]\n"
        .to_owned();
    for index in 0..rooms.len() {
        let entry = format!(
            "[devices.core-{index}]\nkind = \"cpu\"\nmemory = \"1 GB\"\n\
             memory_bandwidth = \"10 GB/s\"\nflops_16bit = \"0.1 TFLOP/s\"\ninterconnect = \"10 GB/s\"\n\
             source = \"a guess: one core\"\n[[machines]]\nname = \"worker-{index}\"\ndevice = \"core-{index}\"\n"
        );
        text.push_str(&entry);
    }
    let source = Source { origin: "the local cluster", text: &text };
    let nothing = |name: &str| Err(helix_spec::FileError::new(name, "is not needed here"));
    let mut cluster = Cluster::parse(&source, &nothing)
        .map_err(|error| Failure::new(Kind::Other, format!("the local cluster is not one: {error}")))?;
    let memory = MemoryModel::new(shape, None, &Constants::shipped());
    for (machine, &room) in cluster.machines.iter_mut().zip(rooms) {
        machine.memory = least_memory(&memory, machine, room);
    }
    Ok(cluster)
}

/// The least memory of a machine that is planned to hold so many layers.
fn least_memory(memory: &MemoryModel, machine: &Machine, layers: u32) -> Bytes {
    let holds =
        |bytes: u64| memory.planned_layers(&Machine { memory: Bytes(bytes), ..machine.clone() }) >= layers;
    let mut enough = 1u64 << 20;
    while !holds(enough) && enough < 1 << 60 {
        enough *= 2;
    }
    let mut least = 0;
    while enough - least > 1 {
        let middle = least.midpoint(enough);
        if holds(middle) { enough = middle } else { least = middle }
    }
    Bytes(enough)
}

/// Memory of a worker for its layers, its cache and the ends of the model \[MB\].
pub fn memory_megabytes(layers: LayerRange, shape: &ModelShape) -> u64 {
    const ROOM: u64 = 2000;
    let weights = shape.weight_bytes(layers.start()..layers.end()).0 / 1_000_000;
    let ends = shape.weights.bytes(shape.end_parameters()).0 / 1_000_000;
    // Twice the weights, since a worker may keep them wider than the file does.
    (ROOM + 100 * u64::from(layers.len())).saturating_add(weights.saturating_add(ends).saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_held_and_some_ranges_overlap_by_hand() {
        for layers in [1, 2, 3, 6, 8, 22, 80] {
            for workers in 1..=layers.min(9) {
                let ranges = ranges(workers, layers).unwrap();
                assert_eq!(ranges.len(), workers as usize);
                let held = |layer| ranges.iter().filter(|range| range.contains(layer)).count();
                assert!((0..layers).all(|layer| held(layer) > 0), "{workers} of {layers}: {ranges:?}");
                if workers >= 3 && layers >= 8 {
                    let overlap = ranges.iter().enumerate().any(|(i, a)| {
                        ranges[i + 1..].iter().any(|b| a != b && a.start() < b.end() && b.start() < a.end())
                    });
                    assert!(overlap, "{workers} of {layers}: {ranges:?}");
                }
            }
        }
        assert_eq!(ranges(4, 3), None);
        assert_eq!(ranges(0, 3), None);
    }

    fn shape(layers: u32) -> ModelShape {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny");
        let tiny = ModelShape::named_or_folder(&folder.display().to_string()).unwrap();
        ModelShape { layers, ..tiny }
    }

    #[test]
    fn the_planner_places_the_model_on_workers_of_unequal_room() {
        for (layers, workers) in [(8, 3), (8, 4), (8, 5), (22, 4), (32, 6), (80, 8)] {
            let local = cluster(workers, &shape(layers)).unwrap();
            assert_eq!(local.workers.len(), workers as usize);
            let rooms: std::collections::BTreeSet<u32> =
                local.workers.iter().map(|worker| worker.room).collect();
            assert!(rooms.len() > 1, "{:?}", local.workers);
            assert!(overlap(&local.workers), "{:?}", local.workers);
            assert!(local.planned.evaluation.throughput > 0.0);
            for worker in &local.workers {
                assert!(worker.layers.len() <= worker.room, "{worker:?}");
            }
            println!("{layers} layers: {:?}", local.workers);
        }
        for (layers, workers) in [(1, 1), (2, 1), (2, 2), (8, 1), (8, 2), (3, 3), (8, 8)] {
            let local = cluster(workers, &shape(layers)).unwrap();
            let held = |layer| local.workers.iter().any(|worker| worker.layers.contains(layer));
            assert!((0..layers).all(held), "{:?}", local.workers);
        }
        assert!(cluster(4, &shape(3)).is_err());
    }
}
