//! From one placement to another: which machines change, and what they must load.

use helix_spec::{Assignment, Bytes, Cluster, LayerRange, MachineId, ModelShape, Placement};

/// One machine that holds something else afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineChange {
    /// The machine.
    pub machine: MachineId,
    /// Its layers before, if any.
    pub before: Option<LayerRange>,
    /// Its layers afterwards, if any.
    pub after: Option<LayerRange>,
    /// Layers that it must load.
    pub layers: u32,
    /// Their weights.
    pub bytes: Bytes,
}

/// What it takes to get from one placement to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The machines that change, by machine.
    pub machines: Vec<MachineChange>,
    /// Layers that all of them load.
    pub layers: u64,
    /// Weights that all of them load.
    pub bytes: Bytes,
}

impl Change {
    /// Compares two placements of one model. What a machine holds before and afterwards it keeps; devices that share
    /// layers in another way load all of them anew.
    #[must_use]
    pub fn between(model: &ModelShape, before: &Placement, after: &Placement) -> Self {
        let mut machines: Vec<MachineId> =
            before.machines.keys().chain(after.machines.keys()).copied().collect();
        machines.sort_unstable();
        machines.dedup();
        let mut change = Self::default();
        for machine in machines {
            let (old, new) = (before.machines.get(&machine), after.machines.get(&machine));
            let ranges = (old.map(|a| a.layers), new.map(|a| a.layers));
            let load = to_load(old, new);
            let layers: u32 = load.iter().map(|range| range.len()).sum();
            if ranges.0 == ranges.1 && layers == 0 {
                continue;
            }
            let weights = load.iter().map(|range| model.weight_bytes(range.start()..range.end()).0);
            let bytes = Bytes(weights.fold(0u64, u64::saturating_add));
            change.layers += u64::from(layers);
            change.bytes = Bytes(change.bytes.0.saturating_add(bytes.0));
            change.machines.push(MachineChange { machine, before: ranges.0, after: ranges.1, layers, bytes });
        }
        change
    }

    /// Time until the last machine has loaded its layers from its disk \[s\].
    #[must_use]
    pub fn load_seconds(&self, cluster: &Cluster) -> f64 {
        let seconds = |change: &MachineChange| {
            let disk = cluster.machine(change.machine).disk;
            change.bytes.0 as f64 / (disk.0.max(1) as f64)
        };
        self.machines.iter().map(seconds).fold(0.0, f64::max)
    }
}

/// Layers that a machine must load, as up to two ranges.
fn to_load(before: Option<&Assignment>, after: Option<&Assignment>) -> Vec<LayerRange> {
    let Some(after) = after else { return Vec::new() };
    let new = after.layers;
    let Some(before) = before.filter(|before| before.layout == after.layout) else { return vec![new] };
    let old = before.layers;
    let (low, high) = (new.start().max(old.start()), new.end().min(old.end()));
    if low >= high {
        return vec![new];
    }
    LayerRange::new(new.start(), low).into_iter().chain(LayerRange::new(high, new.end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(before: Option<(u32, u32)>, after: Option<(u32, u32)>) -> u32 {
        let holds = |range: Option<(u32, u32)>| {
            let mut placement = Placement::new("m", 20);
            if let Some(range) = range.and_then(|(start, end)| LayerRange::new(start, end)) {
                placement.assign(MachineId(0), range, 1);
            }
            placement
        };
        let (before, after) = (holds(before), holds(after));
        let pair = (before.machines.get(&MachineId(0)), after.machines.get(&MachineId(0)));
        to_load(pair.0, pair.1).iter().map(|range| range.len()).sum()
    }

    #[test]
    fn a_machine_loads_what_it_does_not_hold() {
        assert_eq!(layers(None, Some((3, 8))), 5);
        assert_eq!(layers(Some((3, 8)), None), 0);
        assert_eq!(layers(Some((3, 8)), Some((3, 8))), 0);
        assert_eq!(layers(Some((3, 8)), Some((1, 10))), 4, "two layers on either side");
        assert_eq!(layers(Some((3, 8)), Some((8, 12))), 4, "ranges that touch share nothing");
        assert_eq!(layers(Some((0, 20)), Some((5, 6))), 0);
    }

    #[test]
    fn devices_that_share_layers_in_another_way_load_all_of_them() {
        let range = LayerRange::new(0, 4);
        let mut before = Placement::new("m", 20);
        let mut after = before.clone();
        for (placement, devices) in [(&mut before, 2), (&mut after, 4)] {
            placement.assign(MachineId(0), range.unwrap(), devices);
        }
        let load = to_load(before.machines.get(&MachineId(0)), after.machines.get(&MachineId(0)));
        assert_eq!(load, [range.unwrap()]);
    }
}
