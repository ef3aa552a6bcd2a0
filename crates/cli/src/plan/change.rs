//! From one placement to another: the data of the report, and its text.

use std::io::{self, Write};
use std::path::Path;

use helix_planner::{Change, Evaluate, Found, Instance, Objective, Plan, Trade, TradePoint, evaluate};
use helix_spec::{LayerRange, ModelShape, Placement};
use serde::Serialize;

use crate::exit_codes::{Failure, Kind};

/// Machines that are listed.
const MOST_MACHINES: usize = 40;

/// Refuses to compare with a placement of another model: before a search, not after it.
pub fn check_model(path: &Path, before: &Placement, model: &ModelShape) -> Result<(), Failure> {
    if before.model == model.name && before.model_layers == model.layers {
        return Ok(());
    }
    let text = format!(
        "{} is for {} with {} layers, the plan is for {} with {}; compare placements of one model",
        path.display(),
        before.model,
        before.model_layers,
        model.name,
        model.layers
    );
    Err(Failure::new(Kind::BadInput, text))
}

/// What changes from a placement to the plan.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeReport {
    /// The file of the placement before.
    pub from: String,
    /// What it is worth; null where it cannot run.
    pub before: Option<Figures>,
    /// Why it cannot run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_error: Option<String>,
    /// What the plan is worth.
    pub after: Figures,
    /// Layers that machines must load.
    pub layers_to_load: u64,
    /// Their weights.
    pub bytes_to_load: u64,
    /// Time until the last machine has loaded them from its disk.
    pub load_s: f64,
    /// The machines that change.
    pub machines: Vec<MachineReport>,
    /// What could be gained by loading more or less; only where the plan was searched from this placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trade: Option<TradeReport>,
}

/// What a placement is worth.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Maximum flow.
    pub throughput_tokens_per_s: f64,
    /// Decode tokens in steady operation by the cheap estimate, where they can be foreseen.
    pub predicted_decode_tokens_per_s: Option<f64>,
    /// Machines in the longest pipeline.
    pub depth: usize,
    /// Tokens that the caches hold at the layer that holds least.
    pub kv_tokens_at_bottleneck: u64,
    /// Machines with layers.
    pub machines: usize,
}

/// A machine that changes.
#[derive(Debug, Clone, Serialize)]
pub struct MachineReport {
    /// Its name.
    pub machine: String,
    /// moved, added, dropped, or reloaded where only its devices share the layers in another way.
    pub what: &'static str,
    /// First layer and one past the last before; null if it held none.
    pub before: Option<[u32; 2]>,
    /// The same afterwards.
    pub after: Option<[u32; 2]>,
    /// Layers that it must load.
    pub layers_to_load: u32,
    /// Their weights.
    pub bytes_to_load: u64,
}

/// What could be gained.
#[derive(Debug, Clone, Serialize)]
pub struct TradeReport {
    /// What is compared: steady or max-flow.
    pub objective: &'static str,
    /// The share that the best plan must gain over one that loads less.
    pub min_gain: f64,
    /// What the running placement is worth: the maximum flow, or decode tokens in steady operation (where plans were simulated,
    /// divided by the seconds that a token takes to the power of 0.1); null where it cannot stay.
    pub running_tokens_per_s: Option<f64>,
    /// Plans that no found plan beats in both worth and layers to load, the fewest layers first.
    pub options: Vec<OptionReport>,
}

/// One plan that could be changed to.
#[derive(Debug, Clone, Serialize)]
pub struct OptionReport {
    /// Who made it.
    pub planner: String,
    /// What it is worth.
    pub tokens_per_s: f64,
    /// Layers that machines must load.
    pub layers_to_load: u64,
    /// Their weights.
    pub bytes_to_load: u64,
    /// Whether it is the plan.
    pub chosen: bool,
}

/// Everything that a comparison needs.
pub struct Comparison<'a> {
    pub instance: &'a Instance<'a>,
    pub judge: &'a dyn Evaluate,
    pub found: &'a Found,
    pub objective: Objective,
}

