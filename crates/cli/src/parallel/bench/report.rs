//! What the bench says: a block of lines for each context, the original's line among them, or JSON.

use std::io::Write as _;

use helix_parallel::{Layout, Packing, Reads, Wire, tolerance};
use serde::Serialize;

use crate::exit_codes::{Failure, Kind};
use crate::output::{Format, Output};

use super::measure::{Measured, Phases};

/// One context.
#[derive(Debug, Serialize)]
pub struct Line {
    ctx_len: u64,
    /// Cached tokens of the rank that holds most of them.
    ctx_len_per_gpu: u64,
    batch: u32,
    kind: &'static str,
    steps: usize,
    layers_per_step: u32,
    /// Time of all timed steps.
    total_ms: f64,
    ms_per_layer: f64,
    ms_per_layer_least: f64,
    ms_per_layer_most: f64,
    phases_ms: Phases,
    expected_tpot_ms: f64,
    /// 1000 · batch / TPOT, as in the original.
    throughput: f64,
    bytes_read_per_rank: Read,
    /// What rank 0 sends to others for one layer.
    bytes_exchanged_per_rank: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_rank: Option<OneRank>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    original: String,
}

/// What a rank reads for one layer \[bytes\].
#[derive(Debug, Clone, Copy, Serialize)]
struct Read {
    weights: f64,
    cache: f64,
}

/// The same on one rank, and how many times faster the layout is.
#[derive(Debug, Clone, Copy, Serialize)]
struct OneRank {
    ms_per_layer: f64,
    phases_ms: Phases,
    speedup: f64,
    attention_speedup: f64,
}

/// The first step against the oracle.
#[derive(Debug, Clone, Copy, Serialize)]
struct Check {
    passed: bool,
    /// How the oracle computed latent attention.
    oracle: &'static str,
    /// Relative to the largest number of the oracle's output.
    worst: Option<f64>,
    tolerance: f64,
    misses: u64,
    numbers: u64,
}

impl Line {
    /// From what was measured; what belongs to the whole run is added by [`Report::add`].
    pub fn new(
        (kind, batch): (&'static str, u32),
        (context, longest_part): (u64, u64),
        (reads, packing): (Reads, Packing),
        measured: &Measured,
        single: Option<&Measured>,
    ) -> Self {
        let layer = per_layer(measured);
        let check = measured.deviation.map(|(oracle, deviation)| Check {
            oracle,
            passed: deviation.passes(),
            worst: Some(deviation.worst).filter(|worst| worst.is_finite()),
            tolerance: tolerance::<f32>(Wire::F32, 1),
            misses: deviation.misses,
            numbers: deviation.numbers,
        });
        let one_rank = single.map(|single| {
            let alone = per_layer(single);
            OneRank {
                ms_per_layer: alone.mean,
                phases_ms: single.phases,
                speedup: alone.mean / layer.mean,
                attention_speedup: single.phases.attention / measured.phases.attention,
            }
        });
        let calls = measured.steps.len() as f64 * f64::from(measured.repeats);
        Self {
            ctx_len: context,
            ctx_len_per_gpu: longest_part,
            batch,
            kind,
            steps: measured.steps.len(),
            layers_per_step: measured.repeats,
            total_ms: layer.total,
            ms_per_layer: layer.mean,
            ms_per_layer_least: layer.least,
            ms_per_layer_most: layer.most,
            phases_ms: measured.phases,
            expected_tpot_ms: 0.0,
            throughput: 0.0,
            bytes_read_per_rank: Read { weights: reads.weight_bytes(packing, 4), cache: reads.cache * 4.0 },
            bytes_exchanged_per_rank: measured.traffic.first().map_or(0, helix_parallel::Traffic::sent_bytes)
                as f64
                / calls,
            one_rank,
            check,
            original: String::new(),
        }
    }
}

struct PerLayer {
    total: f64,
    mean: f64,
    least: f64,
    most: f64,
}

fn per_layer(measured: &Measured) -> PerLayer {
    let times: Vec<f64> = measured.steps.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    let total: f64 = times.iter().sum();
    let repeats = f64::from(measured.repeats);
    PerLayer {
        total,
        mean: total / times.len() as f64 / repeats,
        least: times.iter().copied().fold(f64::INFINITY, f64::min) / repeats,
        most: times.iter().copied().fold(0.0, f64::max) / repeats,
    }
}

/// All contexts.
#[derive(Debug, Serialize)]
pub struct Report {
    ranks: u32,
    tp: u32,
    kvp: u32,
    ep: u32,
    cores: usize,
    /// More ranks than cores: times say nothing about speed.
    oversubscribed: bool,
    model_layers: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    experts_held: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experts_routed: Option<u32>,
    lines: Vec<Line>,
}

impl Report {
    /// Without lines yet; `experts` are those routed and those held.
    pub fn new(layout: Layout, model_layers: u32, experts: Option<(u32, u32)>) -> Self {
        let widths = layout.widths();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            ranks: layout.ranks(),
            tp: widths.attention_tensor,
            kvp: widths.kv,
            ep: widths.expert,
            cores,
            oversubscribed: layout.ranks() as usize > cores,
            model_layers,
            experts_routed: experts.map(|(routed, _)| routed),
            experts_held: experts.map(|(_, held)| held),
            lines: Vec::new(),
        }
    }

