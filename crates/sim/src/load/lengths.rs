//! Lengths of the next request.

use helix_spec::{LengthDistribution, Lengths, TraceRequest};

use crate::random::MersenneTwister;

/// Gives the lengths of one request after the other, for ever.
#[derive(Debug, Clone)]
pub struct LengthSource {
    from: From,
    random: MersenneTwister,
    /// The first requests are as they are found under way.
    under_way: Option<UnderWay>,
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

/// Answers of distributions that stand for all of them.
const GRID: u32 = 1000;
/// Keeps the stream of requests under way apart from that of the others.
const UNDER_WAY_STREAM: u64 = 0xa6ed_0001;

/// Requests as they are found at any time in a cluster that has run for long: a request is there for about as long as its
/// answer takes, and any of its tokens may be the next one. So any token of all answers is drawn; what comes before it
/// counts as prompt.
///
/// ```text
///   prompt │ answer ...... t ........        t drawn of all tokens of all answers
///   ───────┴──── prompt ───┴─ answer
/// ```
#[derive(Debug, Clone)]
struct UnderWay {
    /// Prompt, if it is given, and answer.
    kinds: Vec<(Option<u32>, u32)>,
    /// Tokens of the answers up to and with each.
    sums: Vec<u64>,
    random: MersenneTwister,
}

impl UnderWay {
    fn new(from: &From, seed: u64) -> Self {
        let kinds: Vec<(Option<u32>, u32)> = match from {
            From::InOrder { requests, .. } | From::Sampled(requests) => {
                requests.iter().map(|request| (Some(request.input), request.output)).collect()
            }
            From::Drawn { output, .. } => {
                let middle = |step: u32| (f64::from(step) + 0.5) / f64::from(GRID);
                (0..GRID).filter_map(|step| Some((None, output.quantile(middle(step))?))).collect()
            }
        };
        let add = |sum: &mut u64, (_, output): &(Option<u32>, u32)| {
            *sum += u64::from(*output);
            Some(*sum)
        };
        let sums = kinds.iter().scan(0, add).collect();
        Self { kinds, sums, random: MersenneTwister::new(seed ^ UNDER_WAY_STREAM) }
    }

    fn next(&mut self, from: &From) -> Option<(u32, u32)> {
        let all = *self.sums.last().filter(|all| **all > 0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to below a u64")]
        let token = ((self.random.unit() * all as f64) as u64).min(all - 1);
        let place = self.sums.partition_point(|sum| *sum <= token);
        let (input, output) = *self.kinds.get(place)?;
        let left = u32::try_from(self.sums[place] - token).ok()?;
        let input = match (input, from) {
            (None, From::Drawn { input, .. }) => input.quantile(self.random.unit())?,
            (input, _) => input?,
        };
        Some((input.saturating_add(output - left), left))
    }
}

impl LengthSource {
    /// As a workload says: a trace in its order, else draws.
    #[must_use]
    pub fn new(lengths: &Lengths, seed: u64) -> Self {
        let from = match lengths {
            Lengths::Trace(trace) => From::InOrder { requests: trace.requests.clone(), next: 0 },
            Lengths::Drawn { input, output } => From::Drawn { input: input.clone(), output: output.clone() },
        };
        Self { from, random: MersenneTwister::new(seed), under_way: None }
    }

    /// Any request of a list each time, as the paper's simulator draws them: `requests[randint(0, n - 1)]`.
    #[must_use]
    pub fn sampled(requests: Vec<TraceRequest>, seed: u64) -> Self {
        Self { from: From::Sampled(requests), random: MersenneTwister::new(seed), under_way: None }
    }

    /// The same, but until [`Self::filled`] is called requests are as they are found under way in a cluster that has run for
    /// long. What fills empty caches this way needs less time until everything is as it stays.
    #[must_use]
    pub fn begin_under_way(mut self, seed: u64) -> Self {
        self.under_way = Some(UnderWay::new(&self.from, seed));
        self
    }

    /// From now on requests are new ones.
    pub fn filled(&mut self) {
        self.under_way = None;
    }

    /// Prompt and answer of the next request \[tokens\]; `None` where there is nothing to take them from.
    pub fn next_lengths(&mut self) -> Option<(u32, u32)> {
        if let Some(under_way) = &mut self.under_way {
            return under_way.next(&self.from);
        }
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

    /// Answers of 10 and 30 tokens: of those under way three in four are the long ones, and half of an answer is left.
    #[test]
    fn requests_under_way_are_the_long_ones_somewhere_in_their_answers() {
        let trace = Trace::from_text("input_tokens,output_tokens\n100,10\n1000,30\n", "t").unwrap();
        let mut source = LengthSource::new(&Lengths::Trace(trace), 7).begin_under_way(7);
        let drawn: Vec<(u32, u32)> = (0..20_000).filter_map(|_| source.next_lengths()).collect();
        let long: Vec<u32> =
            drawn.iter().filter(|(input, _)| *input >= 1000).map(|(_, left)| *left).collect();
        let share = long.len() as f64 / drawn.len() as f64;
        let left = long.iter().map(|left| f64::from(*left)).sum::<f64>() / long.len() as f64;
        assert!((share - 0.75).abs() < 0.01 && (left - 15.5).abs() < 0.2, "{share} {left}");
        assert!(drawn.iter().all(|(input, left)| matches!(input + left, 110 | 1030) && *left >= 1));
        source.filled();
        assert_eq!(source.next_lengths(), Some((100, 10)), "the order of the others is as it was");
        // Answers of 0 to 100 tokens, each as likely: those under way have 67 on average, of which half is left.
        let input = LengthDistribution::Fixed(1000);
        let output = LengthDistribution::Quantiles(vec![(0.0, 0), (1.0, 100)]);
        let mut source = LengthSource::new(&Lengths::Drawn { input, output }, 7).begin_under_way(7);
        let drawn: Vec<(u32, u32)> = (0..20_000).filter_map(|_| source.next_lengths()).collect();
        let mean = |part: fn(&(u32, u32)) -> u32| {
            drawn.iter().map(|drawn| f64::from(part(drawn))).sum::<f64>() / drawn.len() as f64
        };
        let (all, left) = (mean(|(input, left)| input + left - 1000), mean(|(_, left)| *left));
        assert!((all - 66.8).abs() < 0.5 && (left - 33.9).abs() < 0.5, "{all} {left}");
    }

    #[test]
    fn nothing_to_take_from_is_not_a_panic() {
        let mut empty = LengthSource::new(&Lengths::Trace(Trace::default()), 0);
        assert_eq!(empty.next_lengths(), None);
        assert_eq!(LengthSource::sampled(Vec::new(), 0).next_lengths(), None);
    }
}
