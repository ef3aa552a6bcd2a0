//! The drawing of a plan as SVG, written directly: bars, curves and text need no library.

use std::fmt::Write as _;

use super::palette::{CUT, colours};
use super::rows::{Row, Scene};

const WIDTH: f64 = 1240.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 92.0;
const PROFILE: f64 = 110.0;
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 18.0;
/// Letters of a machine's name and of a type's that have room; the hint has the whole name.
const NAME_LETTERS: usize = 14;
const TYPE_LETTERS: usize = 28;

/// Where things are.
struct Frame {
    row: f64,
    bar: f64,
    layers: f64,
    flow_scale: f64,
    ys: Vec<f64>,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn new(scene: &Scene<'_>) -> Self {
        let rows = scene.rows().count();
        let row = match rows {
            0..=60 => 26.0,
            61..=200 => 14.0,
            _ => 6.0,
        };
        let mut ys = Vec::with_capacity(rows);
        let top = TOP + legend(scene).1;
        let mut y = top;
        for group in &scene.groups {
            y += if scene.groups.len() > 1 { 24.0 } else { 6.0 };
            for _ in &group.rows {
                ys.push(y);
                y += row;
            }
        }
        let most = scene.ribbons.iter().map(|ribbon| ribbon.flow).fold(1.0, f64::max);
        let bar = row * 0.62;
        Self {
            row,
            bar,
            layers: f64::from(scene.report.model_layers),
            flow_scale: bar * 0.8 / most,
            ys,
            top,
            bottom: y + 14.0,
        }
    }

    fn x(&self, layer: u32) -> f64 {
        LEFT + f64::from(layer) / self.layers * (WIDTH - LEFT - RIGHT)
    }

    fn middle(&self, row: usize) -> f64 {
        self.ys[row] + self.bar / 2.0
    }
}

/// Text that is safe inside SVG and HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The whole drawing. Colours of text and lines follow `color`, so that it fits on light and on dark paper.
pub fn drawing(scene: &Scene<'_>) -> String {
    let frame = Frame::new(scene);
    let height = frame.bottom + PROFILE + 70.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\">\n\
         <style>svg {{ color: #222; background: #fff }} \
         @media (prefers-color-scheme: dark) {{ svg {{ color: #ddd; background: #1b1d21 }} }} \
         text {{ fill: currentColor }} .faint {{ opacity: .65 }}</style>\n"
    );
    heading(&mut svg, scene);
    axis(&mut svg, &frame, scene);
    for ribbon in &scene.ribbons {
        curve(&mut svg, &frame, scene, ribbon);
    }
    bars(&mut svg, &frame, scene);
    profile(&mut svg, &frame, scene);
    svg.push_str("</svg>\n");
    svg
}

fn heading(svg: &mut String, scene: &Scene<'_>) {
    let report = scene.report;
    let title =
        format!("{} on {}: {:.1} tokens/s", report.model, report.cluster, report.throughput_tokens_per_s);
    let below = format!(
        "planner {} · {:.0} % of the bound {:.1} · {} machines of {} carry tokens · longest pipeline {} machines",
        report.planner,
        100.0 * report.throughput_tokens_per_s / report.upper_bound_tokens_per_s.max(f64::MIN_POSITIVE),
        report.upper_bound_tokens_per_s,
        scene.rows().filter(|row| row.flow > 0.0).count(),
        scene.rows().count() + report.unused_machines.len()
            - scene.rows().filter(|row| row.flow <= 0.0).count(),
        report.depth,
    );
    put(
        svg,
        format_args!(
            "<text x=\"16\" y=\"26\" font-size=\"18\" font-weight=\"600\">{}</text>\n",
            escape(&title)
        ),
    );
    put(svg, format_args!("<text x=\"16\" y=\"46\" class=\"faint\">{}</text>\n", escape(&below)));
    let (places, lower) = legend(scene);
    for (name, colour, x, y) in places {
        let box_y = y - 10.0;
        put(
            svg,
            format_args!("<rect x=\"{x:.1}\" y=\"{box_y}\" width=\"12\" height=\"12\" rx=\"2\" {colour}/>"),
        );
        put(svg, format_args!("<text x=\"{:.1}\" y=\"{y}\">{}</text>\n", x + 17.0, escape(&name)));
    }
    let y = 68.0 + lower;
    let x = WIDTH - 20.0;
    put(
        svg,
        format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" class=\"faint\">filled: used share of a machine · curves: tokens/s</text>\n"
        ),
    );
}

