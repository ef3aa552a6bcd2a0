//! One self-contained page: pictures, ratios, frontiers, losses, assumptions.

use std::fmt::Write as _;

use helix_cost::layout::Frontier;

use crate::parallel::chart::escape;
use crate::parallel::numbers::{count, short};

use super::evaluation::{Evaluation, ModelReport};
use super::{pictures, text};

const STYLE: &str = "body{font:15px/1.5 Helvetica,Arial,sans-serif;color:#1f2933;background:#f5f7fa;margin:0}\
main{max-width:1160px;margin:0 auto;padding:24px 16px 48px}h1{font-size:26px;margin:8px 0}h2{font-size:19px;margin:32px 0 8px}\
section,.card{background:#fff;border:1px solid #e4e8ee;border-radius:8px;padding:16px 20px;margin:16px 0;overflow-x:auto}\
svg{max-width:100%;height:auto}table{border-collapse:collapse;font-size:14px}th,td{padding:4px 14px 4px 0;text-align:right;\
border-bottom:1px solid #eef1f5;white-space:nowrap}th:last-child,td:last-child{text-align:left}caption{text-align:left;\
font-weight:600;padding:6px 0}.pair{display:flex;flex-wrap:wrap;align-items:flex-start;gap:0 48px}p.faint{color:#5f6b7a;font-size:13.5px}pre{white-space:pre-wrap}";

/// The page of an evaluation.
pub fn page(evaluation: &Evaluation) -> String {
    let mut parts = vec![pictures::overview(evaluation)];
    parts.extend(evaluation.models.iter().map(model));
    parts.push(assumptions(evaluation));
    document("Frontier of Helix parallelism", &parts)
}

/// A page of parts, each in its own box.
pub fn document(title: &str, parts: &[String]) -> String {
    let mut body = String::new();
    for part in parts {
        body.push_str("<section>");
        body.push_str(part);
        body.push_str("</section>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n{body}</main></body></html>\n",
        title = escape(title)
    )
}

fn model(report: &ModelReport) -> String {
    let (interactivity, throughput) = text::ratios(report.powers.headline.as_ref());
    let (any_interactivity, any_throughput) = text::ratios(report.every.headline.as_ref());
    let (paper_interactivity, paper_throughput) = text::paper(&report.model.name).unwrap_or(("-", "-"));
    let mut part = format!("<h2>{}</h2>", escape(&report.model.name));
    part.push_str(
        "<table><tr><th>paper</th><th>here</th><th>any batch</th><th>Helix to the best baseline</th></tr>",
    );
    for (paper, here, any, what) in [
        (paper_interactivity, interactivity, any_interactivity, "most tokens/s for one user"),
        (
            paper_throughput,
            throughput,
            any_throughput,
            "tokens/s/GPU at the baseline's shortest time to the next token",
        ),
    ] {
        add(&mut part, format_args!("<tr><td>{paper}</td><td>{here}</td><td>{any}</td><td>{what}</td></tr>"));
    }
    part.push_str("</table><div class=\"pair\">");
    part.push_str(&frontier("Helix", &report.powers.helix));
    part.push_str(&frontier("Best baseline", &report.powers.baseline));
    part.push_str("</div>");
    part.push_str(&losses(report));
    part
}

fn frontier(name: &str, frontier: &Frontier) -> String {
    let mut table = format!(
        "<table><caption>{name}, batches that are powers of two</caption><tr><th>tok/s/user</th><th>tok/s/GPU</th>\
         <th>batch</th><th>GPUs</th><th>layout</th></tr>"
    );
    for point in frontier.points() {
        let found = point.performance;
        add(
            &mut table,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                short(found.tokens_per_s_user),
                short(found.tokens_per_s_gpu),
                point.batch,
                point.config.devices(),
                escape(&text::named(point))
            ),
        );
    }
    table + "</table>"
}

fn losses(report: &ModelReport) -> String {
    if report.every.losses.is_empty() {
        return "<p>Helix is never behind.</p>".to_owned();
    }
    let mut list = String::from("<p>Helix is behind (any batch):</p><ul>");
    for loss in &report.every.losses {
        add(
            &mut list,
            format_args!(
                "<li>from {} to {} tokens/s/user: down to {:.2} of {}</li>",
                short(loss.from),
                short(loss.to),
                loss.worst,
                escape(&text::named(&loss.baseline))
            ),
        );
    }
    list + "</ul>"
}

fn assumptions(evaluation: &Evaluation) -> String {
    let hardware = &evaluation.hardware;
    let [device, links, calibrated] = &hardware.sources;
    format!(
        "<h2>Assumptions</h2><p>{} configurations evaluated. {}: up to {} GPUs, each {} at {} and {} to the others. \
         Calibrated, not reproduced: {} a layer, {} a collective.</p><p class=\"faint\">Sources: {}; {}; {}.</p>",
        count(evaluation.evaluated() as u64),
        escape(&hardware.name),
        hardware.devices,
        hardware.memory,
        hardware.memory_bandwidth,
        hardware.interconnect,
        hardware.layer_overhead,
        hardware.collective_latency,
        escape(device),
        escape(links),
        escape(calibrated)
    )
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes all text");
}
