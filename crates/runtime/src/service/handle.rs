//! The handle itself, and the other end of it: what the coordinator (or a stand-in for tests) serves.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::stream::{FinishReason, GenerationError, GenerationStream};
use super::text::{Detokenizer, TextModel};
use super::{GenerateRequest, ModelInfo, Readiness, Report, SubmitError};

/// A token as the last stage of a pipeline sampled it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawToken {
    /// Its id.
    pub id: u32,
    /// Its log-probability, where asked for.
    pub logprob: Option<f32>,
    /// The most probable tokens and their log-probabilities, where asked for.
    pub top: Vec<(u32, f32)>,
}

/// What the coordinator tells a stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawEvent {
    Token(RawToken),
    Finished { reason: FinishReason, end_token: Option<u32> },
    Failed(GenerationError),
}

/// A place among the requests in progress; given back when dropped.
pub(super) type Slot = OwnedSemaphorePermit;

/// A request that was taken.
#[derive(Debug)]
pub struct Submission {
    /// The request; its seed and its length are set.
    pub request: GenerateRequest,
    /// Where its tokens go.
    pub events: EventSender,
}

/// Sends the events of one request. A client reads them as slowly as it likes: no more wait here than the request's
/// `max_tokens`.
#[derive(Debug, Clone)]
pub struct EventSender(mpsc::UnboundedSender<RawEvent>);

impl EventSender {
    /// The next token; `false` when nobody reads any more.
    #[must_use = "says whether anybody still reads"]
    pub fn token(&self, token: RawToken) -> bool {
        self.0.send(RawEvent::Token(token)).is_ok()
    }

    /// The end. `end_token` is the token that ended it, if one did: it counts and has no text.
    #[must_use = "says whether anybody still reads"]
    pub fn finish(&self, reason: FinishReason, end_token: Option<u32>) -> bool {
        self.0.send(RawEvent::Finished { reason, end_token }).is_ok()
    }

    /// It broke off.
    #[must_use = "says whether anybody still reads"]
    pub fn fail(&self, error: GenerationError) -> bool {
        self.0.send(RawEvent::Failed(error)).is_ok()
    }

    /// Waits until nobody reads any more: the client is gone or has what it wants.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// The coordinator's end of a [`Service`].
#[derive(Debug)]
pub struct Backend {
    /// The requests taken.
    pub submissions: mpsc::Receiver<Submission>,
    /// Tells whether requests can be served.
    pub readiness: watch::Sender<Readiness>,
    /// Tells how the cluster is doing.
    pub report: watch::Sender<Report>,
}

/// Submits requests to a cluster and tells how it is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Service {
    model: Arc<ModelInfo>,
    text: Arc<TextModel>,
    submissions: mpsc::Sender<Submission>,
    readiness: watch::Receiver<Readiness>,
    report: watch::Receiver<Report>,
    slots: Arc<Semaphore>,
    limit: usize,
}

/// A service and its other end; at most `limit` requests are in progress at a time.
#[must_use]
pub fn pair(model: ModelInfo, text: TextModel, limit: usize) -> (Service, Backend) {
    let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
    let (to_backend, submissions) = mpsc::channel(limit);
    let starting = Readiness::NotReady { reasons: vec!["the coordinator is starting".to_owned()] };
    let (readiness, readiness_seen) = watch::channel(starting);
    let (report, report_seen) = watch::channel(Report::default());
    let service = Service {
        model: Arc::new(model),
        text: Arc::new(text),
        submissions: to_backend,
        readiness: readiness_seen,
        report: report_seen,
        slots: Arc::new(Semaphore::new(limit)),
        limit,
    };
    (service, Backend { submissions, readiness, report })
}

impl Service {
    /// The served model.
    #[must_use]
    pub fn model(&self) -> &ModelInfo {
        &self.model
    }

    /// The model's tokenizer.
    #[must_use]
    pub fn text(&self) -> &TextModel {
        &self.text
    }

