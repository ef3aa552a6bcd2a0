//! The paper's figures whose numbers follow from its formulas: figure 1, its latent variant, figure 3, cache sizes.

mod layout_models;

use helix_cost::layout::{
    Config, Formats, Hardware, LatentRoofline, LayerRoofline, OutputProjection, Overlap, Study,
    exchange_bytes, exchange_stats_bytes, hop_b_seconds, serial_seconds,
};
use helix_parallel::{Layout, Options, Volume, Wire, shapes};
use helix_spec::{ModelShape, RankLayout};
use layout_models::{deepseek_r1, llama_405b};

fn figure1(output: OutputProjection) -> LayerRoofline {
    LayerRoofline::figure1(Hardware::gb200_nvl72().memory_bandwidth, output)
}

fn assert_microseconds(seconds: f64, expected: f64) {
    assert!((seconds * 1e6 - expected).abs() < 5.01e-4, "{} us, expected {expected}", seconds * 1e6);
}

#[test]
fn figure_1_left_tensor_parallelism() {
    let roofline = figure1(OutputProjection::AsPrinted);
    let kv = [1024.0, 512.0, 256.0, 128.0, 128.0, 128.0, 128.0];
    let weights = [236.978, 118.489, 59.245, 29.622, 14.942, 7.602, 3.932];
    for (power, (kv, weights)) in kv.into_iter().zip(weights).enumerate() {
        let tensor = 1 << power;
        assert_microseconds(roofline.kv_seconds(tensor, 1, 1_000_000), kv);
        assert_microseconds(roofline.weight_seconds(tensor, 1, tensor), weights);
    }
}

#[test]
fn figure_1_middle_context() {
    let roofline = figure1(OutputProjection::AsPrinted);
    for (power, expected) in [(15, 4.194), (17, 16.777), (20, 134.218), (22, 536.871), (24, 2147.484)] {
        assert_microseconds(roofline.kv_seconds(8, 1, 1 << power), expected);
    }
    assert_eq!(roofline.crossover(8, 1, 8), 231_424.0);
}

#[test]
fn figure_1_right_cache_sharding() {
    let (printed, sharded) = (figure1(OutputProjection::AsPrinted), figure1(OutputProjection::Sharded));
    let rows = [(1, 128.0, 29.622), (2, 64.0, 17.039), (4, 32.0, 10.748), (8, 16.0, 7.602)];
    for (kvp, kv, weights) in rows {
        assert_microseconds(printed.kv_seconds(8, kvp, 1_000_000), kv);
        assert_microseconds(printed.weight_seconds(8, kvp, 8 * kvp), weights);
        assert_microseconds(printed.weight_seconds(8, kvp, 8), 29.622);
        // The output projection is 16384 x 2048 numbers of half a byte: 2.097 us, of which one in KVP is left.
        let saved = 2.097_152 * (1.0 - 1.0 / f64::from(kvp));
        assert_microseconds(sharded.weight_seconds(8, kvp, 8 * kvp), weights - saved);
    }
}

#[test]
fn figure_1_with_a_latent_cache() {
    let roofline = LatentRoofline::figure1(Hardware::gb200_nvl72().memory_bandwidth);
    for (kvp, expected) in [(1, 603.980), (8, 75.497), (64, 9.437)] {
        assert_microseconds(roofline.kv_seconds(kvp, 1 << 20), expected);
    }
}

#[test]
fn figure_3() {
    assert!((serial_seconds(8, 2.0, 1.2) - 25.6).abs() < 1e-12);
    assert!((hop_b_seconds(8, 2.0, 1.2) - 17.2).abs() < 1e-12);
}

#[test]
fn the_cache_of_a_million_tokens() {
    let hardware = Hardware::gb200_nvl72();
    for (model, bytes_a_token) in [(llama_405b(), 129_024.0), (deepseek_r1(), 17_568.0)] {
        let study = Study::new(&model, &hardware, Formats::FP4, 1_000_000);
        let memory = study.memory(Config::ranks(Layout::SINGLE), 1);
        assert_eq!(memory.cache, bytes_a_token * 1e6);
    }
}

