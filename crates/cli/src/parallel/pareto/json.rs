//! The report as JSON. Scripts rely on `headline` and its four ratios.

use std::collections::BTreeMap;

use helix_cost::layout::{Formats, Hardware, Headline, Point};
use serde::Serialize;

use crate::exit_codes::Failure;
use crate::output::Output;

use super::evaluation::{Comparison, Evaluation, ModelReport};

#[derive(Serialize)]
struct Document<'a> {
    headline: HeadlineRatios,
    headline_any_batch: HeadlineRatios,
    configurations: usize,
    context: u64,
    weights: helix_spec::NumberFormat,
    cache: helix_spec::NumberFormat,
    hardware: HardwareJson<'a>,
    models: Vec<ModelJson<'a>>,
}

/// `null` where the model was not swept, or Helix does not reach the baseline's interactivity.
#[derive(Serialize)]
struct HeadlineRatios {
    r1_interactivity: Option<f64>,
    r1_throughput_at_equal_ttl: Option<f64>,
    llama405b_interactivity: Option<f64>,
    llama405b_throughput_at_equal_ttl: Option<f64>,
}

#[derive(Serialize)]
struct HardwareJson<'a> {
    name: &'a str,
    devices: u32,
    memory_gb: f64,
    memory_gb_per_s: f64,
    interconnect_gb_per_s: f64,
    exchange: helix_spec::NumberFormat,
    /// Not disclosed by the paper: fitted to its headline ratios, unless the file says otherwise.
    calibrated_layer_overhead_us: f64,
    calibrated_collective_latency_us: f64,
    sources: &'a [String; 3],
}

#[derive(Serialize)]
struct ModelJson<'a> {
    model: &'a str,
    evaluated: usize,
    fitting: usize,
    headline: Option<HeadlineJson>,
    headline_any_batch: Option<HeadlineJson>,
    frontiers: BTreeMap<&'static str, Vec<PointJson>>,
    helix_loses: Vec<LossJson>,
    helix_loses_any_batch: Vec<LossJson>,
    hop_b: Vec<HopBJson>,
    by_context: Vec<ContextJson>,
}

#[derive(Serialize)]
struct HeadlineJson {
    interactivity: f64,
    throughput_at_equal_ttl: Option<f64>,
    users_at_equal_ttl: Option<f64>,
    baseline: PointJson,
    helix_fastest: PointJson,
    helix_at_equal_ttl: Option<PointJson>,
}

/// One configuration at a batch.
#[derive(Serialize)]
pub struct PointJson {
    strategy: &'static str,
    layout: String,
    pp: u32,
    tpa: u32,
    kvp: u32,
    tpf: u32,
    ep: u32,
    gpus: u32,
    batch: u32,
    users: u64,
    ttl_ms: f64,
    tokens_per_s_user: f64,
    tokens_per_s_gpu: f64,
    weights_gb: f64,
    cache_gb: f64,
}

#[derive(Serialize)]
struct LossJson {
    above_tokens_per_s_user: f64,
    up_to_tokens_per_s_user: f64,
    worst_ratio: f64,
    baseline: PointJson,
}

#[derive(Serialize)]
struct HopBJson {
    layout: String,
    batch: u32,
    tokens_per_s_user: f64,
    tokens_per_s_user_off: f64,
    loss_without: f64,
    chunks: u32,
    tokens_per_s_user_chunked: f64,
    loss_without_against_chunked: f64,
}

#[derive(Serialize)]
struct ContextJson {
    context: u64,
    interactivity: f64,
    throughput_at_equal_ttl: Option<f64>,
}

/// Prints the document.
pub fn print(evaluation: &Evaluation, output: &mut Output) -> Result<(), Failure> {
    let Formats { weights, cache } = evaluation.formats;
    let document = Document {
        headline: ratios(evaluation, |report| &report.powers),
        headline_any_batch: ratios(evaluation, |report| &report.every),
        configurations: evaluation.evaluated(),
        context: evaluation.context,
        weights,
        cache,
        hardware: hardware(&evaluation.hardware),
        models: evaluation.models.iter().map(model).collect(),
    };
    Ok(output.json(&document)?)
}

