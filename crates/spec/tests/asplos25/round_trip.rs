//! import ∘ export is the identity on what both sides know.

use helix_spec::asplos25::{Exported, Imported, export};
use helix_spec::{
    Bandwidth, Bytes, BytesPerSecond, Cluster, Endpoint, LayerRange, Link, MachineId, Placement, SimTime,
};
use proptest::prelude::*;

use crate::files::{Files, cluster_ini, machine_profiles_ini, small, uniform};

/// Imports what an export wrote.
fn import_again(exported: &Exported) -> Imported {
    let text = |path: &str| exported.files.iter().find(|f| f.path == path).map(|f| f.text.clone());
    let mut times = Vec::new();
    for file in &exported.files {
        if let Some(folder) = file.path.strip_suffix("/prompt_bs2time.csv") {
            let name = folder.rsplit('/').next().unwrap().to_owned();
            times.push((name, file.text.clone(), text(&format!("{folder}/decode_bs2time.csv")).unwrap()));
        }
    }
    let files = Files {
        cluster: text("cluster.ini").unwrap(),
        machine_profiles: text("machine_profiles.ini").unwrap(),
        times,
        limits: text("node_limits.csv"),
        solution: text("helix_sol.ini"),
        simulator: text("simulator_cluster.ini"),
    };
    files.import("llama-2-70b").unwrap()
}

fn assert_identity(first: &Imported) {
    let exported = export(&first.cluster, "llama-2-70b", first.placement.as_ref()).unwrap();
    let second = import_again(&exported);
    assert_eq!(second.cluster, first.cluster);
    assert_eq!(second.placement, first.placement);
}

#[test]
fn the_small_files_come_back() {
    let mut files = small();
    assert_identity(&files.import("llama-2-70b").unwrap());
    files.simulator = files.simulator.map(|run| run.replace("bandwidth=1000.0", "bandwidth=333.3"));
    assert_identity(&files.import("llama-2-70b").unwrap());
}

/// Every pair of endpoints of a cluster of `machines`.
fn pairs(machines: u32) -> Vec<(Endpoint, Endpoint)> {
    let ends: Vec<Endpoint> = std::iter::once(Endpoint::Coordinator)
        .chain((0..machines).map(|index| Endpoint::Machine(MachineId(index))))
        .collect();
    ends.iter().flat_map(|a| ends.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b).collect()
}

/// A cluster whose every number is arbitrary, pruned of some links, built without the importer's help but for names.
fn arbitrary_cluster() -> impl Strategy<Value = Cluster> {
    let bandwidth = || {
        prop_oneof![
            (1..1_u64 << 50).prop_map(Bandwidth),
            Just(Bandwidth(8_000_000_000)),
            (1..99_u64).prop_map(|tenths| Bandwidth(tenths * 800_000))
        ]
    };
    let latency = prop_oneof![
        (0..1_u64 << 49).prop_map(SimTime),
        (0..99_u64).prop_map(|ms| SimTime(ms * 1_000_000_000))
    ];
    let link = (bandwidth(), latency, prop::bool::weighted(0.8));
    let amount = || prop_oneof![(1..1_u64 << 53), (1..999_u64).prop_map(|gb| gb * 1_000_000_000)];
    let types = [["T4", "L4"], ["T4x2", "Frob9"], ["A100", "Frob9x8"]];
    (
        1..7_usize,
        prop::sample::select(types.to_vec()),
        prop::collection::vec((bandwidth(), bandwidth(), amount(), amount()), 3),
    )
        .prop_flat_map(move |(count, types, values)| {
            let links = prop::collection::vec(link.clone(), (count + 1) * (count + 1));
            (prop::collection::vec(prop::sample::select(types.to_vec()), count), links, Just((types, values)))
        })
        .prop_map(|(of_machine, links, (types, values))| {
            let profiles = machine_profiles_ini(&types.map(|name| (name, "16 * GB")));
            let files = Files {
                cluster: cluster_ini(&of_machine, uniform),
                machine_profiles: profiles,
                ..Files::default()
            };
            let mut cluster = files.import("llama-2-70b").unwrap().cluster;
            cluster.coordinator.nic = helix_spec::Nic { inbound: values[2].0, outbound: values[2].1 };
            for machine in &mut cluster.machines {
                let (inbound, outbound, memory, disk) = values[usize::from(machine.machine_type == types[1])];
                machine.nic = helix_spec::Nic { inbound, outbound };
                (machine.memory, machine.disk) = (Bytes(memory), BytesPerSecond(disk));
            }
            cluster.network.regions.clear();
            let machines = u32::try_from(of_machine.len()).unwrap();
            for (pair, (bandwidth, latency, keep)) in pairs(machines).into_iter().zip(links) {
                let value = Link { bandwidth, latency };
                let back = cluster.network.links.get(&(pair.1, pair.0)).copied();
                let between_machines = pair.0 != Endpoint::Coordinator && pair.1 != Endpoint::Coordinator;
                match back.filter(|_| between_machines) {
                    Some(same) => drop(cluster.network.links.insert(pair, same)),
                    None if between_machines && pair.0 > pair.1 => {}
                    None if keep => drop(cluster.network.links.insert(pair, value)),
                    None => {}
                }
            }
            cluster
        })
}

