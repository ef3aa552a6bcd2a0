//! One self-contained page about a run, and earlier runs drawn into the same pictures.

use std::fmt::Write as _;
use std::path::PathBuf;

use helix_spec::{FileError, read_text};

use super::curves::{COLOURS, Curve, chart, smoothed};
use super::report::{Latency, SeriesReport, SimulateReport};
use crate::picture::{STYLE, escape};

/// Longest report that is read: series are at most a thousand steps, but there is a row a machine and a link.
const LONGEST: u64 = 64 << 20;

/// Reads earlier reports.
pub fn read_overlaid(paths: &[PathBuf]) -> Result<Vec<SimulateReport>, FileError> {
    let read = |path: &PathBuf| {
        let text = read_text(path, LONGEST)?;
        serde_json::from_str(&text).map_err(|error| {
            FileError::new(
                &path.display().to_string(),
                format!("is not a report of `helix simulate`: {error}"),
            )
            .help("write one with `helix simulate … --format json > FILE`")
        })
    };
    paths.iter().map(read).collect()
}

/// One of a report's series.
type Pick = fn(&SimulateReport) -> &SeriesReport;

fn name(report: &SimulateReport) -> String {
    format!("{}, {}, {}", report.placement, report.scheduler, report.mode)
}

/// The page.
pub fn page(report: &SimulateReport, overlaid: &[SimulateReport]) -> String {
    let title = format!("{} on {}, simulated", report.model, report.cluster);
    let runs: Vec<&SimulateReport> = std::iter::once(report).chain(overlaid).collect();
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n<style>{STYLE}</style>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    for note in &report.notes {
        let _ = writeln!(html, "<p>Note: {}</p>", escape(note));
    }
    table(&mut html, &runs);
    let pictures: [(&str, &str, Pick); 4] = [
        ("Decode tokens over time", "tokens/s", |run| &run.decode_series),
        ("Prompt tokens over time", "tokens/s", |run| &run.prompt_series),
        ("Cache in use over time", "share", |run| &run.kv_series),
        ("Requests under way over time", "requests", |run| &run.in_flight_series),
    ];
    for (heading, unit, pick) in pictures {
        let names: Vec<String> = runs.iter().map(|run| escape(&name(run))).collect();
        let curves: Vec<Curve<'_>> = runs
            .iter()
            .zip(&names)
            .enumerate()
            .map(|(index, (run, name))| {
                let SeriesReport { step_s, values } = pick(run);
                let points = smoothed(*step_s, values);
                Curve { colour: COLOURS[index % COLOURS.len()], name, points }
            })
            .collect();
        let _ = write!(html, "<h2>{heading}</h2>\n{}", chart(&curves, "seconds since the start", unit));
    }
    latencies(&mut html, &runs, "Prompt latency", |run| &run.prompt_latency_s);
    latencies(&mut html, &runs, "Decode latency", |run| &run.decode_latency_s);
    waits(&mut html, report);
    machines(&mut html, report);
    links(&mut html, report);
    html.push_str("</html>\n");
    html
}

fn table(html: &mut String, runs: &[&SimulateReport]) {
    html.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>run<th class=\"n\">decode tokens/s<th class=\"n\">in total\
         <th class=\"n\">prompt mean [s]<th class=\"n\">p95<th class=\"n\">decode mean [s]<th class=\"n\">p95\
         <th class=\"n\">finished<th class=\"n\">rejected<th class=\"n\">fullest cache</tr>\n",
    );
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    for (index, run) in runs.iter().enumerate() {
        let _ = writeln!(
            html,
            "<tr><td><b style=\"color:{}\">■</b> {}<td class=\"n\">{:.2}<td class=\"n\">{:.1}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{:.0} %</tr>",
            COLOURS[index % COLOURS.len()],
            escape(&name(run)),
            run.decode_tokens_per_s,
            run.total_tokens_per_s,
            number(run.prompt_latency_s.mean),
            number(run.prompt_latency_s.p95),
            number(run.decode_latency_s.mean),
            number(run.decode_latency_s.p95),
            run.requests_finished,
            run.requests_rejected,
            100.0 * run.kv_peak_fraction
        );
    }
    html.push_str("</table></div>\n");
}

