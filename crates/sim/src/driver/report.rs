//! What a simulation found.

use helix_scheduler::coordinator::Outcome;
use helix_spec::{Endpoint, MachineId, SimTime};

use super::Simulation;
use super::event::{Observer, Spent};
use super::machine::Machine;
use crate::statistics::{Distribution, Series, Summary};

/// Load of one machine within the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MachineLoad {
    /// Which.
    pub machine: MachineId,
    /// Share of the time in which it ran something.
    pub busy: f64,
    /// Passes of a batch through all its layers; a batch through a part of them counts in part.
    pub batches: f64,
    /// Prompt and decode tokens a second \[tokens/s\].
    pub tokens_per_s: f64,
    /// Requests in a batch, decoding, on average.
    pub decodes_per_batch: f64,
    /// Works that waited, on average over time.
    pub waiting: f64,
    /// Cache in use on average, as a share.
    pub kv_mean: f64,
    /// The fullest that its cache was in the whole run, as a share; above 1 where a counted cache was exceeded.
    pub kv_peak: f64,
}

/// Load of one link within the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkLoad {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// Planned \[tokens/s\].
    pub planned_tokens_per_s: f64,
    /// Carried \[tokens/s\].
    pub tokens_per_s: f64,
    /// Share of its speed that was used.
    pub used: f64,
    /// Works that waited for it, on average over time.
    pub waiting: f64,
}

/// Where requests were, on average over the window: Little's law gives the time that a pass spends there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Whereabouts {
    /// In machines' queues \[works\].
    pub machine_queues: f64,
    /// In queues for links \[works\].
    pub link_queues: f64,
    /// Being sent \[works\].
    pub sending: f64,
}

/// What a simulation found. Rates and latencies are about the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Decode passes a second \[tokens/s\].
    pub decode_tokens_per_s: f64,
    /// The same with the tokens of finished prompts \[tokens/s\].
    pub total_tokens_per_s: f64,
    /// From arrival to the end of the prompt's pass.
    pub prompt_latency: Summary,
    /// From one token to the next.
    pub decode_latency: Summary,
    /// From arrival to the last token, of requests that finished in the window.
    pub request_latency: Summary,
    /// Requests that came, in the whole run.
    pub requests_launched: u64,
    /// Requests that got all their tokens, in the whole run and in the window.
    pub requests_finished: u64,
    /// In the window.
    pub requests_finished_in_window: u64,
    /// Requests that ended otherwise, in the whole run.
    pub requests_rejected: u64,
    /// Those by reason.
    pub rejections: Vec<(Outcome, u64)>,
    /// Requests that had not ended when the run did.
    pub requests_unfinished: u64,
    /// Starts anew after preemption or a lost machine.
    pub restarts: u64,
    /// Times that a machine ran out of blocks.
    pub shortages: u64,
    /// Events as the paper's simulator counts them: all that were made, whether or not they were due before the end, and each
    /// layer of a batch where its layers are one; void ones left out.
    pub logical_events: u64,
    /// Events that were processed.
    pub processed_events: u64,
    /// The fullest that any machine's cache was, as a share.
    pub kv_peak: f64,
    /// Batches timed beyond the end of a measured table.
    pub extrapolated_batches: u64,
    /// Machines with layers.
    pub machines: Vec<MachineLoad>,
    /// Links that requests may take.
    pub links: Vec<LinkLoad>,
    /// Where works waited.
    pub whereabouts: Whereabouts,
    /// Where the requests that finished in the window spent their time, on average.
    pub spent: Spent,
    /// Requests that ended, over time.
    pub ended_series: Series,
    /// Where those had spent their time \[ps\], in the order of [`Spent::parts`].
    pub spent_series: [Series; 5],
    /// From the start of loading to the first request.
    pub loading: SimTime,
    /// Beginning and end of the window, counted from the first request; the end is earlier where the run was stopped.
    pub window: (SimTime, SimTime),
    /// How long was simulated, from the first request on.
    pub simulated: SimTime,
    /// Decode tokens over time, from the start of loading.
    pub decode_series: Series,
    /// Prompt tokens over time.
    pub prompt_series: Series,
    /// Cache in use over time \[tokens × layers, or blocks\], and how much there is.
    pub kv_series: Series,
    /// All of it.
    pub kv_capacity: u64,
    /// Requests that had not ended, over time.
    pub in_flight_series: Series,
    /// For pictures: counts of decode latencies in 60 equal steps up to their 99th percentile, and beyond.
    pub decode_histogram: (SimTime, Vec<u64>),
    /// The same of prompts.
    pub prompt_histogram: (SimTime, Vec<u64>),
}

/// Steps of the latency pictures.
const HISTOGRAM: usize = 60;

