//! Petals: every machine that joins takes the interval whose layers are worst served so far.

use helix_spec::{MachineId, PartialInference, Placement};

use super::{BaselineError, assign};
use crate::Instance;

/// The placement that results when machines join in the given order, each with as many layers as it may hold.
///
/// A joining machine compares every interval of its length by the ascending list of the throughputs with which its
/// layers are served already, and takes the smallest list, the first among equals (Petals, appendix D). The intervals
/// overlap at odd places, so that the placement is made for partial inference.
///
/// O(machines · layers · k log k) for intervals of k layers.
pub fn petals(instance: &Instance<'_>, order: &[MachineId]) -> Result<Placement, BaselineError> {
    let layers = instance.model.layers;
    let mut placement = Placement::new(&instance.model.name, layers);
    placement.partial_inference = PartialInference::On;
    let mut served = vec![0.0f64; layers as usize];
    for &id in order {
        let length = instance.planned_layers(id);
        let Some(throughput) = instance.known_throughput(id, length) else { continue };
        let start = worst_served(&served, length as usize);
        let start = u32::try_from(start).expect("a layer index fits where the number of layers does");
        assign(instance, &mut placement, id, start, length);
        for layer in &mut served[start as usize..(start + length) as usize] {
            *layer += throughput;
        }
    }
    if let Some(layer) = served.iter().position(|&throughput| throughput == 0.0) {
        return Err(BaselineError::Impossible {
            planner: "petals",
            reason: format!("after the last machine has joined nobody holds layer {layer}"),
        });
    }
    Ok(placement)
}

/// Where the interval of this length begins whose sorted throughputs come first.
fn worst_served(served: &[f64], length: usize) -> usize {
    let sorted = |start: usize| {
        let mut window = served[start..start + length].to_vec();
        window.sort_by(f64::total_cmp);
        window
    };
    let mut best = (0, sorted(0));
    for start in 1..=served.len() - length {
        let window = sorted(start);
        if window.partial_cmp(&best.1) == Some(std::cmp::Ordering::Less) {
            best = (start, window);
        }
    }
    best.0
}