fn ratios(evaluation: &Evaluation, of: impl Fn(&ModelReport) -> &Comparison) -> HeadlineRatios {
    let headline = |name| evaluation.model(name).and_then(|report| of(report).headline);
    let (r1, llama) = (headline("deepseek-r1"), headline("llama-3.1-405b"));
    HeadlineRatios {
        r1_interactivity: r1.map(|found| found.interactivity),
        r1_throughput_at_equal_ttl: r1.and_then(|found| found.throughput_at_equal_ttl),
        llama405b_interactivity: llama.map(|found| found.interactivity),
        llama405b_throughput_at_equal_ttl: llama.and_then(|found| found.throughput_at_equal_ttl),
    }
}

fn hardware(hardware: &Hardware) -> HardwareJson<'_> {
    HardwareJson {
        name: &hardware.name,
        devices: hardware.devices,
        memory_gb: hardware.memory.gigabytes(),
        memory_gb_per_s: hardware.memory_bandwidth.0 as f64 / 1e9,
        interconnect_gb_per_s: hardware.interconnect.0 as f64 / 1e9,
        exchange: hardware.exchange,
        calibrated_layer_overhead_us: hardware.layer_overhead.seconds() * 1e6,
        calibrated_collective_latency_us: hardware.collective_latency.seconds() * 1e6,
        sources: &hardware.sources,
    }
}

fn model(report: &ModelReport) -> ModelJson<'_> {
    let frontiers = report.frontiers.iter();
    ModelJson {
        model: &report.model.name,
        evaluated: report.evaluated,
        fitting: report.fitting,
        headline: report.powers.headline.as_ref().map(headline),
        headline_any_batch: report.every.headline.as_ref().map(headline),
        frontiers: frontiers
            .map(|(strategy, frontier)| (strategy.name(), frontier.points().iter().map(point).collect()))
            .collect(),
        helix_loses: losses(&report.powers),
        helix_loses_any_batch: losses(&report.every),
        hop_b: report
            .hop_b
            .iter()
            .map(|found| HopBJson {
                layout: found.point.config.to_string(),
                batch: found.point.batch,
                tokens_per_s_user: found.point.performance.tokens_per_s_user,
                tokens_per_s_user_off: found.off,
                loss_without: found.loss(),
                chunks: found.chunks,
                tokens_per_s_user_chunked: found.chunked,
                loss_without_against_chunked: found.loss_to_chunks(),
            })
            .collect(),
        by_context: report
            .by_context
            .iter()
            .map(|(context, headline)| ContextJson {
                context: *context,
                interactivity: headline.interactivity,
                throughput_at_equal_ttl: headline.throughput_at_equal_ttl,
            })
            .collect(),
    }
}

fn headline(found: &Headline) -> HeadlineJson {
    let users = |point: &Point| point.performance.users as f64;
    HeadlineJson {
        interactivity: found.interactivity,
        throughput_at_equal_ttl: found.throughput_at_equal_ttl,
        users_at_equal_ttl: found.helix_at_equal_ttl.map(|point| users(&point) / users(&found.baseline)),
        baseline: point(&found.baseline),
        helix_fastest: point(&found.helix_fastest),
        helix_at_equal_ttl: found.helix_at_equal_ttl.as_ref().map(point),
    }
}

fn losses(comparison: &Comparison) -> Vec<LossJson> {
    let losses = comparison.losses.iter();
    losses
        .map(|loss| LossJson {
            above_tokens_per_s_user: loss.from,
            up_to_tokens_per_s_user: loss.to,
            worst_ratio: loss.worst,
            baseline: point(&loss.baseline),
        })
        .collect()
}

/// A point for JSON.
pub fn point(point: &Point) -> PointJson {
    let (config, found) = (point.config, point.performance);
    PointJson {
        strategy: config.strategy().name(),
        layout: config.to_string(),
        pp: config.pipeline(),
        tpa: config.tensor(),
        kvp: config.kv(),
        tpf: config.ffn_tensor(),
        ep: config.expert(),
        gpus: config.devices(),
        batch: point.batch,
        users: found.users,
        ttl_ms: found.ttl_s * 1e3,
        tokens_per_s_user: found.tokens_per_s_user,
        tokens_per_s_gpu: found.tokens_per_s_gpu,
        weights_gb: found.memory.weights / 1e9,
        cache_gb: found.memory.cache / 1e9,
    }
}