/// The entries of the legend (name, how its box is painted, left edge, base line), and how much lower than the first its last
/// line is.
fn legend(scene: &Scene<'_>) -> (Vec<(String, String, f64, f64)>, f64) {
    let palette = colours(scene.rows().map(|row| row.machine_type.as_str()));
    let types = palette
        .into_iter()
        .map(|(name, colour)| (shortened(name, TYPE_LETTERS), format!("fill=\"{colour}\"")));
    let cut = ("bottleneck".to_owned(), format!("fill=\"none\" stroke=\"{CUT}\" stroke-width=\"2\""));
    let (mut x, mut lower) = (16.0, 0.0);
    let mut places = Vec::new();
    for (name, paint) in types.chain([cut]) {
        let width = 36.0 + 7.2 * name.chars().count() as f64;
        // To the right of the last line stands what curves and fillings mean.
        if x > 16.0 && x + width > WIDTH - 330.0 {
            (x, lower) = (16.0, lower + LEGEND_LINE);
        }
        places.push((name, paint, x, 68.0 + lower));
        x += width;
    }
    (places, lower)
}

/// A name that has room: its beginning and its end, where machines differ.
fn shortened(name: &str, letters: usize) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= letters {
        return name.to_owned();
    }
    let (head, tail) = (letters / 2, letters - letters / 2 - 1);
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

fn axis(svg: &mut String, frame: &Frame, scene: &Scene<'_>) {
    let layers = scene.report.model_layers;
    let step = [1u32, 2, 5, 10, 20, 50, 100].into_iter().find(|step| layers / step <= 16).unwrap_or(200);
    for layer in (0..=layers).step_by(step as usize) {
        let (x, y) = (frame.x(layer), frame.bottom + PROFILE + 34.0);
        put(
            svg,
            format_args!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"currentColor\" opacity=\".12\"/>",
                frame.top,
                y - 14.0
            ),
        );
        put(
            svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" class=\"faint\">{layer}</text>\n"
            ),
        );
    }
    let (middle, y) = (f64::midpoint(LEFT, WIDTH - RIGHT), frame.bottom + PROFILE + 54.0);
    put(
        svg,
        format_args!(
            "<text x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" class=\"faint\">layer</text>\n"
        ),
    );
}

fn curve(svg: &mut String, frame: &Frame, scene: &Scene<'_>, ribbon: &super::rows::Ribbon) {
    let rows: Vec<&Row> = scene.rows().collect();
    let from = ribbon.from.map(|row| (frame.x(rows[row].end) - 1.5, frame.middle(row)));
    let to = ribbon.to.map(|row| {
        // With partial inference a request enters where the sender's layers end, not where the receiver's begin.
        let entry = ribbon.from.map_or(0, |from| rows[from].end).max(rows[row].start);
        (frame.x(entry) + 1.5, frame.middle(row))
    });
    let path = match (from, to) {
        (Some((x1, y1)), Some((x2, y2))) => {
            let bend = 14.0 + 0.10 * (y2 - y1).abs().min(160.0);
            format!("M{x1:.1} {y1:.1} C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + bend, x2 - bend)
        }
        (None, Some((x, y))) => format!("M{:.1} {y:.1} L{x:.1} {y:.1}", LEFT - 22.0),
        (Some((x, y)), None) => format!("M{x:.1} {y:.1} L{:.1} {y:.1}", x + 22.0),
        (None, None) => return,
    };
    let width = (ribbon.flow * frame.flow_scale).max(0.8);
    let (colour, opacity) = if ribbon.in_cut { (CUT, 0.8) } else { ("currentColor", 0.32) };
    put(
        svg,
        format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"{opacity}\" stroke-width=\"{width:.1}\">\
         <title>{}</title></path>\n",
            escape(&ribbon.label)
        ),
    );
}

fn bars(svg: &mut String, frame: &Frame, scene: &Scene<'_>) {
    let palette = colours(scene.rows().map(|row| row.machine_type.as_str()));
    let mut number = 0;
    for group in &scene.groups {
        if scene.groups.len() > 1 {
            let y = frame.ys[number] - 7.0;
            put(
                svg,
                format_args!(
                    "<text x=\"16\" y=\"{y:.1}\" font-weight=\"600\">{}</text>\n",
                    escape(&group.region)
                ),
            );
        }
        for row in &group.rows {
            bar(svg, frame, row, frame.ys[number], &palette[row.machine_type.as_str()]);
            number += 1;
        }
    }
}

