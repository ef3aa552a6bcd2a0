//! The cluster that `helix up` makes of one machine: workers of unequal memory whose layer ranges overlap.

use helix_spec::{Cluster, LayerRange, ModelShape, PartialInference, Placement, Source};

use crate::exit_codes::{Failure, Kind};

/// Shares of the model that the workers hold, in turn: unequal on purpose, and together more than one model.
const SHARES: [f64; 4] = [0.5, 0.625, 0.375, 0.25];

/// A local worker.
pub struct LocalWorker {
    /// Its name.
    pub name: String,
    /// Its layers.
    pub layers: LayerRange,
}

/// The cluster, and a placement in which some ranges overlap.
pub fn cluster(workers: u32, shape: &ModelShape) -> Result<(Cluster, Placement, Vec<LocalWorker>), Failure> {
    let ranges = ranges(workers, shape.layers).ok_or_else(|| {
        Failure::usage(format!(
            "{workers} workers cannot share the {} layers of {} so that each holds a part: give --workers {} or fewer",
            shape.layers, shape.name, shape.layers
        ))
    })?;
    let cluster = describe(&ranges, shape)?;
    let mut placement = Placement::new(&shape.name, shape.layers);
    placement.partial_inference = PartialInference::On;
    for (id, layers) in cluster.machine_ids().zip(&ranges) {
        placement.assign(id, *layers, 1);
    }
    let named = cluster.machines.iter().zip(ranges);
    let local = named.map(|(machine, layers)| LocalWorker { name: machine.name.clone(), layers }).collect();
    Ok((cluster, placement, local))
}

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

/// The cluster in the words of a cluster file: one processor, shared by all.
fn describe(ranges: &[LayerRange], shape: &ModelShape) -> Result<Cluster, Failure> {
    let mut text = "version = 1\nname = \"this machine\"\n\
                    regions = [{ name = \"here\", bandwidth = \"40 Gbit/s\", latency = \"20 us\" }]\n"
        .to_owned();
    for (index, layers) in ranges.iter().enumerate() {
        let memory = memory_megabytes(*layers, shape);
        let entry = format!(
            "[devices.core-{index}]\nkind = \"unified\"\nmemory = \"{memory} MB\"\n\
             memory_bandwidth = \"10 GB/s\"\nflops_16bit = \"0.1 TFLOP/s\"\ninterconnect = \"10 GB/s\"\n\
             source = \"a guess: one core\"\n[[machines]]\nname = \"worker-{index}\"\ndevice = \"core-{index}\"\n"
        );
        text.push_str(&entry);
    }
    let source = Source { origin: "the local cluster", text: &text };
    let nothing = |name: &str| Err(helix_spec::FileError::new(name, "is not needed here"));
    Cluster::parse(&source, &nothing)
        .map_err(|error| Failure::new(Kind::Other, format!("the local cluster is not one: {error}")))
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
    fn every_layer_is_held_and_some_ranges_overlap() {
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
}
