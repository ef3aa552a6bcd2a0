//! SWARM: stages of equal length, machines spread so that each stage has about the same throughput.

use std::cmp::Reverse;

use helix_spec::{MachineId, Placement, TokensPerSecond};

use super::{BaselineError, assign};
use crate::Instance;

/// Stages as long as the weakest machine allows; strongest machine first, each joins the stage that is weakest so far.
///
/// Where the layers do not divide, the first stages are one layer longer than the others and none is longer than the
/// weakest machine allows. Among machines of one strength the last of the cluster comes first, among stages of one
/// strength the first, as in the authors' program. O(machines · stages).
pub fn swarm(instance: &Instance<'_>) -> Result<Placement, BaselineError> {
    let layers = instance.model.layers;
    let impossible = |reason: String| BaselineError::Impossible { planner: "swarm", reason };
    let holders: Vec<MachineId> =
        instance.cluster.machine_ids().filter(|&id| instance.planned_layers(id) > 0).collect();
    let Some(longest) = holders.iter().map(|&id| instance.planned_layers(id)).min() else {
        return Err(impossible("no machine holds a layer".to_owned()));
    };
    let stages = layers.div_ceil(longest);
    if (holders.len() as u64) < u64::from(stages) {
        return Err(impossible(format!(
            "the weakest machine holds {longest} layers, that makes {stages} stages for {} machines",
            holders.len()
        )));
    }
    let (short, longer) = (layers / stages, layers % stages);
    let length = |stage: u32| short + u32::from(stage < longer);
    let strength = |id: MachineId| {
        instance
            .known_throughput(id, length(0))
            .and_then(TokensPerSecond::new)
            .unwrap_or(TokensPerSecond::ZERO)
    };

    let mut order = holders;
    order.sort_by_key(|&id| Reverse((strength(id), id)));
    let mut placement = Placement::new(&instance.model.name, layers);
    let mut totals = vec![TokensPerSecond::ZERO; stages as usize];
    let starts: Vec<u32> = (0..stages).map(|stage| (0..stage).map(length).sum()).collect();
    for id in order {
        let weakest =
            (0..stages).min_by_key(|&stage| totals[stage as usize]).expect("there is at least one stage");
        assign(instance, &mut placement, id, starts[weakest as usize], length(weakest));
        let total = &mut totals[weakest as usize];
        *total = TokensPerSecond::new(total.get() + strength(id).get()).unwrap_or(*total);
    }
    Ok(placement)
}
