//! The choice of a layout against trying everything, and what is said where there is none.

mod layout_models;

use std::num::NonZeroU32;

use helix_cost::layout::{
    Choice, ChooseError, Crossing, Demand, Formats, Hardware, Load, Overlap, Sharing, Study, adopt_layouts,
    best_layout, choose, configurations, crossing, devices_needed, layouts_not_costed, longest_context,
    machine_layout, rank,
};
use helix_cost::{Constants, CostChoice, CostModel as _, Costs, MemoryModel, OperatingAssumptions};
use helix_spec::{
    Cluster, DeviceCatalogue, LayerRange, Machine, MachineId, ModelShape, Placement, RankLayout,
};
use layout_models::{deepseek_r1, llama_405b};

fn demand(devices: u32, ttl_ms: Option<f64>, users: Option<u32>) -> Demand {
    Demand {
        devices: NonZeroU32::new(devices).unwrap(),
        ttl_s: ttl_ms.map(|ms| ms / 1e3),
        users: users.map(|users| NonZeroU32::new(users).unwrap()),
    }
}

fn study<'a>(model: &'a ModelShape, hardware: &'a Hardware, context: u64) -> Study<'a> {
    Study::new(model, hardware, Formats::FP4, context)
}

/// The most tokens a second of all layouts, batches and replicas that meet a target.
fn by_trying_everything(study: &Study<'_>, devices: u32, ttl_s: f64) -> f64 {
    let mut best = 0.0_f64;
    for config in configurations(study.model, devices) {
        if config.sharing != Sharing::Ranks {
            continue;
        }
        for batch in 1..=2000 {
            let found = study.evaluate(config, batch, Overlap::BestChunks);
            if found.fits && found.ttl_s <= ttl_s {
                let replicas = f64::from(devices / config.devices());
                best = best.max(replicas * found.users as f64 / found.ttl_s);
            }
        }
    }
    best
}

#[test]
fn the_choice_is_the_best_of_all() {
    let hardware = Hardware::gb200_nvl72();
    for (model, devices, context, ttl_ms) in [
        (llama_405b(), 8, 131_072, 25.0),
        (llama_405b(), 12, 1_000_000, 60.0),
        (deepseek_r1(), 8, 500_000, 12.0),
        (deepseek_r1(), 16, 32_768, 10.0),
    ] {
        let study = study(&model, &hardware, context);
        let best = by_trying_everything(&study, devices, ttl_ms / 1e3);
        let chosen = choose(&study, demand(devices, Some(ttl_ms), None)).unwrap();
        assert!(chosen.performance.ttl_s <= ttl_ms / 1e3 && chosen.performance.fits);
        assert!((chosen.tokens_per_s() / best - 1.0).abs() < 1e-9, "{chosen:?}: {best}");
    }
}

#[test]
fn memory_and_time_never_shrink_with_the_batch() {
    let hardware = Hardware::gb200_nvl72();
    for model in [llama_405b(), deepseek_r1()] {
        let study = study(&model, &hardware, 100_000);
        for config in configurations(&model, 16) {
            let mut last = study.evaluate(config, 1, Overlap::BestChunks);
            for batch in 2..40 {
                let next = study.evaluate(config, batch, Overlap::BestChunks);
                assert!(
                    next.ttl_s >= last.ttl_s && next.memory.total() >= last.memory.total(),
                    "{config} {batch}"
                );
                last = next;
            }
        }
    }
}

#[test]
fn with_a_number_of_requests_the_fastest_wins() {
    let (model, hardware) = (deepseek_r1(), Hardware::gb200_nvl72());
    let study = study(&model, &hardware, 1_000_000);
    let choices = rank(&study, demand(64, None, Some(8))).unwrap();
    assert!(choices[0].config.kv() > 1 && choices[0].users() >= 8);
    assert!(choices.windows(2).all(|pair| pair[0].performance.ttl_s <= pair[1].performance.ttl_s));
}

