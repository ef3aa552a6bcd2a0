//! `helix simulate`: how a placement serves requests, in virtual time.

mod arguments;
mod curves;
mod faults;
mod html;
mod replay;
mod report;
mod setup;
mod streams;
mod text;

use std::io::Write as _;
use std::time::{Duration, Instant};

use helix_sim::{Feed, Observer, Progress, Report, Simulation};

use crate::exit_codes::{Failure, Kind};
use crate::files;
use crate::output::{Format, Output};
use crate::parallel::Progress as Line;
use crate::plan::Budget;

pub use arguments::{Arguments, Load, Mode, Preset, Scheduler};
pub use curves::{COLOURS, short};
use report::SimulateReport;
pub use report::value_name as name_of;
pub use setup::{Flow, JITTER, Setup, azure_like, planned_links, workload};
use streams::Streams;

/// Events between two looks at Ctrl-C.
const SLICE: u64 = 200_000;

/// What a run gave, and how long it took.
struct Ran {
    report: Report,
    wall: Duration,
    interrupted: bool,
}

/// Simulates, writes what was asked for, prints the report.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    if let Some(recording) = &arguments.replay {
        return replay::run(arguments, recording, output);
    }
    let overlaid = html::read_overlaid(&arguments.overlay)?;
    let setup = Setup::new(arguments)?;
    // A week: only its handling of Ctrl-C is wanted here.
    let _handler = Budget::start(Duration::from_hours(7 * 24))?;
    let feed = setup.feed()?;
    let (ran, written) = if Streams::wanted(arguments) {
        let streams = Streams::open(arguments, &setup)?;
        let (ran, streams) = simulate(&setup, feed, streams)?;
        (ran, streams.finish()?)
    } else {
        (simulate(&setup, feed, ())?.0, Vec::new())
    };
    let report = SimulateReport::new(&setup, arguments, &ran);
    let mut written = written;
    if let Some(path) = &arguments.html {
        files::write(path, &html::page(&report, &overlaid))?;
        written.push(path.as_path());
    }
    match output.format {
        Format::Json => output.json(&report)?,
        Format::Text => {
            text::write(output, &report)?;
            for (index, path) in written.iter().enumerate() {
                let gap = if index == 0 { "\n" } else { "" };
                writeln!(output, "{gap}wrote {}", path.display())?;
            }
        }
    }
    if ran.interrupted {
        output.flush()?;
        return Err(Failure::new(Kind::Interrupted, "interrupted; what was simulated until then is above"));
    }
    Ok(())
}

fn simulate<O: Observer>(setup: &Setup, feed: Feed, observer: O) -> Result<(Ran, O), Failure> {
    let fail = |error: helix_sim::SceneError| Failure::new(Kind::Infeasible, error);
    let simulation = Simulation::new(&setup.inputs(), setup.settings, feed, setup.faults.clone(), observer);
    let mut simulation = simulation.map_err(fail)?;
    let started = Instant::now();
    let mut line = Line::new();
    let mut interrupted = false;
    loop {
        let progress = simulation.run(SLICE);
        if progress.map_err(|error| Failure::new(Kind::Infeasible, error))? == Progress::Done {
            break;
        }
        if Budget::was_interrupted() {
            interrupted = true;
            break;
        }
        if started.elapsed() > Duration::from_secs(2) {
            let (now, planned) = (simulation.simulated().seconds(), simulation.planned().seconds());
            line.show(|| {
                format!("{now:.0} of {planned:.0} simulated seconds (Ctrl-C reports what there is)")
            });
        }
    }
    drop(line);
    let wall = started.elapsed();
    let report = simulation.report();
    Ok((Ran { report, wall, interrupted }, simulation.into_observer()))
}
