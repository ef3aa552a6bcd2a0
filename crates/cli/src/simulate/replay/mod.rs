//! `helix simulate --replay`: a recorded real run in virtual time, the error of every figure, and the time scale that would
//! remove it.

mod figures;
mod recording;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;
use helix_scheduler::coordinator::{CoordinatorConfig, OnLoss};
use helix_sim::{Fault, FaultKind, Observer, Progress, Record, Simulation};
use helix_spec::{Arrivals, Lengths, ModelShape, Placement, SimTime, Trace, load_cluster_named};
use serde::Serialize;

use super::arguments::{Arguments, Mode, Scheduler};
use super::name_of;
use super::setup::Setup;
use crate::exit_codes::{Failure, Kind};
use crate::output::{Format, Output};
use crate::plan::Budget;
use figures::{Figure, Times, figures, mean_request};
use recording::Recording;

/// Events between two looks at Ctrl-C.
const SLICE: u64 = 200_000;

/// Time scales that are tried, and in how many steps: the last one is about 0.1 % wide.
const SCALES: (f64, f64) = (0.01, 100.0);
const STEPS: u32 = 14;

/// What a replay found.
#[derive(Debug, Serialize)]
struct ReplayReport {
    recording: String,
    cluster: String,
    model: String,
    scheduler: String,
    requests_replayed: usize,
    requests_compared: usize,
    figures: Vec<Figure>,
    /// With batches so many times as long as the cost model says, the mean request takes as long as measured.
    time_scale: Option<f64>,
    notes: Vec<String>,
}

/// Replays, prints the report.
pub fn run(arguments: &Arguments, path: &Path, output: &mut Output) -> Result<(), Failure> {
    let recording = Recording::read(path)?;
    // A week: only its handling of Ctrl-C is wanted here.
    let _handler = Budget::start(Duration::from_hours(7 * 24))?;
    let scheduler = match arguments.scheduler {
        Some(scheduler) => scheduler,
        None => recorded_scheduler(&recording.scheduler)?,
    };
    let arguments = &Arguments { scheduler: Some(scheduler), ..arguments.clone() };
    let setup = setup(arguments, &recording)?;
    let measured: Vec<Times> = recording
        .requests
        .iter()
        .map(|request| Times {
            arrival: request.arrival,
            first_token: request.first_token,
            ended: request.ended,
            output_tokens: request.output_tokens,
        })
        .collect();
    let plain = simulate(&setup, 1.0)?;
    // Only requests that got their whole answer both times.
    let counts = |index: usize| recording.requests[index].finished && plain[index].is_some();
    let compared: Vec<usize> = (0..measured.len()).filter(|&index| counts(index)).collect();
    let pick = |times: &[Option<Times>]| -> Vec<Times> {
        compared.iter().filter_map(|&index| times[index]).collect()
    };
    let real: Vec<Times> = compared.iter().map(|&index| measured[index]).collect();
    let mut notes = notes(&setup, &recording, compared.len());
    let fitted = match mean_request(&real) {
        Some(wanted) => fit(&setup, wanted, &pick)?,
        None => None,
    };
    if fitted.is_none() && !real.is_empty() {
        notes.push(
            "no time scale fits: the times of batches alone do not explain the measured requests; look at links and \
             lengths of queues"
                .to_owned(),
        );
    }
    let report = ReplayReport {
        recording: path.display().to_string(),
        cluster: setup.cluster.name.clone(),
        model: setup.model.name.clone(),
        scheduler: name_of(&scheduler),
        requests_replayed: measured.len(),
        requests_compared: compared.len(),
        figures: figures(&real, &pick(&plain), fitted.as_ref().map(|fitted| &fitted.1[..])),
        time_scale: fitted.as_ref().map(|fitted| fitted.0),
        notes,
    };
    print(&report, output)
}

fn notes(setup: &Setup, recording: &Recording, compared: usize) -> Vec<String> {
    let mut notes = setup.notes.clone();
    if recording.cut_off {
        notes.push("the last line of the recording is cut off; it was left out".to_owned());
    }
    if recording.left_out > 0 {
        notes.push(format!(
            "{} requests of the recording got no token; they were left out",
            recording.left_out
        ));
    }
    let others = recording.requests.len() - compared;
    if others > 0 {
        notes.push(format!(
            "{others} requests are replayed but not compared: they did not get their whole answer, there or here"
        ));
    }
    if setup.model.name != recording.model {
        notes.push(format!("the recording is of {}, this is {}", recording.model, setup.model.name));
    }
    notes
}

