//! What the writers write, the parsers read back as the same value: clusters, cost tables, placements.

use std::collections::{BTreeMap, BTreeSet};

use helix_spec::{
    Assignment, Bandwidth, Bytes, BytesPerSecond, Cluster, Coordinator, CostTables, DeclaredRow, Device,
    DeviceCatalogue, DeviceKind, Endpoint, FileError, FlopsPerSecond, LayerRange, Link, Machine, MachineId,
    Network, Nic, PartialInference, Placement, RankLayout, RegionId, SimTime, Source, TimeTable,
    TokensPerSecond, TypeTables,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;

/// The largest integer of a TOML file.
const LARGEST: u64 = i64::MAX as u64;

fn reread(cluster: &Cluster) -> Result<Cluster, FileError> {
    let files = cluster.to_files();
    let read_beside = |file: &str| match files.cost_tables.iter().find(|(name, _)| name == file) {
        Some((name, text)) => Ok((name.clone(), text.clone())),
        None => Err(FileError::new(file, "was not written")),
    };
    Cluster::parse(&Source { origin: "written", text: &files.cluster }, &read_beside)
}

/// Names with everything that a file must escape.
fn name() -> impl Strategy<Value = String> {
    "[a-c\"\\\\é漢.#= -]{1,6}".prop_filter("spaces at the ends", |name| name.trim() == name)
}

/// A quantity above zero: any size, any digits.
fn quantity() -> impl Strategy<Value = u64> {
    (1u64..9_000_000_000_000_000_000, 0u32..62).prop_map(|(value, shift)| (value >> shift).max(1))
}

fn link() -> impl Strategy<Value = Link> {
    (quantity(), 0u64..90_000_000_000)
        .prop_map(|(bits, latency)| Link { bandwidth: Bandwidth(bits), latency: SimTime(latency) })
}

fn nic() -> impl Strategy<Value = Nic> {
    let one = quantity().prop_map(|bits| Nic { inbound: Bandwidth(bits), outbound: Bandwidth(bits) });
    let two = (quantity(), quantity())
        .prop_map(|(inbound, outbound)| Nic { inbound: Bandwidth(inbound), outbound: Bandwidth(outbound) });
    let half = quantity().prop_map(|outbound| Nic { outbound: Bandwidth(outbound), ..Nic::DEFAULT });
    prop_oneof![Just(Nic::DEFAULT), one, two, half]
}

fn device() -> impl Strategy<Value = Device> {
    let built_in = any::<Index>().prop_map(|index| {
        let catalogue = DeviceCatalogue::builtin();
        index.get(&catalogue.iter().collect::<Vec<_>>()).to_owned().clone()
    });
    let figures = (1u64..1 << 40, quantity(), quantity(), proptest::option::of(quantity()));
    let kinds = [DeviceKind::DataCenter, DeviceKind::Consumer, DeviceKind::Unified, DeviceKind::Cpu];
    let own = ("own [a-z.]{1,3}z", figures, name(), proptest::sample::select(kinds.to_vec())).prop_map(
        |(name, (memory, speed, flops, less), source, kind)| Device {
            name,
            kind,
            memory: Bytes(memory),
            memory_bandwidth: BytesPerSecond(speed),
            flops_16bit: FlopsPerSecond(flops),
            flops_8bit: less.map(FlopsPerSecond),
            flops_4bit: None,
            interconnect: BytesPerSecond(speed),
            source,
        },
    );
    prop_oneof![built_in, own]
}

/// What a machine has: index of its type, region, and whether it differs from its type.
type Has = (Index, Index, Option<u64>, Nic, Option<u64>);

fn has() -> impl Strategy<Value = Has> {
    let some = || proptest::option::weighted(0.3, quantity());
    (any::<Index>(), any::<Index>(), some(), nic(), some())
}

fn machine(
    name: String,
    (of_type, region, memory, nic, disk): Has,
    types: &[(String, Device, u32)],
    regions: u32,
) -> Machine {
    let (label, device, count) = of_type.get(types);
    Machine {
        name,
        machine_type: label.clone(),
        device: device.clone(),
        count: *count,
        memory: memory.map_or(Bytes(device.memory.0 * u64::from(*count)), Bytes),
        nic,
        disk: disk.map_or(Machine::DEFAULT_DISK, BytesPerSecond),
        region: RegionId(u32::try_from(region.index(regions as usize)).unwrap()),
    }
}

/// Named ones, and rows of `stem-1`, `stem-2`, … that may become replicas.
fn machines(types: Vec<(String, Device, u32)>, regions: u32) -> impl Strategy<Value = Vec<Machine>> {
    let row = (name(), has(), 0usize..5);
    vec(row, 1..8).prop_map(move |rows| {
        let mut taken = BTreeSet::from(["coordinator".to_owned()]);
        let mut machines = Vec::new();
        for (stem, has, replicas) in rows {
            let names = match replicas {
                0 => vec![stem],
                n => (1..=n).map(|index| format!("{stem}-{index}")).collect(),
            };
            for name in names {
                if taken.insert(name.clone()) {
                    machines.push(machine(name, has, &types, regions));
                }
            }
        }
        machines
    })
}

/// Default links for all pairs of regions, the same both ways or not, so that no region is cut off.
fn region_links(regions: u32) -> impl Strategy<Value = BTreeMap<(RegionId, RegionId), Link>> {
    let pairs = (0..regions).flat_map(move |a| (0..regions).map(move |b| (RegionId(a), RegionId(b))));
    let pairs: Vec<_> = pairs.collect();
    vec((link(), any::<bool>()), pairs.len()).prop_map(move |links| {
        let mut table = BTreeMap::new();
        for (pair, (link, alike)) in pairs.iter().zip(links) {
            table.insert(*pair, if alike { *table.get(&(pair.1, pair.0)).unwrap_or(&link) } else { link });
        }
        table
    })
}

fn links(machines: usize) -> impl Strategy<Value = BTreeMap<(Endpoint, Endpoint), Link>> {
    let end = move || {
        (0..=machines).prop_map(|n| match n {
            0 => Endpoint::Coordinator,
            n => Endpoint::Machine(MachineId(u32::try_from(n - 1).unwrap())),
        })
    };
    vec((end(), end(), link(), any::<bool>()), 0..20).prop_map(|drawn| {
        let mut links = BTreeMap::new();
        for (from, to, link, both_ways) in drawn {
            if from != to {
                links.insert((from, to), link);
                if both_ways {
                    links.insert((to, from), link);
                }
            }
        }
        links
    })
}

prop_compose! {
    fn declared_row()(
        throughput in prop_oneof![0.0..1e6, any::<f64>().prop_filter("a rate", |x| x.is_finite() && *x >= 0.0)],
        requests in prop_oneof![0.0..1.0, any::<f64>().prop_filter("a number", |x| x.is_finite() && *x >= 0.0)],
        capacities in (0..LARGEST, 0..LARGEST),
        limits in any::<(u32, u32, u32, u32, u32)>(),
    ) -> DeclaredRow {
        DeclaredRow {
            throughput: TokensPerSecond::new(throughput).unwrap(),
            kv_capacity: capacities.0,
            prompt_max_requests: limits.0,
            prompt_max_tokens: limits.1,
            decode_max_context: capacities.1,
            decode_max_requests: limits.2,
            typical_prompt_requests: requests,
            typical_prompt_tokens: limits.3,
            typical_decode_tokens: limits.4,
        }
    }
}

fn times() -> impl Strategy<Value = Option<TimeTable>> {
    let rows = btree_map(any::<u32>(), 0u64..8_000_000_000_000_000_000, 1..20);
    proptest::option::of(rows.prop_map(|rows| TimeTable {
        rows: rows.into_iter().map(|(batch, time)| (batch, SimTime(time))).collect(),
    }))
}

fn cost_tables() -> impl Strategy<Value = CostTables> {
    let tables = (btree_map(1u32.., declared_row(), 0..4), times(), times())
        .prop_map(|(declared, prompt, decode)| TypeTables { declared, prompt, decode });
    let size = || proptest::option::of(quantity().prop_map(Bytes));
    (name(), size(), size(), size(), btree_map(".{0,5}", tables, 0..4)).prop_map(
        |(model, layer_bytes, activation_bytes, token_bytes, types)| CostTables {
            model,
            layer_bytes,
            activation_bytes,
            token_bytes,
            types,
        },
    )
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let types = btree_map(name(), (device(), 1u32..9), 1..4).prop_map(|types| {
        // Of two devices with one name the first is meant.
        let mut known: BTreeMap<String, Device> = BTreeMap::new();
        let fixed = types.into_iter().map(|(label, (device, count))| {
            (label, known.entry(device.name.clone()).or_insert(device).clone(), count)
        });
        fixed.collect::<Vec<_>>()
    });
    let regions =
        btree_set(name(), 1..5).prop_map(|names| names.into_iter().collect::<Vec<_>>()).prop_shuffle();
    let tables = vec(cost_tables(), 0..3).prop_map(|mut tables| {
        let mut taken = BTreeSet::new();
        tables.retain(|tables| taken.insert(tables.model.clone()));
        tables
    });
    (name(), regions, types, nic(), any::<Index>(), tables)
        .prop_flat_map(|(name, regions, types, nic, home, cost_tables)| {
            let count = u32::try_from(regions.len()).unwrap();
            let home = RegionId(u32::try_from(home.index(regions.len())).unwrap());
            let coordinator = Coordinator { nic, region: home };
            (Just((name, regions, coordinator, cost_tables)), machines(types, count), region_links(count))
        })
        .prop_flat_map(|((name, regions, coordinator, cost_tables), machines, defaults)| {
            links(machines.len()).prop_map(move |links| Cluster {
                name: name.clone(),
                regions: regions.clone(),
                coordinator: coordinator.clone(),
                machines: machines.clone(),
                network: Network { regions: defaults.clone(), links },
                cost_tables: cost_tables.clone(),
            })
        })
}

/// A placement on some of the machines of a cluster, any layout that their devices allow, any links that exist.
fn placement() -> impl Strategy<Value = (Cluster, Placement)> {
    let held = (0u32..100, 1u32..50, 0usize..4, proptest::option::of(0..LARGEST));
    let links = proptest::option::of(vec((any::<Index>(), any::<Index>()), 0..6));
    (cluster(), name(), vec(proptest::option::of(held), 40), links, any::<bool>()).prop_map(
        |(cluster, model, held, links, partial)| {
            let mut placement = Placement::new(&model, 200);
            for (id, held) in cluster.machine_ids().zip(held) {
                let Some((start, layers, layout, kv_capacity)) = held else { continue };
                let devices = cluster.machine(id).count;
                let one = RankLayout::SINGLE;
                let layout = match layout {
                    0 => RankLayout::tensor(devices),
                    1 => RankLayout { pipeline: devices, ..one },
                    2 => RankLayout { kv: devices, ffn_tensor: devices, ..one },
                    _ => RankLayout { attention_tensor: devices, expert: devices, ..one },
                };
                let layers = LayerRange::new(start, start + layers).unwrap();
                placement.machines.insert(id, Assignment { layers, layout, kv_capacity });
            }
            placement.partial_inference = if partial { PartialInference::On } else { PartialInference::Off };
            let ends: Vec<Endpoint> = std::iter::once(Endpoint::Coordinator)
                .chain(cluster.machine_ids().map(Endpoint::Machine))
                .collect();
            placement.links = links.map(|links| {
                let mut seen = BTreeSet::new();
                let drawn = links.iter().map(|(from, to)| (*from.get(&ends), *to.get(&ends)));
                drawn
                    .filter(|(from, to)| cluster.link(*from, *to).is_some() && seen.insert((*from, *to)))
                    .collect()
            });
            (cluster, placement)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_cluster_survives_its_files(cluster in cluster()) {
        let again = reread(&cluster).map_err(|error| TestCaseError::fail(format!("{error}\n{}", cluster.to_files().cluster)))?;
        prop_assert_eq!(&again, &cluster);
        prop_assert_eq!(again.to_files(), cluster.to_files());
    }

    #[test]
    fn cost_tables_survive_their_file_bit_for_bit(tables in cost_tables()) {
        let text = tables.to_toml();
        let again = CostTables::parse(&Source { origin: "written", text: &text });
        let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for (name, tables) in &tables.types {
            for (layers, row) in &tables.declared {
                let ours = &again.types[name].declared[layers];
                prop_assert_eq!(ours.throughput.get().to_bits(), row.throughput.get().to_bits());
                prop_assert_eq!(ours.typical_prompt_requests.to_bits(), row.typical_prompt_requests.to_bits());
            }
        }
        prop_assert_eq!(again, tables);
    }

    #[test]
    fn a_placement_survives_its_file((cluster, placement) in placement()) {
        let text = placement.to_toml(&cluster);
        let again = Placement::parse(&Source { origin: "written", text: &text }, &cluster);
        let again = again.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(again, placement);
    }

    #[test]
    fn no_text_makes_a_parser_panic(
        text in "(version = 1\n)?(name = \"a\"\n)?(regions = \\[\\{ name = \"\\PC{0,3}\" \\}\\]\n)?([a-z_]{1,8} = [0-9\"\\[\\{\\}\\],.ae+-]{0,12}\n){0,4}\\PC{0,20}",
    ) {
        let source = Source { origin: "any", text: &text };
        let none = |file: &str| Err(FileError::new(file, "not here"));
        let _ = Cluster::parse(&source, &none);
        let _ = CostTables::parse(&source);
        let cluster = helix_spec::load_cluster_named("cluster42").unwrap();
        let _ = Placement::parse(&source, &cluster);
    }
}
