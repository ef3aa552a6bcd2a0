//! The authors' published files, where they are at hand.

use std::path::{Path, PathBuf};

use helix_spec::asplos25::{Imported, export, parse_limits};
use helix_spec::{
    Cluster, Endpoint, FileError, Machine, Placement, RegionId, Source, load_cluster_named, read_text,
};

use crate::files::Files;

/// The folder of the authors' data beside the project, or `None` with a line that says so.
fn data(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/asplos25");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {test} needs the authors' data in ../shared/asplos25");
    None
}

fn text(path: &Path) -> String {
    read_text(path, 1 << 24).unwrap()
}

/// All files of one published layout.
fn files(data: &Path, cluster: &str, set: &str, method: &str) -> Files {
    let layout = data.join("layouts").join(set).join(method);
    let profiles = data.join("profiles/llama2_70b");
    let times = ["a100", "t4", "l4", "v100"].map(|folder| {
        let csv = |what: &str| text(&profiles.join(folder).join(format!("{what}_bs2time.csv")));
        (folder.to_owned(), csv("prompt"), csv("decode"))
    });
    Files {
        cluster: text(&data.join("clusters").join(cluster)),
        machine_profiles: text(&data.join("clusters/machine_profiles.ini")),
        times: times.to_vec(),
        limits: Some(text(&data.join("profiles/node_limits_24.csv"))),
        solution: Some(text(&layout.join(format!("{method}_sol.ini")))),
        simulator: Some(text(&layout.join("simulator_cluster.ini"))),
    }
}

fn imported(data: &Path, cluster: &str, set: &str, method: &str) -> Imported {
    files(data, cluster, set, method).import("LLaMa70B").unwrap()
}

const LAYOUTS: [(&str, &str, &str, usize); 6] = [
    ("single24.ini", "single_llama2_70b", "ilp", 31),
    ("single24.ini", "single_llama2_70b", "petals", 47),
    ("single24.ini", "single_llama2_70b", "swarm", 32),
    ("3cluster24.ini", "distributed_llama2_70b", "ilp", 25),
    ("3cluster24.ini", "distributed_llama2_70b", "petals", 48),
    ("3cluster24.ini", "distributed_llama2_70b", "swarm", 32),
];

#[test]
fn every_published_layout_imports() {
    let Some(data) = data("every_published_layout_imports") else { return };
    for (cluster, set, method, links) in LAYOUTS {
        let imported = imported(&data, cluster, set, method);
        assert_eq!(imported.cluster.machines.len(), 24);
        let mut count = std::collections::BTreeMap::new();
        for machine in &imported.cluster.machines {
            *count.entry(machine.machine_type.as_str()).or_insert(0) += 1;
        }
        assert_eq!(count.into_iter().collect::<Vec<_>>(), [("A100", 4), ("L4", 8), ("T4", 12)]);
        let placement = imported.placement.unwrap();
        assert_eq!(placement.links.as_ref().unwrap().len(), links, "{set} {method}");
        assert_eq!(placement.machines.len(), 24);
        // Every layer is held by somebody, and the rounding of 51 ms to 51.00000000000001 ms is no difference.
        assert!((0..80).all(|layer| placement.machines.values().any(|held| held.layers.contains(layer))));
        assert_eq!(imported.notes.len(), 1, "{:?}", imported.notes);
        assert!(imported.notes[0].contains("v100"), "{:?}", imported.notes);
    }
}

/// Their cluster of three regions and a coordinator that is far from all of them.
#[test]
fn the_three_regions_are_found() {
    let Some(data) = data("the_three_regions_are_found") else { return };
    let cluster = imported(&data, "3cluster24.ini", "distributed_llama2_70b", "ilp").cluster;
    assert_eq!(cluster.regions, ["region-1", "region-2", "region-3", "coordinator"]);
    let sizes = [0, 1, 2].map(|id| cluster.machines.iter().filter(|machine| machine.region.0 == id).count());
    assert_eq!(sizes, [4, 10, 10]);
    assert_eq!(cluster.coordinator.region.0, 3);
    let first = Endpoint::Machine(helix_spec::MachineId(0));
    let link = cluster.link(Endpoint::Coordinator, first).unwrap();
    assert_eq!((link.bandwidth.0, link.latency.0), (113_600_000, 55_000_000_000));
    let back = cluster.link(first, Endpoint::Coordinator).unwrap();
    assert_eq!((back.bandwidth.0, back.latency.0), (89_600_000, 59_000_000_000));
    let single = imported(&data, "single24.ini", "single_llama2_70b", "ilp").cluster;
    assert_eq!((single.regions.len(), single.network.regions.len(), single.network.links.len()), (1, 1, 0));
}

/// Each of the 23 rows of the limits table, cell by cell against a reading of the file that knows no types.
#[test]
fn all_rows_of_the_limits_table_arrive() {
    let Some(data) = data("all_rows_of_the_limits_table_arrive") else { return };
    let csv = text(&data.join("profiles/node_limits_24.csv"));
    assert_eq!(parse_limits(&csv, "limits").unwrap().rows.len(), 23);
    let cluster = imported(&data, "single24.ini", "single_llama2_70b", "ilp").cluster;
    let tables = cluster.cost_tables_for("llama-2-70b").unwrap();
    let mut rows = 0;
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let row = &tables.types[cells[2]].declared[&cells[3].parse().unwrap()];
        let found = [
            row.typical_prompt_requests,
            f64::from(row.typical_prompt_tokens),
            f64::from(row.typical_decode_tokens),
            row.throughput.get(),
            row.kv_capacity as f64,
            f64::from(row.prompt_max_requests),
            f64::from(row.prompt_max_tokens),
            row.decode_max_context as f64,
            f64::from(row.decode_max_requests),
        ];
        let expected: Vec<f64> = cells[4..].iter().map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(found[..], expected[..], "{line}");
        rows += 1;
    }
    assert_eq!(rows, 23);
    let a100 = &tables.types["A100"];
    assert_eq!(a100.prompt.as_ref().unwrap().rows.last().unwrap().0, 11_250);
}

