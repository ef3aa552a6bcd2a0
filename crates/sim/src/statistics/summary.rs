//! Mean and percentiles of durations.
//!
//! Up to [`EXACT`] values are kept as they are. Beyond, they go into buckets that are at most 1/2048 of their value wide,
//! so that memory stays bounded and a percentile is off by less than 0.05 %. The mean is exact always.

use helix_spec::SimTime;

/// Values that are kept one by one.
const EXACT: usize = 1 << 19;
/// Bits of a value that tell buckets apart.
const DIGITS: u32 = 11;

/// Collects durations.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    count: u64,
    total: u128,
    exact: Vec<u64>,
    buckets: Vec<u64>,
}

/// What a [`Distribution`] says \[s\]; `None` everywhere where nothing was collected.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Number of values.
    pub count: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// 5th percentile. Percentile p of n sorted values is the one at index `⌊n·p⌋`.
    pub p5: Option<f64>,
    /// 25th percentile.
    pub p25: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 75th percentile.
    pub p75: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// The bucket of a value: its own below 2^DIGITS, above by exponent and leading bits.
fn bucket(value: u64) -> usize {
    let shift = (64 - value.leading_zeros()).saturating_sub(DIGITS);
    let bucket = (u64::from(shift) << (DIGITS - 1)) + (value >> shift);
    usize::try_from(bucket).expect("at most 64 exponents of 2^DIGITS buckets")
}

/// The middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let half = 1u64 << (DIGITS - 1);
    let shift = (bucket / half).saturating_sub(1);
    let low = (bucket - shift * half) << shift;
    low + ((1u64 << shift) >> 1)
}

impl Distribution {
    /// Adds a value.
    pub fn add(&mut self, value: SimTime) {
        self.count += 1;
        self.total += u128::from(value.0);
        if self.buckets.is_empty() {
            if self.exact.len() < EXACT {
                self.exact.push(value.0);
                return;
            }
            self.buckets = vec![0; bucket(u64::MAX) + 1];
            for value in std::mem::take(&mut self.exact) {
                self.buckets[bucket(value)] += 1;
            }
        }
        self.buckets[bucket(value.0)] += 1;
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean \[s\], `None` of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total as f64 / self.count as f64 / 1e12)
    }

    /// Mean and percentiles.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut sorted = self.exact.clone();
        sorted.sort_unstable();
        let at = |percent: u64| {
            let index = u64::try_from(u128::from(self.count) * u128::from(percent) / 100).ok()?;
            let kept = usize::try_from(index).ok().and_then(|index| sorted.get(index).copied());
            (self.count > 0).then(|| kept.unwrap_or_else(|| self.in_buckets(index)) as f64 / 1e12)
        };
        Summary {
            count: self.count,
            mean: self.mean(),
            p5: at(5),
            p25: at(25),
            p50: at(50),
            p75: at(75),
            p95: at(95),
            p99: at(99),
        }
    }

    fn in_buckets(&self, index: u64) -> u64 {
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below > index {
                return middle(bucket);
            }
        }
        u64::MAX
    }

    /// How many values lie in each of `steps` equal steps from zero to `end`; the last one also counts all beyond.
    #[must_use]
    pub fn histogram(&self, end: SimTime, steps: usize) -> Vec<u64> {
        let mut counts = vec![0; steps.max(1)];
        let last = counts.len() - 1;
        let width = (end.0 / counts.len() as u64).max(1);
        let mut add = |value: u64, count: u64| {
            counts[usize::try_from(value / width).map_or(last, |step| step.min(last))] += count;
        };
        self.exact.iter().for_each(|&value| add(value, 1));
        let used = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        used.for_each(|(bucket, &count)| add(middle(bucket), count));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_follow_the_published_rule() {
        let mut values = Distribution::default();
        (1..=10u64).rev().for_each(|second| values.add(SimTime(second * 1_000_000_000_000)));
        let summary = values.summary();
        // sorted[int(10 · p)], counted from 0.
        assert_eq!((summary.p5, summary.p25, summary.p50), (Some(1.0), Some(3.0), Some(6.0)));
        assert_eq!((summary.p95, summary.p99, summary.mean), (Some(10.0), Some(10.0), Some(5.5)));
        assert_eq!(Distribution::default().summary(), Summary::default());
    }

    #[test]
    fn buckets_are_narrow_and_in_order() {
        for shift in 0..64 {
            for offset in [0u64, 1, 12_345_678] {
                let value = (1u64 << shift).saturating_add(offset);
                let found = middle(bucket(value));
                assert!(found.abs_diff(value) as f64 <= value as f64 / 2048.0, "{value}: {found}");
                assert!(bucket(value) <= bucket(value.saturating_add(1)));
            }
        }
        assert_eq!((0..3000).find(|&value| value < 2048 && middle(bucket(value)) != value), None);
    }

    #[test]
    fn many_values_need_no_more_memory_and_agree() {
        let mut values = Distribution::default();
        let count = EXACT as u64 * 2;
        (0..count).for_each(|index| values.add(SimTime(index * 1_000_003)));
        assert!(values.exact.is_empty());
        let summary = values.summary();
        for (found, share) in [(summary.p5, 0.05), (summary.p50, 0.5), (summary.p99, 0.99)] {
            let exact = (count as f64 * share).floor() * 1_000_003.0 / 1e12;
            assert!((found.unwrap() / exact - 1.0).abs() < 5e-4, "{found:?} {exact}");
        }
        assert_eq!(values.histogram(SimTime(count * 1_000_003), 4).iter().sum::<u64>(), count);
    }
}
