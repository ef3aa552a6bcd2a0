//! The points of all frontiers as CSV.

use std::fmt::Write as _;

use helix_cost::layout::Point;

use super::evaluation::Evaluation;

/// One line a point: model, strategy, layout, load, what it does.
pub fn points(evaluation: &Evaluation) -> String {
    let mut text = String::from(
        "model,strategy,pp,tpa,kvp,tpf,ep,gpus,batch,users,ttl_ms,tokens_per_s_user,tokens_per_s_gpu,weights_gb,cache_gb\n",
    );
    for report in &evaluation.models {
        for (strategy, frontier) in &report.frontiers {
            for point in frontier.points() {
                let name = quoted(&report.model.name);
                writeln!(text, "{name},{},{}", strategy.name(), line(point))
                    .expect("a string takes all text");
            }
        }
    }
    text
}

fn line(point: &Point) -> String {
    let (config, found) = (point.config, point.performance);
    format!(
        "{},{},{},{},{},{},{},{},{:.6},{:.4},{:.4},{:.3},{:.3}",
        config.pipeline(),
        config.tensor(),
        config.kv(),
        config.ffn_tensor(),
        config.expert(),
        config.devices(),
        point.batch,
        found.users,
        found.ttl_s * 1e3,
        found.tokens_per_s_user,
        found.tokens_per_s_gpu,
        found.memory.weights / 1e9,
        found.memory.cache / 1e9
    )
}

/// A field in quotes where it holds what would end it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
