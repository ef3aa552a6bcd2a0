//! The runs: every placement under every scheduler and load, for every seed, on several threads.
//!
//! A run depends on nothing but its combination and its seed, and results are put where they belong, not where they end:
//! the figures are the same whatever the number of threads.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helix_sim::{Progress, Simulation};
use helix_spec::{Cluster, ModelShape, Placement, RequestsPerSecond};

use super::arguments::Arguments;
use crate::parallel::Progress as Line;
use crate::plan::Budget;
use crate::simulate::{self, Mode, Scheduler, Setup};

/// Events between two looks at Ctrl-C.
const SLICE: u64 = 200_000;

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub name: &'a str,
    pub placement: &'a Placement,
    pub scheduler: Scheduler,
    pub mode: Mode,
    pub seed: u64,
}

/// Figures of one run; latencies are missing where nothing was measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub decode_tokens_per_s: f64,
    pub total_tokens_per_s: f64,
    pub prompt_s: Option<f64>,
    pub prompt_p95_s: Option<f64>,
    pub decode_s: Option<f64>,
    pub decode_p95_s: Option<f64>,
    pub request_s: Option<f64>,
    /// Finished in the window, a second.
    pub requests_per_s: f64,
    pub rejected: u64,
    pub kv_peak: f64,
}

/// Why there are no figures.
#[derive(Debug, Clone)]
pub enum NoFigures {
    Failed(String),
    Interrupted,
}

/// What all runs share.
pub struct Shared<'a> {
    pub arguments: &'a Arguments,
    pub cluster: &'a Cluster,
    pub model: &'a ModelShape,
    /// Online, where the load has no times of its own.
    pub rate: Option<RequestsPerSecond>,
}

/// Runs all jobs; results in their order.
pub fn run(shared: &Shared<'_>, jobs: &[Job<'_>]) -> Vec<Result<Figures, NoFigures>> {
    let threads = shared
        .arguments
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get), usize::from);
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let results: Vec<Mutex<Result<Figures, NoFigures>>> =
        jobs.iter().map(|_| Mutex::new(Err(NoFigures::Interrupted))).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((job, slot)) = jobs.get(index).zip(results.get(index)) else { break };
                    let result = simulate_one(shared, job);
                    *slot.lock().expect("no run panics while it stores its result") = result;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut line = Line::new();
        while done.load(Ordering::Relaxed) < jobs.len() {
            std::thread::sleep(Duration::from_millis(20));
            let done = done.load(Ordering::Relaxed);
            line.show(|| format!("{done} of {} runs (Ctrl-C reports what there is)", jobs.len()));
        }
    });
    let take = |slot: Mutex<_>| slot.into_inner().expect("no run panics while it stores its result");
    results.into_iter().map(take).collect()
}

fn simulate_one(shared: &Shared<'_>, job: &Job<'_>) -> Result<Figures, NoFigures> {
    let failed = |error: &dyn std::fmt::Display| NoFigures::Failed(error.to_string());
    if Budget::was_interrupted() {
        return Err(NoFigures::Interrupted);
    }
    let arguments = arguments_of(shared, job);
    let subject = (shared.cluster.clone(), shared.model.clone(), job.placement.clone());
    let setup = Setup::of(&arguments, job.mode, subject);
    let mut setup = setup.map_err(|failure| failed(&failure.message))?;
    // Only what ends within the window counts.
    setup.settings.window.drain = false;
    let feed = setup.feed().map_err(|failure| failed(&failure.message))?;
    let simulation = Simulation::new(&setup.inputs(), setup.settings, feed, Vec::new(), ());
    let mut simulation = simulation.map_err(|error| failed(&error))?;
    while simulation.run(SLICE).map_err(|error| failed(&error))? != Progress::Done {
        if Budget::was_interrupted() {
            return Err(NoFigures::Interrupted);
        }
    }
    let report = simulation.report();
    let seconds = report.window.1.seconds() - report.window.0.seconds();
    Ok(Figures {
        decode_tokens_per_s: report.decode_tokens_per_s,
        total_tokens_per_s: report.total_tokens_per_s,
        prompt_s: report.prompt_latency.mean,
        prompt_p95_s: report.prompt_latency.p95,
        decode_s: report.decode_latency.mean,
        decode_p95_s: report.decode_latency.p95,
        request_s: report.request_latency.mean,
        requests_per_s: if seconds > 0.0 { report.requests_finished_in_window as f64 / seconds } else { 0.0 },
        rejected: report.requests_rejected,
        kv_peak: report.kv_peak,
    })
}

/// The arguments of `helix simulate` for one run.
fn arguments_of(shared: &Shared<'_>, job: &Job<'_>) -> simulate::Arguments {
    let arguments = shared.arguments;
    let mut load = arguments.load.clone();
    if job.mode == Mode::Offline {
        load.rate = None;
        // Seeds are to differ.
        load.sample |= load.trace.is_some() && arguments.seeds > 1;
    } else {
        load.rate = load.rate.or(shared.rate);
    }
    // So runs of one trace differ as little timing differs.
    if load.jitter.is_none() && arguments.seeds > 1 {
        load.jitter = Some(simulate::JITTER);
    }
    simulate::Arguments {
        cluster: Some(arguments.cluster.clone()),
        model: Some(arguments.model.clone()),
        placement: Some(PathBuf::from(job.name)),
        replay: None,
        cost: arguments.cost,
        scheduler: Some(job.scheduler),
        mode: job.mode,
        preset: arguments.preset,
        load,
        unfused: false,
        faults: None,
        seed: job.seed,
        html: None,
        overlay: Vec::new(),
        requests: None,
        events: None,
        chrome_trace: None,
    }
}
