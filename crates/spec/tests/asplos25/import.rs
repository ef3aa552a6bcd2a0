//! What an import makes of files, on clusters small enough to check by eye and on the shapes that the paper has.

use std::fmt::Write as _;

use helix_spec::asplos25::ImportedModel;
use helix_spec::{Bandwidth, Bytes, Endpoint, MachineId, RegionId, SimTime};

use crate::files::{Files, LIMITS_HEADER, cluster_ini, machine_profiles_ini, small, uniform};

fn machine(index: u32) -> Endpoint {
    Endpoint::Machine(MachineId(index))
}

/// Their `mbps` are millions of bytes a second; read as bits, every transfer would be eight times too slow.
#[test]
fn a_link_of_1000_mbps_has_8_gigabit() {
    let imported = small().import("llama-2-70b").unwrap();
    let link = imported.cluster.link(machine(0), machine(1)).unwrap();
    assert_eq!(link.bandwidth, "8 Gbit/s".parse::<Bandwidth>().unwrap());
    assert_eq!(link.latency, "1 ms".parse::<SimTime>().unwrap());
    let first = &imported.cluster.machines[0];
    assert_eq!(first.nic.inbound, "80 Gbit/s".parse::<Bandwidth>().unwrap());
    assert_eq!(first.disk.to_string(), "1 GB/s");
}

#[test]
fn the_small_cluster_is_what_its_files_say() {
    let imported = small().import("LLaMa70B").unwrap();
    let cluster = &imported.cluster;
    assert_eq!(cluster.machines[0].name, "compute_node_2");
    assert_eq!(cluster.machines[1].device.name, "L4");
    assert_eq!((cluster.machines[1].count, cluster.machines[1].memory), (1, Bytes(24_000_000_000)));
    assert_eq!(cluster.regions, ["region-1"]);
    assert_eq!(cluster.coordinator.region, RegionId(0));
    assert!(cluster.network.links.is_empty());
    let tables = cluster.cost_tables_for("llama-2-70b").unwrap();
    assert_eq!(tables.layer_bytes, Some(Bytes(1_530_000_000)));
    assert_eq!((tables.activation_bytes, tables.token_bytes), (Some(Bytes(16_384)), Some(Bytes(2))));
    assert_eq!(tables.types["T4"].declared[&1].throughput.get(), 100.5);
    assert_eq!(tables.types["T4"].decode.as_ref().unwrap().rows[1], (2, SimTime(7_100_000_000)));
    let placement = imported.placement.unwrap();
    assert_eq!((placement.model.as_str(), placement.model_layers), ("llama-2-70b", 80));
    assert_eq!(placement.machines[&MachineId(0)].layers.to_string(), "0..2");
    assert_eq!(placement.machines[&MachineId(1)].kv_capacity, Some(4096));
    let order =
        [(Endpoint::Coordinator, machine(0)), (machine(1), Endpoint::Coordinator), (machine(0), machine(1))];
    assert_eq!(placement.links.unwrap(), order);
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    assert!(imported.notes.iter().all(|note| note.contains("for: L4")), "{:?}", imported.notes);
}

/// The 42 machines of the paper: seven types, several devices in some of them.
#[test]
fn forty_two_machines_of_seven_kinds() {
    let kinds = [("A100", 4), ("V100", 6), ("L4", 8), ("L4x2", 4), ("T4", 10), ("T4x2", 6), ("T4x4", 4)];
    let types: Vec<&str> =
        kinds.iter().flat_map(|(name, count)| std::iter::repeat_n(*name, *count)).collect();
    let mut limits = LIMITS_HEADER.to_owned();
    for (name, _) in kinds {
        writeln!(limits, "LLaMa70B,c42,{name},1,0.04,30,10,20000.5,8000000,3,6144,480000,480").unwrap();
    }
    let files = Files {
        cluster: cluster_ini(&types, uniform),
        machine_profiles: machine_profiles_ini(&[
            ("T4", "16 * GB"),
            ("T4x2", "32 * GB"),
            ("T4x4", "64 * GB"),
            ("L4", "24 * GB"),
            ("L4x2", "48 * GB"),
            ("V100", "16 * GB"),
            ("A100", "40 * GB"),
        ]),
        limits: Some(format!("{limits}LLaMa70B,c24,T4,1,1,1,1,1,1,1,1,1,1\n")),
        times: vec![("t4x2".to_owned(), "0,0\n250,9\n".to_owned(), "0,0\n2,4\n".to_owned())],
        ..Files::default()
    };
    let cluster = files.import("llama2_70b").unwrap().cluster;
    assert_eq!(cluster.machines.len(), 42);
    let found = |name: &str| {
        let machine = cluster.machines.iter().find(|machine| machine.machine_type == name).unwrap();
        (machine.device.name.clone(), machine.count, machine.memory.gigabytes())
    };
    assert_eq!(found("T4x4"), ("T4".to_owned(), 4, 64.0));
    assert_eq!(found("L4x2"), ("L4".to_owned(), 2, 48.0));
    assert_eq!(found("V100"), ("V100-16GB".to_owned(), 1, 16.0));
    assert_eq!(found("A100"), ("A100-40GB".to_owned(), 1, 40.0));
    let tables = cluster.cost_tables_for("llama-2-70b").unwrap();
    assert_eq!(tables.types.len(), 7);
    assert_eq!(tables.types["T4x2"].prompt.as_ref().unwrap().rows.len(), 2);
}

