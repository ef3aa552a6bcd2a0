//! The drawing of a plan for a terminal: one line a machine, its layers as a bar.

use std::fmt::Write as _;

use super::rows::Scene;

/// Columns of the bar.
const COLUMNS: u32 = 60;
/// More machines than this are not drawn one by one.
const MOST_ROWS: usize = 64;

/// One line a machine: name, type, bar (`█` used, `▒` capacity to spare, `░` idle), layers, tokens/s. `*` marks the cut.
pub fn chart(scene: &Scene<'_>) -> String {
    let layers = scene.report.model_layers.max(1);
    let width = |text: &str| text.chars().count();
    let name_width = scene.rows().map(|row| width(&row.name)).max().unwrap_or(0);
    let type_width = scene.rows().map(|row| width(&row.machine_type)).max().unwrap_or(0);
    let mut text = String::new();
    let mut shown = 0;
    for group in &scene.groups {
        if scene.groups.len() > 1 && shown < MOST_ROWS {
            let _ = writeln!(text, "  {}", group.region);
        }
        for row in &group.rows {
            shown += 1;
            if shown > MOST_ROWS {
                continue;
            }
            let column = |layer: u32| layer * COLUMNS / layers;
            let (start, end) = (column(row.start), column(row.end).max(column(row.start) + 1).min(COLUMNS));
            let start = start.min(end - 1);
            let share = if row.capacity > 0.0 { row.flow / row.capacity } else { 0.0 };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a few columns"
            )]
            let used = (f64::from(end - start) * share).round() as u32;
            let bar: String = (0..COLUMNS)
                .map(|at| match at {
                    _ if at < start || at >= end => '·',
                    _ if row.flow <= 0.0 => '░',
                    _ if at < start + used.max(1) => '█',
                    _ => '▒',
                })
                .collect();
            let mark = if row.in_cut { '*' } else { ' ' };
            let _ = writeln!(
                text,
                "{mark} {:name_width$}  {:type_width$}  {bar}  {:>3}..{:<3} {:>8.1} of {:>8.1} tok/s",
                row.name, row.machine_type, row.start, row.end, row.flow, row.capacity
            );
        }
    }
    if shown > MOST_ROWS {
        let _ = writeln!(text, "  … and {} more machines (see the JSON or the picture)", shown - MOST_ROWS);
    }
    text
}