/// The value of every key of an `.ini`, as numbers where it is one: a reading that shares nothing with the parser.
fn values(text: &str) -> Vec<(String, String, String)> {
    let (mut found, mut section) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let value = value.trim();
            let number = value.split_once(" * ").map_or(Some((value, 1.0)), |(number, unit)| {
                let units = [("mbps", 1e6), ("gbps", 1e9), ("MB", 1e6), ("GB", 1e9), ("MilliSec", 1e-3)];
                units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| (number, *factor))
            });
            let number = number.and_then(|(number, factor)| Some(number.parse::<f64>().ok()? * factor));
            let value = number.map_or(value.to_owned(), |number| format!("{:016x}", number.to_bits()));
            found.push((section.clone(), key.trim().to_owned(), value));
        }
    }
    found.sort();
    found
}

/// Shows the first difference only.
#[track_caller]
fn assert_same(found: &[(String, String, String)], expected: &[(String, String, String)]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// Written back, the authors' files say the same: every double bit by bit, every list in its order.
#[test]
fn exports_hold_the_authors_values_bit_by_bit() {
    let Some(data) = data("exports_hold_the_authors_values_bit_by_bit") else { return };
    for (cluster, set, method, _) in LAYOUTS {
        let files = files(&data, cluster, set, method);
        let imported = files.import("LLaMa70B").unwrap();
        let exported = export(&imported.cluster, "llama-2-70b", imported.placement.as_ref()).unwrap();
        let written = |path: &str| &exported.files.iter().find(|file| file.path == path).unwrap().text;
        assert_same(&values(written("cluster.ini")), &values(&files.cluster));
        assert_same(&values(written("helix_sol.ini")), &values(files.solution.as_ref().unwrap()));
        // Their list of machine types names those that this cluster has not, too.
        let used = |text: &str| -> Vec<_> {
            values(text).into_iter().filter(|(section, ..)| section != "MachineTypes").collect()
        };
        let run = files.simulator.as_ref().unwrap();
        assert_same(&used(written("simulator_cluster.ini")), &used(run));
        let profiles = values(written("machine_profiles.ini"));
        assert!(profiles.iter().all(|value| values(&files.machine_profiles).contains(value)));
        assert_eq!(profiles.len(), 4 * 5);
        assert_eq!(*written("node_limits.csv"), files.limits.as_ref().unwrap().replace('\r', ""));
        let decode = written("profiles/llama2_70b/l4/decode_bs2time.csv");
        let theirs = text(&data.join("profiles/llama2_70b/l4/decode_bs2time.csv"));
        let rows = |text: &str| -> Vec<f64> {
            text.split([',', '\n'])
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(|cell| cell.parse().unwrap())
                .collect()
        };
        assert_eq!(rows(decode), rows(&theirs));
    }
}

/// What the authors' files say of the paper's clusters is what the presets say, names apart.
#[test]
fn the_presets_are_the_authors_clusters() {
    let Some(data) = data("the_presets_are_the_authors_clusters") else { return };
    let sets = [("single24", "single_llama2_70b"), ("3cluster24", "distributed_llama2_70b")];
    for (name, set) in sets {
        let imported = imported(&data, &format!("{name}.ini"), set, "ilp").cluster;
        let preset = load_cluster_named(name).unwrap();
        for (ours, theirs) in preset.machines.iter().zip(&imported.machines) {
            let plain =
                |machine: &Machine| Machine { name: String::new(), region: RegionId(0), ..machine.clone() };
            assert_eq!(plain(ours), plain(theirs));
        }
        assert_eq!(preset.machines.len(), imported.machines.len());
        assert_eq!(preset.coordinator.nic, imported.coordinator.nic);
        let ends: Vec<Endpoint> = std::iter::once(Endpoint::Coordinator)
            .chain(preset.machine_ids().map(Endpoint::Machine))
            .collect();
        for from in &ends {
            for to in &ends {
                assert_eq!(preset.link(*from, *to), imported.link(*from, *to), "{name} {from:?} {to:?}");
            }
        }
        let model = "llama-2-70b";
        let mut ours = preset.cost_tables_for(model).unwrap().clone();
        // The preset has the measured times of a V100 too, which no machine of it is.
        ours.types.retain(|name, _| name != "V100");
        assert_eq!(&ours, imported.cost_tables_for(model).unwrap());
    }
}

/// A cluster file of Helix says all that was imported.
#[test]
fn imported_clusters_survive_their_own_files() {
    let Some(data) = data("imported_clusters_survive_their_own_files") else { return };
    for (cluster, set, method, _) in LAYOUTS {
        let imported = imported(&data, cluster, set, method);
        let files = imported.cluster.to_files();
        let read_beside = |name: &str| {
            let found = files.cost_tables.iter().find(|(file, _)| file == name);
            found.cloned().ok_or_else(|| FileError::new(name, "is missing"))
        };
        let source = Source { origin: "cluster.toml", text: &files.cluster };
        assert_eq!(Cluster::parse(&source, &read_beside).unwrap(), imported.cluster, "{set} {method}");
        let placement = imported.placement.unwrap();
        let text = placement.to_toml(&imported.cluster);
        let source = Source { origin: "placement.toml", text: &text };
        assert_eq!(Placement::parse(&source, &imported.cluster).unwrap(), placement, "{set} {method}");
    }
}