#[test]
fn one_rank_holds_the_whole_model() {
    let hardware = Hardware::gb200_nvl72();
    let single = Config::ranks(Layout::SINGLE);
    for model in [llama_405b(), deepseek_r1()] {
        let study = Study::new(&model, &hardware, Formats::of(&model), 1);
        // The shape counts a last norm besides.
        let whole = model.weights.bytes(model.parameters() - u64::from(model.hidden)).0;
        assert_eq!(study.memory(single, 1).weights, whole as f64);
        let part = study.of_layers(1..4);
        assert_eq!(part.memory(single, 1).weights, model.weight_bytes(1..4).0 as f64);
    }
}

/// Ranks that shard everything hold, all together, the model once and what is replicated.
#[test]
fn shards_add_up_to_the_model() {
    let (model, hardware) = (llama_405b(), Hardware::gb200_nvl72());
    let study = Study::new(&model, &hardware, Formats::FP4, 64_000);
    let norms = 126 * 2 * u64::from(model.hidden);
    let whole = model.parameters() - u64::from(model.hidden) - norms;
    let layout = Layout::new(RankLayout::tensor(8)).unwrap();
    let memory = study.memory(Config::ranks(layout), 3);
    assert_eq!((memory.weights - norms as f64 / 2.0) * 8.0, whole as f64 / 2.0);
    assert_eq!(memory.cache * 8.0, 3.0 * 64_000.0 * 129_024.0);
}

fn times(model: &ModelShape, layout: RankLayout, overlap: Overlap) -> f64 {
    let hardware = Hardware::gb200_nvl72();
    let study = Study::new(model, &hardware, Formats::FP4, 1_000_000);
    study.evaluate(Config::ranks(Layout::new(layout).unwrap()), 8, overlap).ttl_s
}

#[test]
fn overlap_helps_and_chunks_pay_their_latency() {
    let layout = RankLayout { pipeline: 1, attention_tensor: 8, kv: 8, ffn_tensor: 64, expert: 1 };
    let model = llama_405b();
    let [off, best, ideal] = [Overlap::Exposed, Overlap::BestChunks, Overlap::PerRequest]
        .map(|overlap| times(&model, layout, overlap));
    assert!(off > best && best > ideal, "{off} {best} {ideal}");
    assert_eq!(times(&model, layout, Overlap::Chunks(1)), off);
    // Without KVP there is nothing to overlap.
    let tensor = RankLayout::tensor(64);
    assert_eq!(times(&model, tensor, Overlap::PerRequest), times(&model, tensor, Overlap::Exposed));
}

#[test]
fn a_pipeline_keeps_the_throughput_and_multiplies_the_wait() {
    let (model, mut hardware) = (llama_405b(), Hardware::gb200_nvl72());
    hardware.collective_latency = helix_spec::SimTime::ZERO;
    hardware.interconnect = helix_spec::BytesPerSecond(u64::MAX);
    let mut without_ends = model.clone();
    without_ends.vocab = 0;
    let study = Study::new(&without_ends, &hardware, Formats::FP4, 1_000_000);
    let run = |pipeline| {
        let layout = RankLayout { pipeline, ..RankLayout::tensor(8) };
        study.evaluate(Config::ranks(Layout::new(layout).unwrap()), 1, Overlap::Exposed)
    };
    let (one, six) = (run(1), run(6));
    assert!((six.ttl_s / one.ttl_s - 1.0).abs() < 1e-6, "126 layers are six stages of 21");
    assert!((six.tokens_per_s_gpu / one.tokens_per_s_gpu - 1.0).abs() < 1e-6);
    // Four stages of 32, 32, 31 and 31 layers wait for the longest.
    assert!((run(4).ttl_s / one.ttl_s - 128.0 / 126.0).abs() < 1e-6);
    assert_eq!(six.users, 6);
}

/// What is timed here is what the ranks are counted to send.
#[test]
fn the_exchange_is_as_large_as_the_ranks_send() {
    for (shape, width) in [(shapes::deepseek_v3(), 512.0), (shapes::llama_405b(), 128.0)] {
        for layout in Layout::all(16).chain(Layout::all(64)) {
            let (tensor, kv) = (layout.widths().attention_tensor, layout.widths().kv);
            let counted = Volume::of_layer(&shape, layout, &Options::new(Wire::Bf16), 3).unwrap();
            let heads = f64::from(shape.query_heads()) / f64::from(tensor);
            let partials = exchange_bytes(3.0, heads * width, kv, helix_spec::NumberFormat::Bf16);
            assert_eq!(partials, counted.partials as f64, "{layout:?}");
            assert_eq!(exchange_stats_bytes(3.0, heads, kv), counted.statistics as f64, "{layout:?}");
        }
    }
}
