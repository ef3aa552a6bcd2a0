//! What a search with the simulator found, as data and for people.

use std::io::{self, Write};

use helix_planner::{LatencyPoint, Mean, Origin, SimulatedSearch};
use helix_spec::Cluster;
use serde::Serialize;

use super::Budget;
use super::report::PlanReport;
use super::simulator::Simulator;
use crate::simulate::{Preset, name_of};

/// A mean over runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MeanReport {
    /// The mean.
    pub mean: f64,
    /// Half of its 95 % confidence interval (Student); null for one run.
    pub half_width: Option<f64>,
    /// Runs.
    pub runs: usize,
}

impl From<Mean> for MeanReport {
    fn from(Mean { mean, half_width, runs }: Mean) -> Self {
        Self { mean, half_width, runs }
    }
}

/// A machine's layers.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// Its name.
    pub machine: String,
    /// First layer.
    pub start: u32,
    /// One past its last layer.
    pub end: u32,
}

/// A simulated plan.
#[derive(Debug, Clone, Serialize)]
pub struct SimulatedPoint {
    /// Who made it.
    pub planner: String,
    /// Whether it is the plan.
    pub chosen: bool,
    /// Decode tokens a second.
    pub decode_tokens_per_s: MeanReport,
    /// Mean latency of prompts, from arrival to the end of their pass.
    pub prompt_latency_s: Option<MeanReport>,
    /// Mean time from one token to the next.
    pub decode_latency_s: Option<MeanReport>,
    /// `unseen`: runs whose seeds chose nothing. `choosing`: the runs by which it was chosen, so a little too good.
    pub seeds: &'static str,
    /// Nothing counted before this time of a run.
    pub warmup_s: f64,
    /// Then this counted.
    pub window_s: f64,
    /// Machines in its longest pipeline.
    pub depth: usize,
    /// Its maximum flow.
    pub throughput_tokens_per_s: f64,
    /// Which machine holds which layers.
    pub placement: Vec<Held>,
}

/// What was simulated.
#[derive(Debug, Clone, Serialize)]
pub struct SimulationReport {
    /// How the cluster behaved: `serving`, or the preset's name.
    pub settings: &'static str,
    /// Who dealt requests out.
    pub scheduler: String,
    /// Plans that had at least one run.
    pub plans: usize,
    /// Runs.
    pub runs: usize,
    /// Generations of local search.
    pub generations: usize,
    /// `settled`: nothing better was found any more. `budget`: time, or the number of runs, was used up. `interrupted`: by
    /// Ctrl-C.
    pub ending: &'static str,
    /// The plan.
    pub chosen: SimulatedPoint,
    /// Decode throughput against decode latency, the fastest first.
    pub front: Vec<SimulatedPoint>,
}

impl SimulationReport {
    /// Names instead of indices.
    pub fn new(search: &SimulatedSearch, cluster: &Cluster, simulator: &Simulator<'_>) -> Self {
        let behaviour = simulator.behaviour();
        let point = |point: &LatencyPoint| {
            let (warmup_s, window_s) = simulator.spans(point.effort);
            let held = |(id, held): (&helix_spec::MachineId, &helix_spec::Assignment)| Held {
                machine: cluster.machine(*id).name.clone(),
                start: held.layers.start(),
                end: held.layers.end(),
            };
            SimulatedPoint {
                planner: point.plan.planner.clone(),
                chosen: point.plan.placement == search.chosen.plan.placement,
                decode_tokens_per_s: point.decode_rate.into(),
                prompt_latency_s: point.prompt_latency.map(Into::into),
                decode_latency_s: point.decode_latency.map(Into::into),
                seeds: match point.origin {
                    Origin::Unseen => "unseen",
                    Origin::Choosing => "choosing",
                },
                warmup_s,
                window_s,
                depth: point.plan.evaluation.depth(),
                throughput_tokens_per_s: point.plan.evaluation.throughput,
                placement: point.plan.placement.machines.iter().map(held).collect(),
            }
        };
        Self {
            settings: match behaviour.preset {
                Some(Preset::Asplos25) => "asplos25",
                None => "serving",
            },
            scheduler: name_of(&behaviour.scheduler),
            plans: search.plans,
            runs: search.runs,
            generations: search.generations,
            ending: match search.settled {
                _ if Budget::was_interrupted() => "interrupted",
                true => "settled",
                false => "budget",
            },
            chosen: point(&search.chosen),
            front: search.front.iter().map(point).collect(),
        }
    }
}

