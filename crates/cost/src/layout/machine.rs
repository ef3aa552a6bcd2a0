//! The layout of one machine in a placement: all of its devices, its own layers, the requests that the plan counts on.

use std::num::NonZeroU32;

use helix_spec::{Assignment, Cluster, LayerRange, Machine, MachineId, ModelShape, Placement, RankLayout};

use super::choose::{Choice, ChooseError, Demand, rank_of};
use super::config::{Config, Sharing};
use super::hardware::Hardware;
use super::study::{Formats, Study};
use super::sweep::configurations;
use crate::{Constants, CostModel};

/// A layout must be this much faster than plain tensor parallelism to be preferred to it.
const WORTH_A_CHANGE: f64 = 1.02;

/// Requests in flight at a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Cached tokens of each.
    pub context: u64,
    /// How many.
    pub users: NonZeroU32,
}

/// The layout in which all devices of `hardware` hold `layers` of a model: of those that hold the load, the one with the
/// shortest step; plain tensor parallelism where nothing is clearly faster.
///
/// ```
/// # use std::num::NonZeroU32;
/// use helix_cost::layout::{Hardware, Load, best_layout};
/// use helix_spec::{LayerRange, ModelShape};
/// let hardware = Hardware { devices: 8, ..Hardware::gb200_nvl72() };
/// let model = ModelShape::preset("deepseek-r1").unwrap();
/// let load = Load { context: 500_000, users: NonZeroU32::new(16).unwrap() };
/// // The latent cache is one head: tensor parallelism would hold it eight times.
/// assert_eq!(best_layout(&hardware, &model, LayerRange::new(10, 20).unwrap(), load)?.kv, 8);
/// # Ok::<(), helix_cost::layout::ChooseError>(())
/// ```
pub fn best_layout(
    hardware: &Hardware,
    model: &ModelShape,
    layers: LayerRange,
    load: Load,
) -> Result<RankLayout, ChooseError> {
    let study =
        Study::new(model, hardware, Formats::of(model), load.context).of_layers(layers.start()..layers.end());
    let devices = NonZeroU32::new(hardware.devices).unwrap_or(NonZeroU32::MIN);
    let demand = Demand { devices, ttl_s: None, users: Some(load.users) };
    let whole = |config: &Config| {
        config.sharing == Sharing::Ranks
            && config.pipeline() <= layers.len()
            && config.devices() == devices.get()
    };
    let configs = configurations(model, devices.get());
    let choices = rank_of(&study, demand, configs.into_iter().filter(whole))?;
    let widths = |choice: &Choice| choice.config.layout.widths();
    let time = |choice: &Choice| choice.performance.ttl_s;
    let tensor = choices.iter().find(|choice| widths(choice) == RankLayout::tensor(devices.get()));
    let kept = tensor.filter(|tensor| time(tensor) <= time(&choices[0]) * WORTH_A_CHANGE);
    Ok(widths(kept.unwrap_or(&choices[0])))
}

/// The layout of a machine for its layers. Where the load does not fit, half of the requests are tried, and so on: the
/// layout that comes nearest to what the plan counts on.
pub fn machine_layout(
    machine: &Machine,
    model: &ModelShape,
    layers: LayerRange,
    load: Load,
    constants: &Constants,
) -> Result<RankLayout, ChooseError> {
    if machine.count <= 1 {
        return Ok(RankLayout::SINGLE);
    }
    let hardware = Hardware::of_machine(machine, constants)
        .ok_or_else(|| ChooseError::NoDevice { machine: machine.name.clone() })?;
    let mut users = load.users;
    loop {
        match best_layout(&hardware, model, layers, Load { users, ..load }) {
            Err(ChooseError::Memory { .. }) if users.get() > 1 => {
                users = NonZeroU32::new(users.get() / 2).unwrap_or(NonZeroU32::MIN);
            }
            answer => return answer,
        }
    }
}

/// Gives every machine of several devices the layout that its figures were computed for. Returns what changed. A machine
/// with a layout other than plain tensor parallelism, which somebody chose, keeps it.
pub fn adopt_layouts(
    cluster: &Cluster,
    costs: &dyn CostModel,
    placement: &mut Placement,
) -> Vec<(MachineId, RankLayout)> {
    let mut changed = Vec::new();
    for (&id, assignment) in &mut placement.machines {
        let machine = cluster.machine(id);
        let Ok(capability) = costs.capability(machine, assignment.layers.len()) else { continue };
        let tensor = RankLayout::tensor(machine.count);
        if assignment.layout == tensor && capability.layout != tensor {
            assignment.layout = capability.layout;
            changed.push((id, capability.layout));
        }
    }
    changed
}

/// Machines whose layout in the placement is not the one that their figures were computed for, with the latter.
pub fn layouts_not_costed(
    cluster: &Cluster,
    costs: &dyn CostModel,
    placement: &Placement,
) -> Vec<(MachineId, RankLayout)> {
    let differs = |(&id, assignment): (&MachineId, &Assignment)| {
        let capability = costs.capability(cluster.machine(id), assignment.layers.len()).ok()?;
        (capability.layout != assignment.layout).then_some((id, capability.layout))
    };
    placement.machines.iter().filter_map(differs).collect()
}
