//! Curves and bars as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
/// Room for the unit of the y axis above the topmost line.
const TOP: f64 = 24.0;

/// Colours of runs: Okabe and Ito's.
pub const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c3e"];

/// A curve: its colour, its name, its points.
pub struct Curve<'a> {
    pub colour: &'a str,
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
}

/// The mean of every few values, so that noise does not fill the picture.
pub fn smoothed(step: f64, values: &[f64]) -> Vec<(f64, f64)> {
    let group = values.len().div_ceil(160).max(1);
    let point = |(index, values): (usize, &[f64])| {
        let middle = (index * group) as f64 + values.len() as f64 / 2.0;
        (middle * step, values.iter().sum::<f64>() / values.len() as f64)
    };
    values.chunks(group).enumerate().map(point).collect()
}

/// Curves in one picture with its axes.
pub fn chart(curves: &[Curve<'_>], x_unit: &str, y_unit: &str) -> String {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let most_x = all().map(|point| point.0).fold(0.0, f64::max).max(1e-9);
    let most_y = nice(all().map(|point| point.1).fold(0.0, f64::max));
    let x = |value: f64| LEFT + value / most_x * (WIDTH - LEFT - 12.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / most_y * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-size=\"11\" font-family=\"system-ui, sans-serif\" role=\"img\">\n"
    );
    for step in 0..=4 {
        let (part, level) = (f64::from(step) / 4.0, y(most_y * f64::from(step) / 4.0));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{level:.1}\" y2=\"{level:.1}\" stroke=\"currentColor\" opacity=\".15\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"currentColor\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"currentColor\">{}</text>",
            LEFT - 6.0,
            level + 4.0,
            short(most_y * part),
            x(most_x * part).min(WIDTH - 20.0),
            HEIGHT - BOTTOM + 16.0,
            short(most_x * part),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"4\" y=\"11\" fill=\"currentColor\" opacity=\".7\">{y_unit}</text>\
         <text x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"currentColor\" opacity=\".7\">{x_unit}</text>",
        HEIGHT - 6.0
    );
    for curve in curves {
        let points: Vec<String> =
            curve.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"><title>{}</title></polyline>",
            points.join(" "),
            curve.colour,
            curve.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A round number that is at least as large.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

/// A number with about three digits.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}
