//! The table for people.

use std::io::Write;

use super::report::{CompareReport, RatioRow, Row};
use super::statistics::{Estimate, Ratio};
use crate::exit_codes::Failure;

/// `12.34 ± 0.56`.
pub fn with_error(estimate: Option<&Estimate>, digits: usize) -> String {
    let Some(estimate) = estimate else { return "–".to_owned() };
    let error = estimate.ci95.map(|ci| format!(" ± {ci:.digits$}"));
    format!("{:.digits$}{}", estimate.mean, error.unwrap_or_default())
}

/// `1.87 ± 0.05`.
pub fn ratio(ratio: Option<&Ratio>) -> String {
    let Some(ratio) = ratio else { return "–".to_owned() };
    let error = ratio.ci95.map(|ci| format!(" ± {ci:.2}"));
    format!("{:.2}{}", ratio.ratio, error.unwrap_or_default())
}

/// What a block of ratios is about.
pub fn heading(about: &str, report: &CompareReport) -> String {
    let best = report.placements.first().map_or("", |placement| placement.placement.as_str());
    let first = report.rows.first().map_or("", |row| row.scheduler.as_str());
    match about {
        "method" => format!("{best} with {first} against the other methods, each with its own scheduler"),
        "placement" => format!("placement alone: {best} against the others, all with {first}"),
        "neutral" => format!("placement alone, neutrally: {best} against the others, all with random"),
        _ => format!("scheduling alone: {first} against the others, all on {best}"),
    }
}

/// The blocks in their order.
pub const ABOUT: [&str; 4] = ["method", "placement", "neutral", "scheduler"];

/// Writes it.
pub fn write(output: &mut impl Write, report: &CompareReport) -> Result<(), Failure> {
    writeln!(
        output,
        "{} on {}{}, {} runs of each, mean ± half of the 95 % confidence interval\n",
        report.model,
        report.cluster,
        report.preset.as_ref().map_or(String::new(), |preset| format!(", as {preset}")),
        report.seeds.len()
    )?;
    let mut modes: Vec<&str> = report.rows.iter().map(|row| row.mode.as_str()).collect();
    modes.dedup();
    for mode in modes {
        table(output, report, mode)?;
    }
    for about in ABOUT {
        let ratios: Vec<_> = report.ratios.iter().filter(|ratio| ratio.about == about).collect();
        if !ratios.is_empty() {
            block(output, &heading(about, report), &ratios)?;
        }
    }
    for note in &report.notes {
        writeln!(output, "note: {note}")?;
    }
    Ok(())
}

fn table(output: &mut impl Write, report: &CompareReport, mode: &str) -> Result<(), Failure> {
    writeln!(
        output,
        "{:<24} {:<15} {:>18} {:>18} {:>18} {:>9} {:>9}",
        mode, "scheduler", "decode [tokens/s]", "prompt [s]", "decode [s]", "rejected", "cache"
    )?;
    let mut last = "";
    for row in report.rows.iter().filter(|row| row.mode == mode) {
        let name = if row.placement == last { "" } else { row.placement.as_str() };
        last = &row.placement;
        line(output, name, row)?;
    }
    writeln!(output)?;
    Ok(())
}

fn line(output: &mut impl Write, name: &str, row: &Row) -> Result<(), Failure> {
    if let (0, Some(error)) = (row.runs, &row.error) {
        writeln!(output, "  {name:<22} {:<15} {error}", row.scheduler)?;
        return Ok(());
    }
    writeln!(
        output,
        "  {name:<22} {:<15} {:>18} {:>18} {:>18} {:>9} {:>9}",
        row.scheduler,
        with_error(row.decode_tokens_per_s.as_ref(), 2),
        with_error(row.prompt_latency_s.as_ref(), 3),
        with_error(row.decode_latency_s.as_ref(), 3),
        row.requests_rejected,
        row.kv_peak_fraction.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
    )?;
    if let Some(error) = &row.error {
        writeln!(output, "  {:<22} {:<15} {} runs count: {error}", "", "", row.runs)?;
    }
    Ok(())
}

fn block(output: &mut impl Write, heading: &str, ratios: &[&RatioRow]) -> Result<(), Failure> {
    writeln!(output, "{heading}")?;
    writeln!(output, "  {:<54} {:>14} {:>14} {:>14}", "", "throughput", "prompt", "decode")?;
    for row in ratios {
        writeln!(
            output,
            "  {:<54} {:>14} {:>14} {:>14}",
            format!("{}: {} with {}", row.mode, row.placement, row.scheduler),
            format!("{} ×", ratio(row.throughput.as_ref())),
            format!("{} ×", ratio(row.prompt_latency.as_ref())),
            format!("{} ×", ratio(row.decode_latency.as_ref())),
        )?;
    }
    writeln!(output)?;
    Ok(())
}