fn latencies(
    html: &mut String,
    runs: &[&SimulateReport],
    heading: &str,
    pick: fn(&SimulateReport) -> &Latency,
) {
    let names: Vec<String> = runs.iter().map(|run| escape(&name(run))).collect();
    let points = |latency: &Latency| -> Vec<(f64, f64)> {
        let total = latency.histogram.iter().sum::<u64>().max(1) as f64;
        let width = latency.p99.unwrap_or(0.0) / latency.histogram.len().max(1) as f64;
        let point =
            |(step, count): (usize, &u64)| ((step as f64 + 0.5) * width, *count as f64 / total * 100.0);
        latency.histogram.iter().enumerate().map(point).collect()
    };
    let curves: Vec<Curve<'_>> = runs
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(index, (run, name))| Curve {
            colour: COLOURS[index % COLOURS.len()],
            name,
            points: points(pick(run)),
        })
        .collect();
    let _ = write!(
        html,
        "<h2>{heading}</h2>\n{}",
        chart(&curves, "seconds (up to the 99th percentile)", "% of all")
    );
}

fn waits(html: &mut String, report: &SimulateReport) {
    let waiting = &report.waiting;
    let _ = writeln!(
        html,
        "<h2>Where requests waited</h2>\n<p>On average at any time: {:.1} at machines, {:.1} for links, {:.1} on links.</p>",
        waiting.machine_queues, waiting.link_queues, waiting.sending
    );
    let spent = &report.request_time_s;
    let all = [spent.line, spent.machine_queues, spent.computing, spent.link_queues, spent.sending];
    let names = ["in line", "waiting at machines", "in batches", "waiting for links", "on links"];
    let keys = ["line", "machine_queues", "computing", "link_queues", "sending"];
    let total = all.iter().sum::<f64>();
    html.push_str("<p>A request that finished spent on average</p>\n<table>\n");
    for ((name, seconds), colour) in names.iter().zip(all).zip(COLOURS) {
        let share = if total > 0.0 { seconds / total } else { 0.0 };
        let _ = writeln!(
            html,
            "<tr><td><b style=\"color:{colour}\">■</b> {name}<td class=\"n\">{seconds:.3} s<td>{}</tr>",
            bar(share)
        );
    }
    html.push_str("</table>\n");
    let curve = |((name, key), colour): ((&&'static str, &str), &'static str)| {
        let series = spent.series.get(key)?;
        Some(Curve { colour, name, points: smoothed(series.step_s, &series.values) })
    };
    let curves: Vec<_> = names.iter().zip(keys).zip(COLOURS).filter_map(curve).collect();
    html.push_str(&chart(&curves, "seconds since the start, at their ends", "seconds of a request"));
}

fn bar(share: f64) -> String {
    let width = (share.clamp(0.0, 1.0) * 100.0).round();
    format!(
        "<span style=\"display:inline-block;background:#0072b2;height:.7em;width:{width}px\"></span> {:.1} %",
        share * 100.0
    )
}

fn machines(html: &mut String, report: &SimulateReport) {
    html.push_str(
        "<h2>Machines</h2>\n<div class=\"scroll\"><table>\n<tr><th>machine<th>layers<th>busy<th class=\"n\">tokens/s\
         <th class=\"n\">planned<th class=\"n\">decodes a batch<th class=\"n\">waiting<th>cache, mean<th class=\"n\">peak</tr>\n",
    );
    for load in &report.machines {
        let _ = writeln!(
            html,
            "<tr><td>{}<td>{}..{}<td>{}<td class=\"n\">{:.1}<td class=\"n\">{:.1}<td class=\"n\">{:.1}<td class=\"n\">{:.2}\
             <td>{}<td class=\"n\">{:.0} %</tr>",
            escape(&load.machine),
            load.start,
            load.end,
            bar(load.busy),
            load.tokens_per_s,
            load.planned_tokens_per_s,
            load.decodes_per_batch,
            load.waiting,
            bar(load.kv_mean),
            100.0 * load.kv_peak
        );
    }
    html.push_str("</table></div>\n");
}

fn links(html: &mut String, report: &SimulateReport) {
    html.push_str(
        "<h2>Links</h2>\n<div class=\"scroll\"><table>\n<tr><th>from<th>to<th>used<th class=\"n\">tokens/s<th class=\"n\">planned\
         <th class=\"n\">waiting</tr>\n",
    );
    for load in &report.links {
        let _ = writeln!(
            html,
            "<tr><td>{}<td>{}<td>{}<td class=\"n\">{:.1}<td class=\"n\">{:.1}<td class=\"n\">{:.3}</tr>",
            escape(&load.from),
            escape(&load.to),
            bar(load.used),
            load.tokens_per_s,
            load.planned_tokens_per_s,
            load.waiting
        );
    }
    html.push_str("</table></div>\n");
}
