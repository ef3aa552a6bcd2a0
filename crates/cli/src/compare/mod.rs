//! `helix compare`: planners, schedulers and loads on one cluster, over seeds, in one table and one page.

mod arguments;
mod figures;
mod html;
mod plans;
mod report;
mod runs;
mod statistics;
mod text;

use std::io::Write as _;
use std::time::Duration;

use helix_spec::{Arrivals, Lengths, ModelShape, RequestsPerSecond, load_cluster_named};

use crate::exit_codes::{Failure, Kind};
use crate::files;
use crate::output::{Format, Output};
use crate::plan::Budget;
use crate::simulate::{self, Mode, name_of};

pub use arguments::Arguments;
use plans::Contender;
use report::{CompareReport, Row};
use runs::{Job, Shared};

/// Where the load has no times: this share of what the first placement serves offline.
const ONLINE_SHARE: f64 = 0.65;

/// Plans, simulates, writes what was asked for, prints the table.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let cluster = load_cluster_named(&arguments.cluster)?;
    let model = ModelShape::named_or_folder(&arguments.model)?;
    let (lengths, untimed) = load_of(arguments)?;
    // A week: only its handling of Ctrl-C is wanted here.
    let _handler = Budget::start(Duration::from_hours(7 * 24))?;
    let contenders = plans::contenders(arguments, &cluster, &model, &lengths)?;
    let mut shared = Shared { arguments, cluster: &cluster, model: &model, rate: None };
    let seeds: Vec<u64> = (0..arguments.seeds).map(|index| arguments.seed.wrapping_add(index)).collect();
    let mut rows = Vec::new();
    let mut notes: Vec<String> = arguments.how_auto_plans().into_iter().collect();
    if arguments.mode.contains(&Mode::Offline) {
        rows.extend(simulate_all(&shared, &contenders, Mode::Offline, &seeds));
    }
    if arguments.mode.contains(&Mode::Online) {
        if untimed {
            shared.rate = online_rate(&rows, lengths.mean().1);
            match shared.rate {
                Some(rate) => notes.push(format!(
                    "online requests come at {:.3} a second: {ONLINE_SHARE} of what {} serves offline under {}",
                    rate.get(),
                    contenders[0].name,
                    name_of(&arguments.schedulers()[0])
                )),
                None => notes.push(
                    "nothing was simulated online: the first placement served no token offline, so there is no rate to \
                     compare at; give `--rate`, or a longer `--duration`"
                        .to_owned(),
                ),
            }
        }
        if !untimed || shared.rate.is_some() {
            rows.extend(simulate_all(&shared, &contenders, Mode::Online, &seeds));
        }
    }
    if Budget::was_interrupted() {
        notes.push("stopped by the user; rows say how many of their runs had ended".to_owned());
    }
    let placements: Vec<_> = contenders.iter().map(report::placement_row).collect();
    let ratios = report::ratios(&placements, &rows);
    let online = arguments.load.rate.or(shared.rate).filter(|_| arguments.mode.contains(&Mode::Online));
    let report = CompareReport {
        cluster: cluster.name.clone(),
        model: model.name.clone(),
        preset: arguments.preset.as_ref().map(name_of),
        seeds,
        online_rate_requests_per_s: online.map(RequestsPerSecond::get),
        placements,
        rows,
        ratios,
        notes,
    };
    if let Some(path) = &arguments.html {
        files::write(path, &html::page(&report))?;
    }
    match output.format {
        Format::Json => output.json(&report)?,
        Format::Text => {
            text::write(output, &report)?;
            if let Some(path) = &arguments.html {
                writeln!(output, "\nwrote {}", path.display())?;
            }
        }
    }
    if Budget::was_interrupted() {
        output.flush()?;
        return Err(Failure::new(Kind::Interrupted, "interrupted; what was simulated until then is above"));
    }
    Ok(())
}

/// Lengths of the load, and whether it has no times of its own. Read once here, so that a wrong file is an error and
/// not a row.
fn load_of(arguments: &Arguments) -> Result<(Lengths, bool), Failure> {
    let mode = if arguments.load.rate.is_some() { Mode::Online } else { Mode::Offline };
    let workload = simulate::workload(&arguments.load, mode)?;
    if arguments.load.rate.is_some() && !arguments.mode.contains(&Mode::Online) {
        return Err(Failure::usage(
            "`--rate` is about online requests: add `--mode online`, or leave it out",
        ));
    }
    let untimed = matches!(workload.arrivals, Arrivals::Offline);
    if untimed && !arguments.mode.contains(&Mode::Offline) {
        return Err(Failure::usage(
            "online requests need times: give `--rate`, a trace or a workload with arrivals, or add `--mode offline`, \
             whose throughput then gives the rate",
        ));
    }
    Ok((workload.lengths, untimed))
}

/// Every placement under every scheduler.
fn simulate_all(shared: &Shared<'_>, contenders: &[Contender], mode: Mode, seeds: &[u64]) -> Vec<Row> {
    let schedulers = shared.arguments.schedulers();
    let mut jobs = Vec::new();
    for Contender { name, placement, .. } in contenders {
        if let Ok(placement) = placement {
            for &scheduler in &schedulers {
                jobs.extend(seeds.iter().map(|&seed| Job { name, placement, scheduler, mode, seed }));
            }
        }
    }
    let results = runs::run(shared, &jobs);
    let mut results = results.chunks(seeds.len());
    let mut rows = Vec::new();
    for Contender { name, placement, .. } in contenders {
        for &scheduler in &schedulers {
            rows.push(match placement {
                Ok(_) => report::row((name, scheduler, mode), results.next().unwrap_or_default()),
                Err(error) => report::empty_row(name, scheduler, mode, error),
            });
        }
    }
    rows
}

/// The rate for online runs from the first row and the mean answer: what is finished within the window would say too
/// little, for requests live long.
fn online_rate(rows: &[Row], output: f64) -> Option<RequestsPerSecond> {
    let served = rows.first()?.decode_tokens_per_s.as_ref()?.mean;
    RequestsPerSecond::new(ONLINE_SHARE * served / output)
}
