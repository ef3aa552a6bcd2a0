//! Machines, models and tables for the tests.

#![expect(dead_code, reason = "every test file uses its own part")]

use std::path::PathBuf;

use helix_spec::{
    Architecture, Attention, Bandwidth, Bytes, BytesPerSecond, Cluster, Coordinator, Device, DeviceKind,
    Experts, FlopsPerSecond, Machine, ModelShape, Network, Nic, NumberFormat, RegionId, SimTime, TimeTable,
};

/// Bandwidth [GB/s], dense 16-bit arithmetic [TFLOP/s], memory [GB].
const DATASHEETS: [(&str, u64, u64, u64); 5] = [
    ("T4", 320, 65, 16),
    ("L4", 300, 121, 24),
    ("V100", 900, 125, 16),
    ("A100-40GB", 1555, 312, 40),
    ("Unmeasured", 1000, 200, 32),
];

pub fn device(name: &str) -> Device {
    let (name, bandwidth, flops, memory) =
        DATASHEETS.into_iter().find(|row| row.0 == name).expect("a device of the table above");
    Device {
        name: name.to_owned(),
        kind: DeviceKind::DataCenter,
        memory: Bytes(memory * 1_000_000_000),
        memory_bandwidth: BytesPerSecond(bandwidth * 1_000_000_000),
        flops_16bit: FlopsPerSecond(flops * 1_000_000_000_000),
        flops_8bit: None,
        flops_4bit: None,
        interconnect: BytesPerSecond(16_000_000_000),
        source: "test".to_owned(),
    }
}

/// A machine of `count` devices; its label is the device's name as the published tables write it.
pub fn machine(name: &str, count: u32) -> Machine {
    let device = device(name);
    let label = name.trim_end_matches("-40GB");
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
    ModelShape {
        name: "llama-2-70b".to_owned(),
        architecture: Architecture::Llama,
        layers: 80,
        hidden: 8192,
        attention: Attention::Grouped { query_heads: 64, kv_heads: 8, head_dim: 128 },
        ffn_width: 28672,
        experts: None,
        vocab: 32000,
        tied_embeddings: false,
        max_context: 4096,
        weights: NumberFormat::F16,
        activations: NumberFormat::F16,
    }
}

pub fn mixtral_8x7b() -> ModelShape {
    ModelShape {
        name: "mixtral-8x7b".to_owned(),
        architecture: Architecture::Mixtral,
        layers: 32,
        hidden: 4096,
        attention: Attention::Grouped { query_heads: 32, kv_heads: 8, head_dim: 128 },
        ffn_width: 14336,
        experts: Some(Experts {
            routed: 8,
            per_token: 2,
            width: 14336,
            shared: 0,
            shared_width: 0,
            dense_layers: Vec::new(),
        }),
        vocab: 32000,
        tied_embeddings: false,
        max_context: 32768,
        weights: NumberFormat::Bf16,
        activations: NumberFormat::Bf16,
    }
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

/// One of the authors' `x,milliseconds` tables.
pub fn time_table(folder: &std::path::Path, machine_type: &str, what: &str) -> TimeTable {
    let path = folder.join(format!("profiles/llama2_70b/{}/{what}_bs2time.csv", machine_type.to_lowercase()));
    let text = std::fs::read_to_string(&path).expect("the table exists in the shared folder");
    let rows = text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let (size, milliseconds) = line.split_once(',').expect("two columns");
        let milliseconds: f64 = milliseconds.trim().parse().expect("a time");
        (size.trim().parse().expect("a size"), SimTime::from_seconds(milliseconds / 1e3).expect("a time"))
    });
    TimeTable { rows: rows.collect() }
}