    /// Whether a request can be served now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.borrow().clone()
    }

    /// Waits until a request can be served; an error when the service ends before.
    pub async fn ready(&self) -> Result<(), SubmitError> {
        self.readiness_when(Readiness::is_ready).await.map(drop)
    }

    /// Waits until the readiness is such; an error when the service ends before.
    pub async fn readiness_when(
        &self,
        test: impl FnMut(&Readiness) -> bool,
    ) -> Result<Readiness, SubmitError> {
        let mut readiness = self.readiness.clone();
        let seen = readiness.wait_for(test).await;
        seen.map(|seen| seen.clone()).map_err(|_| SubmitError::ShuttingDown)
    }

    /// Waits until the report is such; an error when the service ends before.
    pub async fn report_when(&self, test: impl FnMut(&Report) -> bool) -> Result<Report, SubmitError> {
        let mut report = self.report.clone();
        let seen = report.wait_for(test).await;
        seen.map(|seen| seen.clone()).map_err(|_| SubmitError::ShuttingDown)
    }

    /// How the cluster is doing.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.borrow().clone()
    }

    /// Checks the request against the model and hands it to the coordinator.
    pub fn submit(&self, mut request: GenerateRequest) -> Result<GenerationStream, SubmitError> {
        let max_tokens = self.check(&request)?;
        request.max_tokens = Some(max_tokens);
        if let Readiness::NotReady { reasons } = &*self.readiness.borrow() {
            return Err(SubmitError::NotReady(reasons.join("; ")));
        }
        let seed = *request.sampling.seed.get_or_insert_with(random_seed);
        let overloaded = SubmitError::Overloaded { limit: self.limit };
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| overloaded.clone())?;
        let prompt_tokens =
            u32::try_from(request.prompt.len()).map_err(|_| too_long(&request, &self.model, max_tokens))?;
        let detokenizer = Detokenizer::new(self.text.clone(), &request.prompt, &request.stop.texts);
        let (events, answer) = mpsc::unbounded_channel();
        let submission = Submission { request, events: EventSender(events) };
        self.submissions.try_send(submission).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => overloaded,
            mpsc::error::TrySendError::Closed(_) => SubmitError::ShuttingDown,
        })?;
        Ok(GenerationStream::new(answer, slot, detokenizer, (prompt_tokens, seed)))
    }

    /// The length of the answer that the request may have.
    fn check(&self, request: &GenerateRequest) -> Result<u32, SubmitError> {
        request.sampling.check()?;
        request.stop.check()?;
        if request.prompt.is_empty() {
            return Err(SubmitError::EmptyPrompt);
        }
        let vocab = self.model.vocab;
        let biased = request.sampling.logit_bias.iter().map(|(token, _)| (Some("logit_bias"), *token));
        let stops = request.stop.tokens.iter().map(|token| (Some("stop_token_ids"), *token));
        let mut named = request.prompt.iter().map(|token| (None, *token)).chain(biased).chain(stops);
        if let Some((of, token)) = named.find(|(_, token)| *token >= vocab) {
            return Err(SubmitError::UnknownToken { of, token, vocab });
        }
        if request.max_tokens == Some(0) {
            let (found, allowed) = ("0".to_owned(), "1 or more");
            return Err(SubmitError::Parameter { name: "max_tokens", found, allowed });
        }
        let left = u32::try_from(request.prompt.len())
            .ok()
            .and_then(|prompt| self.model.max_context.checked_sub(prompt))
            .filter(|left| *left > 0 && request.max_tokens.is_none_or(|wanted| wanted <= *left));
        let left = left.ok_or_else(|| too_long(request, &self.model, request.max_tokens.unwrap_or(1)))?;
        Ok(request.max_tokens.unwrap_or(left))
    }
}

fn too_long(request: &GenerateRequest, model: &ModelInfo, max_tokens: u32) -> SubmitError {
    SubmitError::TooLong { prompt: request.prompt.len(), max_tokens, max_context: model.max_context }
}

/// Different for every request, from the randomness that the standard library seeds its hash maps with.
fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