#[test]
fn a_long_context_is_sharded_and_a_short_one_is_not() {
    let (model, hardware) = (llama_405b(), Hardware::gb200_nvl72());
    let demand = demand(64, None, Some(1));
    let long = study(&model, &hardware, 1_000_000);
    assert!(choose(&long, demand).unwrap().config.kv() > 1);
    let Crossing::HelixFrom { context, other } = crossing(&long, demand) else {
        panic!("short contexts need no KVP");
    };
    let kv_at = |context| choose(&study(&model, &hardware, context), demand).unwrap().config.kv();
    assert!(kv_at(context) > 1 && kv_at(context - 1024) == 1 && other.config.kv() == 1, "{context}");
    // The same crossing seen from below.
    let below = study(&model, &hardware, context / 3);
    let Crossing::HelixFrom { context: again, other } = crossing(&below, demand) else {
        panic!("it is there from below too");
    };
    assert!(again.abs_diff(context) <= 1024 && other.config.kv() > 1, "{again} {context}");
}

#[test]
fn what_does_not_fit_says_what_is_missing() {
    let (model, hardware) = (llama_405b(), Hardware::gb200_nvl72());
    let study = study(&model, &hardware, 4_000_000);
    let wanted = demand(2, Some(100.0), None);
    let Err(ChooseError::Memory { nearest, .. }) = choose(&study, wanted) else {
        panic!("516 GB of cache do not fit in two devices");
    };
    // Weights 203 GB and cache 516 GB on two devices of 186 GB.
    let needed = (model.parameters() as f64 / 2.0 + 4e6 * 129_024.0) / 2e9;
    assert!((nearest.missing / 1e9 - (needed - 186.0)).abs() < 0.2, "{} {needed}", nearest.missing);
    let (devices, choice) = devices_needed(&study, wanted, 1024).unwrap();
    assert_eq!(devices, 4);
    let longest = longest_context(&study, choice.config, choice.batch).unwrap();
    assert!(longest >= 4_000_000);
    let memory = |context| study.at_context(context).memory(choice.config, choice.batch).total();
    assert!(memory(longest) <= 186e9 && memory(longest + u64::from(choice.config.kv())) > 186e9);
}

#[test]
fn an_impossible_target_names_the_fastest() {
    let (model, hardware) = (deepseek_r1(), Hardware::gb200_nvl72());
    let study = study(&model, &hardware, 1_000_000);
    let Err(ChooseError::Latency { fastest, .. }) = choose(&study, demand(64, Some(1.0), None)) else {
        panic!("61 layers of 45 us take longer than 1 ms");
    };
    let by_hand = rank(&study, demand(64, None, None)).unwrap()[0];
    assert_eq!(fastest.performance.ttl_s, by_hand.performance.ttl_s);
}

#[test]
fn no_input_makes_it_panic_or_hang() {
    let (model, mut hardware) = (deepseek_r1(), Hardware::gb200_nvl72());
    hardware.layer_overhead = helix_spec::SimTime(0);
    for context in [0, 1, u64::MAX] {
        for ttl in [None, Some(f64::NAN), Some(0.0), Some(-1.0), Some(f64::INFINITY)] {
            for users in [None, Some(u32::MAX)] {
                let study = study(&model, &hardware, context);
                let wanted = demand(4, ttl, users);
                let choice: Result<Choice, _> = choose(&study, wanted);
                if let Ok(choice) = choice {
                    assert!(choice.tokens_per_s().is_finite());
                }
                let _ = crossing(&study, wanted);
                let _ = devices_needed(&study, wanted, 16);
            }
        }
    }
}

#[test]
fn a_machine_in_a_pipeline_gets_a_layout_of_its_layers() {
    let (model, mut hardware) = (llama_405b(), Hardware::gb200_nvl72());
    let layers = LayerRange::new(10, 20).unwrap();
    let at = |context| Load { context, users: NonZeroU32::new(8).unwrap() };
    hardware.devices = 1;
    assert_eq!(best_layout(&hardware, &model, layers, at(8192)).unwrap(), RankLayout::SINGLE);
    hardware.devices = 4;
    let short = best_layout(&hardware, &model, layers, at(8192)).unwrap();
    assert_eq!((short.ranks(), short.kv), (Some(4), 1));
    hardware.devices = 16;
    let long = best_layout(&hardware, &model, layers, at(400_000)).unwrap();
    assert!(long.kv > 1, "16 ranks would copy the cache of 8 heads: {long:?}");
}

