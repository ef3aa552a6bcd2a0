//! Figures for Prometheus: names and buckets of vLLM where the meaning is the same, `helix_…` for what only a cluster has.
//!
//! ```text
//!   each answer ── Watch: first token, gaps, end ──> histograms, counters ─┐
//!   the coordinator's report ── read at each scrape ──> gauges, counters ──┴─> GET /metrics
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use helix_runtime::Service;
use helix_runtime::service::{FinishReason, GenerationEvent, MachineReport, MachineState};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds \[s\].
const FIRST_TOKEN: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
    80.0, 160.0, 640.0, 2560.0,
];
const BETWEEN_TOKENS: [f64; 19] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];
const WHOLE: [f64; 21] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
];

/// Measures the API; clones share what they measured.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    times: Times,
}

#[derive(Debug, Clone)]
struct Times {
    first_token: Histogram,
    between_tokens: Histogram,
    whole: Histogram,
    ended: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    /// What [`Self::text`] is.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// For the model of a service; nothing measured yet.
    pub fn new(service: &Service) -> Self {
        let times = Times {
            first_token: Histogram::new(FIRST_TOKEN),
            between_tokens: Histogram::new(BETWEEN_TOKENS),
            whole: Histogram::new(WHOLE),
            ended: Family::default(),
        };
        let name = service.model().name.clone();
        let mut registry = Registry::with_labels([("model_name".into(), name.into())].into_iter());
        let mut time = |name, help, times: &Histogram| registry.register(name, help, times.clone());
        time("vllm:time_to_first_token_seconds", "From a request to its first token", &times.first_token);
        time("vllm:inter_token_latency_seconds", "Between two tokens of an answer", &times.between_tokens);
        time("vllm:e2e_request_latency_seconds", "From a request to the end of its answer", &times.whole);
        registry.register("vllm:request_success", "Answers by how they ended", times.ended.clone());
        registry.register_collector(Box::new(OfReport(service.clone())));
        Self { registry: Arc::new(registry), times }
    }

    /// Starts to measure an answer.
    pub fn watch(&self) -> Watch {
        Watch { times: self.times.clone(), started: Instant::now(), last: None, ended: false }
    }

    /// All figures, in the text format of `OpenMetrics`.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Measures one answer. Dropped before its end, it counts as given up.
#[derive(Debug)]
pub struct Watch {
    times: Times,
    started: Instant,
    last: Option<Instant>,
    ended: bool,
}

impl Watch {
    /// Takes notice of what came.
    pub fn see(&mut self, event: &GenerationEvent) {
        let now = Instant::now();
        match event {
            GenerationEvent::Token(_) => match self.last.replace(now) {
                None => self.times.first_token.observe((now - self.started).as_secs_f64()),
                Some(last) => self.times.between_tokens.observe((now - last).as_secs_f64()),
            },
            GenerationEvent::Finished(finish) => {
                self.times.whole.observe((now - self.started).as_secs_f64());
                self.end(match finish.reason {
                    FinishReason::Stop => "stop",
                    FinishReason::Length => "length",
                });
            }
            GenerationEvent::Failed(_) => self.end("error"),
        }
    }

    fn end(&mut self, reason: &'static str) {
        self.ended = true;
        self.times.ended.get_or_create(&[("finished_reason", reason)]).inc();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.end("abort");
        }
    }
}

/// What the coordinator reports, at each scrape.
#[derive(Debug)]
struct OfReport(Service);

impl Collector for OfReport {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let report = self.0.report();
        let fill = |machine: &MachineReport| {
            f64::from(machine.kv_blocks_used) / f64::from(machine.kv_blocks_total.max(1))
        };
        let fullest = report.machines.iter().map(fill).max_by(f64::total_cmp).unwrap_or(0.0);
        let ready = f64::from(u8::from(self.0.readiness().is_ready()));
        let gauges = [
            ("vllm:num_requests_running", "Requests that hold a pipeline", report.running as f64),
            ("vllm:num_requests_waiting", "Requests that wait for one", report.waiting as f64),
            ("vllm:kv_cache_usage_perc", "Used part of the fullest machine's cache, 0 to 1", fullest),
            ("helix_ready", "Whether a whole pipeline can serve", ready),
            (
                "helix_placement_epoch",
                "Counts the placements and the changes of who serves",
                report.epoch as f64,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counters = [
            ("vllm:prompt_tokens", "Prompt tokens of all requests taken", report.prompt_tokens),
            ("vllm:generation_tokens", "Tokens generated", report.generated_tokens),
            ("vllm:num_preemptions", "Requests moved off their caches and begun again", report.preempted),
            ("helix_requests_finished", "Requests answered whole", report.finished),
            ("helix_requests_failed", "Requests that ended with an error", report.failed),
            ("helix_requests_cancelled", "Requests that their client gave up", report.cancelled),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        machines(&mut encoder, &report.machines)
    }
}

/// A figure of a machine: its name, what it is, and how to read it; `None` where there is none yet.
type OfMachine = (&'static str, &'static str, fn(&MachineReport) -> Option<f64>);

fn machines(encoder: &mut DescriptorEncoder<'_>, machines: &[MachineReport]) -> fmt::Result {
    let figures: [OfMachine; 9] = [
        ("helix_machine_ready", "Whether it serves", |m| {
            Some(f64::from(u8::from(m.state == MachineState::Ready)))
        }),
        ("helix_machine_requests", "Requests that it knows", |m| Some(m.requests.into())),
        ("helix_machine_kv_blocks_used", "Cache blocks in use", |m| Some(m.kv_blocks_used.into())),
        ("helix_machine_kv_blocks_total", "Cache blocks that it has", |m| Some(m.kv_blocks_total.into())),
        ("helix_machine_prompt_tokens", "Prompt tokens since its start", |m| Some(m.prompt_tokens as f64)),
        ("helix_machine_decode_tokens", "Decoded tokens since its start", |m| Some(m.decode_tokens as f64)),
        ("helix_machine_tokens_per_second", "Tokens a second while it computed", |m| m.tokens_per_s),
        ("helix_machine_planned_tokens_per_second", "What the plan expects", |m| m.planned_tokens_per_s),
        ("helix_machine_speed", "Speed against plan and other machines; its share follows", |m| m.speed),
    ];
    for (name, help, read) in figures {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for machine in machines {
            let Some(value) = read(machine) else { continue };
            let labels = [("machine", machine.name.as_str())];
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