/// The recorded cluster, placement and model, unless others are named; the coordinator as it serves.
fn setup(arguments: &Arguments, recording: &Recording) -> Result<Setup, Failure> {
    let cluster = match &arguments.cluster {
        Some(name) => load_cluster_named(name)?,
        None => recording.cluster()?,
    };
    let model = ModelShape::named_or_folder(arguments.model.as_deref().unwrap_or(&recording.model_folder))?;
    let placement = match &arguments.placement {
        Some(path) => Placement::load(path, &cluster)?,
        None => recording.placement(&cluster)?,
    };
    let mut setup = Setup::of(arguments, Mode::Online, (cluster, model, placement))?;
    let trace = Trace { requests: recording.trace(), timed: true, left_out: 0 };
    let last = trace.last_arrival();
    setup.workload.arrivals = Arrivals::Trace { speed: 1.0 };
    setup.workload.lengths = Lengths::Trace(trace);
    setup.workload.requests = None;
    let settings = &mut setup.settings;
    let routing = settings.coordinator.routing;
    settings.coordinator =
        CoordinatorConfig { routing, on_loss: OnLoss::Fail, ..CoordinatorConfig::default() };
    settings.window.warmup = SimTime::ZERO;
    settings.window.duration = SimTime(last.0.saturating_add(1));
    settings.window.drain = true;
    Ok(setup)
}

/// Who chose the ways of what was recorded.
fn recorded_scheduler(name: &str) -> Result<Scheduler, Failure> {
    Scheduler::from_str(name, false).map_err(|_| {
        let known: Vec<String> = Scheduler::value_variants().iter().map(name_of).collect();
        let known = known.join(", ");
        Failure::new(
            Kind::BadInput,
            format!(
                "the recording says scheduler \"{name}\", which is none of {known}; say one by `--scheduler`"
            ),
        )
    })
}

/// Takes note of when requests had what.
struct Watch(Vec<Option<Times>>);

impl Observer for Watch {
    fn observe(&mut self, record: &Record) {
        let Record::Request(request) = record else { return };
        let index = usize::try_from(request.request.0).unwrap_or(usize::MAX);
        let whole = request.generated >= request.output_tokens;
        if let (Some(place), Some(first), true) = (self.0.get_mut(index), request.first_token, whole) {
            *place = Some(Times {
                arrival: request.arrived.seconds(),
                first_token: first.seconds(),
                ended: request.ended.seconds(),
                output_tokens: request.output_tokens,
            });
        }
    }
}

/// By request: its times, if it got its whole answer. `scale`: how much longer batches take than the cost model says.
fn simulate(setup: &Setup, scale: f64) -> Result<Vec<Option<Times>>, Failure> {
    let mut faults = setup.faults.clone();
    if scale != 1.0 {
        let slows = |machine| Fault { at: SimTime::ZERO, kind: FaultKind::MachineSlows(machine, scale) };
        faults.extend(setup.placement.machines.keys().copied().map(slows));
    }
    let Lengths::Trace(trace) = &setup.workload.lengths else {
        return Err(Failure::usage("a replay needs the requests of a recording"));
    };
    let watch = Watch(vec![None; trace.requests.len()]);
    let infeasible = |error: &dyn std::fmt::Display| Failure::new(Kind::Infeasible, error);
    let simulation = Simulation::new(&setup.inputs(), setup.settings, setup.feed()?, faults, watch);
    let mut simulation = simulation.map_err(|error| infeasible(&error))?;
    while simulation.run(SLICE).map_err(|error| infeasible(&error))? != Progress::Done {
        if Budget::was_interrupted() {
            return Err(Failure::new(Kind::Interrupted, "interrupted; nothing was compared yet"));
        }
    }
    Ok(simulation.into_observer().0)
}

/// The time scale at which the mean request takes `wanted` seconds, and what comes out at it; none if no scale does.
fn fit(
    setup: &Setup,
    wanted: f64,
    pick: &dyn Fn(&[Option<Times>]) -> Vec<Times>,
) -> Result<Option<(f64, Vec<Times>)>, Failure> {
    let (mut low, mut high) = SCALES;
    let takes =
        |scale| simulate(setup, scale).map(|times| mean_request(&pick(&times)).unwrap_or(f64::INFINITY));
    if takes(low)? > wanted || takes(high)? < wanted {
        return Ok(None);
    }
    for _ in 0..STEPS {
        let middle = (low * high).sqrt();
        if takes(middle)? < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    let scale = (low * high).sqrt();
    Ok(Some((scale, pick(&simulate(setup, scale)?))))
}

fn print(report: &ReplayReport, output: &mut Output) -> Result<(), Failure> {
    if output.format == Format::Json {
        return Ok(output.json(report)?);
    }
    writeln!(
        output,
        "{} on {}, {} requests of {} replayed\n",
        report.model, report.cluster, report.requests_replayed, report.recording
    )?;
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    let percent =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{:+.1} %", 100.0 * value));
    writeln!(
        output,
        "  {:<38} {:>10} {:>10} {:>9} {:>11} {:>9}",
        "", "measured", "simulated", "error", "calibrated", "error"
    )?;
    for row in &report.figures {
        writeln!(
            output,
            "  {:<38} {:>10} {:>10} {:>9} {:>11} {:>9}",
            format!("{} [{}]", row.name, row.unit),
            number(row.measured),
            number(row.simulated),
            percent(row.error),
            number(row.calibrated),
            percent(row.calibrated_error)
        )?;
    }
    if let Some(scale) = report.time_scale {
        writeln!(output, "\n  calibrated: batches take {scale:.3} times as long as the cost model says")?;
    }
    for note in &report.notes {
        writeln!(output, "  note: {note}")?;
    }
    Ok(())
}
