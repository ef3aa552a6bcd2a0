//! What is counted while the simulation runs; memory does not grow with its events.

use helix_scheduler::coordinator::Outcome;
use helix_spec::SimTime;

use super::Simulation;
use super::event::{Observer, RequestRecord};
use super::machine::{Machine, MachineCounts};
use crate::settings::Settings;
use crate::statistics::{Distribution, Series};

/// Counts of a run.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// Events taken from the queue; those among them that had become void; those that were left
    /// out, because another one stood for them or they would have done nothing.
    pub processed: u64,
    pub void: u64,
    pub spared: u64,
    /// Beginning of what is counted now.
    pub since: SimTime,
    pub open: bool,
    pub closed: bool,
    /// Requests that came, and those of them that have not ended.
    pub launched: u64,
    pub present: u64,
    /// Since when those are so many.
    present_since: SimTime,
    pub restarts: u64,
    pub shortages: u64,
    pub finished: u64,
    pub rejected: u64,
    /// Rejected requests by reason.
    pub outcomes: std::collections::BTreeMap<Outcome, u64>,
    /// Requests that ended without success since the last that did.
    pub futile: u64,
    /// Within the window.
    pub prompts: u64,
    pub prompt_tokens: u64,
    pub decodes: u64,
    pub finished_in_window: u64,
    pub prompt_latency: Distribution,
    pub decode_latency: Distribution,
    pub request_latency: Distribution,
    /// Time of the requests that finished in the window, by where it went \[ps\].
    pub spent: [u128; 5],
    /// Of the machines, as the window ended.
    pub machines: Vec<MachineCounts>,
    /// Over the whole run.
    pub decode_series: Series,
    pub prompt_series: Series,
    pub kv_series: Series,
    pub in_flight_series: Series,
    pub ended_series: Series,
    pub spent_series: [Series; 5],
    /// When levels are looked at next, and how often.
    pub next_sample: SimTime,
    pub sampled: SimTime,
    pub step: SimTime,
}

impl Counts {
    pub fn new(settings: &Settings) -> Self {
        let planned = settings.window.warmup.0.saturating_add(settings.window.duration.0);
        Self {
            processed: 0,
            void: 0,
            spared: 0,
            since: SimTime::ZERO,
            open: false,
            closed: false,
            launched: 0,
            present: 0,
            present_since: SimTime::ZERO,
            restarts: 0,
            shortages: 0,
            finished: 0,
            rejected: 0,
            outcomes: std::collections::BTreeMap::new(),
            futile: 0,
            prompts: 0,
            prompt_tokens: 0,
            decodes: 0,
            finished_in_window: 0,
            prompt_latency: Distribution::default(),
            decode_latency: Distribution::default(),
            request_latency: Distribution::default(),
            spent: [0; 5],
            machines: Vec::new(),
            decode_series: Series::default(),
            prompt_series: Series::default(),
            kv_series: Series::default(),
            in_flight_series: Series::default(),
            ended_series: Series::default(),
            spent_series: Default::default(),
            next_sample: SimTime::ZERO,
            sampled: SimTime::ZERO,
            step: SimTime((planned / 1000).max(1_000_000_000)),
        }
    }

    /// An event stood for so many.
    pub fn several(&mut self, events: usize) {
        match events {
            0 => self.void += 1,
            more => self.spared += more as u64 - 1,
        }
    }

    pub fn counting(&self) -> bool {
        self.open && !self.closed
    }

    /// A prompt came back.
    pub fn prompt_done(&mut self, now: SimTime, took: SimTime, tokens: u32) {
        self.prompt_series.count(now, u64::from(tokens));
        if self.counting() {
            self.prompts += 1;
            self.prompt_tokens += u64::from(tokens);
            self.prompt_latency.add(took);
        }
    }

    /// A decode came back.
    pub fn decode_done(&mut self, now: SimTime, took: SimTime) {
        self.decode_series.count(now, 1);
        if self.counting() {
            self.decodes += 1;
            self.decode_latency.add(took);
        }
    }

    /// Accounts for the requests that were there until now.
    pub fn hold_present(&mut self, now: SimTime) {
        self.in_flight_series.hold(self.present_since, now, self.present);
        self.present_since = now;
    }

    /// A request came.
    pub fn request_came(&mut self, now: SimTime) {
        self.hold_present(now);
        self.launched += 1;
        self.present += 1;
    }

    /// A request ended.
    pub fn request_done(&mut self, now: SimTime, record: &RequestRecord) {
        self.hold_present(now);
        self.present -= 1;
        self.ended_series.count(now, 1);
        for (series, (_, time)) in self.spent_series.iter_mut().zip(record.spent.parts()) {
            series.count(now, time.0);
        }
        if record.outcome == Outcome::Finished {
            self.finished += 1;
            self.futile = 0;
            if self.counting() {
                self.finished_in_window += 1;
                self.request_latency.add(SimTime(now.0 - record.arrived.0));
                for (sum, (_, time)) in self.spent.iter_mut().zip(record.spent.parts()) {
                    *sum += u128::from(time.0);
                }
            }
        } else {
            self.rejected += 1;
            self.futile += 1;
            *self.outcomes.entry(record.outcome).or_default() += 1;
        }
    }
}

impl<O: Observer> Simulation<O> {
    /// From now on it counts.
    pub(super) fn start_measuring(&mut self) {
        let now = self.queue.now();
        self.measuring = true;
        self.counts.since = now;
        self.counts.open = true;
        for machine in self.machines.iter_mut().flatten() {
            machine.settle(now);
            machine.counts = MachineCounts::default();
        }
    }

    /// Nothing counts any more.
    pub(super) fn stop_measuring(&mut self) {
        let now = self.queue.now().min(self.window.1);
        self.counts.closed = true;
        let since = self.counts.since;
        let close = |machine: &mut Option<Machine>| {
            let Some(machine) = machine else { return MachineCounts::default() };
            machine.settle(now.max(machine.counted));
            let mut counts = machine.counts;
            if let Some(running) = machine.running {
                counts.busy += now.0.saturating_sub(running.start.0.max(since.0));
            }
            counts
        };
        self.counts.machines = self.machines.iter_mut().map(close).collect();
    }

    /// Looks at levels now and then.
    pub(super) fn sample(&mut self, now: SimTime) {
        let used: u64 = self.machines.iter().flatten().map(Machine::kv_used).sum();
        let (from, to) = (self.counts.sampled, now);
        self.counts.kv_series.hold(from, to, used);
        self.counts.sampled = now;
        self.counts.next_sample = SimTime(now.0.saturating_add(self.counts.step.0));
    }
}
