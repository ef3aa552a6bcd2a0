//! Bars with error bars, as SVG: a group a placement, a bar a scheduler.

use std::fmt::Write as _;

use super::statistics::Estimate;
use crate::picture::escape;
use crate::simulate::{COLOURS, short};

const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 34.0;

/// A group of bars: its name, and a bar for each series; none where there is no figure.
pub struct Group<'a> {
    pub name: &'a str,
    pub bars: Vec<Option<Estimate>>,
}

/// A picture of groups. Series are told apart by colour; `legend` names them.
pub fn bars(groups: &[Group<'_>], legend: &[String], unit: &str) -> String {
    let tallest = |bar: &Estimate| bar.mean + bar.ci95.unwrap_or(0.0).min(bar.mean);
    let most = groups.iter().flat_map(|group| group.bars.iter().flatten()).map(tallest).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.08 } else { 1.0 };
    let y = |value: f64| HEIGHT - BOTTOM - value / most * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-size=\"11\" font-family=\"system-ui, sans-serif\" role=\"img\">\n"
    );
    for step in 0..=4 {
        let value = most * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"currentColor\" opacity=\".15\"/>\
             <text x=\"{1:.1}\" y=\"{2:.1}\" text-anchor=\"end\" fill=\"currentColor\">{3}</text>",
            y(value),
            LEFT - 6.0,
            y(value) + 4.0,
            short(value)
        );
    }
    let _ =
        writeln!(svg, "<text x=\"4\" y=\"10\" fill=\"currentColor\" opacity=\".7\">{}</text>", escape(unit));
    let room = (WIDTH - LEFT) / groups.len().max(1) as f64;
    for (index, group) in groups.iter().enumerate() {
        let start = LEFT + room * index as f64;
        draw_group(&mut svg, group, (start, room), (&y, legend));
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_group(
    svg: &mut String,
    group: &Group<'_>,
    (start, room): (f64, f64),
    (y, legend): (&dyn Fn(f64) -> f64, &[String]),
) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"currentColor\">{}</text>",
        start + room / 2.0,
        HEIGHT - 14.0,
        escape(group.name)
    );
    let width = (room * 0.8 / group.bars.len().max(1) as f64).min(90.0);
    let first = start + (room - width * group.bars.len() as f64) / 2.0;
    for (series, bar) in group.bars.iter().enumerate() {
        let left = first + width * series as f64;
        let middle = left + width / 2.0;
        let name = legend.get(series).map_or("", String::as_str);
        let Some(bar) = bar else {
            let _ = writeln!(
                svg,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"currentColor\" opacity=\".6\">–<title>{}: \
                 no figure</title></text>",
                y(0.0) - 4.0,
                escape(name)
            );
            continue;
        };
        let (top, colour) = (y(bar.mean), COLOURS[series % COLOURS.len()]);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"><title>{}: {:.3}</title></rect>",
            left + 1.0,
            width - 2.0,
            y(0.0) - top,
            escape(name),
            bar.mean
        );
        if let Some(ci) = bar.ci95 {
            let (high, low) = (y(bar.mean + ci.min(bar.mean)), y(bar.mean - ci.min(bar.mean)));
            let _ = writeln!(
                svg,
                "<line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{high:.1}\" y2=\"{low:.1}\" stroke=\"currentColor\" \
                 stroke-width=\"1.5\"/>"
            );
        }
        if width > 30.0 {
            let _ = writeln!(
                svg,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#fff\">{}</text>",
                y(0.0) - 5.0,
                short(bar.mean)
            );
        }
    }
}

/// Coloured squares with names.
pub fn legend(names: &[String]) -> String {
    let entry = |(index, name): (usize, &String)| {
        format!("<b style=\"color:{}\">■</b> {} ", COLOURS[index % COLOURS.len()], escape(name))
    };
    format!("<p>{}</p>\n", names.iter().enumerate().map(entry).collect::<String>())
}
