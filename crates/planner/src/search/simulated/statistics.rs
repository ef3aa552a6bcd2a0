//! Means of a few runs, and how far they may be off.

/// Two-sided 95 % quantiles of Student's distribution by degrees of freedom, from 1.
const STUDENT: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
/// The same beyond the table, a little too wide.
const STUDENT_BEYOND: f64 = 2.201;

/// A mean over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Half of its 95 % confidence interval (Student); `None` of a single run.
    pub half_width: Option<f64>,
    /// Runs.
    pub runs: usize,
}

impl Mean {
    /// Of these values; `None` of nothing.
    ///
    /// ```
    /// let mean = helix_planner::Mean::of(&[1.0, 2.0, 3.0]).unwrap();
    /// // Standard deviation 1, three values: 4.303 / √3.
    /// assert!((mean.mean - 2.0).abs() < 1e-12 && (mean.half_width.unwrap() - 2.4843).abs() < 1e-3);
    /// ```
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let runs = values.len();
        if runs == 0 {
            return None;
        }
        let count = runs as f64;
        let mean = values.iter().sum::<f64>() / count;
        let half_width = (runs > 1).then(|| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            let student = STUDENT.get(runs - 2).copied().unwrap_or(STUDENT_BEYOND);
            student * (variance / count).sqrt()
        });
        Some(Self { mean, half_width, runs })
    }
}