/// Ten machines, a device that is in no catalogue, a model that is no preset, several models and clusters in one table.
#[test]
fn unknown_devices_and_models_are_kept() {
    let types = ["Frob9", "Frob9x2", "T4", "T4", "T4", "T4", "T4", "T4", "T4", "T4"];
    let mut files = Files {
        cluster: cluster_ini(&types, uniform),
        machine_profiles: machine_profiles_ini(&[
            ("T4", "16 * GB"),
            ("Frob9", "20 * GB"),
            ("Frob9x2", "40 * GB"),
        ]),
        limits: Some(format!(
            "{LIMITS_HEADER}Zebra-13B,c10,Frob9,3,0.5,10,2,123.25,77,1,2048,300,30\n\
             Zebra-13B,c24,Frob9,3,0.5,10,2,1,77,1,2048,300,30\n\
             Okapi-1B,c10,Frob9,3,0.5,10,2,2,77,1,2048,300,30\n"
        )),
        ..Files::default()
    };
    let imported = files.import("zebra-13b").unwrap();
    let [one, two, ..] = &imported.cluster.machines[..] else { panic!("ten machines") };
    assert_eq!((one.device.name.as_str(), one.count, one.device.memory), ("Frob9", 1, Bytes(20_000_000_000)));
    assert_eq!((two.device.name.as_str(), two.count, two.memory), ("Frob9", 2, Bytes(40_000_000_000)));
    assert!(one.device.source.contains("only its memory is known"), "{}", one.device.source);
    assert!(imported.notes.iter().any(|note| note.contains("Frob9 is not in the catalogue")));
    let tables = imported.cluster.cost_tables_for("zebra-13b").unwrap();
    assert_eq!(tables.types["Frob9"].declared[&3].throughput.get(), 123.25);
    assert_eq!(tables.layer_bytes, None);
    // A placement needs to know how many layers there are.
    files.solution = Some("[Settings]\noffset=2\n[Solution]\ncompute_node_2=[0, 1]\n".to_owned());
    let error = files.import("zebra-13b").unwrap_err().to_string();
    assert!(error.contains("needs the number of layers") && error.contains("folder"), "{error}");
    let shaped = files.import_shaped(ImportedModel { name: "zebra-13b", layers: Some(2) }).unwrap();
    assert_eq!(shaped.placement.unwrap().model_layers, 2);
    // The candidates are named.
    let error = files.import("zebra-14b").unwrap_err().to_string();
    assert!(
        error.ends_with("limits.csv: has no rows of the model zebra-14b; it has: Okapi-1B, Zebra-13B"),
        "{error}"
    );
}

#[test]
fn limits_of_one_other_cluster_are_taken_with_a_note() {
    let mut files = small();
    let table = files.limits.clone().unwrap();
    let only_another: Vec<&str> = table.lines().filter(|line| !line.contains(",c24,")).collect();
    files.limits = Some(only_another.join("\n").replace("LLaMa70B,c2,", "LLaMa70B,c10,"));
    let imported = files.import("llama-2-70b").unwrap();
    assert!(
        imported.notes.iter().any(|note| note.contains("declared for cluster_counts `c10`")),
        "{:?}",
        imported.notes
    );
    assert!(imported.cluster.cost_tables[0].types.values().any(|tables| !tables.declared.is_empty()));
}

#[test]
fn limits_of_another_cluster_are_not_taken() {
    let mut files = small();
    let table = files.limits.clone().unwrap();
    files.limits = Some(table.replace("LLaMa70B,c2,", "LLaMa70B,c42,"));
    let error = files.import("llama-2-70b").unwrap_err().to_string();
    assert!(error.contains("has no rows of `LLaMa70B` with cluster_counts `c2`"), "{error}");
    assert!(error.ends_with("it has: c24, c42"), "{error}");
    files.limits = Some(format!("{table}llama2_70b,c2,T4,1,0.5,10,2,8,5000,1,2048,300000,300\n"));
    let error = files.import("llama-2-70b").unwrap_err().to_string();
    assert!(error.contains("rows of `LLaMa70B` and of `llama2_70b`"), "{error}");
    files.limits = Some(format!("{table}LLaMa70B,c2,T4,1,0.5,10,2,8,5000,1,2048,300000,300\n"));
    let error = files.import("llama-2-70b").unwrap_err().to_string();
    assert!(error.starts_with("limits.csv:5: has a second row"), "{error}");
}