fn bar(svg: &mut String, frame: &Frame, row: &Row, y: f64, colour: &str) {
    let (x, end) = (frame.x(row.start) + 1.5, frame.x(row.end) - 1.5);
    let (width, height) = (end - x, frame.bar);
    let share = if row.capacity > 0.0 { (row.flow / row.capacity).clamp(0.0, 1.0) } else { 0.0 };
    let stroke = if row.in_cut {
        format!("stroke=\"{CUT}\" stroke-width=\"2.5\"")
    } else {
        format!("stroke=\"{colour}\"")
    };
    put(
        svg,
        format_args!(
            "<g><title>{}: layers {}..{}, {:.1} of {:.1} tok/s</title>\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"{colour}\" fill-opacity=\".25\" {stroke}/>\
         <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"{colour}\"/></g>\n",
            escape(&row.name),
            row.start,
            row.end,
            row.flow,
            row.capacity,
            width * share
        ),
    );
    if frame.row < 12.0 {
        return;
    }
    let size = if frame.row > 20.0 { 12 } else { 10 };
    let text = y + height / 2.0 + f64::from(size) * 0.36;
    let faint = if row.flow > 0.0 { "" } else { " class=\"faint\"" };
    let name = escape(&shortened(&row.name, NAME_LETTERS));
    put(svg, format_args!("<text x=\"16\" y=\"{text:.1}\" font-size=\"{size}\"{faint}>{name}</text>"));
    let said = if row.flow > 0.0 {
        format!("{:.0} of {:.0} tok/s", row.flow, row.capacity)
    } else {
        "idle".to_owned()
    };
    let x = WIDTH - RIGHT + 34.0;
    put(svg, format_args!("<text x=\"{x}\" y=\"{text:.1}\" font-size=\"{size}\"{faint}>{said}</text>\n"));
}

/// Below the rows: what all holders of each layer could compute together, and the plan's throughput as a line.
fn profile(svg: &mut String, frame: &Frame, scene: &Scene<'_>) {
    let most =
        scene.layer_capacity.iter().copied().fold(scene.report.throughput_tokens_per_s, f64::max).max(1.0);
    // A few very strong layers must not flatten the rest.
    let mut sorted = scene.layer_capacity.clone();
    sorted.sort_by(f64::total_cmp);
    let typical = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(most);
    let top = most.min(1.3 * typical.max(scene.report.throughput_tokens_per_s)).max(1.0);
    let base = frame.bottom + PROFILE + 10.0;
    let y = |value: f64| base - (value.min(top) / top) * (PROFILE - 18.0);
    let mut path = format!("M{:.1} {base:.1}", frame.x(0));
    for (layer, capacity) in (0u32..).zip(&scene.layer_capacity) {
        let height = y(*capacity);
        let _ = write!(path, " L{:.1} {height:.1} L{:.1} {height:.1}", frame.x(layer), frame.x(layer + 1));
    }
    let end = frame.x(scene.report.model_layers);
    put(
        svg,
        format_args!(
            "<path d=\"{path} L{end:.1} {base:.1} Z\" fill=\"currentColor\" fill-opacity=\".16\"/>\n"
        ),
    );
    let line = y(scene.report.throughput_tokens_per_s);
    put(
        svg,
        format_args!(
            "<line x1=\"{:.1}\" x2=\"{end:.1}\" y1=\"{line:.1}\" y2=\"{line:.1}\" stroke=\"{CUT}\" stroke-width=\"1.5\"/>\n",
            frame.x(0)
        ),
    );
    let label = |svg: &mut String, y: f64, text: &str| {
        put(svg, format_args!("<text x=\"16\" y=\"{y:.1}\" class=\"faint\">{text}</text>\n"));
    };
    label(svg, base - PROFILE + 40.0, "capacity of each");
    label(svg, base - PROFILE + 55.0, "layer's holders");
    let x = WIDTH - RIGHT + 34.0;
    put(
        svg,
        format_args!(
            "<text x=\"{x}\" y=\"{:.1}\">{:.0} tok/s flow</text>\n",
            line + 4.0,
            scene.report.throughput_tokens_per_s
        ),
    );
}

fn put(svg: &mut String, arguments: std::fmt::Arguments<'_>) {
    svg.write_fmt(arguments).expect("writing to a string cannot fail");
}
