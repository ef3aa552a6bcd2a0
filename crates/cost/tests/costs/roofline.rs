//! The roofline against hand calculation, and its laws.

use crate::support::{cluster, llama_2_70b, machine, single24};
use helix_cost::{
    Batch, BatchTime, CapabilitySource, Constants, CostChoice, CostModel, Costs, Roofline, TimeSource,
};
use helix_spec::{Bytes, LayerRange, ModelShape, NumberFormat, RankLayout};

fn seconds(shape: &ModelShape, count: u32, batch: &Batch) -> f64 {
    let roofline = Roofline::new(shape, &Constants::shipped());
    roofline.batch_time(&machine("Unmeasured", count), 1, batch).unwrap().time.seconds()
}

fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} for {expected}");
}

fn mixtral_8x7b() -> ModelShape {
    ModelShape::preset("mixtral-8x7b").expect("a preset")
}

#[test]
fn a_decode_step_reads_the_weights_and_the_cache() {
    // Attention 2·8192·(64+8)·128, feed-forward 3·8192·28672; 2 B each at 79 % of 1 TB/s.
    let weights = 2.0 * 8192.0 * 72.0 * 128.0 + 3.0 * 8192.0 * 28672.0;
    let read = 2.0 * weights / 0.79e12;
    let attention = 10.0 * 1000.0 * (4096.0 / 0.79e12 + 4.0 * 8192.0 / (0.08 * 200e12));
    close(seconds(&llama_2_70b(), 1, &Batch::decode(10, 1000)), 20e-6 + read + attention);
}

#[test]
fn a_prefill_multiplies_matrices() {
    // 1,024 tokens of one prompt, 8 tiles of 128.
    let mut batch = Batch::default();
    batch.add_prefill(1024, 0);
    let weights = 2.0 * 8192.0 * 72.0 * 128.0 + 3.0 * 8192.0 * 28672.0;
    let multiply = 2.0 * weights * 1024.0 / (0.6 * 200e12);
    let attention = 1024.0 * 1025.0 / 2.0 * 4.0 * 8192.0 / (0.6 * 200e12);
    close(seconds(&llama_2_70b(), 1, &batch), 20e-6 + multiply + attention);
}

#[test]
fn a_mixture_reads_only_the_experts_that_are_hit() {
    // One token visits 2 of 8 experts; two tokens hit 8·(1 − (6/8)²) = 3.5 of them on average.
    let expert = 3.0 * 4096.0 * 14336.0;
    let read = |tokens| {
        let rest = 4096.0 * 8.0 + 2.0 * 4096.0 * (32.0 + 8.0) * 128.0;
        (seconds(&mixtral_8x7b(), 1, &Batch::decode(tokens, 0)) - 20e-6) * 0.79e12 / 2.0 - rest
    };
    assert!((read(1) / expert - 2.0).abs() < 1e-3);
    assert!((read(2) / expert - 3.5).abs() < 1e-3);
}

#[test]
fn quantised_weights_are_read_faster() {
    let eight = ModelShape { weights: NumberFormat::Q8_0, ..llama_2_70b() };
    let ratio = (seconds(&eight, 1, &Batch::decode(1, 0)) - 20e-6)
        / (seconds(&llama_2_70b(), 1, &Batch::decode(1, 0)) - 20e-6);
    assert!((ratio - 8.5 / 16.0).abs() < 1e-6, "{ratio}");
}

#[test]
fn devices_of_one_machine_share_the_layer_and_pay_for_it() {
    let batch = Batch::decode(16, 1000);
    let (one, four) = (seconds(&llama_2_70b(), 1, &batch), seconds(&llama_2_70b(), 4, &batch));
    assert!(four < one && four > one / 4.0, "{one} {four}");
    // Two ring all-reduces of 16 activations over slots at 40 % of 16 GB/s, 20 us each to start.
    let collectives = 2.0 * (20e-6 + 1.5 * 16.0 * 16384.0 / 6.4e9);
    close(four, 20e-6 + (one - 20e-6) / 4.0 + collectives);
}

#[test]
fn sharding_the_cache_helps_where_heads_run_out() {
    // 16 ranks for 8 heads of keys and values: pure tensor parallelism keeps every head twice.
    let roofline = Roofline::new(&llama_2_70b(), &Constants::shipped());
    let machine = machine("Unmeasured", 16);
    let batch = Batch::decode(8, 1_000_000);
    let time = |layout| roofline.batch_time_with(&machine, layout, 1, &batch).unwrap().time;
    let helix = RankLayout { pipeline: 1, attention_tensor: 8, kv: 2, ffn_tensor: 16, expert: 1 };
    assert!(time(helix) < time(RankLayout::tensor(16)));
}

#[test]
fn times_grow_with_the_batch_and_the_layers() {
    let roofline = Roofline::new(&llama_2_70b(), &Constants::shipped());
    let t4 = machine("T4", 1);
    let time = |layers, batch: &Batch| roofline.batch_time(&t4, layers, batch).unwrap().time;
    let mut last = time(1, &Batch::default());
    assert_eq!(last.seconds(), 0.0);
    for requests in [1, 2, 16, 17, 100, 128, 129, 500, 5000] {
        let now = time(1, &Batch::decode(requests, 1000));
        assert!(now > last, "{requests}");
        last = now;
    }
    let batch = Batch::typical_prefill(2000);
    close(time(4, &batch).seconds(), 4.0 * time(1, &batch).seconds());
    let mut both = batch;
    both.add_decode(1000);
    assert!(time(1, &both) > time(1, &batch));
}