impl<O: Observer> Simulation<O> {
    /// What was found so far; final once [`Simulation::run`] is done.
    #[must_use]
    pub fn report(&mut self) -> Report {
        self.close();
        let now = self.queue.now();
        let counts = &self.counts;
        let seconds = SimTime(now.min(self.window.1).0.saturating_sub(self.window.0.0)).seconds();
        let per_second = |count: u64| ratio(count as f64, seconds);
        let (machines, links) = (self.machine_loads(seconds), self.link_loads(seconds));
        let whereabouts = Whereabouts {
            machine_queues: machines.iter().map(|load| load.waiting).sum(),
            link_queues: links.iter().map(|load| load.waiting).sum(),
            sending: ratio(self.transport.wires().iter().map(|wire| wire.carried.sending).sum(), seconds),
        };
        let capacity = |machine: &Machine| machine.node.kv().capacity;
        Report {
            decode_tokens_per_s: per_second(counts.decodes),
            total_tokens_per_s: per_second(counts.decodes + counts.prompt_tokens),
            prompt_latency: counts.prompt_latency.summary(),
            decode_latency: counts.decode_latency.summary(),
            request_latency: counts.request_latency.summary(),
            requests_launched: counts.launched,
            requests_finished: counts.finished,
            requests_finished_in_window: counts.finished_in_window,
            requests_rejected: counts.rejected,
            rejections: counts.outcomes.iter().map(|(&outcome, &count)| (outcome, count)).collect(),
            requests_unfinished: counts.present,
            restarts: counts.restarts,
            shortages: counts.shortages,
            logical_events: counts.processed + counts.spared - counts.void + self.queue.len() as u64,
            processed_events: counts.processed,
            kv_peak: machines.iter().map(|machine| machine.kv_peak).fold(0.0, f64::max),
            extrapolated_batches: counts.machines.iter().map(|load| load.extrapolated).sum(),
            machines,
            links,
            whereabouts,
            spent: mean_spent(counts.spent, counts.finished_in_window),
            ended_series: counts.ended_series.clone(),
            spent_series: counts.spent_series.clone(),
            loading: self.begin,
            window: (
                SimTime(self.window.0.0 - self.begin.0),
                SimTime(now.min(self.window.1).0.saturating_sub(self.begin.0)),
            ),
            simulated: self.simulated(),
            decode_series: counts.decode_series.clone(),
            prompt_series: counts.prompt_series.clone(),
            kv_series: counts.kv_series.clone(),
            kv_capacity: self.machines.iter().flatten().map(capacity).fold(0, u64::saturating_add),
            in_flight_series: counts.in_flight_series.clone(),
            decode_histogram: histogram(&counts.decode_latency),
            prompt_histogram: histogram(&counts.prompt_latency),
        }
    }

    fn machine_loads(&self, seconds: f64) -> Vec<MachineLoad> {
        let mut loads = Vec::new();
        for (index, (machine, load)) in (0..).zip(self.machines.iter().zip(&self.counts.machines)) {
            let Some(machine) = machine else { continue };
            let held = f64::from(machine.node.config().layers.len());
            let capacity = machine.node.kv().capacity as f64;
            loads.push(MachineLoad {
                machine: MachineId(index),
                busy: ratio(load.busy as f64 / 1e12, seconds),
                batches: load.layers as f64 / held,
                tokens_per_s: ratio((load.prompt_layers + load.decode_layers) as f64 / held, seconds),
                decodes_per_batch: ratio(load.decode_layers as f64, load.layers as f64),
                waiting: ratio(load.waiting as f64 / 1e12, seconds),
                kv_mean: ratio(ratio(load.kv as f64 / 1e12, seconds), capacity),
                kv_peak: ratio(machine.kv_peak.max(machine.node.kv().peak) as f64, capacity),
            });
        }
        loads
    }

    fn link_loads(&self, seconds: f64) -> Vec<LinkLoad> {
        let mut loads = Vec::new();
        for (index, (cable, wire)) in self.scene.cables.iter().zip(self.transport.wires()).enumerate() {
            let load = wire.carried;
            let planned = self.scene.topology.links()[index];
            let bytes_per_s = ratio(load.bytes as f64, seconds);
            loads.push(LinkLoad {
                from: planned.from,
                to: planned.to,
                planned_tokens_per_s: planned.flow,
                tokens_per_s: ratio(bytes_per_s, self.scene.bytes(cable.at_an_end(), 1) as f64),
                used: ratio(bytes_per_s, cable.bytes_per_s),
                waiting: ratio(load.waited, seconds),
            });
        }
        loads
    }
}

/// A part of a whole; 0 of nothing.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn mean_spent(sums: [u128; 5], requests: u64) -> Spent {
    let mean = |sum: u128| SimTime(u64::try_from(sum / u128::from(requests.max(1))).unwrap_or(u64::MAX));
    let [line, machine_queues, computing, link_queues, sending] = sums.map(mean);
    Spent { line, machine_queues, computing, link_queues, sending }
}

fn histogram(values: &Distribution) -> (SimTime, Vec<u64>) {
    let end = values.summary().p99.and_then(SimTime::from_seconds).unwrap_or(SimTime::ZERO);
    (end, values.histogram(end, HISTOGRAM))
}
