//! The report for people.

use std::io::Write as _;

use helix_cost::layout::{Frontier, Headline, Point};

use crate::exit_codes::Failure;
use crate::output::Output;
use crate::parallel::inputs::format_name;
use crate::parallel::numbers::{count, short};

use super::evaluation::{Evaluation, HopB, Loss, ModelReport};

/// What the paper says of its two models: interactivity, throughput at equal time to the next token.
pub fn paper(model: &str) -> Option<(&'static str, &'static str)> {
    match model {
        "deepseek-r1" => Some(("up to 1.5x", "up to 32x")),
        "llama-3.1-405b" => Some(("1.13x", "4x")),
        _ => None,
    }
}

/// Prints the report.
pub fn print(evaluation: &Evaluation, output: &mut Output) -> Result<(), Failure> {
    let hardware = &evaluation.hardware;
    writeln!(
        output,
        "Helix parallelism at {} tokens of context on {} (1 to {} GPUs of {}), weights {}, cache {}",
        count(evaluation.context),
        hardware.name,
        hardware.devices,
        hardware.memory,
        format_name(evaluation.formats.weights),
        format_name(evaluation.formats.cache),
    )?;
    writeln!(output, "{} configurations evaluated", count(evaluation.evaluated() as u64))?;
    for report in &evaluation.models {
        print_model(report, output)?;
    }
    writeln!(
        output,
        "\nCalibrated, not reproduced: {} a layer and {} a collective ({}).",
        hardware.layer_overhead, hardware.collective_latency, hardware.sources[2]
    )?;
    Ok(())
}

fn print_model(report: &ModelReport, output: &mut Output) -> Result<(), Failure> {
    writeln!(output, "\n{}", report.model.name)?;
    print_headline(report, output)?;
    print_frontier("Helix", &report.powers.helix, output)?;
    print_frontier("best baseline", &report.powers.baseline, output)?;
    print_losses(&report.powers.losses, output)?;
    print_hop_b(&report.hop_b, output)?;
    for (context, headline) in &report.by_context {
        let (interactivity, throughput) = ratios(Some(headline));
        writeln!(
            output,
            "  at {:>9} tokens: interactivity {interactivity}, throughput at equal TTL {throughput}",
            count(*context)
        )?;
    }
    Ok(())
}

fn print_headline(report: &ModelReport, output: &mut Output) -> Result<(), Failure> {
    let (interactivity, throughput) = ratios(report.powers.headline.as_ref());
    let (any_interactivity, any_throughput) = ratios(report.every.headline.as_ref());
    let (paper_interactivity, paper_throughput) = paper(&report.model.name).unwrap_or(("-", "-"));
    writeln!(output, "  Helix to the best baseline         {:>10} {:>10}  any batch", "paper", "here")?;
    writeln!(
        output,
        "  most tokens/s for one user         {paper_interactivity:>10} {interactivity:>10} {any_interactivity:>10}"
    )?;
    writeln!(
        output,
        "  tokens/s/GPU at the baseline's TTL {paper_throughput:>10} {throughput:>10} {any_throughput:>10}"
    )?;
    Ok(())
}

/// Both ratios as text; `never` where Helix does not reach the baseline's time to the next token.
pub fn ratios(headline: Option<&Headline>) -> (String, String) {
    match headline {
        Some(found) => {
            let throughput = found.throughput_at_equal_ttl.map(|ratio| format!("{ratio:.1}x"));
            (format!("{:.2}x", found.interactivity), throughput.unwrap_or_else(|| "never".to_owned()))
        }
        None => ("-".to_owned(), "-".to_owned()),
    }
}

fn print_frontier(name: &str, frontier: &Frontier, output: &mut Output) -> Result<(), Failure> {
    writeln!(output, "  {name}, batches that are powers of two")?;
    writeln!(output, "    tok/s/user  tok/s/GPU  batch  GPUs  layout")?;
    for point in frontier.points() {
        let found = point.performance;
        writeln!(
            output,
            "    {:>10} {:>10} {:>6} {:>5}  {}",
            short(found.tokens_per_s_user),
            short(found.tokens_per_s_gpu),
            point.batch,
            point.config.devices(),
            named(point)
        )?;
    }
    Ok(())
}

/// The layout with its strategy where the layout alone does not tell it.
pub fn named(point: &Point) -> String {
    point.config.to_string()
}

fn print_losses(losses: &[Loss], output: &mut Output) -> Result<(), Failure> {
    if losses.is_empty() {
        return Ok(writeln!(output, "  Helix is never behind")?);
    }
    writeln!(output, "  Helix is behind")?;
    for loss in losses {
        writeln!(
            output,
            "    {} to {} tok/s/user: down to {:.2} of {} at batch {}",
            short(loss.from),
            short(loss.to),
            loss.worst,
            named(&loss.baseline),
            loss.baseline.batch
        )?;
    }
    Ok(())
}

fn print_hop_b(points: &[HopB], output: &mut Output) -> Result<(), Failure> {
    let most = |loss: fn(&HopB) -> f64| {
        let worst = points.iter().max_by(|a, b| loss(a).total_cmp(&loss(b)));
        worst.map(|found| (loss(found) * 100.0, found))
    };
    let (Some((ideal, at)), Some((chunked, also))) = (most(HopB::loss), most(HopB::loss_to_chunks)) else {
        return Ok(());
    };
    writeln!(
        output,
        "  Without HOP-B one user loses at most {ideal:.1} % (batch {}, {}); {chunked:.1} % of what chunks that each pay \
         their latency reach (batch {}, {} chunks)",
        at.point.batch, at.point.config, also.point.batch, also.chunks
    )?;
    Ok(())
}
