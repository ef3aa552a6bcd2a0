//! The report of a simulation as JSON; text and page are made from it.

use std::collections::BTreeMap;

use helix_sim::{Report, Series, Spent, Summary};
use helix_spec::SimTime;
use serde::{Deserialize, Serialize};

use super::Ran;
use super::arguments::Arguments;
use super::setup::Setup;

/// Mean and percentiles \[s\].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub mean: Option<f64>,
    pub p5: Option<f64>,
    pub p25: Option<f64>,
    pub p50: Option<f64>,
    pub p75: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    /// Counts in equal steps from zero to the 99th percentile; the last step also holds what is beyond.
    pub histogram: Vec<u64>,
}

impl Latency {
    fn new(summary: &Summary, histogram: &[u64]) -> Self {
        let Summary { count, mean, p5, p25, p50, p75, p95, p99 } = *summary;
        Self { count, mean, p5, p25, p50, p75, p95, p99, histogram: histogram.to_vec() }
    }
}

/// Load of a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MachineReport {
    pub machine: String,
    pub start: u32,
    pub end: u32,
    pub busy: f64,
    pub tokens_per_s: f64,
    pub planned_tokens_per_s: f64,
    pub decodes_per_batch: f64,
    pub waiting: f64,
    pub kv_mean: f64,
    pub kv_peak: f64,
}

/// Load of a link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinkReport {
    pub from: String,
    pub to: String,
    pub tokens_per_s: f64,
    pub planned_tokens_per_s: f64,
    pub used: f64,
    pub waiting: f64,
}

/// Figures over time, in equal steps from the start of loading on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SeriesReport {
    pub step_s: f64,
    pub values: Vec<f64>,
}

impl SeriesReport {
    fn rates(series: &Series) -> Self {
        Self { step_s: series.width().seconds(), values: series.rates() }
    }

    fn levels(series: &Series, whole: f64) -> Self {
        let values = series.levels().iter().map(|level| level / whole.max(1.0)).collect();
        Self { step_s: series.width().seconds(), values }
    }
}

/// Where works waited, on average over the window \[works\].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WaitingReport {
    pub machine_queues: f64,
    pub link_queues: f64,
    pub sending: f64,
}

/// Where requests spent their time, from arrival to end: on average over those that finished in the window \[s\], and over
/// time, the mean of those that ended in each step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SpentReport {
    pub line: f64,
    pub machine_queues: f64,
    pub computing: f64,
    pub link_queues: f64,
    pub sending: f64,
    pub series: BTreeMap<String, SeriesReport>,
}

impl SpentReport {
    fn new(report: &Report) -> Self {
        let ended = report.ended_series.rates();
        let series = |((name, _), sums): ((&str, SimTime), &Series)| {
            let mean = |(sum, count): (f64, &f64)| if *count > 0.0 { sum / count / 1e12 } else { 0.0 };
            let values = sums.rates().into_iter().zip(&ended).map(mean).collect();
            (name.to_owned(), SeriesReport { step_s: sums.width().seconds(), values })
        };
        let Spent { line, machine_queues, computing, link_queues, sending } = report.spent;
        Self {
            line: line.seconds(),
            machine_queues: machine_queues.seconds(),
            computing: computing.seconds(),
            link_queues: link_queues.seconds(),
            sending: sending.seconds(),
            series: report.spent.parts().into_iter().zip(&report.spent_series).map(series).collect(),
        }
    }
}

/// The whole report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SimulateReport {
    pub cluster: String,
    pub model: String,
    pub placement: String,
    pub scheduler: String,
    pub mode: String,
    pub preset: Option<String>,
    pub seed: u64,
    pub decode_tokens_per_s: f64,
    pub total_tokens_per_s: f64,
    pub prompt_latency_s: Latency,
    pub decode_latency_s: Latency,
    pub request_latency_s: Latency,
    pub requests_launched: u64,
    pub requests_finished: u64,
    pub requests_rejected: u64,
    pub requests_unfinished: u64,
    pub rejections: BTreeMap<String, u64>,
    pub restarts: u64,
    pub events: u64,
    pub processed_events: u64,
    pub wall_seconds: f64,
    pub events_per_second: f64,
    pub processed_events_per_second: f64,
    pub simulated_seconds: f64,
    pub window_s: (f64, f64),
    pub max_flow_tokens_per_s: f64,
    pub compute_bound_tokens_per_s: f64,
    pub kv_peak_fraction: f64,
    pub waiting: WaitingReport,
    #[serde(default)]
    pub request_time_s: SpentReport,
    pub machines: Vec<MachineReport>,
    pub links: Vec<LinkReport>,
    pub decode_series: SeriesReport,
    pub prompt_series: SeriesReport,
    pub kv_series: SeriesReport,
    pub in_flight_series: SeriesReport,
    pub notes: Vec<String>,
}

