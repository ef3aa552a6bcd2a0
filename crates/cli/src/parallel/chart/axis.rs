//! Axes: from values to pixels, with ticks at round values.

use crate::parallel::numbers::short;

/// How values run along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps are equal lengths.
    Linear,
    /// Equal factors are equal lengths.
    Log,
}

/// One axis.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What it shows, with the unit.
    pub label: String,
    /// How values run.
    pub scale: Scale,
    /// The smallest value shown.
    pub min: f64,
    /// The largest value shown.
    pub max: f64,
    /// Ticks with their texts; round values when empty.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that starts at 0.
    pub fn linear(label: &str, max: f64) -> Self {
        let max = if max.is_finite() && max > 0.0 { max * 1.05 } else { 1.0 };
        Self { label: label.to_owned(), scale: Scale::Linear, min: 0.0, max, ticks: Vec::new() }
    }

    /// A logarithmic axis around some values; those not above zero are left out.
    pub fn log(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (mut min, mut max) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            (min, max) = (min.min(value), max.max(value));
        }
        if max == 0.0 {
            (min, max) = (1.0, 10.0);
        }
        let label = label.to_owned();
        Self { label, scale: Scale::Log, min: min / 1.15, max: max * 1.15, ticks: Vec::new() }
    }

    /// With ticks at these values.
    pub fn with_ticks(mut self, ticks: impl IntoIterator<Item = (f64, String)>) -> Self {
        self.ticks = ticks.into_iter().collect();
        self
    }

    /// The place of a value: 0 at the smallest, 1 at the largest. Values off the axis stay at its ends.
    pub fn place(&self, value: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (value - self.min) / (self.max - self.min),
            Scale::Log => (value / self.min).ln() / (self.max / self.min).ln(),
        };
        if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) }
    }

    /// The ticks with their texts.
    pub fn tick_texts(&self) -> Vec<(f64, String)> {
        if !self.ticks.is_empty() {
            let shown = |(value, _): &&(f64, String)| (self.min..=self.max).contains(value);
            return self.ticks.iter().filter(shown).cloned().collect();
        }
        let values = match self.scale {
            Scale::Linear => self.linear_ticks(),
            Scale::Log => self.log_ticks(),
        };
        values.into_iter().map(|value| (value, tick_text(value))).collect()
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let rough = (self.max - self.min) / 7.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        (0..=20).map(|i| f64::from(i) * step).filter(|value| (self.min..=self.max).contains(value)).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.max / self.min).log10();
        let steps: &[f64] = match decades {
            few if few < 0.8 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0],
            some if some < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let mut values = Vec::new();
        for power in -12..=15 {
            values.extend(steps.iter().map(|step| step * 10_f64.powi(power)));
        }
        values.retain(|value| (self.min..=self.max).contains(value));
        values
    }
}

/// `0.01`, `5`, `1,000`, `1M`.
fn tick_text(value: f64) -> String {
    if value >= 1e6 {
        return format!("{}M", value / 1e6);
    }
    if value >= 100.0 { short(value) } else { format!("{}", (value * 1e6).round() / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let axis = Axis::linear("x", 276.3);
        let texts: Vec<String> = axis.tick_texts().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0", "50", "100", "150", "200", "250"]);
        let axis = Axis::log("y", [1.5, 300.0]);
        let texts: Vec<String> = axis.tick_texts().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["2", "5", "10", "20", "50", "100", "200"]);
    }

    #[test]
    fn places_run_from_end_to_end() {
        let axis = Axis::log("y", [1.15, 100.0 / 1.15]);
        assert!((axis.place(10.0) - 0.5).abs() < 1e-12);
        assert_eq!((axis.place(0.0), axis.place(1e9), axis.place(f64::NAN)), (0.0, 1.0, 0.0));
        assert!(Axis::log("y", [f64::NAN, 0.0]).tick_texts().len() > 1);
    }
}
