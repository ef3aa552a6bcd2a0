//! The pictures of figure 1 and figure 3.

use crate::parallel::chart::{
    Anchor, Axis, Canvas, Line, PANEL_HEIGHT, PANEL_WIDTH, Panel, Series, Text, colour,
};

use crate::parallel::numbers::short;

use super::{Figure3, Row, Tables};

/// Three panels of figure 1 and the bars of figure 3.
pub fn all(tables: &Tables) -> String {
    let panels = panels(tables);
    let mut canvas = Canvas::new(PANEL_WIDTH * 2.0, PANEL_HEIGHT * 2.0);
    for (i, panel) in panels.iter().enumerate() {
        panel.draw(&mut canvas, PANEL_WIDTH * (i % 2) as f64, PANEL_HEIGHT * (i / 2) as f64);
    }
    bars(&mut canvas, &tables.figure_3, PANEL_WIDTH, PANEL_HEIGHT);
    canvas.finish()
}

fn panels(tables: &Tables) -> [Panel; 3] {
    let context = |row: &Row| row.context as f64;
    let k = |context: u64| {
        if context < 1 << 20 { format!("{}Ki", context >> 10) } else { format!("{}Mi", context >> 20) }
    };
    let contexts = tables.middle.iter().step_by(3).map(|row| (row.context as f64, k(row.context)));
    [
        panel(
            (
                "Tensor parallelism stops helping",
                "1,000,000 tokens; beyond the 8 KV heads every rank copies the cache",
            ),
            &tables.left,
            "TP = TPA = TPF",
            (
                |row| f64::from(row.tpa),
                tables.left.iter().map(|row| (f64::from(row.tpa), row.tpa.to_string())).collect(),
            ),
        ),
        panel(
            (
                "The cache outgrows the weights",
                &format!("TP 8; both take as long at {} tokens", short(tables.crossover_tokens)),
            ),
            &tables.middle,
            "tokens of context",
            (context, contexts.collect()),
        ),
        panel(
            (
                "KV parallelism shares both",
                "1,000,000 tokens, TPA 8, the feed-forward over all TPA x KVP ranks",
            ),
            &tables.right,
            "KVP",
            (
                |row| f64::from(row.kvp),
                tables.right.iter().map(|row| (f64::from(row.kvp), row.kvp.to_string())).collect(),
            ),
        ),
    ]
}

/// Values on an axis and their texts.
type Ticks = Vec<(f64, String)>;

fn panel(
    (title, subtitle): (&str, &str),
    rows: &[Row],
    label: &str,
    (x, ticks): (fn(&Row) -> f64, Ticks),
) -> Panel {
    let series = |name: &str, colour: &'static str, y: fn(&Row) -> f64| Series {
        name: name.to_owned(),
        colour,
        points: rows.iter().map(|row| (x(row), y(row))).collect(),
        line: Line::Straight,
        width: 2.5,
        dots: true,
    };
    let times = rows.iter().flat_map(|row| [row.kv_us, row.weights_us]);
    Panel {
        title: title.to_owned(),
        subtitle: subtitle.to_owned(),
        x: Axis::log(label, rows.iter().map(x)).with_ticks(ticks),
        y: Axis::log("time for one layer, us", times),
        series: vec![
            series("reading the weights", colour::PIPELINE, |row| row.weights_us),
            series("reading the cache", colour::HELIX, |row| row.kv_us),
        ],
        bands: (Vec::new(), ""),
        notes: Vec::new(),
    }
}

/// Attention and exchange of every request as bars over time, one after the other and overlapped.
fn bars(canvas: &mut Canvas, figure: &Figure3, left: f64, top: f64) {
    let Figure3 { requests, attention, exchange, serial, hop_b } = *figure;
    let scale = (PANEL_WIDTH - 90.0) / serial;
    let start = left + 40.0;
    let title = Text::new("HOP-B overlaps the exchange", 16.0, Anchor::Start).bold();
    canvas.text((left + 16.0, top + 26.0), title);
    let words = format!("{requests} requests, attention {attention}, exchange {exchange} time units each");
    let subtitle = Text::new(&words, 11.5, Anchor::Start).in_colour(colour::FAINT_INK);
    canvas.text((left + 16.0, top + 44.0), subtitle);
    for (i, (name, colour)) in
        [("attention", colour::HELIX), ("exchange", colour::PIPELINE)].into_iter().enumerate()
    {
        let x = left + 16.0 + 100.0 * i as f64;
        canvas.rectangle((x, top + 57.0), (14.0, 11.0), colour);
        canvas.text((x + 20.0, top + 66.0), Text::new(name, 11.5, Anchor::Start));
    }
    let mut bar = |row: f64, from: f64, length: f64, colour: &str| {
        canvas.rectangle((start + from * scale, top + row), (length * scale - 1.0, 26.0), colour);
    };
    let each = attention + exchange;
    let slower = attention.max(exchange);
    for request in 0..requests {
        let n = f64::from(request);
        bar(130.0, n * attention, attention, colour::HELIX);
        bar(130.0, f64::from(requests) * attention + n * exchange, exchange, colour::PIPELINE);
        bar(250.0, n * slower, attention, colour::HELIX);
        bar(280.0, attention + n * slower, exchange, colour::PIPELINE);
    }
    debug_assert!(
        (each * f64::from(requests) - serial).abs() < 1e-9,
        "the serial bars end at the serial time"
    );
    for (row, words) in [
        (118.0, format!("one after the other: {serial:.1}")),
        (238.0, format!("overlapped request by request: {hop_b:.1} (the paper rounds to 17)")),
    ] {
        canvas.text((start, top + row), Text::new(&words, 12.5, Anchor::Start).bold());
    }
    let axis = top + 335.0;
    canvas.line((start, axis), (start + serial * scale, axis), colour::FAINT_INK, 1.0);
    for time in [0.0, 5.0, 10.0, 15.0, 20.0, 25.0] {
        let x = start + time * scale;
        canvas.line((x, axis), (x, axis + 5.0), colour::FAINT_INK, 1.0);
        let text = time.to_string();
        canvas.text((x, axis + 19.0), Text::new(&text, 11.0, Anchor::Middle).in_colour(colour::FAINT_INK));
    }
    let label = Text::new("time units", 12.0, Anchor::Middle);
    canvas.text((start + serial * scale / 2.0, axis + 40.0), label);
}
