//! One self-contained page about a plan: figures, drawing, bottleneck in words, pipelines, machines.

use std::fmt::Write as _;

use super::rows::Scene;
use super::svg::{drawing, escape};
use crate::plan::{CandidateReport, PlanReport, SimulatedPoint, SimulationReport};

/// How our pages look.
pub const STYLE: &str = "
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent) }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1280px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0 }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .9rem; min-width: 9rem }
.card b { display: block; font-size: 1.35rem } .card span { opacity: .7; font-size: .85rem }
svg { max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: 8px }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right } .best td { font-weight: 600 }
";

/// The page.
pub fn page(scene: &Scene<'_>) -> String {
    let report = scene.report;
    let title = format!("{} on {}", report.model, report.cluster);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
         <h1>{0}</h1>\n<p>placement by <b>{1}</b>, machine speeds: {2}, partial inference {3}</p>\n",
        escape(&title),
        escape(&report.planner),
        escape(&report.cost),
        if report.partial_inference { "on" } else { "off" },
    );
    if let Some(note) = &report.note {
        let _ = writeln!(html, "<p>Note: {}</p>", escape(note));
    }
    cards(&mut html, report);
    html.push_str("<div class=\"scroll\">\n");
    html.push_str(&drawing(scene));
    html.push_str("</div>\n<h2>What holds it back</h2>\n<ul>\n");
    for sentence in &report.bottleneck.text {
        let _ = writeln!(html, "<li>{}</li>", escape(sentence));
    }
    html.push_str("</ul>\n");
    if let Some(simulation) = &report.simulation {
        front(&mut html, simulation);
    }
    candidates(&mut html, report);
    pipelines(&mut html, report);
    machines(&mut html, report);
    html.push_str("</html>\n");
    html
}

fn cards(html: &mut String, report: &PlanReport) {
    let share =
        100.0 * report.throughput_tokens_per_s / report.upper_bound_tokens_per_s.max(f64::MIN_POSITIVE);
    let cards = [
        (format!("{:.1}", report.throughput_tokens_per_s), "tokens/s, prompt and decode together"),
        (format!("{:.1}", report.upper_bound_tokens_per_s), "tokens/s at most on these machines"),
        (format!("{share:.0} %"), "of that bound"),
        (
            format!("{:.1}", report.predicted_decode_tokens_per_s),
            if report.simulation.is_some() {
                "decode tokens/s in steady operation, simulated"
            } else {
                "decode tokens/s, a cheap estimate"
            },
        ),
        (report.depth.to_string(), "machines in the longest pipeline"),
        (report.unused_machines.len().to_string(), "machines that carry nothing"),
    ];
    html.push_str("<div class=\"cards\">\n");
    for (value, meaning) in cards {
        let _ = writeln!(html, "<div class=\"card\"><b>{value}</b><span>{meaning}</span></div>");
    }
    html.push_str("</div>\n");
}

fn candidates(html: &mut String, report: &PlanReport) {
    if report.candidates.is_empty() {
        return;
    }
    html.push_str(
        "<h2>Planners compared</h2>\n<div class=\"scroll\"><table>\n<tr><th>planner<th class=\"n\">tokens/s\
         <th class=\"n\">machines used<th class=\"n\">longest pipeline<th></tr>\n",
    );
    for candidate in &report.candidates {
        let best = if candidate.planner == report.planner { " class=\"best\"" } else { "" };
        let CandidateReport { planner, throughput_tokens_per_s, depth, machines_used, error } = candidate;
        let number = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let _ = writeln!(
            html,
            "<tr{best}><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
            escape(planner),
            number(throughput_tokens_per_s.map(|value| format!("{value:.1}"))),
            number(machines_used.map(|value| value.to_string())),
            number(depth.map(|value| value.to_string())),
            escape(error.as_deref().unwrap_or_default()),
        );
    }
    html.push_str("</table></div>\n");
}