impl Comparison<'_> {
    /// Compares a placement with the plan.
    pub fn from(&self, path: &Path, before: &Placement, trade: Option<&Trade>) -> ChangeReport {
        let (instance, plan) = (self.instance, &self.found.plan);
        let change = Change::between(instance.model, before, &plan.placement);
        let evaluation = evaluate(instance, before);
        let before_error = evaluation.as_ref().err().map(ToString::to_string);
        let given = evaluation.ok().map(|evaluation| Plan {
            planner: String::new(),
            placement: before.clone(),
            evaluation,
        });
        let machine = |change: &helix_planner::MachineChange| MachineReport {
            machine: instance.cluster.machine(change.machine).name.clone(),
            what: match (change.before, change.after) {
                (None, _) => "added",
                (_, None) => "dropped",
                (before, after) if before == after => "reloaded",
                _ => "moved",
            },
            before: change.before.map(ends),
            after: change.after.map(ends),
            layers_to_load: change.layers,
            bytes_to_load: change.bytes.0,
        };
        ChangeReport {
            from: path.display().to_string(),
            before: given.as_ref().map(|plan| self.figures(plan)),
            before_error,
            after: self.figures(plan),
            layers_to_load: change.layers,
            bytes_to_load: change.bytes.0,
            load_s: change.load_seconds(instance.cluster),
            machines: change.machines.iter().map(machine).collect(),
            trade: trade.map(|trade| self.trade(trade)),
        }
    }

    fn figures(&self, plan: &Plan) -> Figures {
        let evaluation = &plan.evaluation;
        Figures {
            throughput_tokens_per_s: evaluation.throughput,
            predicted_decode_tokens_per_s: self.judge.decode_rate(self.instance, &plan.placement, evaluation),
            depth: evaluation.depth(),
            kv_tokens_at_bottleneck: evaluation.kv_tokens_at_bottleneck(),
            machines: plan.placement.machines.len(),
        }
    }

    fn trade(&self, trade: &Trade) -> TradeReport {
        let option = |point: &TradePoint| OptionReport {
            planner: point.planner.clone(),
            tokens_per_s: point.value,
            layers_to_load: point.change.layers,
            bytes_to_load: point.change.bytes.0,
            chosen: *point == trade.chosen,
        };
        TradeReport {
            objective: match self.objective {
                Objective::MaxFlow => "max-flow",
                Objective::Steady => "steady",
            },
            min_gain: trade.min_gain,
            running_tokens_per_s: trade.running,
            options: trade.options.iter().map(option).collect(),
        }
    }
}

fn ends(range: LayerRange) -> [u32; 2] {
    [range.start(), range.end()]
}

/// The change for people.
pub fn write(output: &mut impl Write, report: &ChangeReport) -> io::Result<()> {
    writeln!(output, "\nchange from {}", report.from)?;
    let count = |what: &str| report.machines.iter().filter(|machine| machine.what == what).count();
    if report.machines.is_empty() {
        writeln!(output, "  nothing: every machine holds what it held")?;
    } else {
        writeln!(
            output,
            "  {} moved, {} added, {} dropped; {} layers to load, {}, about {} from disk",
            count("moved") + count("reloaded"),
            count("added"),
            count("dropped"),
            report.layers_to_load,
            gigabytes(report.bytes_to_load),
            seconds(report.load_s)
        )?;
    }
    figures(output, report)?;
    for machine in report.machines.iter().take(MOST_MACHINES) {
        let range = |ends: Option<[u32; 2]>| ends.map_or("–".to_owned(), |[a, b]| format!("{a}..{b}"));
        writeln!(
            output,
            "  {:<9} {:<20} {:>9} → {:<9} {:>3} layers to load, {}",
            machine.what,
            machine.machine,
            range(machine.before),
            range(machine.after),
            machine.layers_to_load,
            gigabytes(machine.bytes_to_load)
        )?;
    }
    if report.machines.len() > MOST_MACHINES {
        writeln!(output, "  … and {} more", report.machines.len() - MOST_MACHINES)?;
    }
    match &report.trade {
        Some(trade) => write_trade(output, trade),
        None => Ok(()),
    }
}

fn figures(output: &mut impl Write, report: &ChangeReport) -> io::Result<()> {
    let Some(before) = report.before else {
        let why = report.before_error.as_deref().unwrap_or("it cannot run");
        return writeln!(output, "  what was before is worth nothing now: {why}");
    };
    let after = report.after;
    let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| format!("{rate:.0}"));
    writeln!(output, "  {:<34} {:>12} {:>12}", "", "before", "after")?;
    writeln!(
        output,
        "  {:<34} {:>12.1} {:>12.1}",
        "maximum flow [tokens/s]", before.throughput_tokens_per_s, after.throughput_tokens_per_s
    )?;
    writeln!(
        output,
        "  {:<34} {:>12} {:>12}",
        "decode, cheap estimate [tokens/s]",
        rate(before.predicted_decode_tokens_per_s),
        rate(after.predicted_decode_tokens_per_s)
    )?;
    for (name, before, after) in [
        ("longest pipeline [machines]", before.depth as u64, after.depth as u64),
        ("least cache of a layer [tokens]", before.kv_tokens_at_bottleneck, after.kv_tokens_at_bottleneck),
        ("machines with layers", before.machines as u64, after.machines as u64),
    ] {
        writeln!(output, "  {name:<34} {before:>12} {after:>12}")?;
    }
    Ok(())
}

fn write_trade(output: &mut impl Write, trade: &TradeReport) -> io::Result<()> {
    let best = trade.options.last().map_or(0.0, |option| option.tokens_per_s);
    writeln!(
        output,
        "  of the plans within {:.1} % of the best {} ({best:.1} tokens/s) the one that loads least is taken:",
        100.0 * trade.min_gain,
        trade.objective
    )?;
    for option in &trade.options {
        writeln!(
            output,
            "  {} {:>9.1} tokens/s  {:>5} layers to load, {:>9}  {}",
            if option.chosen { '>' } else { ' ' },
            option.tokens_per_s,
            option.layers_to_load,
            gigabytes(option.bytes_to_load),
            option.planner
        )?;
    }
    Ok(())
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", helix_spec::Bytes(bytes).gigabytes())
}

fn seconds(seconds: f64) -> String {
    if seconds >= 100.0 { format!("{:.0} min", seconds / 60.0) } else { format!("{seconds:.0} s") }
}