    /// Adds a context.
    pub fn add(&mut self, mut line: Line) {
        line.expected_tpot_ms = line.ms_per_layer * f64::from(self.model_layers);
        line.throughput = 1000.0 * f64::from(line.batch) / line.expected_tpot_ms;
        line.original = format!(
            "Rank 0 {}-GPU: time taken for {} steps of {}, ctx_len/ctx_len_per_gpu/tp/kvp/ep: {}/{}/{}/{}/{}: {:.3} ms, \
             expected TPOT: {:.3} ms, throughput: {:.3} DS decoder layer/s",
            self.ranks,
            line.steps,
            line.kind,
            line.ctx_len,
            line.ctx_len_per_gpu,
            self.tp,
            self.kvp,
            self.ep,
            line.total_ms,
            line.expected_tpot_ms,
            line.throughput
        );
        self.lines.push(line);
    }

    /// Writes it as the user asked.
    pub fn write(&self, output: &mut Output) -> Result<(), Failure> {
        if output.format == Format::Json {
            return Ok(output.json(self)?);
        }
        writeln!(output, "{} ranks as threads on {} cores", self.ranks, self.cores)?;
        if self.oversubscribed {
            writeln!(
                output,
                "OVERSUBSCRIBED: more ranks than cores take turns; these times say nothing about speed"
            )?;
        }
        if let (Some(routed), Some(held)) = (self.experts_routed, self.experts_held)
            && held < routed
        {
            writeln!(
                output,
                "ALIASED EXPERTS: {routed} experts are routed, {held} are held and the others share theirs"
            )?;
        }
        for line in &self.lines {
            line.write(output)?;
        }
        Ok(())
    }

    /// An error where a check missed.
    pub fn verdict(&self) -> Result<(), Failure> {
        let missed = |line: &&Line| line.check.is_some_and(|check| !check.passed);
        match self.lines.iter().filter(missed).count() {
            0 => Ok(()),
            count => {
                Err(Failure::new(Kind::Other, format!("{count} contexts miss the tolerance of the oracle")))
            }
        }
    }
}

impl Line {
    fn write(&self, output: &mut Output) -> Result<(), Failure> {
        writeln!(output, "{}", self.original)?;
        let Phases { projection, attention, output: projected, ffn } = self.phases_ms;
        writeln!(
            output,
            "  a layer {:.3} ms ({:.3} to {:.3}): projection {projection:.3}, attention {attention:.3}, output \
             {projected:.3}, ffn {ffn:.3}",
            self.ms_per_layer, self.ms_per_layer_least, self.ms_per_layer_most
        )?;
        writeln!(
            output,
            "  a rank reads {:.1} MB of weights and {:.1} MB of cache and sends {:.1} kB",
            self.bytes_read_per_rank.weights / 1e6,
            self.bytes_read_per_rank.cache / 1e6,
            self.bytes_exchanged_per_rank / 1e3
        )?;
        if let Some(OneRank { ms_per_layer, phases_ms, speedup, attention_speedup }) = self.one_rank {
            writeln!(
                output,
                "  one rank takes {ms_per_layer:.3} ms, attention {:.3}: the layer is {speedup:.2} times as fast, attention \
                 {attention_speedup:.2} times",
                phases_ms.attention
            )?;
        }
        if let Some(Check { passed, oracle, worst, tolerance, misses, numbers }) = self.check {
            let verdict = if passed { "within" } else { "NOT within" };
            let worst = worst.map_or_else(|| "NaN".to_owned(), |worst| format!("{worst:.1e}"));
            writeln!(
                output,
                "  the first step is {verdict} {tolerance:.0e} of the {oracle} oracle: {worst}, {misses} of {numbers} numbers miss"
            )?;
        }
        Ok(())
    }
}
