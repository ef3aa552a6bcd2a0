//! One self-contained page: the figures of the paper's evaluation for this cluster.

use std::fmt::Write as _;

use super::figures::{Group, bars, legend};
use super::report::{CompareReport, Row};
use super::statistics::Estimate;
use super::text::{ABOUT, heading, ratio, with_error};
use crate::picture::{STYLE, escape};

/// One of a row's figures.
type Pick = fn(&Row) -> Option<Estimate>;

/// Keeps the first of equals.
fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

/// The page.
pub fn page(report: &CompareReport) -> String {
    let title = format!("{} on {}, compared", report.model, report.cluster);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n<style>{STYLE}</style>\n<h1>{0}</h1>\n\
         <p>{1} runs of each{2}; bars are means, lines 95 % confidence intervals.</p>\n",
        escape(&title),
        report.seeds.len(),
        report.preset.as_ref().map_or(String::new(), |preset| format!(", as {}", escape(preset)))
    );
    for note in &report.notes {
        let _ = writeln!(html, "<p>Note: {}</p>", escape(note));
    }
    headline(&mut html, report);
    let schedulers = distinct(report.rows.iter().map(|row| &row.scheduler));
    let pictures: [(&str, &str, Pick); 3] = [
        ("Decode throughput", "tokens/s", |row| row.decode_tokens_per_s),
        ("Prompt latency", "seconds, mean", |row| row.prompt_latency_s),
        ("Decode latency", "seconds, mean", |row| row.decode_latency_s),
    ];
    for mode in distinct(report.rows.iter().map(|row| &row.mode)) {
        for (name, unit, pick) in pictures {
            let _ = writeln!(html, "<h2>{name}, {}</h2>", escape(&mode));
            html.push_str(&legend(&schedulers));
            html.push_str(&bars(&groups(report, &mode, &schedulers, pick), &schedulers, unit));
        }
        table(&mut html, report, &mode);
    }
    placements(&mut html, report);
    html.push_str("</html>\n");
    html
}

fn groups<'a>(report: &'a CompareReport, mode: &str, schedulers: &[String], pick: Pick) -> Vec<Group<'a>> {
    let group = |placement: &'a super::report::PlacementRow| {
        let bar = |scheduler: &String| {
            let mut rows = report.rows.iter();
            let row = rows.find(|row| {
                row.mode == mode && row.placement == placement.placement && row.scheduler == *scheduler
            });
            row.and_then(pick)
        };
        Group { name: &placement.placement, bars: schedulers.iter().map(bar).collect() }
    };
    report.placements.iter().map(group).collect()
}

fn headline(html: &mut String, report: &CompareReport) {
    for about in ABOUT {
        let ratios: Vec<_> = report.ratios.iter().filter(|ratio| ratio.about == about).collect();
        if ratios.is_empty() {
            continue;
        }
        let _ = write!(
            html,
            "<h2>{}</h2>\n<div class=\"scroll\"><table>\n<tr><th>load<th>against<th>with<th class=\"n\">throughput\
             <th class=\"n\">prompt latency<th class=\"n\">decode latency</tr>\n",
            escape(&heading(about, report))
        );
        for row in ratios {
            let _ = writeln!(
                html,
                "<tr><td>{}<td>{}<td>{}<td class=\"n\">{} ×<td class=\"n\">{} ×<td class=\"n\">{} ×</tr>",
                escape(&row.mode),
                escape(&row.placement),
                escape(&row.scheduler),
                ratio(row.throughput.as_ref()),
                ratio(row.prompt_latency.as_ref()),
                ratio(row.decode_latency.as_ref())
            );
        }
        html.push_str("</table></div>\n");
    }
}

fn table(html: &mut String, report: &CompareReport, mode: &str) {
    html.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>placement<th>scheduler<th class=\"n\">runs<th class=\"n\">decode tokens/s\
         <th class=\"n\">in total<th class=\"n\">prompt [s]<th class=\"n\">p95<th class=\"n\">decode [s]<th class=\"n\">p95\
         <th class=\"n\">rejected<th>remark</tr>\n",
    );
    for row in report.rows.iter().filter(|row| row.mode == mode) {
        let _ = writeln!(
            html,
            "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
            escape(&row.placement),
            escape(&row.scheduler),
            row.runs,
            with_error(row.decode_tokens_per_s.as_ref(), 2),
            with_error(row.total_tokens_per_s.as_ref(), 1),
            with_error(row.prompt_latency_s.as_ref(), 3),
            with_error(row.prompt_latency_p95_s.as_ref(), 2),
            with_error(row.decode_latency_s.as_ref(), 3),
            with_error(row.decode_latency_p95_s.as_ref(), 2),
            row.requests_rejected,
            escape(row.error.as_deref().unwrap_or_default())
        );
    }
    html.push_str("</table></div>\n");
}

fn placements(html: &mut String, report: &CompareReport) {
    html.push_str(
        "<h2>Placements</h2>\n<div class=\"scroll\"><table>\n<tr><th>placement<th class=\"n\">machines\
         <th class=\"n\">maximum flow [tokens/s]<th>remark</tr>\n",
    );
    for row in &report.placements {
        let _ = writeln!(
            html,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
            escape(&row.placement),
            row.machines.map_or_else(|| "–".to_owned(), |machines| machines.to_string()),
            row.max_flow_tokens_per_s.map_or_else(|| "–".to_owned(), |flow| format!("{flow:.1}")),
            escape(row.error.as_deref().unwrap_or_default())
        );
    }
    html.push_str("</table></div>\n");
}
