//! Online traces as the paper's authors make them: the number of arrivals of random intervals of the Azure trace, scaled
//! to a rate, and lengths drawn from the same trace (section 2.6 of the description of their simulator).

use helix_spec::{SimTime, TraceRequest};

use crate::random::MersenneTwister;

/// Length of the intervals in which arrivals were counted.
pub const ARRIVAL_INTERVAL: SimTime = SimTime(3_000_000_000_000);

/// What traces are made of.
#[derive(Debug, Clone, Copy)]
pub struct PaperTrace<'a> {
    /// Requests whose lengths are drawn.
    pub lengths: &'a [TraceRequest],
    /// Requests that came in each interval of [`ARRIVAL_INTERVAL`].
    pub counts: &'a [u32],
    /// Prompt and answer tokens of a request on average, by which a rate of tokens becomes one of requests.
    pub tokens_per_request: f64,
}

impl PaperTrace<'_> {
    /// Requests that come within `duration` at `tokens_per_s` prompt and answer tokens a second. Empty where there is
    /// nothing to draw from.
    #[must_use]
    pub fn generate(&self, tokens_per_s: f64, duration: SimTime, seed: u64) -> Vec<TraceRequest> {
        let mut requests = Vec::new();
        let sizes = (u32::try_from(self.counts.len()), u32::try_from(self.lengths.len()));
        let (Ok(intervals), Ok(lengths)) = sizes else { return requests };
        let mean = self.counts.iter().map(|&count| f64::from(count)).sum::<f64>() / f64::from(intervals);
        if lengths == 0 || mean.is_nan() || mean <= 0.0 {
            return requests;
        }
        let step = ARRIVAL_INTERVAL.seconds();
        let scale = step * (tokens_per_s / self.tokens_per_request) / mean;
        let mut random = MersenneTwister::new(seed);
        let mut carry = 0.0;
        for interval in 0..duration.0 / ARRIVAL_INTERVAL.0 {
            let begin = interval as f64 * step;
            let wanted = f64::from(self.counts[random.below(intervals) as usize]) * scale;
            let count = (wanted + carry).round_ties_even();
            carry += wanted - count;
            let mut times = Vec::new();
            while (times.len() as f64) < count {
                // random.uniform(a, b) is a + (b - a) * random().
                times.push(begin + step * random.unit());
            }
            times.sort_by(f64::total_cmp);
            for time in times {
                let TraceRequest { input, output, .. } = self.lengths[random.below(lengths) as usize];
                let Some(arrival) = SimTime::from_seconds(time) else { return requests };
                requests.push(TraceRequest { arrival, input, output });
            }
        }
        requests
    }
}
