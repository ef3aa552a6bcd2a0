//! A figure over time in a bounded number of steps: where the run gets too long for them, steps are joined in pairs.

use helix_spec::SimTime;

/// Most steps.
const STEPS: usize = 1024;
/// First width of a step: 0.1 s.
const FIRST: u64 = 100_000_000_000;

/// Sums over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    width: u64,
    sums: Vec<u128>,
}

impl Default for Series {
    fn default() -> Self {
        Self { width: FIRST, sums: Vec::new() }
    }
}

impl Series {
    /// Counts something that happened at a time.
    pub fn count(&mut self, time: SimTime, amount: u64) {
        let step = self.step_of(time.0);
        self.sums[step] += u128::from(amount);
    }

    /// Accounts a level that held from one time to another: the sum gets level × picoseconds.
    pub fn hold(&mut self, from: SimTime, to: SimTime, level: u64) {
        if level == 0 || to <= from {
            return;
        }
        // Room for the end first: joining steps would move the ones before it.
        self.step_of(to.0 - 1);
        let mut at = from.0;
        while at < to.0 {
            let step = self.step_of(at);
            let until = to.0.min((step as u64 + 1).saturating_mul(self.width));
            self.sums[step] += u128::from(level) * u128::from(until - at);
            at = until;
        }
    }

    fn step_of(&mut self, time: u64) -> usize {
        while time / self.width >= STEPS as u64 {
            self.width *= 2;
            let joined = self.sums.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.sums = joined;
        }
        let step = usize::try_from(time / self.width).expect("fewer steps than STEPS");
        if step >= self.sums.len() {
            self.sums.resize(step + 1, 0);
        }
        step
    }

    /// Width of a step.
    #[must_use]
    pub fn width(&self) -> SimTime {
        SimTime(self.width)
    }

    /// Counts a second in each step.
    #[must_use]
    pub fn rates(&self) -> Vec<f64> {
        self.sums.iter().map(|&sum| sum as f64 / (self.width as f64 / 1e12)).collect()
    }

    /// Mean level in each step.
    #[must_use]
    pub fn levels(&self) -> Vec<f64> {
        self.sums.iter().map(|&sum| sum as f64 / self.width as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_joined_and_nothing_is_lost() {
        let mut series = Series::default();
        for second in 0..2000u64 {
            series.count(SimTime(second * 1_000_000_000_000), 3);
        }
        assert_eq!(series.width(), SimTime(FIRST * 32));
        assert!(series.sums.len() <= STEPS);
        assert_eq!(series.sums.iter().sum::<u128>(), 6000);
    }

    #[test]
    fn a_level_is_its_mean_over_time() {
        let mut series = Series::default();
        series.hold(SimTime(FIRST / 2), SimTime(FIRST * 3), 10);
        assert_eq!(series.levels(), [5.0, 10.0, 10.0]);
        series.hold(SimTime(0), SimTime(FIRST * 5000), 1);
        assert!(series.sums.len() <= STEPS && series.width().0 > FIRST);
        let total: u128 = series.sums.iter().sum();
        assert_eq!(total, u128::from(FIRST) * 25 + u128::from(FIRST) * 5000);
    }
}
