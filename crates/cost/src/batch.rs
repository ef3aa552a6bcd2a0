//! A batch, and how long it takes.

use helix_spec::{Machine, SimTime};

use crate::{DoesNotFit, memory::TYPICAL_PROMPT};

/// What one batch holds: parts of prompts, and requests that each get their next token.
///
/// ```
/// use helix_cost::Batch;
/// let mut batch = Batch::default();
/// batch.add_prefill(512, 0);
/// batch.add_prefill(512, 512); // the second chunk of the same prompt sees the first one
/// batch.add_decode(1000);
/// assert_eq!((batch.prefill_tokens, batch.decode_requests, batch.decode_context), (1024, 1, 1000));
/// // Causal attention: 1 + 2 + … + 1024 pairs, however the prompt is cut.
/// assert_eq!(batch.prefill_pairs, 1024 * 1025 / 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batch {
    /// Prompt tokens.
    pub prefill_tokens: u64,
    /// Pairs of a prompt token and a token that it attends to.
    pub prefill_pairs: u64,
    /// Requests that decode one token each.
    pub decode_requests: u64,
    /// Tokens that all decoding requests have in the cache together.
    pub decode_context: u64,
}

impl Batch {
    /// `tokens` prompt tokens in prompts of the typical length.
    #[must_use]
    pub fn typical_prefill(tokens: u64) -> Self {
        let pairs = tokens.saturating_mul(u64::from(TYPICAL_PROMPT) + 1) / 2;
        Self { prefill_tokens: tokens, prefill_pairs: pairs, ..Self::default() }
    }

    /// `requests` decoding requests with `context` tokens each in the cache.
    #[must_use]
    pub fn decode(requests: u64, context: u64) -> Self {
        let decode_context = requests.saturating_mul(context);
        Self { decode_requests: requests, decode_context, ..Self::default() }
    }

    /// Adds `tokens` tokens of a prompt whose first `cached` tokens were computed before.
    pub fn add_prefill(&mut self, tokens: u64, cached: u64) {
        let own = tokens.saturating_mul(tokens.saturating_add(1)) / 2;
        self.prefill_tokens = self.prefill_tokens.saturating_add(tokens);
        self.prefill_pairs =
            self.prefill_pairs.saturating_add(tokens.saturating_mul(cached)).saturating_add(own);
    }

    /// Adds a request that decodes one token with `context` tokens in the cache.
    pub fn add_decode(&mut self, context: u64) {
        self.decode_requests = self.decode_requests.saturating_add(1);
        self.decode_context = self.decode_context.saturating_add(context);
    }

    /// The same as expected values, for averages that are no whole numbers.
    pub(crate) fn load(&self) -> Load {
        Load {
            prefill_tokens: self.prefill_tokens as f64,
            prefill_pairs: self.prefill_pairs as f64,
            decode_requests: self.decode_requests as f64,
            decode_context: self.decode_context as f64,
        }
    }
}

/// An average batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub prefill_tokens: f64,
    pub prefill_pairs: f64,
    pub decode_requests: f64,
    pub decode_context: f64,
}

impl Load {
    /// Tokens that pass through the matrices.
    pub fn tokens(&self) -> f64 {
        self.prefill_tokens + self.decode_requests
    }
}

/// Where the time of a batch comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeSource {
    /// Between two rows of a measured table.
    Measured,
    /// Beyond the last row of a measured table: the last row's time a token holds on.
    Extrapolated,
    /// From the datasheet and the model's shape, with calibrated constants.
    Calibrated,
    /// From the datasheet and the model's shape, with the constants of the device's kind.
    Roofline,
}

/// The time of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchCost {
    /// Time on all layers asked for.
    pub time: SimTime,
    /// How it was found.
    pub source: TimeSource,
}

/// Why there is no time for a batch.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BatchError {
    /// The machine cannot hold so many layers.
    #[error(transparent)]
    DoesNotFit(#[from] DoesNotFit),
    /// The table of the machine's type has no rows of this sort.
    #[error(
        "the cost tables of {machine_type} have no measured {what} times; measure them, or take the roofline"
    )]
    NotMeasured {
        /// The machine's label in the cost tables.
        machine_type: String,
        /// `prompt` or `decode`.
        what: &'static str,
    },
    /// Longer than a `SimTime` can say.
    #[error(
        "{machine_type} would need {seconds:e} s for this batch, longer than 104 days; is it that large?"
    )]
    TooLong {
        /// The machine's label in the cost tables.
        machine_type: String,
        /// The time \[s\].
        seconds: f64,
    },
}

/// What the simulator asks about a model on machines.
pub trait BatchTime {
    /// Time that `machine` takes for `batch` on `layers` of its layers. An empty batch takes none.
    fn batch_time(&self, machine: &Machine, layers: u32, batch: &Batch) -> Result<BatchCost, BatchError>;
}

/// Turns seconds into a time, refusing what it cannot hold.
pub(crate) fn checked_time(machine_type: &str, seconds: f64) -> Result<SimTime, BatchError> {
    SimTime::from_seconds(seconds)
        .ok_or_else(|| BatchError::TooLong { machine_type: machine_type.to_owned(), seconds })
}