fn machine(count: u32, device: &str) -> Machine {
    let device = DeviceCatalogue::builtin().lookup(device).unwrap().clone();
    let any = helix_spec::Bandwidth(1);
    Machine {
        name: "m".to_owned(),
        machine_type: "m".to_owned(),
        count,
        memory: helix_spec::Bytes(device.memory.0 * u64::from(count)),
        nic: helix_spec::Nic { inbound: any, outbound: any },
        disk: helix_spec::BytesPerSecond(1),
        region: helix_spec::RegionId(0),
        device,
    }
}

#[test]
fn every_machine_gets_a_layout_of_all_its_devices() {
    let layers = LayerRange::new(0, 7).unwrap();
    let load = Load { context: 990, users: NonZeroU32::new(64).unwrap() };
    for model in ["llama-2-70b", "qwen3-32b", "deepseek-v2-lite", "qwen3-8b"] {
        let model = ModelShape::preset(model).unwrap();
        for device in ["T4", "A100", "H100"] {
            for count in [1, 2, 3, 4, 7, 8] {
                let layout =
                    machine_layout(&machine(count, device), &model, layers, load, &Constants::shipped())
                        .unwrap();
                assert_eq!(layout.ranks(), Some(count), "{} {device} x {count}", model.name);
            }
        }
    }
}

/// Tensor parallelism would hold the latent cache once a device; the plan counts on holding it once.
#[test]
fn a_cache_that_the_plan_counts_on_is_not_copied() {
    let model = ModelShape::preset("deepseek-v2-lite").unwrap();
    let layers = LayerRange::new(0, model.layers).unwrap();
    let (h100s, context) = (machine(8, "H100"), 131_072);
    let a_request = model.kv_bytes_per_token().0 * u64::from(model.layers) * context;
    let users = u32::try_from(400_000_000_000 / a_request).unwrap();
    let load = Load { context, users: NonZeroU32::new(users).unwrap() };
    let layout = machine_layout(&h100s, &model, layers, load, &Constants::shipped()).unwrap();
    assert_eq!(layout.attention_tensor, 1, "{layout:?}");
}

#[test]
fn what_a_model_does_not_divide_over_is_an_error() {
    let model = llama_405b();
    let load = Load { context: 1, users: NonZeroU32::MIN };
    // Seven devices: neither heads nor columns divide, and two layers make no seven stages.
    let two = LayerRange::new(0, 2).unwrap();
    assert!(matches!(
        machine_layout(&machine(7, "B200"), &model, two, load, &Constants::shipped()),
        Err(ChooseError::Layout(_))
    ));
    // A layer that is too large for the memory.
    let tiny = Machine { memory: helix_spec::Bytes(4_000_000_000), ..machine(2, "T4") };
    assert!(machine_layout(&tiny, &model, two, load, &Constants::shipped()).is_err());
}

/// single24 with its first machine exchanged.
fn with_first(machine: Machine) -> Cluster {
    let mut cluster = helix_spec::load_cluster_named("single24").unwrap();
    let first = &cluster.machines[0];
    cluster.machines[0] = Machine { name: first.name.clone(), region: first.region, ..machine };
    cluster
}