/// What a run's own file says wins, and only the directions that it names.
#[test]
fn the_runs_values_win() {
    let mut files = small();
    let run = files.simulator.clone().unwrap();
    let slow = run.replacen(
        "latency=1.0 * MilliSec\nbandwidth=1000.0",
        "latency=2.0 * MilliSec\nbandwidth=900.0",
        3,
    );
    files.simulator = Some(slow.replacen("10000.0", "5000.0", 3));
    let imported = files.import("llama-2-70b").unwrap();
    let cluster = &imported.cluster;
    let bandwidth = |from, to| cluster.link(from, to).unwrap().bandwidth.0;
    assert_eq!(bandwidth(machine(0), machine(1)), 7_200_000_000);
    assert_eq!(bandwidth(machine(1), machine(0)), 8_000_000_000);
    assert_eq!(bandwidth(Endpoint::Coordinator, machine(0)), 7_200_000_000);
    assert_eq!(bandwidth(machine(0), Endpoint::Coordinator), 8_000_000_000);
    assert_eq!(cluster.coordinator.nic.outbound.0, 40_000_000_000);
    let nics: Vec<u64> = cluster.machines.iter().map(|machine| machine.nic.inbound.0).collect();
    assert_eq!(nics, [40_000_000_000, 80_000_000_000]);
    for start in
        ["3 links have another speed", "1 machines have another interface", "the coordinator's interface"]
    {
        assert!(imported.notes.iter().any(|note| note.starts_with(start)), "{start}: {:?}", imported.notes);
    }
}

/// Slow links between two groups of machines part them, and the coordinator stands where its links are fast.
#[test]
fn regions_follow_from_the_links() {
    let link = |from: &str, to: &str| {
        let near = |end: &str| matches!(end, "0" | "2" | "source" | "sink");
        let speed = if near(from) == near(to) { "1250 * mbps" } else { "12.5 * mbps" };
        (speed.to_owned(), "1 * MilliSec".to_owned())
    };
    let files = Files {
        cluster: cluster_ini(&["T4"; 4], link),
        machine_profiles: machine_profiles_ini(&[("T4", "16 * GB")]),
        ..Files::default()
    };
    let cluster = files.import("llama-2-70b").unwrap().cluster;
    assert_eq!(cluster.regions, ["region-1", "region-2"]);
    let regions: Vec<u32> = cluster.machines.iter().map(|machine| machine.region.0).collect();
    assert_eq!(regions, [0, 1, 0, 1]);
    assert_eq!(cluster.coordinator.region, RegionId(0));
    assert_eq!(cluster.network.regions.len(), 4);
}

/// One name stands for several products, and a machine may have another memory than its device.
#[test]
fn devices_are_found_by_name_and_memory() {
    let types = ["A100", "A100x2", "T4", "Frob9", "Frob9x2"];
    let memories = ["80 * GB", "161 * GB", "8 * GB", "20 * GB", "44 * GB"];
    let profiles: Vec<(&str, &str)> = types.into_iter().zip(memories).collect();
    let files = Files {
        cluster: cluster_ini(&types, uniform),
        machine_profiles: machine_profiles_ini(&profiles),
        ..Files::default()
    };
    let imported = files.import("llama-2-70b").unwrap();
    let found: Vec<(&str, u32, f64)> = imported
        .cluster
        .machines
        .iter()
        .map(|machine| (machine.device.name.as_str(), machine.count, machine.memory.gigabytes()))
        .collect();
    let expected = [
        ("A100-80GB", 1, 80.0),
        ("A100-80GB", 2, 161.0),
        ("T4", 1, 8.0),
        ("Frob9", 1, 20.0),
        ("Frob9", 2, 44.0),
    ];
    assert_eq!(found, expected);
    assert_eq!(imported.cluster.machines[2].device.memory.gigabytes(), 16.0);
    assert!(
        imported.notes.iter().any(|note| note.starts_with("T4: 8 GB in the machine profiles, 16 GB of T4"))
    );
    // A cluster file describes each device once, so types that share one share its description.
    let text = imported.cluster.to_files();
    let tables = text.cost_tables.clone();
    let beside = |name: &str| {
        let found = tables.iter().find(|(file, _)| file == name);
        found.cloned().ok_or_else(|| helix_spec::FileError::new(name, "is missing"))
    };
    let source = helix_spec::Source { origin: "cluster.toml", text: &text.cluster };
    assert_eq!(helix_spec::Cluster::parse(&source, &beside).unwrap(), imported.cluster);
}
