//! What is asked of a cluster: when requests come, and how long they are.
//!
//! ```toml
//! version = 1
//! requests = 1000                      # optional: end after so many
//!
//! [arrivals]
//! kind = "gamma"                       # offline, poisson, gamma or trace
//! rate = "2 req/s"                     # poisson, gamma
//! burstiness = 0.5                     # gamma: 1 is Poisson, less is burstier
//!
//! [lengths]
//! input_tokens = 1024                  # the same for all
//! output_tokens = { p0 = 1, p50 = 130, p90 = 400, p100 = 1000 }   # or quantiles
//! # or: trace = "requests.csv", and max_input_tokens, max_output_tokens to leave out longer ones
//! ```

mod file;
mod rate;

pub use rate::RequestsPerSecond;

use crate::Trace;

/// When requests come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// All are there at the beginning.
    Offline,
    /// Independently of each other.
    Poisson {
        /// Mean rate.
        rate: RequestsPerSecond,
    },
    /// Times between requests follow a gamma distribution, as in vLLM's benchmark.
    Gamma {
        /// Mean rate.
        rate: RequestsPerSecond,
        /// Its shape, 0.01 to 100: 1 is Poisson, less comes in bursts, more is more even.
        burstiness: f64,
    },
    /// As the trace of the lengths says.
    Trace {
        /// Times by which its clock runs faster, 0.001 to 1000.
        speed: f64,
    },
}

/// How long a prompt or an answer is \[tokens\].
#[derive(Debug, Clone, PartialEq)]
pub enum LengthDistribution {
    /// Always the same.
    Fixed(u32),
    /// Straight lines between quantiles: (probability, tokens), both ascending, from probability 0 to 1.
    Quantiles(Vec<(f64, u32)>),
}

/// Lengths of prompts and answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Lengths {
    /// Drawn independently of each other.
    Drawn {
        /// Tokens of a prompt.
        input: LengthDistribution,
        /// Tokens of an answer.
        output: LengthDistribution,
    },
    /// Those of a trace in its order, from its beginning again after its end.
    Trace(Trace),
}

/// Requests that a simulation, a benchmark or a plan is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// When they come.
    pub arrivals: Arrivals,
    /// How long they are.
    pub lengths: Lengths,
    /// How many there are; where it is not given a trace is run through once, and drawn lengths go on until the run ends.
    pub requests: Option<u64>,
}

impl LengthDistribution {
    /// The length that a share of `probability` of all requests does not exceed, rounded to a whole token.
    ///
    /// `None` when `probability` is not in 0..=1.
    ///
    /// ```
    /// use helix_spec::LengthDistribution;
    /// let lengths = LengthDistribution::Quantiles(vec![(0.0, 10), (0.5, 110), (1.0, 1110)]);
    /// assert_eq!(lengths.quantile(0.25), Some(60));
    /// assert_eq!(lengths.quantile(1.5), None);
    /// ```
    #[must_use]
    pub fn quantile(&self, probability: f64) -> Option<u32> {
        if !(0.0..=1.0).contains(&probability) {
            return None;
        }
        let points = match self {
            Self::Fixed(tokens) => return Some(*tokens),
            Self::Quantiles(points) => points,
        };
        let next = points.iter().position(|(share, _)| *share >= probability)?;
        let (share, tokens) = points[next];
        let Some(&(share_before, tokens_before)) = next.checked_sub(1).and_then(|before| points.get(before))
        else {
            return Some(tokens);
        };
        let part = (probability - share_before) / (share - share_before);
        let exact = f64::from(tokens_before) + part * (f64::from(tokens) - f64::from(tokens_before));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two u32")]
        Some(exact.round() as u32)
    }

    /// Mean length \[tokens\]: of a straight line between two quantiles it is the middle.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(tokens) => f64::from(*tokens),
            Self::Quantiles(points) => points
                .windows(2)
                .map(|pair| (pair[1].0 - pair[0].0) * (f64::from(pair[0].1) + f64::from(pair[1].1)) / 2.0)
                .sum(),
        }
    }
}

impl Lengths {
    /// Mean tokens of a prompt and of an answer, as planning needs them.
    #[must_use]
    pub fn mean(&self) -> (f64, f64) {
        match self {
            Self::Drawn { input, output } => (input.mean(), output.mean()),
            Self::Trace(trace) => {
                let (input, output) = trace.tokens();
                let count = trace.requests.len().max(1) as f64;
                (input as f64 / count, output as f64 / count)
            }
        }
    }
}
