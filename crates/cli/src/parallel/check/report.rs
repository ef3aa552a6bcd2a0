//! What the check found: every row for scripts, a table by model and ranks for people, and every miss by name.

use std::collections::BTreeMap;
use std::io::Write as _;

use helix_parallel::{Deviation, Layout};
use serde::Serialize;

use crate::exit_codes::Failure;
use crate::output::{Format, Output};

use super::{Arguments, Precision};

/// More misses than this are only counted.
const MOST_SHOWN: usize = 20;

/// One model or scenario, one layout, one precision.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    model: &'static str,
    ranks: u32,
    pp: u32,
    tpa: u32,
    kvp: u32,
    tpf: u32,
    ep: u32,
    precision: &'static str,
    tolerance: f64,
    /// Largest deviation relative to the output's scale; null when a number is missing or not a number.
    worst: Option<f64>,
    /// The way to execute that has it.
    worst_way: &'static str,
    misses: u64,
    numbers: u64,
    /// HOP-B on and off, and threads and turns, agree to the bit.
    pub bit_identical: Option<bool>,
    /// How the oracle computed attention: `expanded` or `absorbed` where it is latent, else `plain`.
    oracle: &'static str,
    /// Time of the sharded execution, filling of the caches included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Row {
    /// Nothing compared yet, of a model and the form of its oracle.
    pub fn new((model, oracle): (&'static str, &'static str), layout: Layout, precision: Precision) -> Self {
        let widths = layout.widths();
        Self {
            model,
            ranks: layout.ranks(),
            pp: widths.pipeline,
            tpa: widths.attention_tensor,
            kvp: widths.kv,
            tpf: widths.ffn_tensor,
            ep: widths.expert,
            precision: precision.name(),
            // One layer a stage.
            tolerance: precision.tolerance(widths.pipeline as usize),
            worst: Some(0.0),
            worst_way: "",
            misses: 0,
            numbers: 0,
            bit_identical: None,
            oracle,
            seconds: None,
        }
    }

    /// Takes in one way to execute.
    pub fn add(&mut self, way: &'static str, deviation: Deviation) {
        self.misses += deviation.misses;
        self.numbers += deviation.numbers;
        if self.worst.is_some_and(|worst| deviation.worst > worst) {
            self.worst = Some(deviation.worst).filter(|worst| worst.is_finite());
            self.worst_way = way;
        }
    }

    fn missed(&self) -> bool {
        self.misses > 0 || self.numbers == 0 || self.bit_identical == Some(false)
    }
}

/// All rows.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    passed: bool,
    ranks: u32,
    steps: u32,
    seed: u64,
    planted: Option<&'a str>,
    numbers: u64,
    misses: u64,
    worst: BTreeMap<&'static str, Option<f64>>,
    /// Every check.
    pub rows: Vec<Row>,
}

impl<'a> Report<'a> {
    /// Sums up.
    pub fn new(arguments: &'a Arguments, rows: Vec<Row>) -> Self {
        let mut worst: BTreeMap<&'static str, Option<f64>> = BTreeMap::new();
        for row in &rows {
            let entry = worst.entry(row.precision).or_insert(Some(0.0));
            *entry = entry.zip(row.worst).map(|(a, b)| a.max(b));
        }
        Self {
            passed: rows.iter().all(|row| !row.missed()),
            ranks: rows.iter().map(|row| row.ranks).max().unwrap_or(0),
            steps: if arguments.scenario.is_empty() { arguments.steps } else { 1 },
            seed: arguments.seed,
            planted: arguments.plant.as_deref(),
            numbers: rows.iter().map(|row| row.numbers).sum(),
            misses: rows.iter().map(|row| row.misses).sum(),
            worst,
            rows,
        }
    }

    /// Checks that miss their tolerance.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| row.missed()).count()
    }

    /// Writes it as the user asked.
    pub fn write(&self, output: &mut Output) -> Result<(), Failure> {
        if output.format == Format::Json {
            return Ok(output.json(self)?);
        }
        self.table(output)?;
        for row in self.rows.iter().filter(|row| row.missed()).take(MOST_SHOWN) {
            let Row { model, pp, tpa, kvp, tpf, ep, precision, worst_way, misses, numbers, .. } = row;
            let differ = row.bit_identical == Some(false);
            let bits = if differ { ", bits differ between threads, turns or chunks" } else { "" };
            writeln!(
                output,
                "MISS {model} PP {pp} TPA {tpa} KVP {kvp} TPF {tpf} EP {ep} in {precision}: {misses} of {numbers} \
                 numbers, worst {} by {worst_way}{bits}",
                show(row.worst)
            )?;
        }
        if self.missed() > MOST_SHOWN {
            writeln!(output, "… and {} more", self.missed() - MOST_SHOWN)?;
        }
        let verdict = if self.passed { "all within tolerance" } else { "NOT all within tolerance" };
        writeln!(
            output,
            "{} checks, {} numbers compared with the oracle: {verdict}",
            self.rows.len(),
            self.numbers
        )?;
        Ok(())
    }

    /// One line for each model and number of ranks, the worst of each precision.
    fn table(&self, output: &mut Output) -> Result<(), Failure> {
        let mut lines: BTreeMap<(&str, u32), Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            lines.entry((row.model, row.ranks)).or_default().push(row);
        }
        writeln!(
            output,
            "{:<18} {:>5} {:>7}  {:>10} {:>10} {:>10}  {:>6}  note",
            "model", "ranks", "layouts", "f64", "f32", "bf16", "misses"
        )?;
        for ((model, ranks), rows) in lines {
            let worst = |precision: Precision| {
                let of: Vec<&&Row> = rows.iter().filter(|row| row.precision == precision.name()).collect();
                let worst = of.iter().try_fold(0.0_f64, |worst, row| row.worst.map(|own| worst.max(own)));
                if of.is_empty() { "-".to_owned() } else { show(worst) }
            };
            let mut layouts: Vec<_> =
                rows.iter().map(|row| (row.pp, row.tpa, row.kvp, row.tpf, row.ep)).collect();
            layouts.sort_unstable();
            layouts.dedup();
            let misses: u64 = rows.iter().map(|row| row.misses).sum();
            let [f64, f32, bf16] = Precision::ALL.map(worst);
            writeln!(
                output,
                "{model:<18} {ranks:>5} {:>7}  {f64:>10} {f32:>10} {bf16:>10}  {misses:>6}  {}",
                layouts.len(),
                note(&rows)
            )?;
        }
        let [f64, f32, bf16] = Precision::ALL.map(|precision| precision.tolerance(1));
        Ok(writeln!(
            output,
            "{:<32}  {f64:>10.0e} {f32:>10.0e} {bf16:>10.0e}",
            "tolerance, twice at two stages"
        )?)
    }
}

fn note(rows: &[&Row]) -> String {
    if rows.iter().any(|row| row.bit_identical == Some(false)) {
        return "bits differ".to_owned();
    }
    let oracle = format!("{} oracle", rows.first().map_or("-", |row| row.oracle));
    let seconds: Option<f64> = rows.iter().map(|row| row.seconds).sum();
    match seconds {
        Some(seconds) => format!("{oracle}, {seconds:.1} s"),
        None if rows.iter().any(|row| row.bit_identical.is_none()) => oracle,
        None => format!("{oracle}, bit-identical with HOP-B and threads"),
    }
}

fn show(worst: Option<f64>) -> String {
    worst.map_or_else(|| "NaN".to_owned(), |worst| format!("{worst:.1e}"))
}