impl SimulatedPoint {
    /// Decode tokens a second with the interval.
    pub fn rate(&self) -> String {
        with_interval(&self.decode_tokens_per_s, 1)
    }

    /// Mean prompt latency \[s\].
    pub fn prompt(&self) -> String {
        self.prompt_latency_s.map_or("–".to_owned(), |mean| with_interval(&mean, 2))
    }

    /// Mean decode latency \[s\].
    pub fn decode(&self) -> String {
        self.decode_latency_s.map_or("–".to_owned(), |mean| with_interval(&mean, 2))
    }

    /// Which runs the figures are from.
    pub fn runs(&self) -> String {
        let runs = self.decode_tokens_per_s.runs;
        format!("{runs} {}, {:.0} s", self.seeds, self.window_s)
    }
}

fn with_interval(mean: &MeanReport, digits: usize) -> String {
    match mean.half_width {
        Some(half) => format!("{:.digits$} ± {half:.digits$}", mean.mean),
        None => format!("{:.digits$}", mean.mean),
    }
}

/// The line about steady operation, and what was simulated.
pub fn write_prediction(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    let lengths = &report.lengths;
    let Some(simulation) = &report.simulation else {
        return writeln!(
            output,
            "  about {:.0} decode tokens/s in steady operation (a cheap estimate: caches, queues, links; {:.0} prompt and {:.0} \
             output tokens a request)",
            report.predicted_decode_tokens_per_s, lengths.prompt_tokens, lengths.output_tokens
        );
    };
    let chosen = &simulation.chosen;
    writeln!(
        output,
        "  {} decode tokens/s in steady operation, prompts {} s, {} s a token (simulated, {}, {}; mean of {} over {:.0} s after \
         {:.0} s)",
        chosen.rate(),
        chosen.prompt(),
        chosen.decode(),
        simulation.settings,
        simulation.scheduler,
        match (chosen.decode_tokens_per_s.runs, chosen.seeds) {
            (1, "unseen") => "1 run of a seed that chose nothing".to_owned(),
            (runs, "unseen") => format!("{runs} runs of seeds that chose nothing"),
            (1, _) => "1 run that chose it, so a little too good".to_owned(),
            (runs, _) => format!("{runs} runs that chose it, so a little too good"),
        },
        chosen.window_s,
        chosen.warmup_s,
    )?;
    writeln!(
        output,
        "  chosen among {} plans in {} simulated runs, {} generations of local search; {}",
        simulation.plans,
        simulation.runs,
        simulation.generations,
        match simulation.ending {
            "settled" => "nothing better was found any more",
            "interrupted" => "interrupted",
            _ => "the budget was used up",
        },
    )
}

/// Throughput against latency.
pub fn write_front(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    let Some(simulation) = &report.simulation else { return Ok(()) };
    writeln!(
        output,
        "\ndecode throughput against latency (simulated; no plan was better in both in the choosing runs)"
    )?;
    writeln!(
        output,
        "    {:>14}  {:>13}  {:>13}  {:>7}  {:>9}  {:<20}  planner",
        "decode tok/s", "s a token", "prompt s", "longest", "max flow", "runs and window"
    )?;
    for point in &simulation.front {
        writeln!(
            output,
            "  {} {:>14}  {:>13}  {:>13}  {:>7}  {:>9.1}  {:<20}  {}",
            if point.chosen { '>' } else { ' ' },
            point.rate(),
            point.decode(),
            point.prompt(),
            point.depth,
            point.throughput_tokens_per_s,
            point.runs(),
            point.planner
        )?;
    }
    Ok(())
}
