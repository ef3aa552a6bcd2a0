//! Machines, models and tables for the tests.

use std::path::{Path, PathBuf};

use helix_spec::asplos25::{parse_bs2time, parse_limits};
use helix_spec::{
    Bandwidth, Bytes, BytesPerSecond, Cluster, Coordinator, CostTables, Device, DeviceCatalogue, DeviceKind,
    FlopsPerSecond, Machine, ModelShape, Network, Nic, RegionId, TimeTable, TypeTables,
};

/// A device of the catalogue, or `Unmeasured`: a data-centre GPU with round figures that nobody calibrated.
pub fn device(name: &str) -> Device {
    if let Some(device) = DeviceCatalogue::builtin().get(name) {
        return device.clone();
    }
    assert_eq!(name, "Unmeasured");
    Device {
        name: name.to_owned(),
        kind: DeviceKind::DataCenter,
        memory: Bytes(32_000_000_000),
        memory_bandwidth: BytesPerSecond(1_000_000_000_000),
        flops_16bit: FlopsPerSecond(200_000_000_000_000),
        flops_8bit: None,
        flops_4bit: None,
        interconnect: BytesPerSecond(16_000_000_000),
        source: "test".to_owned(),
    }
}

/// A machine of `count` devices; its label is the device's name as the published tables write it.
pub fn machine(name: &str, count: u32) -> Machine {
    let device = device(name);
    let label = name.trim_end_matches("-40GB").trim_end_matches("-16GB");
    let speed = Bandwidth(80_000_000_000);
    Machine {
        name: format!("{label}-machine"),
        machine_type: if count > 1 { format!("{label}x{count}") } else { label.to_owned() },
        memory: Bytes(device.memory.0 * u64::from(count)),
        device,
        count,
        nic: Nic { inbound: speed, outbound: speed },
        disk: BytesPerSecond(1_000_000_000),
        region: RegionId(0),
    }
}

pub fn cluster(machines: Vec<Machine>) -> Cluster {
    let speed = Bandwidth(80_000_000_000);
    Cluster {
        name: "test".to_owned(),
        regions: vec!["here".to_owned()],
        coordinator: Coordinator { nic: Nic { inbound: speed, outbound: speed }, region: RegionId(0) },
        machines,
        network: Network::default(),
        cost_tables: Vec::new(),
    }
}

/// 4 A100, 8 L4, 12 T4: the paper's single cluster.
pub fn single24() -> Cluster {
    let machines = [("A100-40GB", 4), ("L4", 8), ("T4", 12)]
        .into_iter()
        .flat_map(|(name, count)| (0..count).map(move |_| machine(name, 1)))
        .enumerate()
        .map(|(index, machine)| Machine { name: format!("machine-{index}"), ..machine })
        .collect();
    cluster(machines)
}

pub fn llama_2_70b() -> ModelShape {
    ModelShape::preset("llama-2-70b").expect("a preset")
}

/// The folder with the authors' data beside the project, or `None` with a line that says what is skipped.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/asplos25");
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("skipped: {test} needs ../shared/asplos25 beside the project");
        None
    }
}

/// One of the authors' tables of layer times.
pub fn time_table(folder: &Path, machine_type: &str, what: &str) -> TimeTable {
    let path = folder.join(format!("profiles/llama2_70b/{}/{what}_bs2time.csv", machine_type.to_lowercase()));
    parse_bs2time(&std::fs::read_to_string(&path).expect("a file of the shared folder"), what)
        .expect("a table")
}

/// All that is published for the 24 machines: limits, and times of A100, L4 and T4.
pub fn published_tables(folder: &Path) -> CostTables {
    let text = std::fs::read_to_string(folder.join("profiles/node_limits_24.csv")).expect("the limits");
    let limits = parse_limits(&text, "limits").expect("a table");
    let declared = limits
        .select("llama-2-70b", |name| name == "LLaMa70B", 24, &mut Vec::new())
        .expect("rows of the 24 machines");
    let tables = |name: &str, declared| TypeTables {
        declared,
        prompt: Some(time_table(folder, name, "prompt")),
        decode: Some(time_table(folder, name, "decode")),
    };
    CostTables {
        model: "llama-2-70b".to_owned(),
        layer_bytes: Some(Bytes(1_530_000_000)),
        activation_bytes: Some(Bytes(16_384)),
        token_bytes: Some(Bytes(2)),
        types: declared.into_iter().map(|(name, rows)| (name.clone(), tables(&name, rows))).collect(),
    }
}
