//! `--figure1`: the rooflines of the paper's figure 1, its latent variant, and the timing of figure 3.

mod pictures;

use std::fmt::Write as _;
use std::io::Write as _;

use helix_cost::layout::{
    Hardware, LatentRoofline, LayerRoofline, OutputProjection, hop_b_seconds, serial_seconds,
};
use serde::Serialize;

use crate::exit_codes::Failure;
use crate::files::write;
use crate::output::{Format, Output};
use crate::parallel::numbers::{count, short};

use super::{Arguments, html};

/// The context of the left and right panels \[tokens\].
const CONTEXT: u64 = 1_000_000;

/// The context of the latent panel \[tokens\].
const LATENT_CONTEXT: u64 = 1 << 20;

/// Requests, attention and exchange of figure 3 \[time units\].
const FIGURE_3: (u32, f64, f64) = (8, 2.0, 1.2);

/// Time to read cache and weights of one layer \[us\].
#[derive(Debug, Clone, Copy, Serialize)]
struct Row {
    tpa: u32,
    kvp: u32,
    tpf: u32,
    context: u64,
    kv_us: f64,
    weights_us: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct LatentRow {
    kvp: u32,
    context: u64,
    kv_us: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Figure3 {
    requests: u32,
    attention: f64,
    exchange: f64,
    serial: f64,
    hop_b: f64,
}

/// All tables.
#[derive(Debug, Clone, Serialize)]
pub struct Tables {
    output_projection: &'static str,
    /// TPA = TPF = TP.
    left: Vec<Row>,
    /// TP 8 over contexts.
    middle: Vec<Row>,
    /// Context at which cache and weights take as long.
    crossover_tokens: f64,
    /// TPA 8 over KVP, the feed-forward over all ranks.
    right: Vec<Row>,
    /// The cache of latent attention in 8 bits over KVP.
    latent: Vec<LatentRow>,
    figure_3: Figure3,
}

impl Tables {
    fn new(hardware: &Hardware, projection: OutputProjection) -> Self {
        let roofline = LayerRoofline::figure1(hardware.memory_bandwidth, projection);
        let row = |(tpa, kvp, tpf): (u32, u32, u32), context: u64| Row {
            tpa,
            kvp,
            tpf,
            context,
            kv_us: roofline.kv_seconds(tpa, kvp, context) * 1e6,
            weights_us: roofline.weight_seconds(tpa, kvp, tpf) * 1e6,
        };
        let latent = LatentRoofline::figure1(hardware.memory_bandwidth);
        let (requests, attention, exchange) = FIGURE_3;
        Self {
            output_projection: match projection {
                OutputProjection::AsPrinted => "as-printed",
                OutputProjection::Sharded => "sharded",
            },
            left: (0..7).map(|power| 1 << power).map(|tp| row((tp, 1, tp), CONTEXT)).collect(),
            middle: (15..=24).map(|power| row((8, 1, 8), 1 << power)).collect(),
            crossover_tokens: roofline.crossover(8, 1, 8),
            right: [1, 2, 4, 8].map(|kvp| row((8, kvp, 8 * kvp), CONTEXT)).to_vec(),
            latent: [1, 2, 4, 8, 16, 32, 64]
                .map(|kvp| LatentRow {
                    kvp,
                    context: LATENT_CONTEXT,
                    kv_us: latent.kv_seconds(kvp, LATENT_CONTEXT) * 1e6,
                })
                .to_vec(),
            figure_3: Figure3 {
                requests,
                attention,
                exchange,
                serial: serial_seconds(requests, attention, exchange),
                hop_b: hop_b_seconds(requests, attention, exchange),
            },
        }
    }
}

/// Prints the tables and writes the files.
pub fn run(
    arguments: &Arguments,
    hardware: &Hardware,
    projection: OutputProjection,
    output: &mut Output,
) -> Result<(), Failure> {
    let tables = Tables::new(hardware, projection);
    if let Some(path) = &arguments.csv {
        write(path, &csv(&tables))?;
    }
    if let Some(path) = &arguments.svg {
        write(path, &pictures::all(&tables))?;
    }
    if let Some(path) = &arguments.html {
        let text = format!("<pre>{}</pre>", text(&tables));
        write(path, &html::document("Rooflines of Helix parallelism", &[pictures::all(&tables), text]))?;
    }
    match output.format {
        Format::Text => write!(output, "{}", text(&tables))?,
        Format::Json => output.json(&tables)?,
    }
    Ok(())
}

fn csv(tables: &Tables) -> String {
    let mut text = String::from("panel,tpa,kvp,tpf,context,kv_us,weights_us\n");
    for (panel, rows) in [("left", &tables.left), ("middle", &tables.middle), ("right", &tables.right)] {
        for row in rows {
            let Row { tpa, kvp, tpf, context, kv_us, weights_us } = row;
            writeln!(text, "{panel},{tpa},{kvp},{tpf},{context},{kv_us:.3},{weights_us:.3}")
                .expect("a string takes all text");
        }
    }
    for LatentRow { kvp, context, kv_us } in &tables.latent {
        writeln!(text, "latent,1,{kvp},,{context},{kv_us:.3},").expect("a string takes all text");
    }
    text
}

fn text(tables: &Tables) -> String {
    let mut lines = vec![
        "Time to read cache and weights of one layer: batch 8, 128 query heads, 8 KV heads of 128, feed-forward 65,536, \
         4 bits"
            .to_owned(),
        format!("output projection {}", match tables.output_projection {
            "sharded" => "shared over TPA x KVP, as the method does",
            _ => "shared over TPA, as appendix A prints",
        }),
    ];
    let mut table = |title: String, rows: &[Row]| {
        lines.push(format!("\n{title}"));
        lines.push("  TPA  KVP  TPF     context     cache us   weights us".to_owned());
        lines.extend(rows.iter().map(|row| {
            format!(
                "  {:>3}  {:>3}  {:>3}  {:>10}  {:>11.3}  {:>11.3}",
                row.tpa,
                row.kvp,
                row.tpf,
                count(row.context),
                row.kv_us,
                row.weights_us
            )
        }));
    };
    table("Tensor parallelism (left): beyond 8 KV heads it copies the cache".to_owned(), &tables.left);
    table("Context (middle)".to_owned(), &tables.middle);
    table("KV parallelism (right): the cache is shared further, the weights too".to_owned(), &tables.right);
    lines.push(format!(
        "\nCache and weights take as long at {} tokens (TP 8)",
        short(tables.crossover_tokens)
    ));
    lines.push("\nLatent attention, 8 bits, 1,048,576 tokens".to_owned());
    lines.extend(tables.latent.iter().map(|row| format!("  KVP {:>2}  {:>9.3} us", row.kvp, row.kv_us)));
    let Figure3 { requests, attention, exchange, serial, hop_b } = tables.figure_3;
    lines.push(format!(
        "\nHOP-B (figure 3): {requests} requests of {attention} attention and {exchange} exchange take {serial:.1} one \
         after the other, {hop_b:.1} overlapped (the paper says 17)\n"
    ));
    lines.join("\n")
}
