//! The simulator as the judge of plans: saturated runs side by side on all cores.
//!
//! Run lengths follow from cluster, settings and the first plan, never from the clock, and every run is by itself; so a trial gives
//! the same figures on any machine and any number of threads. The clock only says when no more runs are begun.

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use helix_cost::{Constants, Costs, SmallBatches, TimedCosts, Times};
use helix_planner::{Effort, Figures, Instance, Measure, Outcome, Trial};
use helix_sim::{
    Feed, Inputs, LayerEvents, LengthSource, PlannedLink, Progress, Settings, Simulation, Window,
};
use helix_spec::{Cluster, Lengths, ModelShape, SimTime};

use super::{Budget, Cost};
use crate::simulate::{Flow, JITTER, Preset, Scheduler, planned_links};

/// Events between two looks at the clock.
const SLICE: u64 = 100_000;
/// Simulated time of a short run, where the cluster is small enough \[s\].
const SHORT: f64 = 400.0;
/// The same at least: a request lives for minutes, so less would show the beginning only.
const SHORT_AT_LEAST: f64 = 150.0;
/// The same at most, where little happens: behind slow links the prompts of the requests under way with which a run begins take
/// minutes.
const SHORT_AT_MOST: f64 = 1000.0;
/// Share of the runs that choose before anything counts. They begin with requests as they are found under way, so that is
/// soon over.
const WARMUP: f64 = 0.375;
/// Warm-up and window of a run of the report, in short runs of [`SHORT`] at most: with empty caches at the beginning, as anybody would
/// judge. Where short runs are longer than that it costs less than [`Effort::weight`] says, and the search ends a little early.
const REPORT: (f64, f64) = (1.5, 3.0);
/// Events of a short run, at as many a second as in its beginning.
struct Events {
    /// Up to so many it is made longer than [`SHORT`].
    few: f64,
    /// With more it is made shorter.
    most: f64,
}

/// With the paper's batching. `few` is calibrated: with it single24 has short runs of 400 s, and 3cluster24, where prompts of the
/// beginning take minutes on slow links, of 1,000 s.
const PUBLISHED_EVENTS: Events = Events { few: 2e6, most: 20e6 };
/// With whole-range batches and paged caches, where an event costs five times as much (1.2 against 6.3 million a second on
/// single24). `few` is calibrated: with it single24 and 3cluster24 have short runs of about 470 s.
const SERVING_EVENTS: Events = Events { few: 1e6, most: 5e6 };
/// Events of the run that finds out how many there are.
const PROBE: u64 = 400_000;

/// What threads share.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    pub cluster: &'a Cluster,
    pub costs: &'a Costs,
    pub times: &'a TimedCosts,
    pub lengths: &'a Lengths,
    /// No run goes on after it; `None` where runs are only counted.
    pub deadline: Option<Instant>,
}

/// What is simulated, but for the plan and the seed.
pub struct Behaviour {
    /// Window and seed are set for every run.
    pub settings: Settings,
    /// Who deals requests out.
    pub scheduler: Scheduler,
    /// As whom the cluster behaves.
    pub preset: Option<Preset>,
}

/// Simulates plans of one cluster.
pub struct Simulator<'a> {
    instance: &'a Instance<'a>,
    bench: Bench<'a>,
    behaviour: Behaviour,
    /// Simulated time of a short run, once it is known \[s\].
    short: OnceLock<f64>,
}

/// What a run needs besides the plan.
struct Job {
    links: Vec<PlannedLink>,
    settings: Settings,
}

impl<'a> Simulator<'a> {
    /// A simulator that has not run yet.
    pub fn new(instance: &'a Instance<'a>, bench: Bench<'a>, behaviour: Behaviour) -> Self {
        Self { instance, bench, behaviour, short: OnceLock::new() }
    }

    /// How the cluster behaves.
    pub fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// Warm-up and window of a run \[s\].
    pub fn spans(&self, effort: Effort) -> (f64, f64) {
        let short = self.short.get().copied().unwrap_or(SHORT);
        let early = |length: f64| (WARMUP * length, (1.0 - WARMUP) * length);
        match effort {
            Effort::Short => early(short),
            Effort::Long => early(2.0 * short),
            Effort::Report => (REPORT.0 * short.min(SHORT), REPORT.1 * short.min(SHORT)),
        }
    }

    fn job(&self, trial: &Trial<'_>) -> Option<Job> {
        let placement = &trial.plan.placement;
        let flow = Flow::of(self.behaviour.scheduler, self.behaviour.preset);
        let links = planned_links(self.instance, placement, &trial.plan.evaluation, flow).ok()?;
        let (warmup, window) = self.spans(trial.effort);
        let window = Window {
            warmup: SimTime::from_seconds(warmup)?,
            duration: SimTime::from_seconds(window)?,
            drain: false,
        };
        let layer_events = match trial.effort {
            Effort::Short | Effort::Long => LayerEvents::Joined,
            Effort::Report => LayerEvents::Each,
        };
        let settings = Settings { window, layer_events, seed: trial.seed, ..self.behaviour.settings };
        Some(Job { links, settings })
    }

