//! The frontier of every model, and the gain over contexts.

use helix_cost::layout::{Frontier, Headline, Point, Strategy};

use crate::parallel::chart::{self, Anchor, Axis, Band, Line, Note, Panel, Series, colour};
use crate::parallel::inputs::format_name;
use crate::parallel::numbers::count;

use super::evaluation::{Evaluation, ModelReport};

/// All panels in one picture.
pub fn overview(evaluation: &Evaluation) -> String {
    let mut panels: Vec<Panel> = Vec::new();
    for report in &evaluation.models {
        panels.push(frontier(evaluation, report));
    }
    if evaluation.models.iter().any(|report| !report.by_context.is_empty()) {
        panels.push(by_context(evaluation, "Most tokens/s for one user", |headline| {
            Some(headline.interactivity)
        }));
        panels.push(by_context(evaluation, "Tokens/s/GPU at the baseline's best TTL", |headline| {
            headline.throughput_at_equal_ttl
        }));
    }
    chart::figure(&panels, 2)
}

/// The frontiers of one model.
pub fn frontier(evaluation: &Evaluation, report: &ModelReport) -> Panel {
    let best = |frontier: &Frontier| frontier.most_interactive().map_or(0.0, rate);
    let most = report.frontiers.iter().map(|(_, frontier)| best(frontier)).fold(0.0, f64::max);
    let throughputs =
        report.frontiers.iter().flat_map(|(_, frontier)| frontier.points().iter().map(each_gpu));
    let series = report.frontiers.iter().rev().map(|(strategy, frontier)| Series {
        name: label(*strategy).to_owned(),
        colour: strategy_colour(*strategy),
        points: frontier.points().iter().map(|point| (rate(point), each_gpu(point))).collect(),
        line: Line::Stairs,
        width: if *strategy == Strategy::Helix { 3.0 } else { 2.0 },
        dots: false,
    });
    let bands = report.every.losses.iter().map(|loss| Band { from: loss.from, to: loss.to }).collect();
    Panel {
        title: report.model.name.clone(),
        subtitle: format!(
            "{} tokens of context, {} weights, {} cache, 1 to {} GPUs of {}",
            count(evaluation.context),
            format_name(evaluation.formats.weights),
            format_name(evaluation.formats.cache),
            evaluation.hardware.devices,
            evaluation.hardware.name
        ),
        // Room for the words on the right.
        x: Axis::linear("tokens/s for each user", most * 1.25),
        y: Axis::log("tokens/s of each GPU", throughputs),
        series: series.collect(),
        bands: (bands, "a baseline is ahead"),
        notes: report.powers.headline.as_ref().map(headline_notes).unwrap_or_default(),
    }
}

fn headline_notes(headline: &Headline) -> Vec<Note> {
    let note = |point: &Point, words: String, shift: (f64, f64), anchor: Anchor| Note {
        at: (rate(point), each_gpu(point)),
        words,
        shift,
        anchor,
        colour: strategy_colour(point.config.strategy()),
    };
    // Where the two ends are near each other, one stands below the other.
    let below = if headline.interactivity < 1.3 { 15.0 } else { -3.0 };
    let mut notes = vec![
        note(&headline.baseline, "best baseline".to_owned(), (9.0, below), Anchor::Start),
        note(
            &headline.helix_fastest,
            format!("{:.2}x as fast", headline.interactivity),
            (9.0, 4.0),
            Anchor::Start,
        ),
    ];
    if let (Some(ratio), Some(point)) = (headline.throughput_at_equal_ttl, &headline.helix_at_equal_ttl) {
        notes.push(note(point, format!("{ratio:.1}x throughput"), (9.0, -5.0), Anchor::Start));
    }
    notes
}

fn by_context(evaluation: &Evaluation, title: &str, of: impl Fn(&Headline) -> Option<f64>) -> Panel {
    let colours = [colour::HELIX, colour::TENSOR, colour::DATA, colour::MEDHA, colour::PIPELINE];
    let series: Vec<Series> = evaluation
        .models
        .iter()
        .enumerate()
        .map(|(i, report)| Series {
            name: report.model.name.clone(),
            colour: colours[i % colours.len()],
            points: report
                .by_context
                .iter()
                .filter_map(|(context, found)| Some((*context as f64, of(found)?)))
                .collect(),
            line: Line::Straight,
            width: 2.5,
            dots: true,
        })
        .collect();
    let all = || series.iter().flat_map(|series| series.points.iter().copied());
    let contexts: Vec<f64> = all().map(|(context, _)| context).collect();
    let ends = (
        contexts.iter().copied().fold(f64::INFINITY, f64::min),
        contexts.iter().copied().fold(0.0, f64::max),
    );
    let even = Series {
        name: "parity".to_owned(),
        colour: colour::FAINT_INK,
        points: vec![(ends.0, 1.0), (ends.1, 1.0)],
        line: Line::Dashed,
        width: 1.5,
        dots: false,
    };
    let ticks = [
        (1 << 12, "4Ki"),
        (1 << 14, "16Ki"),
        (1 << 16, "64Ki"),
        (1 << 18, "256Ki"),
        (1 << 20, "1Mi"),
        (1 << 22, "4Mi"),
    ];
    Panel {
        title: title.to_owned(),
        subtitle: "Helix to the best baseline, batches that are powers of two".to_owned(),
        x: Axis::log("tokens of context", contexts.iter().copied())
            .with_ticks(ticks.into_iter().map(|(at, text)| (f64::from(at), text.to_owned()))),
        y: Axis::log("ratio", all().map(|(_, ratio)| ratio).chain([0.9])),
        series: std::iter::once(even).chain(series.iter().cloned()).collect(),
        bands: (Vec::new(), ""),
        notes: Vec::new(),
    }
}

fn rate(point: &Point) -> f64 {
    point.performance.tokens_per_s_user
}

fn each_gpu(point: &Point) -> f64 {
    point.performance.tokens_per_s_gpu
}

/// What a strategy is called in pictures.
pub fn label(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Helix => "Helix",
        Strategy::Tensor => "TP",
        Strategy::Pipeline => "TP + PP",
        Strategy::DataAttention => "DP attention",
        Strategy::Medha => "Medha",
    }
}

fn strategy_colour(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Helix => colour::HELIX,
        Strategy::Tensor => colour::TENSOR,
        Strategy::Pipeline => colour::PIPELINE,
        Strategy::DataAttention => colour::DATA,
        Strategy::Medha => colour::MEDHA,
    }
}