/// Throughput against latency: a picture, and the figures.
fn front(html: &mut String, simulation: &SimulationReport) {
    html.push_str("<h2>Decode throughput against latency</h2>\n<p>Simulated plans that no other one beat in both.</p>\n");
    html.push_str(&front_picture(simulation));
    html.push_str(
        "<div class=\"scroll\"><table>\n<tr><th class=\"n\">decode tokens/s<th class=\"n\">seconds a token\
         <th class=\"n\">prompt, s<th class=\"n\">longest pipeline<th class=\"n\">maximum flow<th>runs<th>planner</tr>\n",
    );
    for point in &simulation.front {
        let best = if point.chosen { " class=\"best\"" } else { "" };
        let _ = writeln!(
            html,
            "<tr{best}><td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{:.1}<td>{}<td>{}</tr>",
            point.rate(),
            point.decode(),
            point.prompt(),
            point.depth,
            point.throughput_tokens_per_s,
            escape(&point.runs()),
            escape(&point.planner),
        );
    }
    html.push_str("</table></div>\n");
}

/// A point a plan: latency to the right, throughput upwards, both axes from zero.
fn front_picture(simulation: &SimulationReport) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 280.0;
    let latency = |point: &SimulatedPoint| point.decode_latency_s.map_or(0.0, |mean| mean.mean);
    let rate = |point: &SimulatedPoint| point.decode_tokens_per_s.mean;
    let most = |of: &dyn Fn(&SimulatedPoint) -> f64| simulation.front.iter().map(of).fold(0.0, f64::max);
    let (longest, fastest) = (most(&latency).max(1e-9) * 1.1, most(&rate).max(1e-9) * 1.1);
    let mut svg = format!(
        "<svg viewBox=\"0 0 700 340\" width=\"700\" role=\"img\" aria-label=\"decode throughput against latency\">\
         <path d=\"M50 10V290H690\" fill=\"none\" stroke=\"currentColor\"/>\
         <text x=\"690\" y=\"325\" text-anchor=\"end\" fill=\"currentColor\" font-size=\"12\">seconds a token, to {longest:.2}</text>\
         <text x=\"56\" y=\"22\" fill=\"currentColor\" font-size=\"12\">decode tokens/s, to {fastest:.0}</text>"
    );
    for point in &simulation.front {
        let (x, y) = (50.0 + latency(point) / longest * WIDTH, 290.0 - rate(point) / fastest * HEIGHT);
        let radius = if point.chosen { 6 } else { 4 };
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"currentColor\"><title>{}: {} tokens/s, {} s a token</title></circle>",
            escape(&point.planner),
            point.rate(),
            point.decode()
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn pipelines(html: &mut String, report: &PlanReport) {
    html.push_str(
        "<h2>Pipelines</h2>\n<div class=\"scroll\"><table>\n\
         <tr><th class=\"n\">tokens/s<th class=\"n\">links, one way<th>machines and the layers they run</tr>\n",
    );
    for pipeline in report.pipelines.iter().take(100) {
        let stages: Vec<String> = pipeline
            .stages
            .iter()
            .map(|stage| format!("{} <small>{}..{}</small>", escape(&stage.machine), stage.start, stage.end))
            .collect();
        let _ = writeln!(
            html,
            "<tr><td class=\"n\">{:.1}<td class=\"n\">{:.0} ms<td>{}</tr>",
            pipeline.tokens_per_s,
            pipeline.latency_s * 1e3,
            stages.join(" → ")
        );
    }
    html.push_str("</table></div>\n");
}

fn machines(html: &mut String, report: &PlanReport) {
    html.push_str(
        "<h2>Machines</h2>\n<div class=\"scroll\"><table>\n<tr><th>machine<th>type<th>layers<th class=\"n\">tokens/s\
         <th class=\"n\">could<th>speed from<th></tr>\n",
    );
    let reason = |name: &str| report.unused_machines.iter().find(|unused| unused.machine == name);
    for placed in &report.placement {
        let _ = writeln!(
            html,
            "<tr><td>{}<td>{}<td>{}..{}<td class=\"n\">{:.1}<td class=\"n\">{:.1}<td>{}<td>{}</tr>",
            escape(&placed.machine),
            escape(&placed.machine_type),
            placed.start,
            placed.end,
            placed.tokens_per_s,
            placed.capacity_tokens_per_s,
            placed.source,
            reason(&placed.machine).map_or("", |unused| unused.reason),
        );
    }
    for unused in &report.unused_machines {
        if !report.placement.iter().any(|placed| placed.machine == unused.machine) {
            let _ = writeln!(
                html,
                "<tr><td>{}<td><td>–<td class=\"n\">0<td><td><td>{}</tr>",
                escape(&unused.machine),
                unused.reason
            );
        }
    }
    html.push_str("</table></div>\n");
}
