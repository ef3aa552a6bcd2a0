//! The clusters that Helix ships: what they are, and that they are the authors' (where their files are at hand).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use helix_spec::{
    Bandwidth, Bytes, Cluster, CostTables, Endpoint, MachineId, SimTime, Source, cluster_presets,
    load_cluster_named,
};

fn data(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/clusters").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn without_comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

fn mix(cluster: &Cluster) -> BTreeMap<&str, usize> {
    let mut mix = BTreeMap::new();
    for machine in &cluster.machines {
        *mix.entry(machine.machine_type.as_str()).or_default() += 1;
    }
    mix
}

#[test]
fn presets_are_written_as_the_writer_writes() {
    for name in cluster_presets() {
        let files = load_cluster_named(name).unwrap().to_files();
        assert_eq!(files.cluster, without_comments(&data(&format!("{name}.toml"))), "{name}");
        for (file, text) in files.cost_tables {
            assert_eq!(text, without_comments(&data(&file)), "{file}");
        }
    }
}

#[test]
fn presets_have_the_machines_of_the_paper() {
    let single = load_cluster_named("single24").unwrap();
    let three = load_cluster_named("3cluster24").unwrap();
    let large = load_cluster_named("cluster42").unwrap();
    let of_24 = BTreeMap::from([("A100", 4), ("L4", 8), ("T4", 12)]);
    assert_eq!((mix(&single), mix(&three)), (of_24.clone(), of_24));
    let of_42 = BTreeMap::from([
        ("A100", 4),
        ("V100", 6),
        ("L4", 8),
        ("L4x2", 4),
        ("T4", 10),
        ("T4x2", 6),
        ("T4x4", 4),
    ]);
    assert_eq!(mix(&large), of_42);
    let memory = |name: &str| large.machine(large.machine_named(name).unwrap()).memory;
    let gigabytes = ["a100-4", "v100-1", "l4-8", "l4x2-1", "t4-10", "t4x2-6", "t4x4-4"].map(memory);
    assert_eq!(gigabytes, [40, 16, 24, 48, 16, 32, 64].map(|n: u64| Bytes(n * 1_000_000_000)));
    let first = large.link(Endpoint::Coordinator, Endpoint::Machine(MachineId(41))).unwrap();
    assert_eq!((first.bandwidth.bytes_per_second(), first.latency), (1e9, SimTime(1_000_000_000)));
    assert_eq!(large.coordinator.nic.inbound.bytes_per_second(), 10e9);
    assert_eq!(three.regions, ["home", "region-1", "region-2", "region-3"]);
    assert_eq!(single.cost_tables_for("llama-2-70b").unwrap().layer_bytes, Some(Bytes(1_530_000_000)));
    assert_eq!(large.cost_tables, []);
}

/// A folder of data beside the project, or `None` (and a line that says so) where it is absent.
fn beside(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: {} is not there", found.display());
    None
}

/// `[section] key=value` as in the authors' files.
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section.clone_into(&mut name);
        } else if let Some((key, value)) = line.split_once('=') {
            sections.entry(name.clone()).or_default().insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    sections
}

fn number(text: &str) -> f64 {
    text.split('*').next().unwrap().trim().parse().unwrap()
}

#[test]
fn every_machine_and_link_is_the_one_of_the_authors_file() {
    let Some(folder) = beside("asplos25/clusters") else { return };
    for name in ["single24", "3cluster24"] {
        let cluster = load_cluster_named(name).unwrap();
        let theirs = sections(&std::fs::read_to_string(folder.join(format!("{name}.ini"))).unwrap());
        let endpoint = |text: &str| match text {
            "source" | "sink" => Endpoint::Coordinator,
            index => Endpoint::Machine(MachineId(index.parse().unwrap())),
        };
        let mut links = 0;
        for (section, keys) in &theirs {
            if let Some(index) = section.strip_prefix("ComputeNode-") {
                assert_eq!(cluster.machines[index.parse::<usize>().unwrap()].machine_type, keys["type"]);
            }
            let Some((from, to)) = section.strip_prefix("Link-").and_then(|ends| ends.split_once('-')) else {
                continue;
            };
            // Megabytes a second, one digit after the point at most.
            let bandwidth = Bandwidth::from_bytes_per_second((number(&keys["bandwidth"]) * 1e6).round());
            let latency = SimTime::from_seconds(number(&keys["latency"]) / 1e3).unwrap();
            let mut ways = vec![(endpoint(from), endpoint(to))];
            if from != "source" && to != "sink" {
                ways.push((endpoint(to), endpoint(from)));
            }
            for (from, to) in ways {
                let ours = cluster.link(from, to).unwrap();
                assert_eq!((Some(ours.bandwidth), ours.latency), (bandwidth, latency), "{name} {section}");
                links += 1;
            }
        }
        assert_eq!(links, 2 * 276 + 48, "{name}");
    }
}

#[test]
fn every_row_of_the_tables_is_the_one_of_the_authors_files() {
    let Some(folder) = beside("asplos25/profiles") else { return };
    let text = data("costs-llama-2-70b.toml");
    let tables = CostTables::parse(&Source { origin: "costs", text: &text }).unwrap();
    let limits = std::fs::read_to_string(folder.join("node_limits_24.csv")).unwrap();
    let mut rows = 0;
    for line in limits.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let row = &tables.types[cells[2]].declared[&cells[3].parse().unwrap()];
        let ours = [
            format!("{:?}", row.typical_prompt_requests),
            row.typical_prompt_tokens.to_string(),
            row.typical_decode_tokens.to_string(),
            format!("{:?}", row.throughput.get()),
            row.kv_capacity.to_string(),
            row.prompt_max_requests.to_string(),
            row.prompt_max_tokens.to_string(),
            row.decode_max_context.to_string(),
            row.decode_max_requests.to_string(),
        ];
        assert_eq!(ours, cells[4..], "{line}");
        rows += 1;
    }
    assert_eq!(rows, tables.types.values().map(|tables| tables.declared.len()).sum::<usize>());
    for (name, ours) in &tables.types {
        for (kind, ours) in [("prompt", &ours.prompt), ("decode", &ours.decode)] {
            let file =
                folder.join("llama2_70b").join(name.to_lowercase()).join(format!("{kind}_bs2time.csv"));
            let theirs: Vec<(u32, SimTime)> = std::fs::read_to_string(file)
                .unwrap()
                .lines()
                .map(|line| line.split_once(',').unwrap())
                .map(|(batch, ms)| (batch.parse().unwrap(), format!("{ms} ms").parse().unwrap()))
                .collect();
            assert_eq!(ours.as_ref().unwrap().rows, theirs, "{name} {kind}");
        }
    }
}
