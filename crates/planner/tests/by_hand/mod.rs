//! Small clusters with speeds that are easy to add up by hand.

use std::collections::BTreeMap;

use helix_cost::{Capability, CapabilitySource, CostModel, DoesNotFit, Wire};
use helix_spec::{
    Architecture, Attention, Bandwidth, Bytes, BytesPerSecond, Cluster, Coordinator, Device, DeviceKind,
    FlopsPerSecond, LayerRange, Link, Machine, MachineId, ModelShape, Network, Nic, NumberFormat, Placement,
    RankLayout, RegionId, SimTime, TokensPerSecond,
};

/// Throughput by machine type and number of layers.
pub struct Table(pub BTreeMap<&'static str, Vec<f64>>);

impl CostModel for Table {
    fn capability(&self, machine: &Machine, layers: u32) -> Result<Capability, DoesNotFit> {
        let row = self.0.get(machine.machine_type.as_str()).and_then(|rows| rows.get(layers as usize - 1));
        let needed = Bytes(u64::from(layers) << 30);
        let &throughput = row.ok_or(DoesNotFit::Memory { layers, needed, available: machine.memory })?;
        Ok(Capability {
            throughput: TokensPerSecond::new(throughput).unwrap(),
            kv_capacity: 1000 * u64::from(layers),
            source: CapabilitySource::Declared,
            layout: RankLayout::SINGLE,
        })
    }

    fn planned_layers(&self, machine: &Machine) -> u32 {
        self.0.get(machine.machine_type.as_str()).map_or(0, |rows| u32::try_from(rows.len()).unwrap())
    }

    fn known_layers(&self, machine: &Machine) -> u32 {
        self.planned_layers(machine)
    }

    fn wire(&self) -> Wire {
        Wire { token: Bytes(2), activation: Bytes(98) }
    }
}

/// A model of `layers` layers.
pub fn model(layers: u32) -> ModelShape {
    ModelShape {
        name: "model".to_owned(),
        architecture: Architecture::Llama,
        layers,
        hidden: 49,
        attention: Attention::Grouped { query_heads: 7, kv_heads: 7, head_dim: 7 },
        ffn_width: 98,
        experts: None,
        vocab: 100,
        tied_embeddings: false,
        max_context: 1000,
        weights: NumberFormat::Bf16,
        activations: NumberFormat::Bf16,
    }
}

/// Machines `type-0`, `type-1` … in one region; every link and interface carries `bandwidth`, each link takes 1 ms.
pub fn cluster(types: &[&str], bandwidth: Bandwidth) -> Cluster {
    let device = |name: &str| Device {
        name: name.to_owned(),
        kind: DeviceKind::DataCenter,
        memory: Bytes(16_000_000_000),
        memory_bandwidth: BytesPerSecond(300_000_000_000),
        flops_16bit: FlopsPerSecond(65_000_000_000_000),
        flops_8bit: None,
        flops_4bit: None,
        interconnect: BytesPerSecond(16_000_000_000),
        source: "made up".to_owned(),
    };
    let nic = Nic { inbound: bandwidth, outbound: bandwidth };
    let region = RegionId(0);
    let machines = types.iter().enumerate().map(|(index, name)| Machine {
        name: format!("{name}-{index}"),
        machine_type: (*name).to_owned(),
        device: device(name),
        count: 1,
        memory: Bytes(16_000_000_000),
        nic,
        disk: BytesPerSecond(1_000_000_000),
        region,
    });
    let link = Link { bandwidth, latency: SimTime(1_000_000_000) };
    Cluster {
        name: "by hand".to_owned(),
        regions: vec!["here".to_owned()],
        coordinator: Coordinator { nic, region },
        machines: machines.collect(),
        network: Network { regions: BTreeMap::from([((region, region), link)]), links: BTreeMap::new() },
        cost_tables: Vec::new(),
    }
}

/// A placement by (machine number, start, end).
pub fn placement(model: &ModelShape, ranges: &[(u32, u32, u32)]) -> Placement {
    let mut placement = Placement::new(&model.name, model.layers);
    for &(machine, start, end) in ranges {
        placement.assign(MachineId(machine), LayerRange::new(start, end).unwrap(), 1);
    }
    placement
}