    /// Sets the length of runs by the events at the beginning of one.
    fn probe(&self, trial: &Trial<'_>) {
        if self.short.get().is_some() {
            return;
        }
        let Some(mut simulation) = self.job(trial).and_then(|job| self.bench.begin(trial, &job)) else {
            return;
        };
        // The caches fill meanwhile, so there are fewer events than later; not by far, as prompts keep machines busy.
        let seconds = match simulation.run(PROBE) {
            Ok(Progress::Going) => simulation.simulated().seconds().max(1e-3),
            _ => f64::INFINITY,
        };
        let Events { few, most } =
            if self.behaviour.preset.is_some() { PUBLISHED_EVENTS } else { SERVING_EVENTS };
        let lasts = |events: f64| events * seconds / PROBE as f64;
        let short = lasts(few).clamp(SHORT, SHORT_AT_MOST).min(lasts(most));
        let _ = self.short.set(short.max(SHORT_AT_LEAST).round());
    }
}

impl Bench<'_> {
    /// Starts a run.
    fn begin(&self, trial: &Trial<'_>, job: &Job) -> Option<Simulation<()>> {
        let inputs = Inputs {
            cluster: self.cluster,
            placement: &trial.plan.placement,
            costs: self.costs,
            times: self.times,
            links: &job.links,
        };
        let lengths = match self.lengths {
            Lengths::Trace(trace) => LengthSource::sampled(trace.requests.clone(), trial.seed),
            lengths @ Lengths::Drawn { .. } => LengthSource::new(lengths, trial.seed),
        };
        let lengths = match trial.effort {
            Effort::Short | Effort::Long => lengths.begin_under_way(trial.seed),
            Effort::Report => lengths,
        };
        let feed = Feed::Offline { lengths: Box::new(lengths), limit: None };
        Simulation::new(&inputs, job.settings, feed, Vec::new(), ()).ok()
    }

    fn is_over(&self) -> bool {
        Budget::was_interrupted() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn simulate(&self, trial: &Trial<'_>, job: &Job) -> Outcome {
        let Some(mut simulation) = self.begin(trial, job) else { return Outcome::Impossible };
        loop {
            if self.is_over() {
                return Outcome::Stopped;
            }
            match simulation.run(SLICE) {
                Ok(Progress::Going) => {}
                Ok(Progress::Done) => break,
                Err(_) => return Outcome::Impossible,
            }
        }
        let report = simulation.report();
        Outcome::Ran(Figures {
            decode_rate: report.decode_tokens_per_s,
            prompt_latency: report.prompt_latency.mean,
            decode_latency: report.decode_latency.mean,
        })
    }

    /// All of them, each thread taking the next one that nobody has taken.
    fn run(&self, trials: &[Trial<'_>], jobs: &[Option<Job>]) -> Vec<Outcome> {
        let outcomes: Vec<OnceLock<Outcome>> = trials.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let (Some(trial), Some(job)) = (trials.get(index), jobs.get(index)) else { return };
                let outcome = job.as_ref().map_or(Outcome::Impossible, |job| self.simulate(trial, job));
                let _ = outcomes[index].set(outcome);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(trials.len());
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap_or(Outcome::Stopped)).collect()
    }
}

impl Measure for Simulator<'_> {
    fn measure(&self, trials: &[Trial<'_>]) -> Vec<Outcome> {
        if let Some(first) = trials.first() {
            self.probe(first);
        }
        let jobs: Vec<Option<Job>> = trials.iter().map(|trial| self.job(trial)).collect();
        self.bench.run(trials, &jobs)
    }
}

/// How clusters behave that plans are judged for: as `helix simulate` has it, saturated, nothing dropped.
pub fn behaviour(scheduler: Scheduler, preset: Option<Preset>, lengths: &Lengths) -> Behaviour {
    let policy = scheduler.policy(preset);
    let mut settings = match preset {
        Some(Preset::Asplos25) => Settings::asplos25(policy, false),
        None => Settings::serving(policy, false, lengths.mean().1),
    };
    settings.saturate();
    // Without it batches of like machines end at the same picosecond, and whether a work that arrives just then still joins is
    // the same every time: a search finds the plans that such luck helps. As published there is none, since the figures are to
    // be those of `--preset`.
    if preset.is_none() {
        settings.jitter = JITTER;
    }
    Behaviour { settings, scheduler, preset }
}

/// Batch times as `helix simulate` takes them.
pub fn batch_times(cluster: &Cluster, model: &ModelShape, cost: Cost, preset: Option<Preset>) -> TimedCosts {
    let small = if preset.is_some() { SmallBatches::AsPublished } else { SmallBatches::default() };
    let times = match cost {
        Cost::Roofline => Times::Roofline,
        Cost::Measured => Times::Measured(small),
        Cost::Auto | Cost::Declared | Cost::Paper => Times::MeasuredOrRoofline(small),
    };
    TimedCosts::new(cluster, model, times, &Constants::shipped())
}
