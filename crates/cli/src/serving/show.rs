//! What a cluster did, in the terminal: the plan as a picture, the pipelines that requests took, the speed.

use std::io::Write as _;

use helix_runtime::Report;
use helix_spec::LayerRange;

use super::local::LocalWorker;
use super::plan::Planned;
use crate::exit_codes::Failure;
use crate::output::Output;

/// Width of the model in the picture \[characters\].
const WIDTH: u32 = 48;

/// Prints the plan, the pipelines and the speed.
pub fn ended(
    output: &mut Output,
    planned: &Planned,
    local: &[LocalWorker],
    report: &Report,
) -> Result<(), Failure> {
    let layers = planned.placement.model_layers;
    let flow = planned.evaluation.throughput;
    writeln!(output, "\nThe plan: {layers} layers on {} workers, memory emulated", local.len())?;
    for worker in local {
        let bar = bar(worker.layers, layers);
        let (name, room) = (&worker.name, worker.room);
        writeln!(output, "  {name:<10} room for {room:>2}  |{bar}| layers {}", worker.layers)?;
    }
    writeln!(output, "  {flow:.0} tokens/s at most if every worker were the core that the plan guesses")?;
    writeln!(output, "\nThe pipelines that requests took")?;
    if report.pipelines.is_empty() {
        writeln!(output, "  none: nobody asked")?;
    }
    for pipeline in &report.pipelines {
        let hops: Vec<String> =
            pipeline.hops.iter().map(|hop| format!("{} ({}..{})", hop.machine, hop.start, hop.end)).collect();
        let (requests, tokens) = (pipeline.requests, pipeline.tokens);
        writeln!(output, "  {}: {requests} requests, {tokens} tokens", hops.join(" -> "))?;
    }
    writeln!(output, "\nThe speed")?;
    for machine in &report.machines {
        let Some(speed) = machine.tokens_per_s else { continue };
        let mut words = String::new();
        if let Some(factor) = machine.speed.filter(|factor| *factor != 1.0) {
            words = format!(", {factor:.2} of what the plan expects beside the others");
        }
        if let Some(times) = machine.emulated_slowdown {
            words = format!("{words}, emulated {times} times slower");
        }
        writeln!(
            output,
            "  {:<10} {speed:>8.0} tokens/s while it computed ({} of prompts, {} generated){words}",
            machine.name, machine.prompt_tokens, machine.decode_tokens
        )?;
    }
    writeln!(
        output,
        "  {} requests answered, {} failed, {} cancelled; {} prompt tokens, {} generated",
        report.finished, report.failed, report.cancelled, report.prompt_tokens, report.generated_tokens
    )?;
    Ok(())
}

/// Where a range lies in the model.
fn bar(range: LayerRange, layers: u32) -> String {
    let place = |layer: u32| u64::from(layer) * u64::from(WIDTH) / u64::from(layers.max(1));
    let (start, end) = (place(range.start()), place(range.end()));
    (0..u64::from(WIDTH)).map(|at| if start <= at && at < end { '#' } else { ' ' }).collect()
}
