//! The roofline where nothing was calibrated: machines with two and four devices, and another model.
//!
//! The authors publish neither times nor cache capacities of these machines that this project knows, but the compute
//! bound of their clusters, which follows from both by their recipe. Here the recipe is fed with layer times and cache
//! capacities of the roofline alone.

use std::collections::BTreeMap;

use helix_cost::{Batch, BatchTime, Constants, MemoryModel, PaperRecipe, Roofline};
use helix_spec::{
    Cluster, CostTables, DeclaredRow, Machine, ModelShape, RankLayout, TimeTable, TokensPerSecond, TypeTables,
};

use crate::support::{cluster, machine};

const CONTEXT: u64 = 1000;

/// Times at the sizes that the authors measure: prompts every 250 tokens, decode 0, 2, 4, … 800 requests.
fn times(roofline: &Roofline, machine: &Machine) -> (TimeTable, TimeTable) {
    let rows = |sizes: Vec<u32>, batch: fn(u64) -> Batch| {
        let time = |size| roofline.batch_time(machine, 1, &batch(u64::from(size))).unwrap().time;
        TimeTable { rows: sizes.into_iter().map(|size| (size, time(size))).collect() }
    };
    let decode = std::iter::once(0)
        .chain((2..20).step_by(2))
        .chain((20..100).step_by(5))
        .chain((100..=800).step_by(20))
        .collect();
    let prompt = rows((0..=15_000).step_by(250).collect(), Batch::typical_prefill);
    (prompt, rows(decode, |requests| Batch::decode(requests, CONTEXT)))
}

fn row(kv_capacity: u64) -> DeclaredRow {
    DeclaredRow {
        throughput: TokensPerSecond::ZERO,
        kv_capacity,
        prompt_max_requests: 1,
        prompt_max_tokens: 2048,
        decode_max_context: 1,
        decode_max_requests: 1,
        typical_prompt_requests: 0.0,
        typical_prompt_tokens: 0,
        typical_decode_tokens: 0,
    }
}

fn tables_of(shape: &ModelShape, machine: &Machine, most: u32) -> TypeTables {
    let constants = Constants::shipped();
    let memory = MemoryModel::new(shape, None, &constants);
    let (prompt, decode) = times(&Roofline::new(shape, &constants), machine);
    let declared = (1..=most)
        .map(|layers| {
            (layers, row(memory.kv_capacity(machine, layers, RankLayout::tensor(machine.count)).unwrap()))
        })
        .collect();
    TypeTables { declared, prompt: Some(prompt), decode: Some(decode) }
}

/// The compute bound of a cluster of (device, devices a machine, machines, the authors' most layers) \[tokens/s\].
fn compute_bound(model: &str, members: &[(&str, u32, u32, u32)]) -> f64 {
    let shape = ModelShape::preset(model).unwrap();
    let mut machines = Vec::new();
    let mut types = BTreeMap::new();
    for &(device, devices, count, most) in members {
        let machine = machine(device, devices);
        types.insert(machine.machine_type.clone(), tables_of(&shape, &machine, most));
        machines.extend((0..count).map(|_| machine.clone()));
    }
    let tables = CostTables { model: model.to_owned(), types, ..CostTables::default() };
    let cluster = Cluster { cost_tables: vec![tables], ..cluster(machines) };
    let mut best: BTreeMap<String, f64> = BTreeMap::new();
    for ((machine_type, layers), batch) in
        PaperRecipe::for_cluster(&cluster, &shape).unwrap().throughputs().unwrap()
    {
        let work = batch.throughput.get() * f64::from(layers);
        let best = best.entry(machine_type).or_default();
        *best = best.max(work);
    }
    cluster.machines.iter().map(|machine| best[&machine.machine_type]).sum::<f64>() / f64::from(shape.layers)
}

fn check(model: &str, members: &[(&str, u32, u32, u32)], published: f64, within: f64) {
    let found = compute_bound(model, members);
    println!(
        "{model} {members:?}: {found:.1} for {published:.1}, {:+.1} %",
        (found / published - 1.0) * 100.0
    );
    assert!((found / published - 1.0).abs() < within, "{model} {members:?}: {found} for {published}");
}

#[test]
fn the_calibrated_machines_together() {
    let members = [("A100-40GB", 1, 4, 12), ("L4", 1, 8, 7), ("T4", 1, 12, 4)];
    check("llama-2-70b", &members, 2803.861, 0.05);
}

#[test]
fn machines_with_several_devices() {
    // Half of these 42 machines are of types of which no time is known here, and they do half of the work.
    let members = [
        ("A100-40GB", 1, 4, 12),
        ("V100-16GB", 1, 6, 4),
        ("L4", 1, 8, 7),
        ("L4", 2, 4, 14),
        ("T4", 1, 10, 4),
        ("T4", 2, 6, 9),
        ("T4", 4, 4, 18),
    ];
    check("llama-2-70b", &members, 7104.258, 0.08);
}

#[test]
fn another_model() {
    // LLaMA-1-30B caches all its 52 heads, 6.5 times as much a token as the model of the calibration.
    check("llama-1-30b", &[("A100-40GB", 1, 4, 18)], 1628.179, 0.10);
    check("llama-1-30b", &[("L4", 1, 8, 11)], 357.236, 0.10);
    // The recipe rounds one or two decode requests a batch: noise of a fifth at such small figures.
    check("llama-1-30b", &[("T4", 1, 12, 7)], 397.685, 0.20);
}