#[test]
fn absurd_batches_and_datasheets_are_errors() {
    let roofline = Roofline::new(&llama_2_70b(), &Constants::shipped());
    let error =
        roofline.batch_time(&machine("T4", 1), u32::MAX, &Batch::typical_prefill(u64::MAX)).unwrap_err();
    assert!(error.to_string().contains("104 days"), "{error}");
    let mut broken = machine("T4", 1);
    broken.device.memory_bandwidth.0 = 0;
    assert!(roofline.batch_time(&broken, 1, &Batch::decode(1, 0)).is_err());
    let costs =
        Costs::for_cluster(&cluster(vec![broken.clone()]), &llama_2_70b(), CostChoice::Roofline).unwrap();
    assert_eq!(costs.capability(&broken, 1).unwrap().throughput.get(), 0.0);
}

#[test]
fn calibrated_devices_are_marked() {
    let roofline = Roofline::new(&llama_2_70b(), &Constants::shipped());
    let source = |name| roofline.batch_time(&machine(name, 1), 1, &Batch::decode(1, 0)).unwrap().source;
    assert_eq!(source("T4"), TimeSource::Calibrated);
    assert_eq!(source("Unmeasured"), TimeSource::Roofline);
    assert_eq!(roofline.expected_error(&machine("Unmeasured", 1).device), Some((0.31, 0.37)));
}

#[test]
fn half_of_the_memory_is_left_to_the_cache() {
    let costs = Costs::for_cluster(&single24(), &llama_2_70b(), CostChoice::Auto).unwrap();
    // The paper's own numbers for these machines are 12, 4, 7, 14, 4, 9, 18.
    let planned: Vec<u32> =
        [("A100-40GB", 1), ("V100", 1), ("L4", 1), ("L4", 2), ("T4", 1), ("T4", 2), ("T4", 4)]
            .map(|(name, count)| costs.planned_layers(&machine(name, count)))
            .into();
    assert_eq!(planned, [11, 4, 7, 14, 4, 9, 18]);
    let mut tiny = machine("T4", 1);
    tiny.memory = Bytes(4_000_000_000);
    assert_eq!(costs.planned_layers(&tiny), 1);
    tiny.memory = Bytes(2_000_000_000);
    assert_eq!(costs.planned_layers(&tiny), 0);
    assert!(costs.capability(&tiny, 1).is_err());
}

#[test]
fn throughput_falls_with_every_layer() {
    let costs = Costs::for_cluster(&single24(), &llama_2_70b(), CostChoice::Roofline).unwrap();
    for name in ["A100-40GB", "L4", "T4"] {
        let machine = machine(name, 1);
        let mut last = f64::INFINITY;
        for layers in 1..=costs.memory().most_layers(&machine) {
            let found = costs.capability(&machine, layers).unwrap();
            assert_eq!(found.source, CapabilitySource::Roofline);
            assert!(found.throughput.get() < last && found.throughput.get() > 0.0, "{name} {layers}");
            last = found.throughput.get();
        }
    }
    let nothing = costs.capability(&machine("T4", 1), 0).unwrap();
    assert_eq!((nothing.throughput.get(), nothing.kv_capacity), (0.0, 0));
}

#[test]
fn cache_capacities_are_near_the_published_ones() {
    // Without declared bytes of a layer, against 16 · blocks · layers of the published limits.
    let costs = Costs::for_cluster(&single24(), &llama_2_70b(), CostChoice::Roofline).unwrap();
    for (name, layers, published, within) in [
        ("A100-40GB", 1, 7_973_216.0, 0.02),
        ("A100-40GB", 11, 3_795_264.0, 0.02),
        ("L4", 1, 4_258_336.0, 0.06),
        ("L4", 7, 1_751_008.0, 0.14),
        ("T4", 1, 2_485_120.0, 0.11),
        ("T4", 4, 1_124_224.0, 0.33),
    ] {
        let found = costs.capability(&machine(name, 1), layers).unwrap().kv_capacity as f64;
        assert!((found / published - 1.0).abs() < within, "{name} {layers}: {found} for {published}");
    }
}

#[test]
fn weights_of_a_range_are_exact() {
    let costs = Costs::for_cluster(&single24(), &llama_2_70b(), CostChoice::Roofline).unwrap();
    let range = LayerRange::new(3, 5).unwrap();
    // 2 layers of 855,654,400 numbers of 2 B.
    assert_eq!(costs.memory().weight_bytes(range), Bytes(2 * 2 * 855_654_400));
    assert_eq!(costs.memory().end_bytes(range), Bytes(0));
    assert_eq!(costs.memory().end_bytes(LayerRange::new(0, 80).unwrap()), Bytes(2 * 2 * 32_000 * 8192));
}
