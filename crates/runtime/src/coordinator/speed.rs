//! How fast machines compute against the plan, so that one slower than planned gets less.
//!
//! A worker counts the layers that its batches and tokens passed, and the time that took. The plan says how long that
//! should have taken; the quotient is the machine's ratio. A plan is seldom right about all machines at once (guessed
//! devices, other programs on all of them), and that changes nothing about who should get more: the scheduler is told a
//! ratio against the middle one of all. A ratio of its own tokens a second would not do: a machine that gets little has
//! small batches, looks slow for it, and would get less and less.

use super::plan::PlannedTimes;
use crate::wire::Status;

/// Less computing than this is not judged: a few batches say more about the clock than about the machine \[µs\].
const LEAST_BUSY_US: u64 = 20_000;

/// Measures one machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SpeedMeter {
    /// As far as it has been judged.
    judged: Status,
    /// Planned time over measured time, the last time.
    ratio: Option<f64>,
}

impl SpeedMeter {
    /// Takes what a worker says; whether there is a new ratio.
    pub(super) fn take(&mut self, status: &Status, times: &PlannedTimes) -> bool {
        let since = |now: u64, then: u64| now.saturating_sub(then);
        let busy_us = since(status.busy_us, self.judged.busy_us);
        if busy_us < LEAST_BUSY_US {
            return false;
        }
        let batches = since(status.batch_layers, self.judged.batch_layers) as f64;
        let tokens = since(status.token_layers, self.judged.token_layers) as f64;
        self.judged = *status;
        let ratio = (batches * times.batch_s + tokens * times.token_s) * 1e6 / busy_us as f64;
        if !ratio.is_finite() || ratio <= 0.0 {
            return false;
        }
        self.ratio = Some(ratio);
        true
    }

    /// Planned time over measured time.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.ratio
    }
}

/// A machine's ratio against the middle one of all that were measured (of two in the middle, their geometric mean).
/// `None` while it is the only one: there is nothing to compare with.
pub(super) fn against_others(mine: f64, all: impl Iterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<f64> = all.collect();
    if all.len() < 2 {
        return None;
    }
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let typical =
        if all.len().is_multiple_of(2) { (all[middle - 1] * all[middle]).sqrt() } else { all[middle] };
    Some(mine / typical)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: PlannedTimes = PlannedTimes { batch_s: 1e-3, token_s: 1e-4 };

    #[test]
    fn the_same_work_in_twice_the_time_is_half_as_fast_whatever_the_batches() {
        let mut meter = SpeedMeter::default();
        // Ten batches of 5 tokens through 4 layers: 40 ms + 20 ms as planned.
        let mut status = Status { batch_layers: 40, token_layers: 200, busy_us: 60_000, ..Status::default() };
        assert!(meter.take(&status, &TIMES));
        assert!((meter.ratio().unwrap() - 1.0).abs() < 1e-9);
        // Then the same tokens one by one, at half the speed: 50 batches, 200 ms + 20 ms as planned.
        (status.batch_layers, status.token_layers, status.busy_us) = (240, 400, 60_000 + 440_000);
        assert!(meter.take(&status, &TIMES));
        assert!((meter.ratio().unwrap() - 0.5).abs() < 1e-9);
        // Too little to say anything; it is judged together with what comes.
        status.busy_us += LEAST_BUSY_US - 1;
        assert!(!meter.take(&status, &TIMES));
        assert!((meter.ratio().unwrap() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_plan_that_is_wrong_about_all_machines_says_nothing_about_one() {
        assert_eq!(against_others(0.1, [0.1].into_iter()), None);
        let speed = |mine: f64, all: &[f64]| against_others(mine, all.iter().copied()).unwrap();
        assert_eq!(speed(0.1, &[0.1, 0.1, 0.1]), 1.0);
        assert_eq!(speed(0.025, &[0.1, 0.025, 0.1]), 0.25);
        assert_eq!(speed(4.0, &[4.0, 1.0]), 2.0);
        assert_eq!(speed(1.0, &[4.0, 1.0]), 0.5);
    }
}
