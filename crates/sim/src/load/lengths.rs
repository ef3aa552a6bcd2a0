//! Lengths of the next request.

use helix_spec::{LengthDistribution, Lengths, TraceRequest};

use crate::random::MersenneTwister;

/// Gives the lengths of one request after the other, for ever.
#[derive(Debug, Clone)]
pub struct LengthSource {
    from: From,
    random: MersenneTwister,
}

#[derive(Debug, Clone)]
enum From {
    /// One after the other, from the beginning again after the end.
    InOrder { requests: Vec<TraceRequest>, next: usize },
    /// Each time any of them.
    Sampled(Vec<TraceRequest>),
    /// From distributions.
    Drawn { input: LengthDistribution, output: LengthDistribution },
}

impl LengthSource {
    /// As a workload says: a trace in its order, else draws.
    #[must_use]
    pub fn new(lengths: &Lengths, seed: u64) -> Self {
        let from = match lengths {
            Lengths::Trace(trace) => From::InOrder { requests: trace.requests.clone(), next: 0 },
            Lengths::Drawn { input, output } => From::Drawn { input: input.clone(), output: output.clone() },
        };
        Self { from, random: MersenneTwister::new(seed) }
    }

    /// Any request of a list each time, as the paper's simulator draws them: `requests[randint(0, n - 1)]`.
    #[must_use]
    pub fn sampled(requests: Vec<TraceRequest>, seed: u64) -> Self {
        Self { from: From::Sampled(requests), random: MersenneTwister::new(seed) }
    }

    /// Prompt and answer of the next request \[tokens\]; `None` where there is nothing to take them from.
    pub fn next_lengths(&mut self) -> Option<(u32, u32)> {
        match &mut self.from {
            From::InOrder { requests, next } => {
                let request = requests.get(*next)?;
                *next = (*next + 1) % requests.len();
                Some((request.input, request.output))
            }
            From::Sampled(requests) => {
                let count = u32::try_from(requests.len()).ok().filter(|&count| count > 0)?;
                let request = requests[self.random.below(count) as usize];
                Some((request.input, request.output))
            }
            From::Drawn { input, output } => {
                let input = input.quantile(self.random.unit())?;
                Some((input, output.quantile(self.random.unit())?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helix_spec::Trace;

    #[test]
    fn a_trace_begins_again_after_its_end() {
        let trace = Trace::from_text("input_tokens,output_tokens\n1,2\n3,4\n", "t").unwrap();
        let mut source = LengthSource::new(&Lengths::Trace(trace), 0);
        let taken: Vec<_> = (0..3).filter_map(|_| source.next_lengths()).collect();
        assert_eq!(taken, [(1, 2), (3, 4), (1, 2)]);
    }

    #[test]
    fn nothing_to_take_from_is_not_a_panic() {
        let mut empty = LengthSource::new(&Lengths::Trace(Trace::default()), 0);
        assert_eq!(empty.next_lengths(), None);
        assert_eq!(LengthSource::sampled(Vec::new(), 0).next_lengths(), None);
    }
}
