//! The figures that are compared: of the requests that got their whole answer.

use serde::Serialize;

/// Times of one request \[s\].
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub arrival: f64,
    pub first_token: f64,
    pub ended: f64,
    pub output_tokens: u32,
}

/// One figure, measured and simulated.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    #[serde(rename = "figure")]
    pub name: &'static str,
    pub unit: &'static str,
    pub measured: Option<f64>,
    pub simulated: Option<f64>,
    /// `simulated / measured - 1`.
    pub error: Option<f64>,
    /// With the fitted time scale.
    pub calibrated: Option<f64>,
    pub calibrated_error: Option<f64>,
}

/// Names and units, in the order of [`values`].
const NAMES: [(&str, &str); 7] = [
    ("time to first token, mean", "s"),
    ("time to first token, median", "s"),
    ("time to first token, p95", "s"),
    ("time between tokens, mean", "s"),
    ("request, mean", "s"),
    ("request, p95", "s"),
    ("output tokens a second", "tokens/s"),
];

/// The figures; missing where nothing gives them.
fn values(times: &[Times]) -> [Option<f64>; 7] {
    let first: Vec<f64> = times.iter().map(|times| times.first_token - times.arrival).collect();
    let whole: Vec<f64> = times.iter().map(|times| times.ended - times.arrival).collect();
    let gap = |times: &Times| {
        (times.output_tokens > 1)
            .then(|| (times.ended - times.first_token) / (f64::from(times.output_tokens) - 1.0))
    };
    let gaps: Vec<f64> = times.iter().filter_map(gap).collect();
    let begin = times.iter().map(|times| times.arrival).min_by(f64::total_cmp);
    let end = times.iter().map(|times| times.ended).max_by(f64::total_cmp);
    let span = begin.zip(end).map(|(begin, end)| end - begin).filter(|span| *span > 0.0);
    let tokens: f64 = times.iter().map(|times| f64::from(times.output_tokens)).sum();
    [
        mean(&first),
        percentile(first.clone(), 0.5),
        percentile(first, 0.95),
        mean(&gaps),
        mean(&whole),
        percentile(whole, 0.95),
        span.map(|span| tokens / span),
    ]
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The value at place `⌊n·p⌋` when sorted, as in the reports of `helix simulate`.
fn percentile(mut values: Vec<f64>, p: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
    let place = (values.len() as f64 * p) as usize;
    values.get(place).copied()
}

/// Mean time of a request \[s\]: what the time scale is fitted to.
pub fn mean_request(times: &[Times]) -> Option<f64> {
    values(times)[4]
}

/// All figures side by side.
pub fn figures(measured: &[Times], simulated: &[Times], calibrated: Option<&[Times]>) -> Vec<Figure> {
    let error = |ours: Option<f64>, theirs: Option<f64>| {
        ours.zip(theirs.filter(|theirs| *theirs > 0.0)).map(|(ours, theirs)| ours / theirs - 1.0)
    };
    let (measured, simulated) = (values(measured), values(simulated));
    let calibrated = calibrated.map_or([None; 7], values);
    let row = |(index, (name, unit)): (usize, (&'static str, &'static str))| Figure {
        name,
        unit,
        measured: measured[index],
        simulated: simulated[index],
        error: error(simulated[index], measured[index]),
        calibrated: calibrated[index],
        calibrated_error: error(calibrated[index], measured[index]),
    };
    NAMES.into_iter().enumerate().map(row).collect()
}