#[test]
fn a_placement_gets_the_layouts_that_its_figures_were_computed_for() {
    let cluster = with_first(machine(8, "H100"));
    let model = ModelShape::preset("deepseek-v2-lite").unwrap();
    let long = OperatingAssumptions { prompt: 100_000.0, ..OperatingAssumptions::default() };
    let costs = Costs::for_requests(&cluster, &model, CostChoice::Roofline, long).unwrap();
    let mut placement = Placement::new(&model.name, model.layers);
    let half = LayerRange::new(0, model.layers / 2).unwrap();
    placement.assign(MachineId(0), half, 8);
    placement.assign(MachineId(1), half, 1);
    let costed = costs.capability(&cluster.machines[0], half.len()).unwrap();
    assert_eq!(layouts_not_costed(&cluster, &costs, &placement), [(MachineId(0), costed.layout)]);

    let changed = adopt_layouts(&cluster, &costs, &mut placement);
    assert_eq!(changed, [(MachineId(0), costed.layout)]);
    assert_eq!(layouts_not_costed(&cluster, &costs, &placement), []);
    let layout = placement.machines[&MachineId(0)].layout;
    assert_eq!(layout.ranks(), Some(8));
    assert_eq!(layout.attention_tensor, 1, "the latent cache is held once: {layout:?}");
    assert_eq!(placement.machines[&MachineId(1)].layout, RankLayout::SINGLE);
    // The cache of eight copies would be less than a quarter of it, and so would the requests in flight.
    let copied = costs.memory().kv_capacity(&cluster.machines[0], half.len(), RankLayout::tensor(8)).unwrap();
    assert!(costed.kv_capacity > 4 * copied, "{} {copied}", costed.kv_capacity);

    // What somebody chose stays.
    let chosen = RankLayout { attention_tensor: 2, kv: 4, ffn_tensor: 8, ..RankLayout::SINGLE };
    placement.machines.get_mut(&MachineId(0)).unwrap().layout = chosen;
    assert_eq!(adopt_layouts(&cluster, &costs, &mut placement), []);
    assert_eq!(placement.machines[&MachineId(0)].layout, chosen);
}

#[test]
fn short_requests_on_grouped_heads_stay_with_tensor_parallelism() {
    // Eight KV heads over eight devices: nothing is held twice, and nothing has to be exchanged.
    let cluster = with_first(machine(8, "H100"));
    let model = ModelShape::preset("llama-2-70b").unwrap();
    let costs = Costs::for_cluster(&cluster, &model, CostChoice::Roofline).unwrap();
    let capability = costs.capability(&cluster.machines[0], 40).unwrap();
    assert_eq!(capability.layout, RankLayout::tensor(8));
}

#[test]
fn copies_of_the_cache_and_of_projections_are_counted() {
    let eight = machine(8, "H100");
    let memory =
        |model: &str| MemoryModel::new(&ModelShape::preset(model).unwrap(), None, &Constants::shipped());
    let tokens = |memory: &MemoryModel, layout| memory.kv_capacity(&eight, 10, layout).unwrap();
    // Latent attention: tensor parallelism holds the one head eight times. The query projections are shared, the
    // projection into the latent is copied; by hand from the model's card, with bf16 weights.
    let memory_v2 = memory("deepseek-v2-lite");
    let free = memory_v2.free(&eight, 10).unwrap().0;
    let latent = 2 * (512 + 64);
    let into_latent = 2 * 2048 * (512 + 64);
    let tensor = (free - 10 * 7 * into_latent) / latent / 8;
    assert_eq!(tokens(&memory_v2, RankLayout::tensor(8)), tensor);
    // Along the sequence it is held once; queries (16 heads of 192), latent, and keys' up-projection are copied.
    let kv = RankLayout { kv: 8, ffn_tensor: 8, ..RankLayout::SINGLE };
    let before = 2 * (2048 * 16 * 192 + 2048 * (512 + 64) + 16 * 128 * 512);
    assert_eq!(tokens(&memory_v2, kv), (free - 10 * 7 * before) / latent);
    // Grouped heads: eight over eight devices once, over a TPA of 4 with KVP 2 once too, with twice the projections.
    let memory_70b = memory("llama-2-70b");
    let free = memory_70b.free(&eight, 10).unwrap().0;
    assert_eq!(tokens(&memory_70b, RankLayout::tensor(8)), free / 4096);
    let mixed = RankLayout { attention_tensor: 4, kv: 2, ffn_tensor: 8, ..RankLayout::SINGLE };
    let before = 2 * (8192 * 8192 + 2 * 8192 * 1024);
    assert_eq!(tokens(&memory_70b, mixed), (free - 10 * before) / 4096);
}
