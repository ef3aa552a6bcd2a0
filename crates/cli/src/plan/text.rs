//! A plan for people, in the terminal.

use std::io::{self, Write};

use super::report::{FrontReport, PlanReport};
use super::{change, simulation_report};
use crate::picture::{Scene, chart};

/// Machines that are named in one line.
const MOST_NAMES: usize = 4;

/// Pipelines that are listed.
const MOST_PIPELINES: usize = 8;

/// Writes the plan: comparison, best plan, bottleneck, drawing, pipelines, idle machines.
pub fn write(output: &mut impl Write, scene: &Scene<'_>) -> io::Result<()> {
    let report = scene.report;
    let machines = report.placement.len()
        + report.unused_machines.iter().filter(|m| !placed(report, &m.machine)).count();
    writeln!(
        output,
        "{} ({} layers) on {}: {machines} machines, speeds: {}, partial inference {}\n",
        report.model,
        report.model_layers,
        report.cluster,
        report.cost,
        if report.partial_inference { "on" } else { "off" }
    )?;
    if let Some(note) = &report.note {
        writeln!(output, "note: {note}\n")?;
    }
    if !report.candidates.is_empty() {
        candidates(output, report)?;
    }
    let bound = report.upper_bound_tokens_per_s;
    writeln!(
        output,
        "{}: {:.1} tokens/s at most (maximum flow, prompt and decode together), {:.0} % of the bound {bound:.1}",
        if report.planner == "given" { "given placement" } else { &report.planner },
        report.throughput_tokens_per_s,
        100.0 * report.throughput_tokens_per_s / bound.max(f64::MIN_POSITIVE),
    )?;
    simulation_report::write_prediction(output, report)?;
    writeln!(
        output,
        "  longest pipeline {} machines, {:.1} on average; {} tokens of cache at the layer that has least",
        report.depth, report.mean_depth, report.kv_tokens_at_bottleneck
    )?;
    milp(output, report)?;
    for change in &report.changes {
        change::write(output, change)?;
    }
    simulation_report::write_front(output, report)?;
    front(output, report)?;
    writeln!(output, "\nwhat holds it back")?;
    for sentence in &report.bottleneck.text {
        writeln!(output, "  {sentence}")?;
    }
    writeln!(
        output,
        "\nlayers 0 to {}, one line a machine (█ used, ▒ to spare, ░ idle, * bottleneck)",
        report.model_layers
    )?;
    write!(output, "{}", chart(scene))?;
    layouts(output, report)?;
    pipelines(output, report)?;
    unused(output, report)
}

fn placed(report: &PlanReport, machine: &str) -> bool {
    report.placement.iter().any(|placed| placed.machine == machine)
}

fn candidates(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    writeln!(
        output,
        "  {:<14} {:>9}  {:>8}  {:>8}  {:>7}",
        "planner", "tokens/s", "of bound", "machines", "longest"
    )?;
    for candidate in &report.candidates {
        let mark = if candidate.planner == report.planner { '>' } else { ' ' };
        let (Some(throughput), Some(depth), Some(used)) =
            (candidate.throughput_tokens_per_s, candidate.depth, candidate.machines_used)
        else {
            let error = candidate.error.as_deref().unwrap_or("no placement");
            writeln!(output, "{mark} {:<14} {:>9}  {error}", candidate.planner, "–")?;
            continue;
        };
        let share = 100.0 * throughput / report.upper_bound_tokens_per_s.max(f64::MIN_POSITIVE);
        writeln!(
            output,
            "{mark} {:<14} {throughput:>9.1}  {share:>6.0} %  {used:>8}  {depth:>7}",
            candidate.planner
        )?;
    }
    writeln!(output)
}

fn milp(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    let Some(milp) = &report.milp else { return Ok(()) };
    writeln!(
        output,
        "  mixed-integer program: {} variables ({} binaries), {} constraints, {} links ({} pruned); {}",
        milp.variables, milp.binaries, milp.constraints, milp.links, milp.pruned_links, milp.ending
    )?;
    if let Some(bound) = milp.solver_bound_tokens_per_s {
        let about =
            if milp.pruned_links == 0 { "every placement" } else { "placements over these links only" };
        writeln!(output, "  HiGHS by itself bounds {about} by {bound:.1} tokens/s")?;
    }
    Ok(())
}

