//! The report for people.

use std::io::Write;

use super::report::{Latency, SimulateReport};
use crate::exit_codes::Failure;

/// Rows of machines and links that are printed.
const ROWS: usize = 12;

/// Writes it.
pub fn write(output: &mut impl Write, report: &SimulateReport) -> Result<(), Failure> {
    writeln!(
        output,
        "{} on {}, {}, {} requests{}\n",
        report.model,
        report.cluster,
        report.scheduler,
        report.mode,
        report.preset.as_ref().map_or(String::new(), |preset| format!(", as {preset}"))
    )?;
    writeln!(output, "  decode      {:>10.2} tokens/s", report.decode_tokens_per_s)?;
    writeln!(
        output,
        "  in total    {:>10.2} tokens/s (maximum flow {:.1})",
        report.total_tokens_per_s, report.max_flow_tokens_per_s
    )?;
    writeln!(
        output,
        "              {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "mean", "p5", "p25", "p50", "p75", "p95"
    )?;
    latency(output, "prompt [s]", &report.prompt_latency_s)?;
    latency(output, "decode [s]", &report.decode_latency_s)?;
    latency(output, "request [s]", &report.request_latency_s)?;
    writeln!(
        output,
        "\n  requests    {} came, {} finished, {} rejected, {} under way at the end{}",
        report.requests_launched,
        report.requests_finished,
        report.requests_rejected,
        report.requests_unfinished,
        if report.restarts > 0 { format!(", {} starts anew", report.restarts) } else { String::new() }
    )?;
    writeln!(
        output,
        "  works wait  {:.1} at machines, {:.1} for links, {:.1} on the way (on average at any time)",
        report.waiting.machine_queues, report.waiting.link_queues, report.waiting.sending
    )?;
    let spent = &report.request_time_s;
    writeln!(
        output,
        "  a request   {:.2} s in line, {:.2} s waiting at machines, {:.2} s in batches, {:.2} s waiting for links, {:.2} s on \
         links (mean of those that finished)",
        spent.line, spent.machine_queues, spent.computing, spent.link_queues, spent.sending
    )?;
    writeln!(output, "  cache       {:.0} % at most on any machine", 100.0 * report.kv_peak_fraction)?;
    writeln!(
        output,
        "  simulated   {:.0} s in {:.2} s: {} events, {:.1} million a second ({} processed, {:.1} million a second)",
        report.simulated_seconds,
        report.wall_seconds,
        report.events,
        report.events_per_second / 1e6,
        report.processed_events,
        report.processed_events_per_second / 1e6
    )?;
    for note in &report.notes {
        writeln!(output, "  note: {note}")?;
    }
    machines(output, report)?;
    links(output, report)
}

fn latency(output: &mut impl Write, name: &str, latency: &Latency) -> Result<(), Failure> {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let Latency { mean, p5, p25, p50, p75, p95, .. } = latency;
    let cells: Vec<String> = [p5, p25, p50, p75, p95].map(|value| format!("{:>8}", number(*value))).to_vec();
    writeln!(output, "  {name:<11} {:>10} {}", number(*mean), cells.join(" "))?;
    Ok(())
}

fn machines(output: &mut impl Write, report: &SimulateReport) -> Result<(), Failure> {
    let mut machines: Vec<_> = report.machines.iter().collect();
    machines.sort_by(|a, b| b.busy.total_cmp(&a.busy));
    writeln!(
        output,
        "\n  busiest machines        layers    busy  tokens/s   planned  a batch  waiting  cache"
    )?;
    for load in machines.iter().take(ROWS) {
        writeln!(
            output,
            "  {:<22} {:>7} {:>6.1}% {:>9.1} {:>9.1} {:>8.1} {:>8.1} {:>5.0}%",
            load.machine,
            format!("{}..{}", load.start, load.end),
            100.0 * load.busy,
            load.tokens_per_s,
            load.planned_tokens_per_s,
            load.decodes_per_batch,
            load.waiting,
            100.0 * load.kv_mean
        )?;
    }
    Ok(())
}

fn links(output: &mut impl Write, report: &SimulateReport) -> Result<(), Failure> {
    let mut links: Vec<_> = report.links.iter().filter(|link| link.tokens_per_s > 0.0).collect();
    links.sort_by(|a, b| b.used.total_cmp(&a.used));
    writeln!(
        output,
        "\n  busiest links                                    used  tokens/s   planned  waiting"
    )?;
    for load in links.iter().take(ROWS) {
        writeln!(
            output,
            "  {:<45} {:>6.1}% {:>9.1} {:>9.1} {:>8.2}",
            format!("{} → {}", load.from, load.to),
            100.0 * load.used,
            load.tokens_per_s,
            load.planned_tokens_per_s,
            load.waiting
        )?;
    }
    Ok(())
}