/// What the authors' files know of a cluster.
fn known(cluster: &Cluster) -> impl PartialEq + std::fmt::Debug {
    let machines: Vec<_> = cluster
        .machines
        .iter()
        .map(|machine| {
            (machine.machine_type.clone(), machine.count, machine.memory, machine.nic, machine.disk)
        })
        .collect();
    let count = u32::try_from(cluster.machines.len()).unwrap();
    let links: Vec<_> = pairs(count).into_iter().map(|(from, to)| cluster.link(from, to)).collect();
    (machines, links, cluster.coordinator.nic)
}

proptest! {
    #[test]
    fn any_cluster_comes_back(cluster in arbitrary_cluster()) {
        let exported = export(&cluster, "llama-2-70b", None).unwrap();
        let again = import_again(&exported);
        prop_assert_eq!(format!("{:?}", known(&again.cluster)), format!("{:?}", known(&cluster)));
        // What an import makes is the form that it makes again.
        let twice = import_again(&export(&again.cluster, "llama-2-70b", None).unwrap());
        prop_assert_eq!(twice.cluster, again.cluster);
    }

    #[test]
    fn any_placement_and_its_run_come_back(
        mut cluster in arbitrary_cluster(),
        ranges in prop::collection::vec((0..80_u32, 1..80_u32, 0..1_u64 << 53), 6),
        order in any::<prop::sample::Index>(),
        own in (1..1_u64 << 50, 0..1_u64 << 49),
    ) {
        let mut placement = Placement::new("llama-2-70b", 80);
        for (id, (start, length, capacity)) in cluster.machine_ids().zip(ranges) {
            let count = cluster.machine(id).count;
            if let Some(range) = LayerRange::new(start, (start + length).min(80)).filter(|range| range.len() % 3 > 0) {
                placement.assign(id, range, count);
                placement.machines.get_mut(&id).unwrap().kv_capacity = Some(capacity);
            }
        }
        prop_assume!(!placement.machines.is_empty());
        let holds = |end: &Endpoint| match end {
            Endpoint::Coordinator => true,
            Endpoint::Machine(id) => placement.machines.contains_key(id),
        };
        let mut links: Vec<_> = cluster.network.links.keys().filter(|(a, b)| holds(a) && holds(b)).copied().collect();
        if !links.is_empty() {
            let middle = order.index(links.len());
            links.rotate_left(middle);
            // A link of the run may differ from the one back, and its machine from others of the type.
            let changed = Link { bandwidth: Bandwidth(own.0), latency: SimTime(own.1) };
            cluster.network.links.insert(links[0], changed);
            let id = *placement.machines.keys().next().unwrap();
            cluster.machines[id.index()].nic.inbound = Bandwidth(own.0);
        }
        placement.links = Some(links);
        let exported = export(&cluster, "llama-2-70b", Some(&placement)).unwrap();
        let again = import_again(&exported);
        prop_assert_eq!(format!("{:?}", known(&again.cluster)), format!("{:?}", known(&cluster)));
        prop_assert_eq!(again.placement.as_ref(), Some(&placement));
        assert_identity(&again);
    }
}

#[test]
fn what_the_formats_cannot_say_is_refused() {
    let refused = |change: fn(&mut Cluster, &mut Placement)| {
        let mut imported = small().import("llama-2-70b").unwrap();
        let mut placement = imported.placement.take().unwrap();
        change(&mut imported.cluster, &mut placement);
        export(&imported.cluster, "llama-2-70b", Some(&placement)).unwrap_err().to_string()
    };
    let error = refused(|cluster, placement| {
        placement.links = Some(Vec::new());
        let (a, b) = (Endpoint::Machine(MachineId(0)), Endpoint::Machine(MachineId(1)));
        cluster.network.links.insert((a, b), Link { bandwidth: Bandwidth(7), latency: SimTime(0) });
    });
    assert!(
        error.starts_with("the link from compute_node_2 to compute_node_3 is not like the one back"),
        "{error}"
    );
    let error = refused(|cluster, placement| {
        placement.machines.clear();
        placement.links = None;
        cluster.machines[1].machine_type = "T4".to_owned();
    });
    assert!(error.starts_with("compute_node_2 and compute_node_3 are both T4"), "{error}");
    for name in ["../../x", "a b", "", "SourceNode", "x]\n[y", "T4/..", "x\0"] {
        let mut cluster = small().import("llama-2-70b").unwrap().cluster;
        cluster.machines[0].machine_type = name.to_owned();
        let error = export(&cluster, "llama-2-70b", None).unwrap_err().to_string();
        assert!(error.contains("cannot be a name in the authors' files"), "{name}: {error}");
    }
    let error = refused(|cluster, _| cluster.machines[1].machine_type = "t4".to_owned());
    assert!(error.contains("`T4` and `t4` differ in letter case only"), "{error}");
    let error = refused(|cluster, _| cluster.machines[1].memory = Bytes((1 << 53) + 1));
    assert!(error.contains("too large to be written exactly"), "{error}");
    let error = refused(|_, placement| placement.model = "other".to_owned());
    assert!(error.contains("it is for other, the export for llama-2-70b"), "{error}");
}

/// Without capacities there is no run to write, but the layers still are.
#[test]
fn a_placement_without_capacities_exports_its_layers() {
    let mut files = small();
    (files.limits, files.simulator) = (None, None);
    let imported = files.import("llama-2-70b").unwrap();
    let exported = export(&imported.cluster, "llama-2-70b", imported.placement.as_ref()).unwrap();
    assert!(exported.files.iter().all(|file| file.path != "simulator_cluster.ini"));
    assert!(exported.notes.iter().any(|note| note.starts_with("no simulator_cluster.ini")));
    assert_eq!(import_again(&exported).placement, imported.placement);
}
