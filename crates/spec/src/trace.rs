//! Traces: when requests came and how long they were, as somebody recorded it.

mod lines;
mod parse;
mod timestamp;

use crate::SimTime;

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceRequest {
    /// When it came, from the start of the trace; zero in a trace without arrivals.
    pub arrival: SimTime,
    /// Tokens of its prompt, at least 1.
    pub input: u32,
    /// Tokens of its answer, at least 1: prefill itself yields the first one.
    pub output: u32,
}

/// Recorded requests in the order of their arrival; never empty when read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The requests, by arrival.
    pub requests: Vec<TraceRequest>,
    /// Whether the trace says when they came, or only how long they were.
    pub timed: bool,
    /// Requests of a published trace that were left out because they have no prompt or no answer: they failed.
    pub left_out: u64,
}

/// Longest prompt or answer of one request that is read \[tokens\]: beyond any published context.
pub const MAX_REQUEST_TOKENS: u32 = 1 << 24;

/// Most requests that are read of one trace: the longest published one has 27 million.
pub const MAX_TRACE_REQUESTS: usize = 50_000_000;

/// Largest trace file that is read, and its longest line \[bytes\].
pub const MAX_TRACE_BYTES: u64 = 1 << 30;
pub(crate) const MAX_LINE_BYTES: u64 = 1 << 20;

impl Trace {
    /// Arrival of the last request.
    #[must_use]
    pub fn last_arrival(&self) -> SimTime {
        self.requests.last().map_or(SimTime::ZERO, |request| request.arrival)
    }

    /// Tokens of all prompts, and of all answers.
    #[must_use]
    pub fn tokens(&self) -> (u64, u64) {
        self.requests.iter().fold((0, 0), |(input, output), request| {
            (input + u64::from(request.input), output + u64::from(request.output))
        })
    }

    /// Keeps the requests whose prompt and answer are at most so long, as published evaluations do.
    pub fn keep_within(&mut self, max_input: u32, max_output: u32) {
        self.requests.retain(|request| request.input <= max_input && request.output <= max_output);
    }
}
