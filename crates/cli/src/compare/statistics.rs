//! Means of a few runs, and how sure they are.

use serde::Serialize;

/// A mean, its 95 % confidence interval as a half width, and the extremes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    pub mean: f64,
    /// None for a single run.
    pub ci95: Option<f64>,
    pub least: f64,
    pub most: f64,
}

/// A ratio of two means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    pub ratio: f64,
    pub ci95: Option<f64>,
}

/// Student's t for 95 %, two sides, by degrees of freedom from 1 on; 1.96 beyond.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Of at least one value.
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let ci95 = values.len().checked_sub(2).map(|index| {
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        STUDENT.get(index).copied().unwrap_or(1.96) * deviation / count.sqrt()
    });
    Some(Estimate { mean, ci95, least, most })
}

/// Of two means whose runs are independent: relative half widths add in squares. None where the second one is zero.
pub fn ratio(ours: &Estimate, theirs: &Estimate) -> Option<Ratio> {
    if theirs.mean <= 0.0 {
        return None;
    }
    let ratio = ours.mean / theirs.mean;
    let relative = |estimate: &Estimate| estimate.ci95.map(|ci| ci / estimate.mean);
    let both = relative(ours).zip(relative(theirs)).filter(|_| ours.mean > 0.0);
    Some(Ratio { ratio, ci95: both.map(|(a, b)| ratio * a.hypot(b)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_runs_against_a_textbook() {
        // 10, 12, 14: mean 12, deviation 2, t(2) = 4.303: 4.303 · 2 / √3 = 4.969.
        let found = estimate(&[10.0, 12.0, 14.0]).expect("three values");
        assert_eq!((found.mean, found.least, found.most), (12.0, 10.0, 14.0));
        assert!((found.ci95.expect("more than one") - 4.969).abs() < 1e-3);
        assert_eq!(estimate(&[3.0]).expect("one value").ci95, None);
        assert_eq!(estimate(&[]), None);
    }

    #[test]
    fn ratios_carry_both_errors() {
        let of = |mean, ci95| Estimate { mean, ci95: Some(ci95), least: mean, most: mean };
        let found = ratio(&of(20.0, 0.6), &of(10.0, 0.4)).expect("not by zero");
        assert_eq!(found.ratio, 2.0);
        // 3 % and 4 %: 5 % of 2.
        assert!((found.ci95.expect("both have one") - 0.1).abs() < 1e-12);
        assert_eq!(ratio(&of(1.0, 0.0), &of(0.0, 0.0)), None);
    }
}