/// Points of the front that are listed.
const MOST_POINTS: usize = 40;

fn front(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    if report.front.len() < 2 {
        return Ok(());
    }
    let points = report.front.len();
    let stride = points.div_ceil(MOST_POINTS);
    let thinned = if stride > 1 {
        format!("; one in {stride} of {points} is listed, the last and the chosen one too")
    } else {
        String::new()
    };
    writeln!(output, "\nthroughput against depth (no plan found is better in both{thinned})")?;
    writeln!(output, "    {:>8}  {:>9}  {:>8}  planner", "longest", "tokens/s", "estimate")?;
    let last = points - 1;
    let is_chosen = |point: &FrontReport| {
        let (flow, chosen) = (point.throughput_tokens_per_s, report.throughput_tokens_per_s);
        (point.depth, &point.planner, flow) == (report.depth, &report.planner, chosen)
    };
    for (index, point) in report.front.iter().enumerate() {
        let chosen = is_chosen(point);
        if !chosen && index % stride != 0 && index != last {
            continue;
        }
        let mark = if chosen { '>' } else { ' ' };
        let decode =
            point.predicted_decode_tokens_per_s.map_or("–".to_owned(), |rate| format!("{rate:.0}"));
        writeln!(
            output,
            "  {mark} {:>8}  {:>9.1}  {decode:>8}  {}",
            point.depth, point.throughput_tokens_per_s, point.planner
        )?;
    }
    if !report.front.iter().any(is_chosen) {
        writeln!(
            output,
            "  > {:>8}  {:>9.1}  {:>8}  {}, which is none of these",
            report.depth, report.throughput_tokens_per_s, "", report.planner
        )?;
    }
    Ok(())
}

/// How the devices of machines with several of them share their layers, machines of one type and layout together.
fn layouts(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for placed in &report.placement {
        let Some(layout) = placed.layout else { continue };
        let words = format!("{}: {layout}", placed.machine_type);
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, machines)) => machines.push(&placed.machine),
            None => groups.push((words, vec![&placed.machine])),
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(output, "\nhow devices share their layers (elsewhere plain tensor parallelism)")?;
    for (words, machines) in groups {
        let listed = machines[..machines.len().min(MOST_NAMES)].join(", ");
        let more = machines.len().saturating_sub(MOST_NAMES);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(output, "  {words} ({listed}{rest})")?;
    }
    Ok(())
}

fn pipelines(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    writeln!(output, "\npipelines, largest first")?;
    for pipeline in report.pipelines.iter().take(MOST_PIPELINES) {
        let stages: Vec<&str> = pipeline.stages.iter().map(|stage| stage.machine.as_str()).collect();
        writeln!(
            output,
            "  {:>8.1} tok/s, {:>4.0} ms of links: {}",
            pipeline.tokens_per_s,
            pipeline.latency_s * 1e3,
            stages.join(" → ")
        )?;
    }
    if report.pipelines.len() > MOST_PIPELINES {
        writeln!(output, "  … and {} more", report.pipelines.len() - MOST_PIPELINES)?;
    }
    Ok(())
}

fn unused(output: &mut impl Write, report: &PlanReport) -> io::Result<()> {
    if report.unused_machines.is_empty() {
        return writeln!(output, "\nevery machine carries tokens");
    }
    writeln!(output, "\nmachines that carry nothing")?;
    let mut reasons: Vec<&str> = report.unused_machines.iter().map(|unused| unused.reason).collect();
    reasons.dedup();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        let names: Vec<&str> = report
            .unused_machines
            .iter()
            .filter(|unused| unused.reason == reason)
            .map(|unused| unused.machine.as_str())
            .collect();
        let (shown, more) = names.split_at(names.len().min(12));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        writeln!(output, "  {}{more}: {reason}", shown.join(", "))?;
    }
    Ok(())
}
