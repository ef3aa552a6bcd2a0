//! The plan as JSON.

use helix_cost::layout::{Choice, Crossing, LayerKind, Overlap};
use serde::Serialize;

use crate::exit_codes::Failure;
use crate::output::Output;

use super::{Plan, RUNNERS_UP, words};

#[derive(Serialize)]
struct Document<'a> {
    model: &'a str,
    gpus: u32,
    hardware: &'a str,
    context: u64,
    ttl_ms: Option<f64>,
    requests: Option<u32>,
    best: ChoiceJson,
    reasons: Vec<String>,
    layer_us: LayerJson,
    runners_up: Vec<ChoiceJson>,
    asked: Option<AskedJson>,
    helix_from_context: Option<u64>,
    longest_context: Option<u64>,
    changes: Vec<String>,
}

#[derive(Serialize)]
struct ChoiceJson {
    layout: String,
    pp: u32,
    tpa: u32,
    kvp: u32,
    tpf: u32,
    ep: u32,
    gpus_a_replica: u32,
    replicas: u32,
    batch: u32,
    requests: u64,
    ttl_ms: f64,
    tokens_per_s: f64,
    tokens_per_s_user: f64,
    tokens_per_s_gpu: f64,
    weights_gb: f64,
    cache_gb: f64,
    hop_b_chunks: u32,
}

#[derive(Serialize)]
struct AskedJson {
    /// `null` where it does not fit.
    choice: Option<ChoiceJson>,
    missing_gb: f64,
    verdict: String,
}

/// Where the time of the model's most common layer goes \[us\].
#[derive(Serialize)]
struct LayerJson {
    total: f64,
    overhead: f64,
    projections: f64,
    attention: f64,
    exchange: f64,
    attention_and_exchange: f64,
    output: f64,
    ffn: f64,
    reductions: f64,
}

/// Prints the document.
pub fn print(plan: &Plan<'_>, output: &mut Output) -> Result<(), Failure> {
    let (study, best) = (&plan.study, &plan.choices[0]);
    let document = Document {
        model: &study.model.name,
        gpus: plan.demand.devices.get(),
        hardware: &study.hardware.name,
        context: study.context,
        ttl_ms: plan.demand.ttl_s.map(|ttl| ttl * 1e3),
        requests: plan.demand.users.map(std::num::NonZeroU32::get),
        best: choice(plan, best),
        reasons: words::reasons(plan),
        layer_us: layer(plan, best),
        runners_up: plan.choices.iter().skip(1).take(RUNNERS_UP).map(|other| choice(plan, other)).collect(),
        asked: plan.asked.as_ref().map(|asked| AskedJson {
            choice: asked.as_ref().ok().map(|asked| choice(plan, asked)),
            missing_gb: asked.as_ref().err().map_or(0.0, |shortage| shortage.missing / 1e9),
            verdict: words::verdict(plan, asked),
        }),
        helix_from_context: match plan.crossing {
            Crossing::HelixFrom { context, .. } => Some(context),
            Crossing::HelixEverywhere | Crossing::HelixNowhere => None,
        },
        longest_context: plan.longest.0,
        changes: words::changes(plan),
    };
    Ok(output.json(&document)?)
}

fn choice(plan: &Plan<'_>, choice: &Choice) -> ChoiceJson {
    let (config, found) = (choice.config, choice.performance);
    ChoiceJson {
        layout: config.to_string(),
        pp: config.pipeline(),
        tpa: config.tensor(),
        kvp: config.kv(),
        tpf: config.ffn_tensor(),
        ep: config.expert(),
        gpus_a_replica: config.devices(),
        replicas: choice.replicas,
        batch: choice.batch,
        requests: choice.users(),
        ttl_ms: found.ttl_s * 1e3,
        tokens_per_s: choice.tokens_per_s(),
        tokens_per_s_user: found.tokens_per_s_user,
        tokens_per_s_gpu: found.tokens_per_s_gpu,
        weights_gb: found.memory.weights / 1e9,
        cache_gb: found.memory.cache / 1e9,
        hop_b_chunks: plan.study.best_chunks(config, choice.batch),
    }
}

fn layer(plan: &Plan<'_>, choice: &Choice) -> LayerJson {
    let kind = if plan.study.model.experts.is_some() { LayerKind::Experts } else { LayerKind::Dense };
    let time = plan.study.layer(choice.config, choice.batch, Overlap::BestChunks, kind);
    let us = |seconds: f64| seconds * 1e6;
    LayerJson {
        total: us(time.total()),
        overhead: us(time.overhead),
        projections: us(time.projections),
        attention: us(time.attention),
        exchange: us(time.exchange),
        attention_and_exchange: us(time.attention_phase),
        output: us(time.output),
        ffn: us(time.ffn),
        reductions: us(time.output_reduction + time.ffn_reduction),
    }
}