/// The name on the command line.
pub fn value_name(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl SimulateReport {
    /// Names instead of indices.
    pub fn new(setup: &Setup, arguments: &Arguments, ran: &Ran) -> Self {
        let Ran { report, wall, interrupted } = ran;
        let seconds = wall.as_secs_f64();
        let per_second = |events: u64| if seconds > 0.0 { events as f64 / seconds } else { 0.0 };
        let outcome = |(outcome, count): &(_, u64)| (outcome_name(*outcome).to_owned(), *count);
        Self {
            cluster: setup.cluster.name.clone(),
            model: setup.model.name.clone(),
            placement: arguments
                .placement
                .as_deref()
                .map_or_else(String::new, |path| path.display().to_string()),
            scheduler: value_name(&arguments.scheduler()),
            mode: value_name(&arguments.mode),
            preset: arguments.preset.as_ref().map(value_name),
            seed: arguments.seed,
            decode_tokens_per_s: report.decode_tokens_per_s,
            total_tokens_per_s: report.total_tokens_per_s,
            prompt_latency_s: Latency::new(&report.prompt_latency, &report.prompt_histogram.1),
            decode_latency_s: Latency::new(&report.decode_latency, &report.decode_histogram.1),
            request_latency_s: Latency::new(&report.request_latency, &[]),
            requests_launched: report.requests_launched,
            requests_finished: report.requests_finished,
            requests_rejected: report.requests_rejected,
            requests_unfinished: report.requests_unfinished,
            rejections: report.rejections.iter().map(outcome).collect(),
            restarts: report.restarts,
            events: report.logical_events,
            processed_events: report.processed_events,
            wall_seconds: seconds,
            events_per_second: per_second(report.logical_events),
            processed_events_per_second: per_second(report.processed_events),
            simulated_seconds: report.simulated.seconds(),
            window_s: (report.window.0.seconds(), report.window.1.seconds()),
            max_flow_tokens_per_s: setup.max_flow,
            compute_bound_tokens_per_s: setup.compute_bound,
            kv_peak_fraction: report.kv_peak,
            waiting: WaitingReport {
                machine_queues: report.whereabouts.machine_queues,
                link_queues: report.whereabouts.link_queues,
                sending: report.whereabouts.sending,
            },
            request_time_s: SpentReport::new(report),
            machines: machines(setup, report),
            links: links(setup, report),
            decode_series: SeriesReport::rates(&report.decode_series),
            prompt_series: SeriesReport::rates(&report.prompt_series),
            kv_series: SeriesReport::levels(&report.kv_series, report.kv_capacity as f64),
            in_flight_series: SeriesReport::levels(&report.in_flight_series, 1.0),
            notes: notes(setup, report, *interrupted),
        }
    }
}

fn machines(setup: &Setup, report: &Report) -> Vec<MachineReport> {
    let load = |load: &helix_sim::MachineLoad| {
        let layers = setup.placement.layers_of(load.machine)?;
        let into = setup.links.iter().filter(|link| link.to == helix_spec::Endpoint::Machine(load.machine));
        Some(MachineReport {
            machine: setup.cluster.machine(load.machine).name.clone(),
            start: layers.start(),
            end: layers.end(),
            busy: load.busy,
            tokens_per_s: load.tokens_per_s,
            planned_tokens_per_s: into.map(|link| link.flow).sum(),
            decodes_per_batch: load.decodes_per_batch,
            waiting: load.waiting,
            kv_mean: load.kv_mean,
            kv_peak: load.kv_peak,
        })
    };
    report.machines.iter().filter_map(load).collect()
}

fn links(setup: &Setup, report: &Report) -> Vec<LinkReport> {
    let name = |endpoint| setup.cluster.endpoint_name(endpoint).to_owned();
    let load = |load: &helix_sim::LinkLoad| LinkReport {
        from: name(load.from),
        to: name(load.to),
        tokens_per_s: load.tokens_per_s,
        planned_tokens_per_s: load.planned_tokens_per_s,
        used: load.used,
        waiting: load.waiting,
    };
    report.links.iter().map(load).collect()
}

/// A reason in words.
pub fn outcome_name(outcome: helix_scheduler::coordinator::Outcome) -> &'static str {
    use helix_scheduler::coordinator::Outcome;
    match outcome {
        Outcome::Finished => "finished",
        Outcome::Cancelled => "cancelled",
        Outcome::DeadlinePassed => "deadline passed",
        Outcome::NoRoute => "no room, and not to wait",
        Outcome::QueueFull => "the line was full",
        Outcome::WaitedTooLong => "waited too long",
        Outcome::TooLarge => "larger than any pipeline's cache or batches",
        Outcome::EmptyPrompt => "no prompt",
        Outcome::MachineLost => "its machines were lost too often",
        Outcome::Refused => "a machine could not run it",
    }
}

fn notes(setup: &Setup, report: &Report, interrupted: bool) -> Vec<String> {
    let mut notes = setup.notes.clone();
    if interrupted {
        notes
            .push(format!("stopped by the user after {:.0} s of simulated time", report.simulated.seconds()));
    }
    for (outcome, count) in &report.rejections {
        notes.push(format!("{count} requests ended without an answer: {}", outcome_name(*outcome)));
    }
    if report.kv_peak > 1.0 {
        let percent = report.kv_peak * 100.0;
        notes.push(format!(
            "a cache was filled to {percent:.0} %: it is only counted here; where the paper's simulator ends, this goes on"
        ));
    }
    if report.extrapolated_batches > 0 {
        notes.push(format!(
            "{} batches were larger than any that was measured; their times continue the tables",
            report.extrapolated_batches
        ));
    }
    if report.decode_latency.count == 0 {
        notes.push("no token was decoded within the window".to_owned());
    }
    notes
}
