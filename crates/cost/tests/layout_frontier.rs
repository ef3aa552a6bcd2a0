//! The frontier of the paper's evaluation: sample points, headline ratios, and where Helix loses.
//!
//! The expected values were computed from the same first principles by an independent program; they leave out the output
//! projection and split R1's shared expert 16 ways, so that agreement is asked to 0.3 %
//! (docs/design/parallel-frontier.md).

mod layout_models;

use std::num::NonZeroUsize;

use helix_cost::layout::{
    Advantage, Config, Formats, Frontier, Hardware, Overlap, Point, Sharing, Strategy, Study, Sweep,
    advantages, configurations, default_batches, headline, sweep,
};
use helix_parallel::Layout;
use helix_spec::{ModelShape, RankLayout};
use layout_models::{deepseek_r1, llama_405b};

const CONTEXT: u64 = 1_000_000;
const TOLERANCE: f64 = 0.003;

fn layout(attention_tensor: u32, kv: u32, ffn_tensor: u32, expert: u32) -> Layout {
    Layout::new(RankLayout { pipeline: 1, attention_tensor, kv, ffn_tensor, expert }).unwrap()
}

fn rate(model: &ModelShape, config: Config, batch: u32) -> f64 {
    let hardware = Hardware::gb200_nvl72();
    let study = Study::new(model, &hardware, Formats::FP4, CONTEXT);
    study.evaluate(config, batch, Overlap::PerRequest).tokens_per_s_user
}

fn assert_near(found: f64, expected: f64, what: &str) {
    assert!((found / expected - 1.0).abs() < TOLERANCE, "{what}: {found}, expected {expected}");
}

#[test]
fn llama_405b_sample_points() {
    let model = llama_405b();
    let tensor = Config::ranks(layout(64, 1, 64, 1));
    assert_near(rate(&model, tensor, 1), 112.6, "TP 64");
    let helix = Config::ranks(layout(8, 8, 64, 1));
    for (batch, expected) in [(1, 129.4), (2, 128.1), (4, 121.2), (8, 107.7), (16, 87.5), (32, 63.6)] {
        assert_near(rate(&model, helix, batch), expected, "Helix");
    }
    let medha = Config { layout: layout(8, 8, 64, 1), sharing: Sharing::Groups };
    assert_near(rate(&model, medha, 1), 97.9, "Medha");
}

#[test]
fn deepseek_r1_sample_points() {
    let model = deepseek_r1();
    let tensor = Config::ranks(layout(64, 1, 8, 8));
    assert_near(rate(&model, tensor, 1), 184.6, "TP 64");
    let helix = Config::ranks(layout(1, 64, 8, 8));
    let samples = [(1, 276.3), (8, 259.7), (16, 235.0), (32, 199.5), (64, 156.8), (128, 112.5), (256, 72.6)];
    for (batch, expected) in samples {
        assert_near(rate(&model, helix, batch), expected, "Helix");
    }
    let data = Config { layout: layout(64, 1, 1, 64), sharing: Sharing::Requests };
    for (batch, expected) in [(64, 151.3), (128, 112.5), (256, 75.0)] {
        assert_near(rate(&model, data, batch), expected, "DP attention");
    }
}

fn full_sweep(model: &ModelShape, context: u64, threads: usize) -> Sweep {
    let hardware = Hardware::gb200_nvl72();
    let study = Study::new(model, &hardware, Formats::FP4, context);
    let configs = configurations(model, hardware.devices);
    sweep(&study, &configs, &default_batches(), NonZeroUsize::new(threads).unwrap())
}

/// Helix's frontier and the baselines', of batches that are powers of two.
fn frontiers(sweep: &Sweep) -> (Frontier, Frontier) {
    let powers = |point: &&Point| point.batch.is_power_of_two();
    let is_helix = |point: &&Point| point.config.strategy() == Strategy::Helix;
    (
        Frontier::of(sweep.points.iter().filter(powers).filter(is_helix)),
        Frontier::of(sweep.points.iter().filter(powers).filter(|point| !is_helix(point))),
    )
}

#[test]
fn headline_ratios_are_within_the_bands() {
    let bands = [(deepseek_r1(), (1.35, 1.65), (30.0, 40.0)), (llama_405b(), (1.08, 1.20), (3.5, 5.0))];
    let mut evaluated = 0;
    for (model, interactivity, throughput) in bands {
        let sweep = full_sweep(&model, CONTEXT, 2);
        evaluated += sweep.evaluated;
        let (helix, baseline) = frontiers(&sweep);
        let found = headline(&helix, &baseline).unwrap();
        let within = |value: f64, (low, high): (f64, f64)| low <= value && value <= high;
        assert!(within(found.interactivity, interactivity), "{}: {found:?}", model.name);
        assert!(within(found.throughput_at_equal_ttl.unwrap(), throughput), "{}: {found:?}", model.name);
    }
    assert!(evaluated > 100_000, "{evaluated}");
}

#[test]
fn helix_loses_to_attention_by_requests_at_large_batches() {
    let (helix, baseline) = frontiers(&full_sweep(&deepseek_r1(), CONTEXT, 2));
    let ratios: Vec<f64> = advantages(&helix, &baseline).iter().filter_map(Advantage::ratio).collect();
    assert!(ratios.iter().any(|ratio| *ratio < 0.99), "{ratios:?}");
    assert!(ratios.iter().any(|ratio| *ratio > 30.0));
}

#[test]
fn threads_change_nothing() {
    let model = llama_405b();
    let one = full_sweep(&model, 65_536, 1);
    for threads in [2, 3, 64] {
        assert_eq!(full_sweep(&model, 65_536, threads), one);
    }
}

#[test]
fn no_point_beats_the_frontier_and_none_of_it_is_beaten() {
    let sweep = full_sweep(&deepseek_r1(), CONTEXT, 2);
    let frontier = Frontier::of(&sweep.points);
    let pair = |p: &Point| (p.performance.tokens_per_s_user, p.performance.tokens_per_s_gpu);
    for point in sweep.points.iter().step_by(17) {
        let (user, gpu) = pair(point);
        let best = frontier.at(user).unwrap();
        assert!(best.performance.tokens_per_s_gpu >= gpu);
    }
    for (i, a) in frontier.points().iter().enumerate() {
        for b in &frontier.points()[i + 1..] {
            assert!(pair(a).0 > pair(b).0 && pair(a).1 < pair(b).1);
        }
    }
}
