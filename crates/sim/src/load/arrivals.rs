//! Arrivals of requests: Poisson, gamma, or as a trace says.

use helix_spec::{Arrivals, Lengths, SimTime, Trace, TraceRequest, Workload};

use super::LengthSource;
use crate::random::{MersenneTwister, exponential, gamma};

/// Requests of a workload with their arrivals, in order; an iterator that needs no memory for what is to come.
#[derive(Debug, Clone)]
pub struct ArrivalProcess {
    kind: Kind,
    lengths: LengthSource,
    random: MersenneTwister,
    clock: f64,
    left: Option<u64>,
}

#[derive(Debug, Clone)]
enum Kind {
    Poisson { mean: f64 },
    Gamma { mean: f64, shape: f64 },
    Trace { trace: Trace, next: usize, speed: f64 },
}

/// Keeps the stream of arrivals apart from that of the lengths.
const ARRIVALS_STREAM: u64 = 0x5eed_a221;

impl ArrivalProcess {
    /// `None` for a workload that is offline: its requests have no arrivals.
    #[must_use]
    pub fn new(workload: &Workload, seed: u64) -> Option<Self> {
        let mut left = workload.requests;
        let kind = match (workload.arrivals, &workload.lengths) {
            (Arrivals::Offline, _) | (Arrivals::Trace { .. }, Lengths::Drawn { .. }) => return None,
            (Arrivals::Poisson { rate }, _) => Kind::Poisson { mean: 1.0 / rate.get() },
            (Arrivals::Gamma { rate, burstiness }, _) => {
                Kind::Gamma { mean: 1.0 / rate.get(), shape: burstiness }
            }
            (Arrivals::Trace { speed }, Lengths::Trace(trace)) => {
                Kind::Trace { trace: trace.clone(), next: 0, speed }
            }
        };
        if let (Kind::Poisson { .. } | Kind::Gamma { .. }, Lengths::Trace(trace), None) =
            (&kind, &workload.lengths, left)
        {
            left = Some(trace.requests.len() as u64);
        }
        let lengths = LengthSource::new(&workload.lengths, seed);
        Some(Self { kind, lengths, random: MersenneTwister::new(seed ^ ARRIVALS_STREAM), clock: 0.0, left })
    }
}

impl Iterator for ArrivalProcess {
    type Item = TraceRequest;

    fn next(&mut self) -> Option<TraceRequest> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let gap = match &mut self.kind {
            Kind::Poisson { mean } => exponential(&mut self.random, *mean),
            Kind::Gamma { mean, shape } => *mean * gamma(&mut self.random, *shape),
            Kind::Trace { trace, next, speed } => {
                let request = *trace.requests.get(*next)?;
                *next += 1;
                let arrival = SimTime::from_seconds(request.arrival.seconds() / *speed)?;
                return Some(TraceRequest { arrival, ..request });
            }
        };
        self.clock += gap;
        let (input, output) = self.lengths.next_lengths()?;
        Some(TraceRequest { arrival: SimTime::from_seconds(self.clock)?, input, output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helix_spec::{LengthDistribution, RequestsPerSecond};

    fn workload(arrivals: Arrivals, requests: Option<u64>) -> Workload {
        let fixed = |tokens| LengthDistribution::Fixed(tokens);
        Workload { arrivals, lengths: Lengths::Drawn { input: fixed(10), output: fixed(20) }, requests }
    }

    #[test]
    fn rates_and_burstiness_are_as_asked() {
        let rate = RequestsPerSecond::new(5.0).unwrap();
        for (arrivals, variance) in [
            (Arrivals::Poisson { rate }, 1.0),
            (Arrivals::Gamma { rate, burstiness: 0.5 }, 2.0),
            (Arrivals::Gamma { rate, burstiness: 4.0 }, 0.25),
        ] {
            let process = ArrivalProcess::new(&workload(arrivals, Some(100_000)), 3).unwrap();
            let times: Vec<f64> = process.map(|request| request.arrival.seconds()).collect();
            assert_eq!(times.len(), 100_000);
            let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) * 5.0).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let spread = gaps.iter().map(|gap| (gap - 1.0).powi(2)).sum::<f64>() / gaps.len() as f64;
            assert!((mean - 1.0).abs() < 0.02 && (spread / variance - 1.0).abs() < 0.05, "{mean} {spread}");
        }
    }

    #[test]
    fn a_trace_can_be_played_faster_and_ends() {
        let trace = Trace::from_text("arrival_s,input_tokens,output_tokens\n1,5,6\n3,7,8\n", "t").unwrap();
        let mut workload = workload(Arrivals::Trace { speed: 2.0 }, None);
        workload.lengths = Lengths::Trace(trace);
        let all: Vec<_> = ArrivalProcess::new(&workload, 0).unwrap().collect();
        let seconds: Vec<f64> = all.iter().map(|request| request.arrival.seconds()).collect();
        assert_eq!((seconds, all[1].input), (vec![0.5, 1.5], 7));
    }
}
